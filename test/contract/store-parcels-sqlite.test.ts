// What the store on SQLite promises of parcels beyond the contract: what stands in its files, rows that were tampered with,
// and a writer that ends.

import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { Parcel } from '../../src/domain/portal.ts';
import { type Bench, DAY, MINUTE, PORTAL, settlement, verb } from './store-bench.ts';
import { escrow, escrowed, KEEP, ours, parcelsOf, TWO_WAYS } from './store-escrow.ts';
import { type Place, tamper as tamperWith, withStore } from './store-place.ts';

const BY = { actor: 'ann', reason: 'canary of a reason' };
let place: Place;
let b: Bench;
afterEach(async () => {
  expect((await b.audit.verify()).intact).toBe(true);
});
withStore((...opened) => {
  [place, b] = opened;
});

const bytes = () => Buffer.concat(readdirSync(place.path).map((file) => readFileSync(join(place.path, file))));

const tamper = (sql: string, ...values: unknown[]) => tamperWith(place, b, sql, ...values);

test('no name, address, token, code or cookie stands in the files; what was retracted has no key there', async () => {
  const all = await escrowed(b, { from: 'canary.lee@clinic.test', to: ['canary.kim@a.test', 'canary.sam@a.test'] });
  const [kim, sam] = all.made.map(({ parcel }) => parcel);
  const { organization, conversation } = kim!;
  const { locator, box } = all.made[0]!.grants[0]!;
  const key = randomBytes(60);
  const session = { hash: randomBytes(32), organization, conversation, kind: 'link' as const, key };
  const times = { madeAt: b.now, seenAt: b.now, expiresAt: b.now + MINUTE };
  await b.opened.parcels.openSession(verb(), { ...session, ...times }, kim!.id);
  const code = randomBytes(32);
  const made = { id: randomBytes(16), locator, organization, code, expiresAt: b.now + MINUTE, parcel: kim!.id };
  const mail = ours(b, 'code', { to: ['canary.kim@a.test'], cause: { kind: 'code of', key: verb() } });
  await b.opened.parcels.challenge(verb(), made, mail, [{ since: 0, most: 5 }]);
  await b.restart();
  const before = bytes();
  const keys = [Buffer.from(kim!.body.key), Buffer.from(box), key, code];
  expect(keys.map((one) => before.includes(one))).toEqual([true, true, true, true]);
  await b.opened.parcels.retract(verb(), kim!.id, BY);
  await b.opened.close();
  const after = bytes();
  expect(keys.map((one) => after.includes(one))).toEqual([false, false, false, false]);
  expect([after.includes(Buffer.from(sam!.body.key)), after.includes(kim!.id)]).toEqual([true, true]);
  for (const word of ['canary', 'Dr. Lee', '1@clinic.test'])
    expect([word, after.includes(word)]).toEqual([word, false]);
  b.opened = await place.open();
});

test('a parcel whose box was changed is not shown, and a person is called; it can be retracted', async () => {
  const { parcel } = (await escrowed(b)).made[0]!;
  await tamper('UPDATE parcel SET fixed = ?', randomBytes(90));
  expect(await b.opened.parcels.parcel(parcel.id)).toBeNull();
  expect(await b.opened.parcels.list({ limit: 5 })).toEqual([]);
  expect(place.alarms.join()).toContain(`the box of parcel ${parcel.id} does not open`);
  await b.opened.parcels.retract(verb(), parcel.id, BY);
  expect(await b.opened.parcels.sweep(b.now, KEEP)).toHaveLength(1);
});

test('a parcel that was moved to another conversation or delivery does not show there', async () => {
  const [one, other] = [(await escrowed(b)).made[0]!.parcel, (await escrowed(b)).made[0]!.parcel];
  const move = 'UPDATE parcel SET conversation = ?, delivery = ? WHERE id = ?';
  await tamper(move, other.conversation, other.delivery, one.id);
  await tamper('UPDATE parcel SET delivery = ? WHERE id = ?', one.delivery, other.id);
  expect(await b.opened.parcels.ofConversation(other.conversation)).toEqual([{ ...other, delivery: other.delivery }]);
  expect(await b.opened.parcels.ofDelivery(other.delivery)).toBeNull();
  expect(await b.opened.parcels.parcel(one.id)).toMatchObject({
    ...{ conversation: one.conversation, delivery: one.delivery },
  });
});

test('a notice whose box does not open holds its delivery', async () => {
  const one = await escrowed(b);
  const { notice } = one.made[0]!;
  await tamper('UPDATE message SET fixed = ? WHERE id = ?', randomBytes(90), notice.id);
  await b.take();
  expect([await b.states(notice.id), await b.states(one.id)]).toEqual(['held', 'held']);
});

test('a notice that names no delivery of ours is settled all the same', async () => {
  const one = await escrowed(b);
  await tamper("UPDATE message SET cause = 'notice of: nothing.0 1' WHERE id = ?", one.made[0]!.notice.id);
  const taken = (await b.take()).find(({ message }) => message.id === one.made[0]!.notice.id)!;
  await b.settle(taken.lease, settlement(taken.deliveries[0]!.id, 'bounced'));
  expect([await b.states(one.made[0]!.notice.id), await b.states(one.id)]).toEqual(['bounced', 'noticing']);
});

test('a writer that ends in the portal step leaves all of it or nothing', async () => {
  const id = await b.decided({}, PORTAL);
  const [transaction] = await b.take();
  const made = parcelsOf(b, transaction!);
  place.fail('CRASH');
  await expect(b.opened.parcels.escrow(verb(), transaction!.lease, made, null)).rejects.toMatchObject({
    code: 'closed',
  });
  expect(place.failures.splice(0)).toHaveLength(1);
  await b.restart();
  expect([await b.states(id), await b.opened.parcels.parcel(made[0]!.parcel.id)]).toEqual(['leased', null]);
  await b.opened.parcels.escrow(verb(), transaction!.lease, made, null);
  await b.restart();
  expect([await b.states(id), await b.states(made[0]!.notice.id)]).toEqual(['noticing', 'ready']);
});

test('the attempt of the portal step is closed as escrowed', async () => {
  const one = await escrowed(b, {}, TWO_WAYS);
  await b.opened.close();
  const db = new Database(join(place.path, 'queue.db'), { readonly: true });
  const attempts = db
    .prepare('SELECT outcome, ended_at, step FROM attempt WHERE delivery % 65536 = 0 ORDER BY delivery')
    .all();
  db.close();
  b.opened = await place.open();
  expect(attempts).toEqual([{ outcome: 'escrowed', ended_at: b.now, step: 0 }]);
  expect(await b.states(one.id)).toBe('noticing');
});

test('more than a page of parcels are expired and deleted by several sweeps; lists go through all of them', async () => {
  const to = Array.from({ length: 1_100 }, (_, i) => `u${i}@a.test`);
  const id = await b.decided({ to }, PORTAL);
  const [transaction] = await b.take(1, { recipients: 2_000 });
  await escrow(b, transaction!);
  const found: Parcel[] = [];
  for (;;) {
    const before = found.at(-1)?.id;
    const page = await b.opened.parcels.list({ limit: 450, ...(before !== undefined && { before }) });
    found.push(...page);
    if (page.length < 450) break;
  }
  expect(new Set(found.map(({ recipient }) => recipient)).size).toBe(1_100);
  expect(await b.opened.parcels.list({ recipient: 'u3@a.test', limit: 5 })).toHaveLength(1);
  b.pass(14 * DAY);
  const states = async () => {
    const all = await b.opened.parcels.list({ limit: 2_000 });
    return Object.fromEntries(
      Object.entries(Object.groupBy(all, ({ state }) => state)).map(([k, v]) => [k, v!.length]),
    );
  };
  await b.opened.parcels.sweep(b.now, KEEP);
  expect(await states()).toEqual({ expired: 500, waiting: 600 });
  for (let i = 0; i < 2; i++) await b.opened.parcels.sweep(b.now, KEEP);
  expect(await states()).toEqual({ expired: 1_100 });
  b.pass(KEEP);
  const named = [];
  for (let i = 0; i < 4; i++) named.push(...(await b.opened.parcels.sweep(b.now, KEEP)));
  expect(await states()).toEqual({ deleted: 1_100 });
  // They share their octets: named by the sweep that ended the last of them, and by the next.
  expect(new Set(named.map(({ body }) => body.object)).size).toBe(1);
  expect(await b.states(id)).toContain('noticing');
});

test('what is over leaves neither challenges nor sessions behind', async () => {
  const { parcel, grants } = (await escrowed(b)).made[0]!;
  const { organization, conversation, id } = parcel;
  const session = { hash: randomBytes(32), organization, conversation, kind: 'sender' as const, key: randomBytes(60) };
  const times = { madeAt: b.now, seenAt: b.now, expiresAt: b.now + MINUTE };
  await b.opened.parcels.openSession(verb(), { ...session, ...times }, id);
  const code = { id: randomBytes(16), locator: grants[0]!.locator, organization, code: randomBytes(32), parcel: id };
  const mail = ours(b, 'code', { cause: { kind: 'code of', key: verb() } });
  await b.opened.parcels.challenge(verb(), { ...code, expiresAt: b.now + MINUTE }, mail, [{ since: 0, most: 5 }]);
  const left = async () => {
    await b.opened.close();
    const db = new Database(join(place.path, 'queue.db'), { readonly: true });
    const count = (table: string) => db.prepare(`SELECT count(*) FROM ${table}`).pluck().get();
    const counted = [count('challenge'), count('portal_session')];
    db.close();
    b.opened = await place.open();
    return counted;
  };
  b.pass(MINUTE);
  await b.opened.parcels.sweep(b.now, KEEP);
  expect(await left()).toEqual([1, 0]);
  b.pass(DAY);
  await b.opened.parcels.sweep(b.now, KEEP);
  expect(await left()).toEqual([0, 0]);
});

test('how a code is sent follows the box, not the clear column', async () => {
  const { parcel } = (await escrowed(b)).made[0]!;
  expect(parcel.level).not.toBe('may');
  await tamper("UPDATE parcel SET level = 'may'");
  expect(await b.opened.parcels.parcel(parcel.id)).toMatchObject({ level: parcel.level });
});

test('where mail goes follows the box, not the clear column', async () => {
  const id = await b.accept();
  await tamper("UPDATE delivery SET destination = 'thief.test'");
  expect((await b.queue.message(id))?.deliveries).toMatchObject([{ destination: 'a.test' }]);
});
