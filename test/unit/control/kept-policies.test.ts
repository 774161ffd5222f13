// Policies that decided, on disk: boxed by a key that stays, moved there from the key of a month, unread by who has no key.

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createKeptPolicies, type KeptPolicies } from '../../../src/control/kept-policies.ts';
import { GATEWAY } from '../../../src/domain/ids.ts';
import type { Ring } from '../../../src/keys/ring.ts';
import { policyOf } from '../../../src/policy/load.ts';
import { NOON, readyVault } from '../../support/vault.ts';

const FILES = [{ name: 'a.yaml', text: 'version: 1\nrules:\n  - name: all\n    then: { deliver: [tls] }\n' }];

let folder: string;
let vault: Ring;
let kept: KeptPolicies;
let version: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sealrelay-kept-'));
  vault = await readyVault();
  kept = createKeptPolicies(folder, vault);
  const policy = policyOf(FILES)!;
  ({ version } = policy);
  await kept.keep(policy, NOON);
});
afterEach(() => rmSync(folder, { recursive: true }));

const file = () => join(folder, version);
const place = () => ({ organization: GATEWAY, table: 'policy', row: version, column: 'files' });
const keyOf = (box: Uint8Array) => Buffer.from(box).toString('hex', 0, 4);
const ofMonth = () => vault.box(place(), Buffer.from(JSON.stringify(FILES)), NOON);

test('what is kept is under no key of a month', async () => {
  expect((await kept.version(version))?.version).toBe(version);
  expect([...(await kept.keys())]).toEqual([keyOf(vault.keep(place(), Buffer.alloc(1)))]);
  expect(await kept.move(NOON)).toBe(0);
});

test('what was kept under the key of a month is found, moved once, and read as before', async () => {
  writeFileSync(file(), ofMonth());
  expect([...(await kept.keys())]).toEqual([keyOf(ofMonth())]);
  expect(await kept.move(NOON)).toBe(1);
  expect(await kept.move(NOON)).toBe(0);
  expect([...(await kept.keys())]).not.toContain(keyOf(ofMonth()));
  expect((await kept.version(version))?.version).toBe(version);
});

test('a stop does not wait for what is not moved yet', async () => {
  writeFileSync(file(), ofMonth());
  expect(await kept.move(NOON, AbortSignal.abort())).toBe(0);
  expect(await kept.move(NOON)).toBe(1);
});

test('what is moved by two at once, as at a start, or kept meanwhile, is whole', async () => {
  writeFileSync(file(), ofMonth());
  const both = [kept.move(NOON), kept.move(NOON), kept.keep(policyOf(FILES)!, NOON)];
  expect(await Promise.all(both)).toEqual([1, 0, undefined]);
  expect((await kept.version(version))?.version).toBe(version);
  expect(readdirSync(folder)).toEqual([version]);
});

test('what does not open stays as it is, and counts as boxed by the key that it names', async () => {
  const box = Buffer.from(ofMonth());
  box[20]! ^= 1;
  writeFileSync(file(), box);
  writeFileSync(`${file()}.new`, 'half');
  expect(await kept.move(NOON)).toBe(0);
  expect(readFileSync(file())).toEqual(box);
  expect([...(await kept.keys())]).toEqual([keyOf(box)]);
  expect(readdirSync(folder)).toHaveLength(2);
});
