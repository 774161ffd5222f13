// The shipped file, the manual and the schema say the same.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { machineDeps } from '../../../src/config/files.ts';
import { configJsonSchema, type JsonSchema, keysOf } from '../../../src/config/json-schema.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { keyReferences, referenceText, withReference } from '../../../src/config/reference.ts';
import { configSchema } from '../../../src/config/schema.ts';
import { loadPolicy } from '../../../src/policy/load.ts';

const root = join(import.meta.dirname, '../../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

test('config/README.md has every key with its default, and no other (write it anew with withReference)', () => {
  const manual = read('config/README.md');
  expect(manual).toBe(withReference(manual));
});

test('every key has a sentence, and a default or none on purpose', () => {
  const references = keyReferences();
  expect(references.length).toBeGreaterThan(70);
  expect(references.filter((one) => one.text === '')).toEqual([]);
  expect(referenceText()).toContain('queue.lifetime  (duration; default 5 days)');
});

test('the shipped configuration and policy load without a word', async () => {
  const deps = { ...machineDeps(), cwd: root, env: {} };
  const config = await loadConfig('config/gateway.yaml', deps);
  expect(config).toMatchObject({ warnings: [], config: { mode: 'evaluation', listen: { smtp: { tls: 'required' } } } });
  const policy = await loadPolicy('policies/default.yaml', { live: false, tags: ['secure', 'encrypt'] }, deps);
  expect(policy).toMatchObject({ warnings: [] });
});

/** Keys of a document that the schema does not have. */
function strangers(value: unknown, schema: JsonSchema, path: (string | number)[] = []): string[] {
  if (value === null || typeof value !== 'object') return [];
  const known = Array.isArray(value) ? null : keysOf(schema)(path);
  return Object.entries(value).flatMap(([key, one]) => {
    const step = Array.isArray(value) ? Number(key) : key;
    const own = known !== null && !known.includes(key) ? [[...path, key].join('.')] : [];
    return [...own, ...strangers(one, schema, [...path, step])];
  });
}

test('the examples of config/README.md use keys of the schema', () => {
  const blocks = [...read('config/README.md').matchAll(/```yaml\n([\s\S]*?)```/g)].map((match) => match[1]!);
  expect(blocks.length).toBeGreaterThan(1);
  for (const block of blocks) {
    expect(strangers(parse(block), configJsonSchema())).toEqual([]);
    const issues = configSchema((path) => path).safeParse(parse(block)).error?.issues ?? [];
    // What is absent from an excerpt is no fault of it.
    const faults = issues.filter((issue) => issue.path.length > 1);
    expect(faults).toEqual([]);
  }
});
