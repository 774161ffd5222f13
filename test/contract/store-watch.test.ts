// What the watch keeps and reads: since when something is held, reminders, usage, alerts that were told, the audit's end.

import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { DeliveryId } from '../../src/domain/ids.ts';
import type { WatchStore } from '../../src/store/watch/port.ts';
import { type Bench, BOUNCE, by, DAY, HOLD, letter, PORTAL, settlement, TLS, verb } from './store-bench.ts';
import { type Place, withStore } from './store-place.ts';

let place: Place;
let b: Bench;
withStore((...opened) => {
  [place, b] = opened;
});
const watch = (): WatchStore => place.store().watch;
const REMIND = [3 * DAY, 7 * DAY];
const remind = () => watch().toRemind(b.now, REMIND, 100);
/** As the line does: the mail that reminds, and the mark, in one verb. */
async function reminded(): Promise<void> {
  for (const { deliveries, kind, no } of await remind()) {
    const note = letter(b.now, { origin: 'note', cause: { kind: 'note of', key: verb() } });
    const tells = { deliveries: deliveries.map(({ id }) => id), kind, ...(no !== undefined && { no }) };
    await b.queue.accept(verb(), note, note.cause, undefined, tells);
  }
}

describe('what is held', () => {
  test('since when: from each hold, gone with each release', async () => {
    expect(await watch().held()).toEqual({ deliveries: 0, since: null, recovered: 0 });
    const began = b.now;
    const id = await b.decided({ to: ['a@a.test', 'b@b.test'] }, HOLD, TLS);
    b.pass(DAY);
    await b.queue.hold(by(), { messages: [id] });
    expect(await watch().held()).toMatchObject({ deliveries: 2, since: began });
    await b.restart();
    expect(await watch().held()).toMatchObject({ deliveries: 2, since: began });
    await b.queue.giveUp(by(), { deliveries: [`${id}.0` as DeliveryId] });
    expect(await watch().held()).toMatchObject({ deliveries: 1, since: began + DAY });
    await b.queue.drop(by(), { messages: [id] });
    expect(await watch().held()).toEqual({ deliveries: 0, since: null, recovered: 0 });
  });

  test('its reminders, each once; one that was missed is not sent behind a later one', async () => {
    const first = await b.decided({ to: ['a@a.test', 'b@b.test'] }, HOLD);
    b.pass(3 * DAY - 1);
    expect(await remind()).toEqual([]);
    b.pass(1);
    expect(await remind()).toMatchObject([{ kind: 'reminded', no: 1, message: { id: first }, since: b.now - 3 * DAY }]);
    await reminded();
    expect(await remind()).toEqual([]);
    const second = await b.decided({}, HOLD);
    b.pass(8 * DAY);
    expect((await remind()).map(({ no, message }) => [no, message.id])).toEqual([
      [2, first],
      [2, second],
    ]);
    await reminded();
    expect(await remind()).toEqual([]);
    expect((await b.events(first)).filter((event) => event === 'delivery.told')).toHaveLength(4);
  });

  test('nobody is reminded of mail of ours', async () => {
    await b.accepted(
      letter(b.now, {
        origin: 'note',
        cause: { kind: 'note of', key: 'x' },
        decision: { action: HOLD, rule: '(line)', because: '', policyVersion: '-', engineVersion: '1' },
      }),
    );
    b.pass(10 * DAY);
    expect(await watch().held()).toMatchObject({ deliveries: 1 });
    expect(await remind()).toEqual([]);
  });

  test('held too long: named, oldest first', async () => {
    const old = await b.decided({}, HOLD);
    b.pass(DAY);
    await b.decided({}, HOLD);
    expect(await watch().heldSince(b.now - DAY, 10)).toEqual([`${old}.0`]);
    b.pass(DAY);
    expect(await watch().heldSince(b.now - DAY, 10)).toHaveLength(2);
  });

  test('the oldest under way is not the oldest held', async () => {
    await b.decided({}, HOLD);
    b.pass(DAY);
    const began = b.now;
    await b.decided({ to: ['a@a.test', 'b@b.test'] }, HOLD, TLS);
    expect(await watch().oldestUnderWay()).toBe(began);
  });
});

describe('usage', () => {
  test('counts what was accepted, and recipients by the protection in which it left', async () => {
    await b.decided({ to: ['a@a.test', 'b@a.test'] });
    await b.decided({ organization: 'practice', from: 'x@practice.test' }, BOUNCE);
    await b.accepted(letter(b.now, { origin: 'note', cause: { kind: 'note of', key: 'x' } }));
    for (const { lease, deliveries } of await b.take()) {
      await b.settle(lease, ...deliveries.map(({ id }) => settlement(id, 'delivered')));
    }
    const accepted = { what: 'accepted', messages: 1, octets: 4096 };
    expect(await watch().usage()).toEqual([
      { month: '2026-05', organization: 'clinic', recipients: 2, ...accepted },
      { month: '2026-05', organization: 'clinic', what: 'tls', messages: 0, recipients: 2, octets: 0 },
      { month: '2026-05', organization: 'practice', recipients: 1, ...accepted },
    ]);
    expect(await watch().usage('2026-06')).toEqual([]);
    expect((await watch().lastAccepted()).get('practice')).toBe(b.now);
  });

  test('the same verb twice counts once; what was taken back does not count; months are apart', async () => {
    const one = letter(b.now);
    const id = verb();
    await b.queue.accept(id, one, one.cause);
    await b.queue.accept(id, one, one.cause);
    await b.queue.accept(verb(), one, one.cause);
    const other = await b.accept();
    await b.queue.abandon(verb(), other, 'its body could not be stored');
    b.pass(40 * DAY);
    await b.decided({}, PORTAL);
    const messages = (await watch().usage()).map(({ month, messages }) => [month, messages]);
    expect(messages).toHaveLength(2);
    expect(messages.map(([, count]) => count)).toEqual([1, 1]);
  });

  test('a failed commit counts nothing', async () => {
    place.fail('SQLITE_FULL');
    await expect(b.accept()).rejects.toMatchObject({ code: 'full' });
    expect(await watch().usage()).toEqual([]);
    await b.accept();
    expect(await watch().usage()).toMatchObject([{ messages: 1 }]);
  });
});

test('alerts that were told outlive a restart, what ended is forgotten', async () => {
  const at = b.now;
  const told = [
    { cause: 'held mail', at, state: 'standing' },
    { cause: 'anchor failed', at, state: 'event' },
  ] as const;
  const mail = { organization: 'clinic', message: await b.accept(), at };
  await watch().alerted(verb(), told, [mail], 0);
  await b.restart();
  expect(await watch().alerts()).toEqual({ told: [told[1], told[0]], mails: [mail] });
  await watch().alerted(verb(), [{ cause: 'low disk', at: at + DAY, state: 'over' }], [], at + 1);
  expect((await watch().alerts()).told.map(({ cause }) => cause)).toEqual(['held mail', 'low disk']);
});

describe('the end of the audit', () => {
  const tail = (limit = 5) => watch().auditTail(limit);

  test('fits, whole and in part', async () => {
    expect(await tail()).toMatchObject({ bad: null });
    for (let i = 0; i < 5; i++) await b.decided();
    expect(await tail()).toEqual({ entries: 5, bad: null });
    expect((await tail(10_000)).bad).toBeNull();
  });

  test.each([
    ['an edit', "UPDATE audit SET detail = '{}' || ' ' WHERE n = (SELECT max(n) - 1 FROM audit)", 'was edited'],
    ['a cut', 'DELETE FROM audit WHERE n > (SELECT max(n) - 2 FROM audit)', 'the end is cut off'],
    ['a hole', 'DELETE FROM audit WHERE n = (SELECT max(n) - 2 FROM audit)', 'missing'],
    [
      'an addition',
      'INSERT INTO audit SELECT n + 1, node, epoch, seq + 1, at, organization, message, delivery, actor, event, detail, boxed, digest, hash FROM audit ORDER BY n DESC LIMIT 1',
      'does not',
    ],
    [
      'rows between epochs',
      "INSERT INTO chain SELECT node, epoch + 1, base + seq + 7, 0, x'00' FROM chain LIMIT 1",
      'does not begin where',
    ],
  ])('%s is found', async (_, sql, words) => {
    for (let i = 0; i < 5; i++) await b.decided();
    await b.opened.close();
    const db = new Database(join(place.path, 'queue.db'));
    db.exec(sql);
    db.close();
    const stored = await place.open().catch(() => null);
    if (stored) b.opened = stored;
    expect((await tail(8)).bad).toContain(words);
  });
});
