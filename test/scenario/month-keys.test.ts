// A real gateway over three months, of which it keeps one. A thief has its database of the first month: when that month is
// destroyed its key is too, and what the gateway holds by then opens nothing of it; all that lives on works as before.

import { randomBytes } from 'node:crypto';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { ask } from '../../src/cli/client.ts';
import { VaultError } from '../../src/crypto/vault.ts';
import { readMasterFile } from '../../src/keys/master.ts';
import { openRing, type Ring } from '../../src/keys/ring.ts';
import { rowOf } from '../../src/store/keyring/sqlite.ts';
import { place } from '../../src/store/queue/rows.ts';
import type { StoredKey } from '../../src/store/sqlite/calls/keys.ts';
import { pgpPair } from '../support/correspondents.ts';
import { memoryKeyring, random } from '../support/vault.ts';
import { openWorld, until, type World } from './world.ts';

const SHIFT = fileURLToPath(new URL('../support/clock-shift.ts', import.meta.url));
const POLICY = `version: 1
rules:
  - name: look
    when: { recipient_domain: held.test }
    then: hold
  - name: all
    then: { deliver: [{ tls: may }] }
`;
const now = new Date();
const day = (month: number, date: number) => Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + month, date);
const MONTH = now.toISOString().slice(0, 7);
const CANARY = `kim-${randomBytes(8).toString('hex')}@plain.test`;

let world: World;
let kim: string;
let held: string;
const database = () => join(world.files.storage, 'queue.db');
const thief = () => join(world.files.folder, 'thief.db');

beforeAll(async () => {
  world = await openWorld({
    policy: POLICY,
    domains: { 'plain.test': 'usual', 'held.test': 'usual' },
    config: {
      anchors: { file: 'anchors.jsonl' },
      retention: { audit: '1 month' },
      queue: { held: { limit: '90 days' } },
    },
  });
}, 60_000);
afterAll(() => world?.close());

async function startAt(time: number): Promise<void> {
  await world.restart({ flags: ['--import', SHIFT], env: { SHIFT_MS: String(time - Date.now()) } });
}
const logged = (words: string) => world.gateway().log().includes(words);

/** What the keys in that database open, with the master key. */
async function ringOf(path: string): Promise<Ring> {
  const db = new Database(path, { readonly: true });
  const rows = db.prepare<[], StoredKey>('SELECT * FROM key').all().map(rowOf);
  db.close();
  const master = readMasterFile(join(world.files.storage, 'evaluation-master.key'));
  return openRing({ master, keyring: memoryKeyring(rows), random });
}

/** Of whose keys that database holds boxes. */
function monthsOf(path: string): string[] {
  const db = new Database(path, { readonly: true });
  const sql = "SELECT substr(purpose, 8) FROM key WHERE purpose LIKE 'fields %'";
  const months = db.prepare<[], string>(sql).pluck().all();
  db.close();
  return months;
}

/** What opens of the boxes in the thief's copy. */
async function stolen(ring: Ring): Promise<string> {
  const db = new Database(thief(), { readonly: true });
  const opened: string[] = [];
  const open = (where: Parameters<Ring['open']>[0], box: Uint8Array | null) => {
    try {
      if (box !== null) opened.push(Buffer.from(ring.open(where, box)).toString());
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
    }
  };
  type Row = { id: string; organization: string; fixed: Buffer; examination: Buffer | null };
  for (const { id, organization, fixed, examination } of db.prepare<[], Row>('SELECT * FROM message').all()) {
    open(place.fixed(organization, id), fixed);
    open(place.examination(organization, id), examination);
  }
  type Entry = { organization: string; delivery: string; boxed: Buffer };
  const entries = db.prepare<[], Entry>('SELECT * FROM audit WHERE boxed IS NOT NULL AND delivery IS NOT NULL').all();
  for (const { organization, delivery, boxed } of entries) open(place.because(organization, delivery), boxed);
  db.close();
  return opened.join('\n');
}

test('while the month is kept its key opens the copy', async () => {
  const file = Buffer.from((await pgpPair('pat@pgp.test')).public).toString('base64');
  await ask({ socket: world.files.storage }, 'write', 'keys.import', { file, pin: true });
  const login = ['submission', 'add', 'scanner', '--organization', 'Clinic', '--from', 'scan@clinic.test'];
  expect(await world.run(...login)).toMatchObject({ code: 0 });
  kim = await world.send({ to: [CANARY] });
  await world.reaches(kim, 'delivered');
  await until(async () => (await world.run('trace', kim)).out.includes('message.finished'), 'finished');
  await world.gateway().stop();
  copyFileSync(database(), thief());
  await startAt(day(1, 2));
  held = await world.send({ to: ['sam@held.test'] });
  await world.reaches(held, 'held');
  await startAt(day(1, 4));
  await until(() => logged('a month of the audit was closed'), 'closed');
  expect(await stolen(await ringOf(database()))).toContain(CANARY);
}, 90_000);

test('when it is destroyed its key is, and the copy opens no more', async () => {
  // Killed at about the moment when it destroys, it goes on.
  await startAt(day(2, 4));
  await until(() => logged('their term is over'), 'destroyed');
  await world.gateway().kill();
  await startAt(day(2, 4) + 60_000);
  await until(() => monthsOf(database()).every((month) => month !== MONTH), 'its key destroyed');
  expect(monthsOf(thief())).toContain(MONTH);
  const found = await world.run('log', 'destroyed', '--json');
  const lines = found.out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const keys = lines.filter(({ event }) => event === 'key.removed');
  expect(keys.map(({ organization, detail }) => `${organization} ${detail.purpose}`).sort()).toEqual([
    `- fields ${MONTH}`,
    `Clinic fields ${MONTH}`,
  ]);
  expect((await world.run('log', 'destroyed')).out).toContain(`key "fields ${MONTH}" of Clinic: what was under it`);
  expect(await stolen(await ringOf(database()))).toBe('');
  expect((await ringOf(database())).generations.organizations()).toContain('Clinic');
  // A backup has the keys of its time, and opens as long as it is kept.
  expect(await stolen(await ringOf(thief()))).toContain(CANARY);
}, 90_000);

test('what lives on works: keys, operators, logins, mail that waits, the proof of the audit', async () => {
  expect((await world.run('keys', 'list')).out).toContain('pat@pgp.test');
  expect((await world.run('user', 'list')).out).toMatch(/ops +admin/);
  expect((await world.run('submission', 'list')).out).toMatch(/scanner/);
  expect((await world.run('explain', held)).out).toContain('look');
  expect((await world.run('queue', 'show', held)).out).toContain('sam@held.test');
  const released = await world.run('queue', 'release', held, '--deliver', 'tls:encrypt', '--reason', 'looked at');
  expect(released).toMatchObject({ code: 0 });
  await world.reaches(held, 'delivered');
  expect(world.peer('held.test').mails).toHaveLength(1);
  expect(await world.run('log', 'verify')).toMatchObject({ code: 0 });
  expect(world.gateway().log()).not.toContain('does not open');
}, 60_000);
