// A thousand random changes to a signed and anchored audit, by who can write every row but holds no key: each that can be found is found
// and named, and of each that cannot the sentence says what is proven. Three days of a real store, signed by real day keys.

import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { proofLines, prove } from '../../src/cli/log/proof.ts';
import { digest, GENESIS, link } from '../../src/record/chain.ts';
import { isSame, type SignedCheckpoint, signCheckpoint, signingKey } from '../../src/record/checkpoint.ts';
import { openDayKeys } from '../../src/store/audit/day-keys.ts';
import { proofOf } from '../../src/store/audit/sqlite.ts';
import type { AuditRow, CheckpointRow } from '../../src/store/sqlite/calls/audit.ts';
import { archiveQueries } from '../../src/store/sqlite/queries/archive.ts';
import { auditQueries } from '../../src/store/sqlite/queries/audit.ts';
import { fromRow, proofQueries } from '../../src/store/sqlite/queries/proof.ts';
import { openSources } from '../../src/store/sqlite/sources.ts';
import { startCheckpoints } from '../../src/watch/checkpoints.ts';
import { settled, testClock } from '../support/clock.ts';
import { random } from '../support/vault.ts';
import { Bench, DAY, settlement } from './store-bench.ts';
import { setUp } from './store-place.ts';

const CHANGES = 1_000;
const SEED = Number(process.env.SEED ?? randomInt(2 ** 31));

/** Mulberry32: small, and the same from the same seed. */
let state = SEED;
function chance(): number {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}
const below = (n: number) => Math.floor(chance() * n);

let image: Buffer;
let checkpoints: SignedCheckpoint[];
let anchors: SignedCheckpoint[];
let entries: number;
let firstKey: Buffer;

beforeAll(async () => {
  const place = setUp();
  const bench = new Bench(place, await place.open());
  const dayKeys = await openDayKeys(place.path, { vault: bench.opened.vault, random });
  const clock = { now: () => place.clock.at, sleep: testClock().sleep };
  const fail = (name: string) => expect(name).toBe('no alarm');
  const log = { warn: () => {}, error: (fields: unknown) => fail(JSON.stringify(fields)) };
  const deps = { node: 'gw', audit: bench.audit, dayKeys, clock, log, alarm: fail };
  let signer = await startCheckpoints(deps);
  for (let i = 0; i < 9; i++) {
    const id = await bench.decided({ to: ['kim@a.test', 'sam@b.test'] });
    if (i % 2 === 0)
      for (const one of await bench.take())
        await bench.settle(one.lease, settlement(one.deliveries[0]!.id, 'delivered'));
    expect(id).toHaveLength(24);
    place.clock.at += DAY / 4;
    await signer.stop();
    signer = await startCheckpoints({
      ...deps,
      dayKeys: await openDayKeys(place.path, { vault: bench.opened.vault, random }),
    });
  }
  await signer.stop();
  await bench.decided();
  await bench.opened.close();
  image = readFileSync(join(place.path, 'queue.db'));
  place.remove();
  const db = open();
  checkpoints = db.prepare<[], CheckpointRow>('SELECT * FROM checkpoint ORDER BY no').all().map(fromRow);
  entries = db.prepare<[], number>('SELECT max(seq) FROM audit').pluck().get()!;
  db.close();
  anchors = checkpoints.filter((_, i) => i % 3 === 2).slice(0, 3);
  firstKey = Buffer.from(checkpoints[0]!.key);
});

/** A copy in memory, in the journal mode that memory can have. */
function open(): Database.Database {
  const copy = Buffer.from(image);
  copy[18] = 1;
  copy[19] = 1;
  return new Database(copy);
}

async function look(db: Database.Database, given = anchors) {
  const queries: Record<string, (args: never) => unknown> = {
    ...auditQueries(db),
    ...archiveQueries(openSources(db)),
    ...proofQueries(db),
  };
  const audit = proofOf({ read: async (name, args) => structuredClone(queries[name]!(args as never)) as never });
  const source = { ...audit, verify: (keys: readonly Buffer[] | null) => audit.verify(undefined, keys) };
  return prove(source, given, [firstKey]);
}

/** The whole chain as the rows say, digests and hashes made anew; the head fits it. */
function rechain(db: Database.Database): void {
  const rows = db.prepare<[], AuditRow & { n: number }>('SELECT * FROM audit ORDER BY n').all();
  db.exec('DELETE FROM audit');
  const insert = db.prepare('INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)');
  let before: Uint8Array = GENESIS;
  for (const [i, row] of rows.entries()) {
    const entry = { ...row, seq: i + 1 };
    const sum = digest(entry);
    before = link(before, sum);
    const { node, epoch, seq, at, organization, message, delivery, actor, event, detail, boxed } = entry;
    insert.run(seq, node, epoch, seq, at, organization, message, delivery, actor, event, detail, boxed, sum, before);
  }
  db.prepare('UPDATE chain SET seq = ?, hash = ?').run(rows.length, before);
}

/** Signs all checkpoints anew, by a key of the writer's own. */
function forge(db: Database.Database): void {
  const { secret, key } = signingKey(Buffer.alloc(32, 5));
  const hashAt = db.prepare<[number], Uint8Array>('SELECT hash FROM audit WHERE seq = ?').pluck();
  const put = db.prepare('UPDATE checkpoint SET key = ?, next = ?, hash = ?, signature = ? WHERE no = ?');
  for (const one of checkpoints) {
    const next = one.no === 1 ? key : null;
    const made = signCheckpoint({ ...one, key, next, hash: hashAt.get(one.seq) ?? one.hash }, secret);
    put.run(key, next, made.hash, made.signature, one.no);
  }
}

/** `from`: the first entry that is not as it was; null: no entry is touched. */
type Change = { readonly from: number | null; readonly raw?: boolean };

function edit(db: Database.Database, seq: number): void {
  const [column, value] = [
    ['detail', '{"forged":1}'],
    ['actor', 'nobody'],
    ['at', 7],
    ['organization', 'other'],
    ['boxed', Buffer.from('other')],
  ][below(5)] as [string, unknown];
  db.prepare(`UPDATE audit SET ${column} = ? WHERE seq = ?`).run(value, seq);
}

function cut(db: Database.Database, to: number): void {
  db.prepare('DELETE FROM audit WHERE seq > ?').run(to);
  db.prepare('DELETE FROM checkpoint WHERE seq > ?').run(to);
  db.prepare('UPDATE chain SET seq = ?, hash = (SELECT hash FROM audit WHERE seq = ?)').run(to, to);
}

const CHANGE: Readonly<Record<string, (db: Database.Database) => Change>> = {
  edit(db) {
    const from = 1 + below(entries);
    edit(db, from);
    return { from, raw: true };
  },
  'edit and chain anew'(db) {
    const from = 1 + below(entries);
    edit(db, from);
    rechain(db);
    return { from };
  },
  delete(db) {
    const from = 1 + below(entries);
    db.prepare('DELETE FROM audit WHERE seq = ?').run(from);
    return { from, raw: true };
  },
  'delete and chain anew'(db) {
    const from = 1 + below(entries);
    db.prepare('DELETE FROM audit WHERE seq = ?').run(from);
    rechain(db);
    return { from };
  },
  reorder(db) {
    const from = 1 + below(entries - 1);
    db.prepare('UPDATE audit SET n = -1 WHERE seq = ?').run(from);
    db.prepare('UPDATE audit SET n = ? WHERE seq = ?').run(from, from + 1);
    db.prepare('UPDATE audit SET n = ? WHERE seq = ?').run(from + 1, from);
    if (chance() < 0.5) return { from, raw: true };
    rechain(db);
    return { from };
  },
  insert(db) {
    const from = 1 + below(entries);
    db.prepare('UPDATE audit SET n = -n WHERE n >= ?').run(from);
    db.prepare('UPDATE audit SET n = 1 - n WHERE n < 0').run();
    const copy = 'node, epoch, seq, at, organization, message, delivery, actor, event';
    db.prepare(`INSERT INTO audit SELECT ?, ${copy}, '{"more":1}', boxed, digest, hash FROM audit WHERE seq = ?`).run(
      from,
      from,
    );
    rechain(db);
    return { from };
  },
  'cut before the last anchor'(db) {
    const to = 1 + below(anchors.at(-1)!.seq - 1);
    cut(db, to);
    return { from: to + 1 };
  },
  'cut behind the last anchor'(db) {
    const to = anchors.at(-1)!.seq + below(entries - anchors.at(-1)!.seq);
    cut(db, to);
    return { from: to + 1 };
  },
  'replace all'(db) {
    db.exec(`UPDATE audit SET detail = '{"all":"new"}'`);
    rechain(db);
    const how = below(3);
    if (how === 0) forge(db);
    if (how === 1) db.exec('DELETE FROM checkpoint');
    return { from: 1 };
  },
  'forge a checkpoint'(db) {
    const one = checkpoints[below(checkpoints.length)]!;
    const { secret, key } = signingKey(Buffer.alloc(32, 5));
    const isOwn = chance() < 0.5;
    const made = signCheckpoint({ ...one, hash: Buffer.alloc(32, 1), ...(isOwn && { key }) }, secret);
    const put = db.prepare('UPDATE checkpoint SET hash = ?, key = ?, signature = ? WHERE no = ?');
    put.run(made.hash, made.key, made.signature, one.no);
    return { from: null };
  },
  'delete a checkpoint'(db) {
    const one = checkpoints[below(checkpoints.length - 1)]!;
    db.prepare('DELETE FROM checkpoint WHERE no = ?').run(one.no);
    return { from: null };
  },
};

/** Entries up to it are bound by a signature or an anchor that is left. */
function boundTo(db: Database.Database): number {
  const left = db.prepare<[], number>('SELECT coalesce(max(seq), 0) FROM checkpoint').pluck().get()!;
  return Math.max(left, anchors.at(-1)!.seq);
}

test('as it was: proven, anchored, and the rest said', async () => {
  const proof = await look(open());
  const { seq, at } = anchors.at(-1)!;
  expect(checkpoints.length).toBeGreaterThan(8);
  expect(new Set(checkpoints.map(({ key }) => Buffer.from(key).toString('hex'))).size).toBe(3);
  expect(checkpoints.at(-1)!.seq).toBeLessThan(entries);
  expect(proof).toMatchObject({ intact: true, entries, signed: { seq: checkpoints.at(-1)!.seq }, lost: { count: 0 } });
  const time = `${new Date(at).toISOString().slice(0, 19)}Z`;
  const sentence = `anchored to seq ${seq} at ${time}; ${entries - seq} later entries consistent, not proven`;
  expect(proofLines(proof, true)).toContain(sentence);
});

test(`${CHANGES} random changes (SEED=${SEED})`, async () => {
  const names = Object.keys(CHANGE);
  const counted = { found: 0, unprovable: 0 };
  for (let i = 0; i < CHANGES; i++) {
    const name = names[i % names.length]!;
    const db = open();
    const { from, raw } = CHANGE[name]!(db);
    const bound = boundTo(db);
    const proof = await look(db);
    db.close();
    const told = { i, name, from, bound, bad: proof.bad };
    if (from === null || raw || from <= bound) {
      expect({ ...told, intact: proof.intact }).toEqual({ ...told, intact: false });
      const named = proof.bad!.seq;
      // By its hash the entry itself is named; by an anchor, the first one behind the anchor before.
      const least = Math.max(0, ...anchors.filter(({ seq }) => from !== null && seq < from).map(({ seq }) => seq));
      const fits = from === null || (named > (raw ? from - 1 : least) && named <= from + (raw ? 1 : 0));
      expect({ ...told, fits }).toEqual({ ...told, fits: true });
      counted.found += 1;
    } else {
      const later = proof.entries - anchors.at(-1)!.seq;
      expect({ ...told, intact: proof.intact }).toEqual({ ...told, intact: true });
      const end = proofLines(proof, true).find((line) => line.startsWith('anchored'));
      expect(end).toMatch(
        new RegExp(`^anchored to seq ${anchors.at(-1)!.seq} at .*; ${later} later entries consistent, not proven$`),
      );
      counted.unprovable += 1;
    }
  }
  expect(counted.found + counted.unprovable).toBe(CHANGES);
  expect(counted.found).toBeGreaterThan(CHANGES * 0.7);
  expect(counted.unprovable).toBeGreaterThan(CHANGES * 0.02);
});

test('a delivery whose rows were taken away, and that never ended, is lost', async () => {
  const db = open();
  db.exec("DELETE FROM delivery WHERE state <> 'delivered'");
  const some = await look(db);
  expect(some).toMatchObject({ intact: true, lost: { count: expect.any(Number) } });
  expect(some.lost.first).toMatch(/^[0-9a-v]{24}\.\d$/);
  expect(proofLines(some, true).join()).toContain('have neither an end nor a row');
  db.exec('DELETE FROM delivery; DELETE FROM message');
  // What was delivered has its end in the chain.
  expect((await look(db)).lost.count).toBe(some.lost.count);
});

test('the key of nobody, and an anchor of another audit', async () => {
  expect((await look(open())).intact).toBe(true);
  firstKey = Buffer.alloc(32, 9);
  const wrong = await look(open());
  expect(wrong.bad).toMatchObject({ seq: 1, what: expect.stringContaining('none of those kept elsewhere') });
  firstKey = Buffer.from(checkpoints[0]!.key);
  expect(isSame(firstKey, checkpoints[0]!.key)).toBe(true);
  const { secret, key } = signingKey(Buffer.alloc(32, 5));
  const foreign = signCheckpoint({ ...anchors[0]!, node: 'other', key }, secret);
  expect((await look(open(), [foreign])).bad).toMatchObject({ node: 'other', seq: 1 });
});

test('a checkpoint is asked for with every thousand entries, not sooner', async () => {
  let asked = 0;
  const place = setUp({}, undefined, { onGrown: () => asked++ });
  const { audit, close } = await place.open();
  const add = (count: number) =>
    audit.append(
      Array.from({ length: count }, () => ({ organization: '-', actor: 'a', event: 'log.verified' as const })),
    );
  // Whatever it was asked comes before the answer to the next call.
  const until = async (times: number) => {
    while (asked < times) await settled();
    await add(1);
    expect(asked).toBe(times);
  };
  await add(990 - (await audit.read(null, 1_000)).length);
  await until(0);
  await add(9);
  await until(1);
  await add(990);
  await until(1);
  await add(3_000);
  await until(2);
  await close();
  place.remove();
});
