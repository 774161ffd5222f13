// Accounts whose rows somebody else changed: what the audit says of them has the last word.

import { randomBytes } from 'node:crypto';
import type Database from 'better-sqlite3';
import type { Operator, SubmissionLogin } from '../../src/store/accounts/port.ts';
import { type Bench, DAY, NOON, settlement } from './store-bench.ts';
import { beside, type Place, whileClosed, withStore } from './store-place.ts';

const operator = (name: string, createdAt: number): Operator => ({
  ...{ name, role: 'admin', tokenHash: randomBytes(32), createdAt },
});
const SCANNER = {
  ...{ name: 'scanner', organization: 'clinic', from: ['scan@clinic.test'], priority: 'bulk' },
  ...{ secretHash: 'argon2id$65536$3$1$AA$BB', createdAt: NOON },
} as unknown as SubmissionLogin;

let place: Place;
let bench: Bench;

withStore((...opened) => {
  [place, bench] = opened;
});

const behind = <T>(work: (db: Database.Database) => T) => whileClosed(place, bench, work);
type Row = Record<string, unknown>;
const rowOf = (table: string) =>
  behind((db) => db.prepare<[], Row>(`SELECT * FROM ${table} WHERE name IN ('bob', 'scanner')`).get()!);
const putBack = (table: string, row: Row) => (db: Database.Database) =>
  db.prepare(`INSERT OR REPLACE INTO ${table} VALUES (${Object.keys(row).map(() => '?')})`).run(...Object.values(row));
const accounts = () => bench.opened.accounts;
const names = async () => (await accounts().operators()).map(({ name }) => name);
const events = async () => (await bench.audit.read(null, 10_000)).filter(({ event }) => /^(oper|subm)/.test(event));

test('an operator who was removed does not come back with the row of before, and can be added again', async () => {
  await accounts().addOperator(operator('ann', NOON), 'gateway', '');
  await accounts().addOperator(operator('bob', NOON), 'ann', '');
  const row = await rowOf('operator');
  await accounts().removeOperator('bob', 'ann', 'left');
  await behind(putBack('operator', row));
  expect(await names()).toEqual(['ann']);
  expect(place.alarms).toEqual([expect.stringMatching(/operator bob, .* was put back .*sealrelay log verify/)]);
  expect(place.store().archive.wrong()).toEqual([expect.stringContaining('operator bob')]);
  expect((await events()).at(-1)).toMatchObject({
    actor: 'gateway',
    event: 'operator.removed',
    detail: { name: 'bob' },
  });
  await accounts().addOperator(operator('bob', NOON + 1), 'ann', 'back again');
  await bench.restart();
  expect(await names()).toEqual(['ann', 'bob']);
  expect(place.alarms).toHaveLength(1);
  expect(await bench.audit.verify()).toMatchObject({ intact: true });
});

test('nor with an older token than the one that the name has now, nor while the gateway runs', async () => {
  await accounts().addOperator(operator('bob', NOON), 'gateway', '');
  const row = await rowOf('operator');
  await accounts().removeOperator('bob', 'gateway', 'token lost');
  await accounts().addOperator(operator('bob', NOON + 1), 'gateway', '');
  expect(await names()).toEqual(['bob']);
  beside(place, putBack('operator', row));
  expect(await names()).toEqual([]);
  expect(place.alarms).toHaveLength(1);
});

test('a submission login neither', async () => {
  await accounts().addLogin(SCANNER, 'ann', '');
  const row = await rowOf('login');
  await accounts().removeLogin('scanner', 'ann', 'sold');
  await behind(putBack('login', row));
  expect(await accounts().logins()).toEqual([]);
  expect(place.alarms).toEqual([expect.stringContaining('submission login scanner')]);
  expect((await events()).at(-1)).toMatchObject({ organization: 'clinic', event: 'submission.removed' });
});

test('who was made by no entry is not used, and the row stays to be looked at', async () => {
  await accounts().addOperator(operator('bob', NOON), 'gateway', '');
  const row = await rowOf('operator');
  await accounts().removeOperator('bob', 'gateway', 'left');
  await behind((db) => {
    db.exec("DELETE FROM audit WHERE event LIKE 'operator.%'");
    putBack('operator', row)(db);
  });
  expect(await names()).toEqual([]);
  expect(place.alarms).toEqual([expect.stringContaining('no entry of the audit made it')]);
  expect(await rowOf('operator')).toEqual(row);
});

test.each([
  '{',
  'null',
  '7',
])('an entry whose detail is damaged (%s) keeps nobody out but whom it made', async (detail) => {
  await accounts().addOperator(operator('ann', NOON), 'gateway', '');
  await accounts().addOperator(operator('bob', NOON), 'ann', '');
  await accounts().addLogin(SCANNER, 'ann', '');
  await behind((db) =>
    db.prepare("UPDATE audit SET detail = ? WHERE event = 'operator.added' AND detail LIKE '%bob%'").run(detail),
  );
  expect(await names()).toEqual(['ann']);
  expect((await accounts().logins()).map(({ name }) => name)).toEqual(['scanner']);
  expect(await place.store().archive.holds()).toEqual([]);
  expect(place.alarms).toEqual([expect.stringMatching(/operator bob is not used.*sealrelay log verify/)]);
});

describe('when the months of before are gone', () => {
  const aged = async () => {
    await accounts().addOperator(operator('ann', NOON), 'gateway', '');
    await accounts().addOperator(operator('bob', NOON), 'gateway', '');
    const row = await rowOf('operator');
    await accounts().removeOperator('bob', 'gateway', 'left');
    place.clock.at += 60 * DAY;
    await bench.decided({ to: ['kim@a.test'] });
    for (const one of await bench.take()) await bench.settle(one.lease, settlement(one.deliveries[0]!.id, 'delivered'));
    while ((await place.store().archive.closeNext(place.clock.at)) !== null);
    expect((await place.store().archive.segments()).length).toBeGreaterThan(0);
    return row;
  };

  test('accounts that were made in them stay', async () => {
    await aged();
    expect(await place.store().archive.prune(NOON + 50 * DAY, 1)).toBeGreaterThan(0);
    await bench.restart();
    expect(await names()).toEqual(['ann']);
    expect(place.alarms).toEqual([]);
  });

  test('but not because a row only says that they are', async () => {
    const row = await aged();
    await behind((db) => {
      db.exec("UPDATE segment SET state = 'pruned'");
      putBack('operator', row)(db);
    });
    expect(await names()).toEqual([]);
  });

  test('a month that cannot be read keeps nobody out', async () => {
    await aged();
    await behind((db) => db.exec("UPDATE segment SET name = 'away'"));
    expect(await names()).toEqual(['ann']);
  });
});

test('after a restore no operator of before is one', async () => {
  await accounts().addOperator(operator('bob', NOON), 'gateway', '');
  const row = await rowOf('operator');
  await place.store().recovery.beginRestored(2_000_000_000, {});
  await behind(putBack('operator', row));
  expect(await names()).toEqual([]);
});
