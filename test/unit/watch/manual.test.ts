// The manual's table of alarms and metrics (config/README.md, "Alerts") has all of them, and no other.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ALARMS } from '../../../src/watch/alarms.ts';
import { createMetrics } from '../../../src/web/metrics.ts';

const manual = readFileSync(join(import.meta.dirname, '../../../config/README.md'), 'utf8');
const section = manual.slice(manual.indexOf('\n## Alerts'), manual.indexOf('\n## Floors'));

test('every alarm', () => {
  expect(Object.keys(ALARMS).filter((name) => !section.includes(`\`${name}\``))).toEqual([]);
});

test('every metric of a figure is one that is served', async () => {
  const metrics = createMetrics();
  const served = await metrics.text();
  metrics.close();
  const rows = section.split('\n').filter((line) => /^\| (?!figure|---)/.test(line));
  const named = rows.flatMap((row) =>
    [...(row.split('|').at(-2) ?? '').matchAll(/`([a-z_]+)/g)].map((match) => match[1]),
  );
  expect(named.length).toBeGreaterThan(12);
  expect(named.filter((name) => !served.includes(`# TYPE sealrelay_${name} `))).toEqual([]);
});
