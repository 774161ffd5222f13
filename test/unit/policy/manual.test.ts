// The examples of policies/README.md are policies that load.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkPolicy } from '../../../src/policy/check.ts';
import { parsePolicy } from '../../../src/policy/parse.ts';

const manual = readFileSync(join(import.meta.dirname, '../../../policies/README.md'), 'utf8');
const blocks = [...manual.matchAll(/^( *)```yaml\n([\s\S]*?)```/gm)].map((match) =>
  match[2]!.replaceAll(new RegExp(`^${match[1]}`, 'gm'), ''),
);

/** An excerpt with what it leaves out: a header, and the shipped rules for its tests. */
function whole(text: string): string {
  if (text.startsWith('version')) return text;
  const shipped = readFileSync(join(import.meta.dirname, '../../../policies/default.yaml'), 'utf8');
  if (text.startsWith('tests:')) return `${shipped.slice(0, shipped.indexOf('tests:'))}${text}`;
  return `version: 1\nrules:\n${text.replaceAll(/^/gm, '  ')}`;
}

test.each(blocks)('%#', (text) => {
  const parsed = parsePolicy([{ name: 'manual.yaml', text: whole(text) }]);
  expect(parsed).toMatchObject({ ok: true });
  if (!parsed.ok) return;
  expect(checkPolicy(parsed.policy, parsed.problem).problems).toEqual([]);
});

test('every condition of the table reads', () => {
  const rows = [...manual.matchAll(/^\| `\w+`(?:, `\w+`)? \| .* \| `(.+)` \|$/gm)].map((match) => match[1]!);
  expect(rows.length).toBeGreaterThanOrEqual(11);
  for (const when of rows) {
    const text = `version: 1\nrules:\n  - { name: a, when: { ${when} }, then: hold }\n`;
    const parsed = parsePolicy([
      { name: 'manual.yaml', text },
      { name: 'patients.txt', text: 'a@b.example' },
    ]);
    expect(parsed).toMatchObject({ ok: true });
  }
});
