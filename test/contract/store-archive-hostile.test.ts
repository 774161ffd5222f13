// Legal holds, when somebody who writes rows takes one away together with what the audit says of it: nothing is destroyed.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type Database from 'better-sqlite3';
import { digest, link } from '../../src/record/chain.ts';
import type { StoredEntry } from '../../src/record/verify.ts';
import { type Bench, DAY, verb } from './store-bench.ts';
import { beside, checkpoint as checkpointOf, type Place, whileClosed, withStore } from './store-place.ts';

const MARCH = Date.UTC(2026, 2, 20);
const APRIL = Date.UTC(2026, 3, 1);
const HOLD = {
  ...{ organization: 'clinic', address: 'Kim@a.test', message: null, reason: 'case 7' },
  ...{ since: MARCH, until: MARCH + DAY },
};

let place: Place;
let bench: Bench;

withStore((...opened) => {
  [place, bench] = opened;
}, MARCH);

/** March closed, and its hold set in May; each signed. */
beforeEach(async () => {
  for (let day = 0; day < 3; day++) {
    await bench.delivered('kim@a.test');
    await checkpoint();
    bench.pass(DAY);
  }
  place.clock.at = Date.UTC(2026, 4, 10);
  await bench.delivered('sam@a.test');
  await checkpoint();
  while ((await archive().closeNext(place.clock.at)) !== null);
  place.clock.at += DAY;
});

const archive = () => place.store().archive;
const addHold = () => archive().addHold({ id: verb(), ...HOLD }, 'ann');
const prune = () => archive().prune(APRIL, 1);
const erase = () => archive().erase({ organization: 'clinic', address: 'sam@a.test', actor: 'ann', reason: 'asked' });
const destroyKeys = () => archive().still(() => place.store().monthKeys.destroy(APRIL));
const states = async () => (await archive().segments()).map(({ state }) => state);

const checkpoint = () => checkpointOf(place, bench);

const behind = (work: (db: Database.Database) => unknown) => whileClosed(place, bench, work);

/** Takes hold and entry away, and makes all that follows again as if they had never been; signatures that show it go too. */
function rewrite(db: Database.Database): void {
  const [hidden] = db
    .prepare<[], { n: number; seq: number }>("SELECT n, seq FROM audit WHERE event = 'log.hold_added'")
    .all();
  const before = db.prepare<[number], { hash: Buffer }>('SELECT hash FROM audit WHERE n = ?').get(hidden!.n - 1);
  const later = db
    .prepare<[number], StoredEntry & { n: number }>('SELECT * FROM audit WHERE n > ? ORDER BY n')
    .all(hidden!.n);
  db.exec(
    `DELETE FROM legal_hold; DELETE FROM audit WHERE n = ${hidden!.n}; DELETE FROM checkpoint WHERE seq >= ${hidden!.seq}`,
  );
  let hash: Uint8Array = before!.hash;
  for (const row of later) {
    const made = digest({ ...row, seq: row.seq - 1 });
    hash = link(hash, made);
    db.prepare('UPDATE audit SET n = n - 1, seq = seq - 1, digest = ?, hash = ? WHERE n = ?').run(made, hash, row.n);
  }
  db.prepare('UPDATE chain SET seq = seq - 1, hash = ?').run(hash);
}

async function expectNothingDestroyed(why: string): Promise<void> {
  const before = place.alarms.length;
  expect(await prune()).toBe(0);
  expect(await states()).toEqual(expect.arrayContaining(['moved']));
  const words = expect.stringMatching(
    new RegExp(`^nothing of the audit is destroyed.*may hide a legal hold: .*${why}`),
  );
  expect(archive().wrong()[0]).toEqual(words);
  expect(place.alarms.slice(before)).toEqual([expect.stringMatching(/; sealrelay log verify$/)]);
  await expect(erase()).rejects.toMatchObject({ code: 'wrong state', message: expect.stringContaining('log verify') });
  expect((await destroyKeys()).gone).toEqual([]);
}

test('untouched, what is over goes', async () => {
  expect([await prune(), (await erase()).messages]).toEqual([1, 1]);
  expect((await destroyKeys()).gone.length).toBeGreaterThan(0);
  expect([place.alarms, archive().wrong()]).toEqual([[], []]);
});

test.each([
  ['was edited', "DELETE FROM legal_hold; UPDATE audit SET event = 'gateway.started' WHERE event = 'log.hold_added'"],
  ['missing', "DELETE FROM legal_hold; DELETE FROM audit WHERE event = 'log.hold_added'"],
  [
    'are missing',
    "DELETE FROM legal_hold; DELETE FROM audit WHERE n >= (SELECT n FROM audit WHERE event = 'log.hold_added')",
  ],
  [
    'was edited',
    `UPDATE audit SET event = 'log.hold_removed', detail = (SELECT json_object('hold', id) FROM legal_hold)
       WHERE n = (SELECT max(n) FROM audit); DELETE FROM legal_hold`,
  ],
])('%s: nothing is destroyed', async (why, sql) => {
  await addHold();
  await bench.delivered('x@y.test');
  await behind((db) => db.exec(sql));
  await expectNothingDestroyed(why);
});

test('a month that a row only says was destroyed, with the entry in it', async () => {
  place.clock.at = MARCH + 4 * DAY;
  await bench.restart();
  await behind((db) => db.exec("UPDATE segment SET state = 'pruned' WHERE no = 1"));
  await bench.delivered('x@y.test');
  place.clock.at = Date.UTC(2026, 6, 10);
  while ((await archive().closeNext(place.clock.at)) !== null);
  expect(await archive().prune(Date.UTC(2026, 5, 1), 1)).toBe(0);
  expect(archive().wrong()[0]).toMatch(/may hide a legal hold: entry 1 is gone/);
});

test('nor when all entries behind it were made again, so that the chain fits, and checkpoints went', async () => {
  await addHold();
  await bench.delivered('x@y.test');
  await checkpoint();
  await behind(rewrite);
  expect(await bench.audit.verify()).toMatchObject({ intact: true });
  await expectNothingDestroyed('the last that was signed here, is gone or another');
  // What is signed from now on does not make it right.
  await bench.delivered('x@y.test');
  await checkpoint();
  expect(place.alarms.at(-1)).toMatch(/^the audit is not the one that was signed/);
  await bench.delivered('x@y.test');
  await checkpoint();
  await bench.restart();
  await expectNothingDestroyed('the last that was signed here, is gone or another');
});

test('nor when the last checkpoint stays, over entries that were made again', async () => {
  await addHold();
  await bench.delivered('x@y.test');
  await checkpoint();
  await bench.delivered('x@y.test');
  await behind((db) => {
    const kept = db.prepare<[], Record<string, unknown>>('SELECT * FROM checkpoint').all();
    rewrite(db);
    const put = db.prepare(`INSERT OR REPLACE INTO checkpoint VALUES (${Object.keys(kept[0]!).map(() => '?')})`);
    for (const row of kept) put.run(...Object.values(row));
  });
  await checkpoint();
  expect(place.alarms).toEqual([expect.stringMatching(/^the audit is not the one that was signed: entry \d+/)]);
  await behind((db) => db.exec('DELETE FROM checkpoint WHERE no = (SELECT max(no) FROM checkpoint)'));
  expect(await prune()).toBe(0);
});

test('what was seen of a hold while it verified stands, whatever is changed behind it', async () => {
  await addHold();
  await bench.delivered('x@y.test');
  expect((await erase()).messages).toBe(1);
  beside(place, (db) => db.exec("DELETE FROM legal_hold; UPDATE audit SET event = 'x' WHERE event = 'log.hold_added'"));
  expect(await prune()).toBe(0);
  expect(await archive().holds()).toMatchObject([HOLD]);
});

test('a key of the audit that was lost keeps nothing from going', async () => {
  await bench.opened.close();
  rmSync(join(place.path, 'audit.keys'));
  bench.opened = await place.open();
  await bench.delivered('x@y.test');
  await checkpoint();
  expect(await bench.audit.verify()).toMatchObject({ intact: false });
  expect([await prune(), place.alarms]).toEqual([1, []]);
});

test('a hold that is taken away while keys are looked through keeps them', async () => {
  await addHold();
  const destroyed = archive().still(() =>
    place.store().monthKeys.destroy(APRIL, {
      at: (step) => (step === 'resting' ? beside(place, (db) => db.exec('DELETE FROM legal_hold')) : undefined),
    }),
  );
  expect((await destroyed).gone).toEqual([]);
});

test('what was signed last, put there from elsewhere, is no proof', async () => {
  await bench.opened.close();
  writeFileSync(join(place.path, 'audit.signed'), Buffer.alloc(200, 7));
  bench.opened = await place.open();
  await expectNothingDestroyed('audit.signed in the storage folder cannot be read: it does not open');
});
