// The keys of months: deleted with the last box under them, whatever is broken off in between, and not before; what outlives its
// month stands under a key that stays.

import { randomBytes } from 'node:crypto';
import { copyFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { QueueId } from '../../src/domain/ids.ts';
import type { Operator, SubmissionLogin } from '../../src/store/accounts/port.ts';
import { loginPlace, operatorPlace } from '../../src/store/accounts/sqlite.ts';
import type { KeyStep } from '../../src/store/audit/month-keys.ts';
import { keyPlace } from '../../src/store/keyring/book.ts';
import { place as placeOf } from '../../src/store/queue/rows.ts';
import { BOXED } from '../../src/store/sqlite/boxed.ts';
import type { BoxMarks } from '../../src/store/sqlite/calls/keys.ts';
import { DELIVERIES } from '../../src/store/sqlite/calls/queue.ts';
import { type BoxedPage, boxedQueries, type Slice } from '../../src/store/sqlite/queries/boxed.ts';
import { openSources } from '../../src/store/sqlite/sources.ts';
import { newKey } from '../support/keys.ts';
import { type Bench, by, DAY, HOLD, verb } from './store-bench.ts';
import { type Place, whileClosed, withStore } from './store-place.ts';

const MARCH = Date.UTC(2026, 2, 20);
const month = (number: number) => Date.UTC(2026, number - 1);
const BY = { actor: 'ann', reason: 'a test' };
const ANN: Operator = { name: 'ann', role: 'admin', tokenHash: randomBytes(32), createdAt: MARCH };
const SCANNER = {
  ...{ name: 'scanner', organization: 'clinic', from: ['scan@clinic.test'], priority: 'bulk' },
  ...{ secretHash: 'argon2id$65536$3$1$AA$BB', createdAt: MARCH },
} as unknown as SubmissionLogin;

let place: Place;
let bench: Bench;

withStore((...opened) => {
  [place, bench] = opened;
}, MARCH);

const store = () => place.store();
const rowsOf = <Row>(sql: string, file = join(place.path, 'queue.db')): Row[] => {
  const db = new Database(file, { readonly: true });
  try {
    return db.prepare<[], Row>(sql).all();
  } finally {
    db.close();
  }
};
/** Months whose keys stand, of an organization. */
const standing = async (organization = 'clinic') =>
  (await bench.opened.keyring.all())
    .filter((row) => row.organization === organization && row.purpose.startsWith('fields '))
    .map(({ purpose }) => purpose.slice('fields '.length))
    .sort();

/** Closes what is over by now, and prunes what ended before. */
async function age(now: number, before: number): Promise<void> {
  place.clock.at = now;
  while ((await store().archive.closeNext(place.clock.at)) !== null);
  await store().archive.prune(before, 1);
}

const destroy = (before: number, options: Parameters<ReturnType<typeof store>['monthKeys']['destroy']>[1] = {}) =>
  store().archive.still(() => store().monthKeys.destroy(before, options));
const months = ({ gone }: { gone: readonly { organization: string; month: string }[] }) =>
  gone.map(({ organization, month: name }) => `${organization} ${name}`).sort();

/** A message of March, delivered; one of May, so that nothing but March's own boxes is under its key. */
async function marchAndMay(): Promise<QueueId> {
  const id = await bench.delivered();
  place.clock.at = month(5) + 10 * DAY;
  await bench.delivered();
  await bench.delivered();
  return id;
}

test('every column of the schema that holds a box is looked at before a key is deleted', () => {
  const NO_BOXES = [
    ...['access_grant.key', 'access_grant.locator', 'address_key.private', 'address_key.tag', 'audit.digest'],
    ...['audit.hash', 'chain.hash', 'challenge.code', 'challenge.id', 'challenge.locator', 'checkpoint.hash'],
    ...['checkpoint.key', 'checkpoint.next', 'checkpoint.signature', 'key.box', 'legal_hold.recipient_tag'],
    ...['legal_hold.sender_tag', 'message.digest', 'portal_session.hash', 'portal_session.key', 'segment.hash'],
    'sought.tag',
  ];
  const blobs = rowsOf<{ name: string }>(
    `SELECT t.name || '.' || c.name AS name FROM sqlite_schema t JOIN pragma_table_info(t.name) c
     WHERE t.type = 'table' AND c.type = 'BLOB' ORDER BY 1`,
  );
  const boxed = BOXED.flatMap(({ table, columns }) => columns.map((column) => `${table}.${column}`));
  expect(blobs.map(({ name }) => name)).toEqual([...NO_BOXES, ...boxed].sort());
});

test('what is asked inside the transaction has an index, wherever rows may be many', async () => {
  for (const { table, columns, number, after } of BOXED) {
    if (number === null) continue;
    const newer = after === null ? '' : `AND ${number} >= 9`;
    const under = columns.map((column) => `substr(${column}, 1, 4) = x'00000001'`).join(' OR ');
    const plan = rowsOf<{ detail: string }>(
      `EXPLAIN QUERY PLAN SELECT 1 FROM ${table} WHERE (${under}) ${newer} LIMIT 1`,
    );
    expect([table, plan.map(({ detail }) => detail)]).toEqual([table, [expect.stringMatching(/^SEARCH /)]]);
  }
});

test('what comes while rows are looked through, and is boxed under no key of the month, keeps none', async () => {
  await marchAndMay();
  await age(month(6) + 10 * DAY, month(4));
  const entry = { organization: 'clinic', actor: 'gateway', event: 'gateway.started' } as const;
  const many = Array.from({ length: 700 }, () => entry);
  await destroy(month(4), { at: (step) => (step === 'resting' ? void bench.audit.append(many) : undefined) });
  expect(await standing()).toEqual(['2026-05', 'lasting']);
});

test('of rows that came later all keys are seen, and of none that were there before', async () => {
  await bench.delivered();
  await bench.opened.close();
  const db = new Database(join(place.path, 'queue.db'));
  const queries = boxedQueries(openSources(db));
  const keysSince = (since?: BoxMarks) => {
    const keys = new Set<string>();
    for (let slice: Slice | null = [0, 0]; slice !== null; ) {
      const page: BoxedPage = queries.boxedPage(since ? [null, slice, since] : [null, slice]);
      for (const key of page.keys) keys.add(key);
      slice = page.next;
    }
    return [...keys];
  };
  const marks = queries.boxMarks();
  expect([keysSince().length > 0, keysSince(marks)]).toEqual([true, []]);
  const later: [string, string][] = [
    [`UPDATE audit SET boxed = x'0000aa01', n = ${marks.audit} + 1 WHERE n = 2`, '0000aa01'],
    [`UPDATE message SET fixed = x'0000aa02', n = n + 1`, '0000aa02'],
    [`UPDATE delivery SET because = x'0000aa03', n = n + ${DELIVERIES}`, '0000aa03'],
  ];
  for (const [sql, key] of later) {
    db.exec(sql);
    expect(keysSince(marks)).toContain(key);
  }
  db.close();
  bench.opened = await place.open();
});

test('the key goes with the last box under it, named in the audit and the destruction record', async () => {
  const id = await marchAndMay();
  const copy = join(place.path, 'thief.db');
  await bench.restart();
  copyFileSync(join(place.path, 'queue.db'), copy);
  const [{ fixed }] = rowsOf<{ fixed: Buffer }>(`SELECT fixed FROM message WHERE id = '${id}'`, copy) as [
    { fixed: Buffer },
  ];
  const open = () => Buffer.from(bench.opened.vault.open(placeOf.fixed('clinic', id), fixed)).toString();
  expect(open()).toContain('kim@a.test');

  await age(month(6) + 10 * DAY, 0);
  const early = await destroy(month(4));
  // Nothing was ever boxed under these.
  expect(months(early)).toEqual(['- 2026-03', 'practice 2026-03']);
  expect(early.kept).toBe(1);
  expect(open()).toContain('kim@a.test');
  await age(month(6) + 10 * DAY, month(4));
  expect(await destroy(month(4) - 1)).toEqual({ gone: [], kept: 0 });
  const done = await destroy(month(4));
  expect(months(done)).toEqual(['clinic 2026-03']);
  expect(done.kept).toBe(0);
  expect(await standing()).toEqual(['2026-05', 'lasting']);
  expect(open).toThrow(expect.objectContaining({ code: 'no key' }));
  await bench.restart();
  expect(open).toThrow(expect.objectContaining({ code: 'no key' }));

  const told = (await store().archive.destroyed()).filter(({ event }) => event === 'key.removed');
  expect(told.map(({ organization, detail }) => [organization, detail.purpose, detail.generation])).toEqual([
    ['-', 'fields 2026-03', 1],
    ['practice', 'fields 2026-03', 1],
    ['clinic', 'fields 2026-03', 1],
  ]);
  expect(told[0]!.detail).toMatchObject({ since: month(3), until: month(4) - 1 });
  expect(await bench.audit.verify()).toMatchObject({ intact: true, lost: { count: 0 } });
  expect(await destroy(month(4))).toEqual({ gone: [], kept: 0 });
});

test('what remains keeps it: a month that is not pruned, held mail, a message that ended a month later', async () => {
  const held = await bench.decided({ to: ['held@a.test'] }, HOLD);
  const late = await bench.decided({ to: ['late@a.test'] }, HOLD);
  place.clock.at = month(4) + 10 * DAY;
  await bench.queue.drop(by('no'), { messages: [late] });
  for (const one of await bench.queue.finished(100)) await bench.queue.bodiless(verb(), one.id);
  place.clock.at = month(5) + 10 * DAY;
  await bench.delivered();
  await age(month(7) + 10 * DAY, month(4));
  expect((await store().archive.segments()).map(({ month: name, state }) => `${name} ${state}`)).toEqual([
    ...['2026-03 pruned', '2026-04 moved', '2026-05 moved', '2026-06 moved'].slice(0, 3),
  ]);
  // `late` is in the segment of April; `held` is a row.
  expect(months(await destroy(month(4)))).toEqual(['- 2026-03', 'practice 2026-03']);
  await age(month(7) + 10 * DAY, month(5));
  expect(await destroy(month(5))).toMatchObject({ kept: 1 });
  expect(await standing()).toContain('2026-03');
  expect((await bench.queue.message(held))!.deliveries[0]!.recipient).toBe('held@a.test');
  await bench.queue.drop(by('no'), { messages: [held] });
  for (const one of await bench.queue.finished(100)) await bench.queue.bodiless(verb(), one.id);
  expect(months(await destroy(month(5)))).toEqual([]);
  place.clock.at = month(8) + 10 * DAY;
  await bench.delivered();
  await age(month(9) + 10 * DAY, month(9));
  expect(months(await destroy(month(6)))).toContain('clinic 2026-03');
  expect(await bench.audit.verify()).toMatchObject({ intact: true, lost: { count: 0 } });
});

test('a legal hold keeps the keys of the months that it covers, and of the one in which it was set', async () => {
  await marchAndMay();
  await age(month(6) + 10 * DAY, month(4));
  const hold = { id: verb(), organization: 'practice', address: null, message: null, reason: 'case 7' };
  await store().archive.addHold({ ...hold, since: month(3) + DAY, until: month(3) + 2 * DAY }, 'ann');
  expect(months(await destroy(month(4)))).toEqual([]);
  await store().archive.removeHold(hold.id, 'ann', 'closed');
  await store().archive.addHold({ ...hold, id: verb(), since: month(5), until: null }, 'ann');
  expect(months(await destroy(month(4)))).toEqual(['- 2026-03', 'clinic 2026-03', 'practice 2026-03']);
});

test('nor does a row that hides what a segment under a legal hold is boxed by', async () => {
  const late = await bench.decided({ to: ['late@a.test'] }, HOLD);
  await age(month(4) + 5 * DAY, month(3));
  place.clock.at = month(4) + 10 * DAY;
  await bench.queue.drop(by('no'), { messages: [late] });
  for (const one of await bench.queue.finished(100)) await bench.queue.bodiless(verb(), one.id);
  place.clock.at = month(5) + 10 * DAY;
  await bench.delivered();
  const hold = { id: verb(), organization: 'clinic', address: null, message: null, reason: 'case 7' };
  await store().archive.addHold({ ...hold, since: month(4) + DAY, until: month(5) - DAY }, 'ann');
  await age(month(7) + 10 * DAY, month(4));
  expect(months(await destroy(month(4)))).toEqual(['- 2026-03', 'practice 2026-03']);
  await whileClosed(place, bench, (db) => db.exec("UPDATE segment_keys SET keys = '[]'"));
  expect(months(await destroy(month(4)))).toEqual([]);
  expect(await standing()).toContain('2026-03');
});

test('while a segment cannot be read no key goes, and a person is told', async () => {
  await marchAndMay();
  await age(month(6) + 10 * DAY, month(4));
  const [, may] = await store().archive.segments();
  const file = join(place.path, 'audit', `${may!.name}.db`);
  await bench.restart();
  renameSync(file, `${file}.away`);
  expect(months(await destroy(month(4)))).toEqual([]);
  expect(place.alarms).toEqual([expect.stringContaining(`audit/${may!.name}.db cannot be read`)]);
  renameSync(`${file}.away`, file);
  expect(months(await destroy(month(4)))).toEqual(['- 2026-03', 'clinic 2026-03', 'practice 2026-03']);
});

test('what something outside the database is boxed by stays', async () => {
  await marchAndMay();
  await age(month(6) + 10 * DAY, month(4));
  const { id } = (await bench.opened.keyring.all()).find(
    ({ organization, purpose }) => organization === '-' && purpose === 'fields 2026-03',
  )!;
  expect(months(await destroy(month(4), { used: new Set([id]) }))).toEqual(['clinic 2026-03', 'practice 2026-03']);
});

test('what was asked of an operator and is over goes with its month; what still waits for a look keeps the key', async () => {
  const asked = { command: 'queue.drop', args: {}, of: '', reason: 'test' };
  const { approvals } = store();
  await approvals.ask(asked, 'ann', place.clock.at + DAY, 'waiting');
  const { id } = await approvals.ask(asked, 'ann', place.clock.at + DAY, 'unreviewed');
  await marchAndMay();
  await age(month(6) + 10 * DAY, month(4));
  expect(months(await destroy(month(4)))).toEqual(['clinic 2026-03', 'practice 2026-03']);
  expect(rowsOf('SELECT 1 FROM approval')).toHaveLength(2);
  await approvals.review(id, 'bob', 'seen');
  expect(months(await destroy(month(4)))).toEqual(['- 2026-03']);
  expect(rowsOf('SELECT state FROM approval')).toEqual([{ state: 'reviewed' }]);
  expect((await store().archive.destroyed()).at(-1)!.detail).toMatchObject({ approvals: 1 });
});

test('broken off at each step, it is gone on with; a key that stands opens, and nothing is lost', async () => {
  const steps: KeyStep[] = ['looked', 'resting', 'destroyed', 'forgotten'];
  await marchAndMay();
  await age(month(6) + 10 * DAY, month(4));
  for (const stopAt of steps) {
    const broken = destroy(month(4), {
      at: (step) => {
        if (step === stopAt) throw new Error('broken off');
      },
    });
    await expect(broken).rejects.toThrow('broken off');
    const isGone = !(await standing()).includes('2026-03');
    expect(isGone).toBe(stopAt === 'destroyed' || stopAt === 'forgotten');
    await bench.delivered();
    expect(await bench.audit.verify()).toMatchObject({ intact: true, lost: { count: 0 } });
    if (stopAt !== 'looked') await bench.restart();
    if (stopAt === 'destroyed') break;
  }
  expect(await destroy(month(4))).toEqual({ gone: [], kept: 0 });
});

test('a commit that fails leaves the keys, and boxes are made under them again', async () => {
  await marchAndMay();
  await age(month(6) + 10 * DAY, month(4));
  await expect(destroy(month(4), { at: (step) => step === 'resting' && place.failCommit(0) })).rejects.toThrow();
  expect(await standing()).toContain('2026-03');
  const where = placeOf.fixed('clinic', 'x');
  const { vault } = bench.opened;
  expect(Buffer.from(vault.open(where, vault.box(where, Buffer.from('y'), MARCH))).toString()).toBe('y');
});

test('on a clock that goes back into the month no box is made meanwhile; afterwards it gets another key', async () => {
  await marchAndMay();
  await age(month(6) + 10 * DAY, month(4));
  const { vault } = bench.opened;
  const where = placeOf.fixed('clinic', 'x');
  await destroy(month(4), {
    at: async (step) => {
      if (step !== 'resting') return;
      expect(() => vault.box(where, Buffer.from('y'), MARCH)).toThrow(expect.objectContaining({ code: 'no key' }));
      await expect(vault.ready('clinic', MARCH)).rejects.toMatchObject({ code: 'no key' });
    },
  });
  place.clock.at = MARCH;
  const id = await bench.delivered('back@a.test');
  await bench.restart();
  expect((await bench.queue.message(id))!.deliveries[0]!.recipient).toBe('back@a.test');
});

describe('what outlives its month', () => {
  async function lasting(): Promise<ReturnType<typeof newKey>> {
    const key = newKey();
    await bench.opened.book.add(key, BY);
    await bench.opened.accounts.addOperator(ANN, 'root', 'the first');
    await bench.opened.accounts.addLogin(SCANNER, 'root', 'a scanner');
    return key;
  }
  async function expectAll(): Promise<void> {
    expect(await bench.opened.accounts.operators()).toMatchObject([{ name: 'ann', role: 'admin' }]);
    expect(await bench.opened.accounts.logins()).toMatchObject([{ name: 'scanner', from: ['scan@clinic.test'] }]);
    expect(await bench.opened.book.forAddress('clinic', 'ann@a.test')).toHaveLength(1);
    expect(place.alarms).toEqual([]);
  }
  /** Puts the boxes as they were before there were keys that stay. */
  async function asBefore(key: { readonly id: string }): Promise<void> {
    const { vault } = bench.opened;
    await vault.ready('clinic', MARCH);
    await vault.ready('-', MARCH);
    const db = new Database(join(place.path, 'queue.db'));
    const again = (table: string, name: string, value: string, where: ReturnType<typeof operatorPlace>) => {
      const box = db.prepare<[string], Buffer>(`SELECT box FROM ${table} WHERE ${name} = ?`).pluck().get(value)!;
      const old = vault.box(where, vault.open(where, box), MARCH);
      expect(db.prepare(`UPDATE ${table} SET box = ? WHERE ${name} = ?`).run(old, value).changes).toBe(1);
    };
    again('operator', 'name', 'ann', operatorPlace('ann'));
    again('login', 'name', 'scanner', loginPlace('clinic', 'scanner'));
    again('address_key', 'id', key.id, keyPlace('clinic', key.id as never, 'box'));
    db.close();
    await bench.restart();
  }
  async function pruned(): Promise<void> {
    await marchAndMay();
    await age(month(6) + 10 * DAY, month(4));
  }

  test('keys of addresses, operators and logins still open when the key of their month is gone', async () => {
    await lasting();
    await pruned();
    expect(months(await destroy(month(4)))).toEqual(['- 2026-03', 'clinic 2026-03', 'practice 2026-03']);
    await expectAll();
    await bench.restart();
    await expectAll();
  });

  test('rows of before, or of a backup, keep the key until they are moved; then it goes', async () => {
    const key = await lasting();
    await asBefore(key);
    await expectAll();
    await pruned();
    expect(months(await destroy(month(4)))).toEqual(['practice 2026-03']);
    await expectAll();
    place.failCommit(1);
    await expect(store().keyBoxes.moveLasting()).rejects.toThrow();
    await bench.restart();
    await expectAll();
    expect(months(await destroy(month(4)))).not.toContain('clinic 2026-03');
    const { moved } = await store().keyBoxes.moveLasting();
    expect(moved).toBeGreaterThan(0);
    expect(await store().keyBoxes.moveLasting()).toEqual({ moved: 0, unreadable: 0 });
    await expectAll();
    await destroy(month(4));
    expect([...(await standing()), ...(await standing('-'))]).not.toContain('2026-03');
    await bench.restart();
    await expectAll();
  });

  test('a row that does not open is left, counted, and keeps the key', async () => {
    const key = await lasting();
    await asBefore(key);
    await pruned();
    await whileClosed(place, bench, (db) =>
      db.exec('UPDATE operator SET box = CAST(substr(box, 1, 20) || zeroblob(60) AS BLOB)'),
    );
    expect(await store().keyBoxes.moveLasting()).toEqual({ moved: 2, unreadable: 1 });
    expect(months(await destroy(month(4)))).toEqual(['clinic 2026-03', 'practice 2026-03']);
  });
});
