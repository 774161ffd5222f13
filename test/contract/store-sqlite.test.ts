// What the store on SQLite promises beyond the contract: shared commits, one process, schema steps, a failing disk or
// thread, and that what was tampered with is found.

import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { STEPS } from '../../src/store/schema/steps.ts';
import { openReading, openWriting } from '../../src/store/sqlite/database.ts';
import { verifyStored } from '../../src/store/sqlite/offline.ts';
import { openStore } from '../../src/store/sqlite/open.ts';
import { settled } from '../support/clock.ts';
import { readyVault } from '../support/vault.ts';
import { Bench, BOUNCE, by, letter, refuses, settlement, verb } from './store-bench.ts';
import { type Place, setUp } from './store-place.ts';

let place: Place;
let b: Bench;
beforeEach(async () => {
  place = setUp();
  b = new Bench(place, await place.open());
});
afterEach(async () => {
  await b.opened.close();
  place.remove();
});
const file = () => join(place.path, 'queue.db');
/** Changes rows behind the back of a gateway that does not run. */
async function tamper(...statements: string[]): Promise<void> {
  await b.opened.close();
  const db = new Database(file());
  for (const sql of statements) db.exec(sql);
  db.close();
}

test('no connection makes an index of a whole table for one page of it', () => {
  const made = openWriting(join(place.path, 'other.db'));
  made.exec('CREATE TABLE t (a)');
  const read = openReading(join(place.path, 'other.db'));
  for (const db of [made, read]) {
    const plan = db.prepare<[], { detail: string }>('EXPLAIN QUERY PLAN SELECT * FROM t x, t y WHERE x.a = y.a').all();
    expect(plan.map(({ detail }) => detail).join('; ')).not.toContain('AUTOMATIC');
    db.close();
  }
});

describe('commits', () => {
  test('verbs of any kind share them', async () => {
    const hands = [];
    for (let i = 0; i < 20; i++) hands.push(await b.inHand());
    for (let i = 0; i < 20; i++) await b.decided();
    const taken = await b.take();
    const before = place.store().stats();
    const letters = Array.from({ length: 100 }, () => letter(b.now));
    await Promise.all([
      ...letters.map((one) => b.accepted(one)),
      ...hands.map((hand) => b.decide(hand)),
      ...taken.map((one) => b.settle(one.lease, settlement(one.deliveries[0]!.id, 'delivered'))),
      b.queue.nextDue(),
    ]);
    const { calls, batches } = place.store().stats();
    expect(calls - before.calls).toBe(141);
    expect(batches - before.batches).toBeLessThan(10);
  });

  test('are synced, whatever the build of SQLite makes of WAL', () => {
    const db = openWriting(join(place.path, 'other.db'));
    const pragma = (name: string) => db.pragma(name, { simple: true });
    expect(['journal_mode', 'synchronous', 'secure_delete', 'temp_store'].map(pragma)).toEqual(['wal', 2, 1, 2]);
    db.close();
  });

  test('what is finished is named when that is durable: its body is destroyed by it', async () => {
    await b.opened.close();
    place.remove();
    let latency = 0;
    place = setUp({ latency: () => latency });
    b = new Bench(place, await place.open());
    const id = await b.decided();
    const [taken] = await b.take();
    latency = 300;
    let isDurable = false;
    const settling = b.settle(taken!.lease, settlement(taken!.deliveries[0]!.id, 'delivered')).then(() => {
      isDurable = true;
    });
    let found = await b.queue.finished(10);
    while (found.length === 0) found = await b.queue.finished(10);
    expect([found.map((one) => one.id), isDurable]).toEqual([[id], true]);
    await settling;
  });

  test('at most so many verbs in one, in the order of acceptance', async () => {
    await b.opened.close();
    const vault = await readyVault();
    const clock = { now: () => b.now, sleep: async () => {} };
    const random = { bytes: (n: number) => randomBytes(n), fraction: Math.random };
    const path = join(place.path, 'small');
    const store = await openStore({ path, node: 'gw', vault: () => vault, clock, random, batch: 10 });
    const letters = Array.from({ length: 95 }, () => letter(b.now));
    await Promise.all(letters.map((one) => store.queue.accept(verb(), one, one.cause)));
    expect(store.stats()).toMatchObject({ waiting: 0, calls: 95, batches: 10 });
    const listed = await store.queue.list({ limit: 100 });
    expect(listed.map(({ message }) => message).reverse()).toEqual(letters.map(({ id }) => id));
    await store.close();
  });
});

describe('one process', () => {
  test('a second one is refused in words, and the first goes on', async () => {
    await expect(place.open()).rejects.toThrow(`another Sealrelay uses this data: it holds ${place.path}/lock.db`);
    await b.accept();
    await b.restart();
    expect((await b.queue.counts()).states.undecided).toBe(1);
  });

  test('after close nothing is taken', async () => {
    await b.opened.close();
    await refuses(b.accept(), 'closed');
    await refuses(b.queue.nextDue(), 'closed');
    await refuses(b.queue.counts(), 'closed');
  });

  test('close waits for what was called before', async () => {
    const letters = Array.from({ length: 50 }, () => letter(b.now));
    const accepted = letters.map((one) => b.accepted(one));
    await settled();
    await b.opened.close();
    expect(await Promise.all(accepted)).toHaveLength(50);
    b.opened = await place.open();
    expect((await b.queue.counts()).states.undecided).toBe(50);
    expect(statSync(`${file()}-wal`).size).toBeLessThan(1_000_000);
  });
});

describe('schema', () => {
  const versions = () => {
    const db = new Database(file(), { readonly: true });
    const found = db.prepare('SELECT version FROM schema_version ORDER BY version').pluck().all();
    db.close();
    return found;
  };

  test('each step is made once, also when opened again', async () => {
    await b.restart();
    expect(versions()).toEqual(STEPS.map((_, i) => i + 1));
  });

  test('a newer schema is refused in words and left alone; the lock is given back', async () => {
    const id = await b.decided();
    await tamper(`INSERT INTO schema_version VALUES (${STEPS.length + 1})`);
    const before = readFileSync(file());
    await expect(place.open()).rejects.toThrow(`the database has schema ${STEPS.length + 1}`);
    await expect(place.open()).rejects.toThrow('start the newer gateway, or restore');
    expect(readFileSync(file())).toEqual(before);
    await tamper(`DELETE FROM schema_version WHERE version > ${STEPS.length}`);
    b.opened = await place.open();
    expect(await b.states(id)).toBe('ready');
  });

  test('a file that is no database is refused', async () => {
    await b.opened.close();
    place.remove();
    place = setUp();
    writeFileSync(file(), 'not a database, by far not one'.repeat(100));
    await expect(place.open()).rejects.toThrow('file is not a database');
  });
});

describe('failures', () => {
  test('a writer thread that ends tells, rejects what waits, and takes nothing more; what was committed stands', async () => {
    const id = await b.accept();
    place.fail('CRASH');
    const all = await Promise.allSettled([b.accept(), b.accept()]);
    expect(all.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(place.failures).toEqual(['the store thread ended: injected']);
    await refuses(b.accept(), 'closed', 'the store thread ended');
    await b.restart();
    expect((await b.queue.counts()).states.undecided).toBe(1);
    expect(await b.states(id)).toBe('undecided');
    expect(place.failures).toHaveLength(1);
  });

  test.each([
    'SQLITE_IOERR_FSYNC',
    'SQLITE_CORRUPT',
    'SQLITE_READONLY',
  ])('%s: the batch fails, the store tells once and takes nothing more', async (code) => {
    const id = await b.accept();
    place.fail(code);
    const all = await Promise.allSettled([b.accept(), b.accept()]);
    expect(all.map((one) => (one as PromiseRejectedResult).reason.code)).toEqual(['closed', 'closed']);
    await refuses(b.accept(), 'closed', `the database failed (${code})`);
    expect(place.failures).toEqual([`the database failed (${code})`]);
    await b.restart();
    expect((await b.queue.counts()).states.undecided).toBe(1);
    expect(await b.events(id)).toEqual(['message.accepted']);
  });

  test.each(['SQLITE_FULL', 'SQLITE_BUSY'])('%s refuses the batch, and the next is taken', async (code) => {
    place.fail(code);
    await refuses(b.accept(), code === 'SQLITE_FULL' ? 'full' : 'closed');
    await b.accept();
    expect(place.failures).toEqual([]);
    expect((await b.queue.counts()).states.undecided).toBe(1);
  });
});

describe('tampering', () => {
  const verify = async () => {
    const found = await verifyStored(place.path, undefined);
    expect(found.intact).toBe(false);
    return found.bad;
  };
  beforeEach(async () => {
    for (let i = 0; i < 4; i++) await b.decided();
  });
  afterEach(async () => {
    b.opened = await place.open();
  });

  test.each<[string, string[], number, string]>([
    ['a changed detail', ["UPDATE audit SET detail = '[1]' WHERE seq = 20"], 20, 'was edited'],
    ['a changed box', ['UPDATE audit SET boxed = zeroblob(9) WHERE seq = 20'], 20, 'was edited'],
    ['a changed hash', ['UPDATE audit SET hash = zeroblob(32) WHERE seq = 20'], 20, 'does not continue the chain'],
    ['a deleted entry', ['DELETE FROM audit WHERE seq = 20'], 21, 'entry 20 is missing'],
    [
      'two swapped',
      [
        'UPDATE audit SET n = -1, seq = -1 WHERE seq = 20',
        'UPDATE audit SET n = 20, seq = 20 WHERE seq = 21',
        'UPDATE audit SET n = 21, seq = 21 WHERE seq = -1',
      ],
      20,
      'was edited',
    ],
    ['a cut tail', ['DELETE FROM audit WHERE n = (SELECT max(n) FROM audit)'], 0, 'the end is cut off'],
    ['all gone', ['DELETE FROM audit'], 1, 'the end is cut off'],
    ['one appended', [copyOf('max(n) + 1', 'max(n)')], 0, 'stands out of order'],
    ['one put before the first', [copyOf('0', '20')], 20, 'entries 1 to 19 are missing'],
    ['one put far below', [copyOf('-90000', '20')], 20, 'entries 1 to 19 are missing'],
  ])('%s is found', async (_, statements, seq, what) => {
    const { length } = await b.audit.read(null, 1000);
    await tamper(...statements);
    const bad = await verify();
    expect(bad?.what).toContain(what);
    if (seq > 0) expect(bad?.seq).toBe(seq);
    else expect([length, length + 1]).toContain(bad?.seq);
  });

  test('rows between two epochs are found, and an epoch that begins too early', async () => {
    const { length } = await b.audit.read(null, 1000);
    const epoch = (base: number) => `INSERT INTO chain VALUES ('gw', 2, ${base}, 0, zeroblob(32))`;
    await tamper(epoch(length));
    expect(await verifyStored(place.path, undefined)).toMatchObject({ intact: true, entries: length });
    await tamper('DELETE FROM chain WHERE epoch = 2', epoch(length + 1), copyOf('max(n) + 1', 'max(n)'));
    expect((await verify())?.what).toContain('stands out of order');
    await tamper(`DELETE FROM audit WHERE n > ${length}`, `UPDATE chain SET base = ${length - 1} WHERE epoch = 2`);
    expect((await verify())?.what).toContain('the end is cut off');
    await tamper('DELETE FROM chain WHERE epoch = 2');
  });

  test('a second epoch goes on behind the first, and both are verified', async () => {
    const { length } = await b.audit.read(null, 1000);
    await tamper(`INSERT INTO chain VALUES ('gw', 2, ${length}, 0, zeroblob(32))`);
    b.opened = await place.open();
    await b.decided();
    const entries = await b.audit.read({ epoch: 2, seq: 1 }, 1000);
    expect(entries.map(({ epoch, seq }) => [epoch, seq])).toEqual([
      [2, 2],
      [2, 3],
    ]);
    expect(await b.audit.verify()).toMatchObject({ intact: true, entries: length + 3, head: { epoch: 2, seq: 3 } });
    await b.opened.close();
  });
});

test('boxes that do not open: the message is corrupt, a decision is held, and a person is called', async () => {
  const first = await b.decided();
  const second = await b.accept();
  await b.opened.close();
  const db = new Database(file());
  db.prepare('UPDATE delivery SET decision = ? WHERE decision IS NOT NULL').run(randomBytes(90));
  db.prepare('UPDATE message SET fixed = ? WHERE id = ?').run(randomBytes(90), second);
  db.close();
  b.opened = await place.open();
  expect(await b.take()).toEqual([]);
  expect(await b.queue.toExamine('gw 1' as never, 5, b.now + 1000)).toEqual([]);
  expect([await b.states(first), await b.states(second)]).toEqual(['held', 'held']);
  expect(place.alarms.join()).toContain(`boxes of message ${first} do not open`);
  expect((await b.queue.drop(by(), { messages: [first] })).changed).toHaveLength(1);
});

test('no address, name, subject, reply or reason stands in the files, nor an unkeyed hash of one', async () => {
  const id = await b.decided({ from: 'canary.one@clinic.test', to: ['canary.two@a.test', 'canary.three@b.test'] });
  const [taken] = await b.take();
  await b.settle(taken!.lease, settlement(taken!.deliveries[0]!.id, 'bounced'));
  await b.queue.hold({ ...by('canary reason') }, { messages: [id] });
  await b.decided({ from: 'canary.four@clinic.test' }, BOUNCE);
  await b.audit.search({ recipient: 'canary.two@a.test', limit: 5 });
  const bytes = Buffer.concat(
    readdirSync(place.path, { recursive: true, encoding: 'utf8' })
      .map((name) => join(place.path, name))
      .filter((path) => statSync(path).isFile())
      .map((path) => readFileSync(path)),
  );
  expect(bytes.length).toBeGreaterThan(100_000);
  expect(bytes.includes(id)).toBe(true);
  for (const word of ['canary', 'a subject', 'no kim here', 'mail.clinic.test', '192.0.2.7']) {
    expect([word, bytes.includes(word)]).toEqual([word, false]);
  }
});

/** Copies the entry of that number to another number, as it stands. */
function copyOf(to: string, from: string): string {
  const columns = 'node, epoch, seq, at, organization, message, delivery, actor, event, detail, boxed, digest, hash';
  return `INSERT INTO audit (n, ${columns}) SELECT (SELECT ${to} FROM audit), ${columns} FROM audit
    WHERE n = (SELECT ${from} FROM audit)`;
}
