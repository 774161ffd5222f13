// The contract of leases, settlements and lanes.

import type { DeliveryId } from '../../src/domain/ids.ts';
import type { Transaction } from '../../src/domain/types.ts';
import { A, B, type Bench, by, HOLD, MINUTE, PORTAL, refuses, settlement, TLS, verb } from './store-bench.ts';

const first = (transactions: readonly Transaction[]): Transaction & { id: DeliveryId } => {
  const [one] = transactions;
  return { ...one!, id: one!.deliveries[0]!.id };
};

export function leasesContract(bench: () => Bench): void {
  test('a delivery is leased to one owner, its attempt counted before it is made', async () => {
    const b = bench();
    const id = await b.decided();
    const taken = first(await b.take());
    expect(taken).toMatchObject({ lease: { owner: A, until: b.now + MINUTE }, deliveries: [{ attempts: 1 }] });
    expect(await b.take(10, { owner: B })).toEqual([]);
    expect((await b.queue.message(id))!.deliveries).toMatchObject([{ state: 'leased', attempts: 1 }]);
    expect((await b.events(id)).at(-1)).toBe('delivery.attempted');
    expect((await b.queue.nextDue()).deliver).toBe(b.now + MINUTE);
  });

  test('many take at once: nobody gets what another has', async () => {
    const b = bench();
    for (let i = 0; i < 30; i++) await b.decided({ to: [`p@d${i % 3}.test`] });
    const taken = await Promise.all([A, B, A, B, A, B].map((owner) => b.take(7, { owner })));
    const ids = taken.flat().map((one) => first([one]).id);
    expect(ids).toHaveLength(30);
    expect(new Set(ids).size).toBe(30);
    expect(new Set(taken.flat().map(({ lease }) => lease.no)).size).toBe(30);
  });

  test('a stale lease cannot settle: its outcome is recorded and in doubt, the holder goes on', async () => {
    const b = bench();
    const id = await b.decided();
    const old = first(await b.take());
    b.pass(MINUTE);
    const now = first(await b.take(1, { owner: B }));
    expect(now.deliveries).toMatchObject([{ attempts: 2, inDoubt: true }]);
    await b.settle(old.lease, settlement(old.id, 'bounced'));
    expect(await b.states(id)).toBe('leased');
    await b.settle(now.lease, settlement(now.id, 'ready', b.now + 5000));
    expect((await b.queue.message(id))!.deliveries).toMatchObject([
      { state: 'ready', notBefore: b.now + 5000, inDoubt: true, status: '4.4.1' },
    ]);
    expect((await b.events(id)).slice(3)).toEqual([
      'delivery.attempted',
      'delivery.in_doubt',
      'delivery.attempted',
      'delivery.in_doubt',
      'delivery.deferred',
    ]);
  });

  test('right number, other owner: as stale', async () => {
    const b = bench();
    const id = await b.decided();
    const taken = first(await b.take());
    await b.settle({ ...taken.lease, owner: B }, settlement(taken.id, 'bounced'));
    await b.settle({ ...taken.lease, no: taken.lease.no + 1 }, settlement(taken.id, 'held'));
    expect(await b.states(id)).toBe('leased');
  });

  test('delivered by a stale lease wins over the holder, and stays', async () => {
    const b = bench();
    const id = await b.decided();
    const old = first(await b.take());
    b.pass(MINUTE);
    const now = first(await b.take(1, { owner: B }));
    await b.settle(old.lease, settlement(old.id, 'delivered'));
    expect((await b.queue.message(id))!.deliveries).toMatchObject([
      { state: 'delivered', level: 'verify', inDoubt: true, because: 'was delivered' },
    ]);
    await b.settle(now.lease, settlement(now.id, 'bounced'));
    expect(await b.states(id)).toBe('delivered');
    expect(await b.stage(id)).toBe('finished');
    expect(await b.take()).toEqual([]);
  });

  test.each([
    'held',
    'bounced',
    'dropped',
    'undecided',
    'ready',
  ] as const)('delivered comes late to what is %s by now, and wins', async (state) => {
    const b = bench();
    const id = await b.decided();
    const old = first(await b.take());
    await b.queue.clearLeases(verb(), B);
    const what = { messages: [id] };
    if (state === 'held') await b.queue.hold(by(), what);
    if (state === 'bounced') await b.queue.giveUp(by(), what);
    if (state === 'dropped') await b.queue.drop(by(), what);
    if (state === 'undecided') await b.queue.redecide(by(), what);
    expect(await b.states(id)).toBe(state);
    await b.settle(old.lease, settlement(old.id, 'delivered'));
    expect(await b.states(id)).toBe('delivered');
    b.pass(10 * MINUTE);
    expect(await b.take()).toEqual([]);
    expect(await b.queue.toExamine(A, 5, b.now + MINUTE)).toEqual([]);
    expect(await b.queue.toNotify(A, 5, b.now + MINUTE, b.now, 4 * 60 * MINUTE)).toEqual([]);
    expect(await b.stage(id)).toBe('finished');
    const { states, lanes } = await b.queue.counts();
    expect(Object.values(states).reduce((sum, n) => sum + n)).toBe(1);
    expect([states.delivered, lanes]).toEqual([1, []]);
  });

  test('renew extends what is still held, and names what was lost', async () => {
    const b = bench();
    await b.decided({ to: ['a@a.test', 'b@a.test'] });
    const { lease, deliveries } = first(await b.take());
    const held = deliveries.map(({ id }) => ({ id, no: lease.no }));
    await b.settle(lease, settlement(held[1]!.id, 'delivered'));
    expect(await b.queue.renew(A, held, b.now + 5 * MINUTE)).toEqual([held[0]!.id]);
    b.pass(MINUTE);
    expect(await b.take(5, { owner: B })).toEqual([]);
    b.pass(4 * MINUTE);
    expect(await b.take(5, { owner: B })).toHaveLength(1);
    expect(await b.queue.renew(A, held, b.now + MINUTE)).toEqual([]);
  });

  test('at start a node clears the leases of its dead process: a wait, in doubt, not its own', async () => {
    const b = bench();
    const examined = await b.inHand();
    const sent = await b.decided({ to: ['a@b.test'] });
    const dead = first(await b.take(1));
    const own = await b.decided({ to: ['a@c.test'] });
    await b.take(1, { owner: B });
    await b.restart();
    expect(await b.queue.clearLeases(verb(), B)).toEqual({ messages: 1, deliveries: 1 });
    expect(await b.states(sent)).toBe('ready');
    expect(await b.states(own)).toBe('leased');
    expect((await b.queue.message(sent))!.deliveries).toMatchObject([{ inDoubt: true, attempts: 1 }]);
    expect(await b.take(5, { owner: B })).toEqual([]);
    expect(await b.queue.toExamine(B, 5, b.now + MINUTE)).toMatchObject([{ message: { examineAttempts: 2 } }]);
    await refuses(b.decide(examined), 'outdated lease');
    b.pass(MINUTE);
    expect((await b.take(5, { owner: B })).map(({ message }) => message.id)).toContain(sent);
    expect(dead.message.id).toBe(sent);
    expect((await b.events(sent)).slice(-3)).toEqual([
      'delivery.in_doubt',
      'delivery.lease_cleared',
      'delivery.attempted',
    ]);
  });

  test('one transaction: recipients of one message with the same destination and decision, at most as many', async () => {
    const b = bench();
    const to = ['a@a.test', 'b@a.test', 'c@a.test', 'd@a.test', 'e@b.test', 'f@a.test'];
    await b.decided({ to }, TLS, TLS, PORTAL, TLS, TLS, HOLD);
    const taken = await b.take(10, { recipients: 2 });
    const groups = taken.map(({ deliveries }) => deliveries.map(({ recipient }) => recipient.slice(0, 1)).join(''));
    expect(groups.sort()).toEqual(['ab', 'c', 'd', 'e']);
  });

  test('one settlement for several recipients, each its own outcome', async () => {
    const b = bench();
    const id = await b.decided({ to: ['a@a.test', 'b@a.test', 'c@a.test'] });
    const { lease, deliveries } = first(await b.take());
    const [x, y, z] = deliveries.map((one) => one.id) as [DeliveryId, DeliveryId, DeliveryId];
    await b.settle(lease, settlement(x, 'delivered'), settlement(y, 'bounced'), settlement(z, 'ready', b.now + 1000));
    expect(await b.states(id)).toBe('delivered bounced ready');
    await refuses(b.settle(lease, settlement(`${id}.7` as DeliveryId, 'delivered')), 'not found');
  });

  test('nothing is due before its time; the next time is told', async () => {
    const b = bench();
    await b.decided();
    const { lease, id } = first(await b.take());
    await b.settle(lease, settlement(id, 'ready', b.now + 7 * MINUTE));
    // May be told too early, never too late.
    expect((await b.queue.nextDue()).deliver).toBeLessThanOrEqual(b.now + 7 * MINUTE);
    expect(await b.take()).toEqual([]);
    b.pass(7 * MINUTE - 1);
    expect(await b.take()).toEqual([]);
    expect((await b.queue.nextDue()).deliver).toBe(b.now + 1);
    b.pass(1);
    expect(first(await b.take()).deliveries).toMatchObject([{ attempts: 2 }]);
  });

  test('urgent before normal before bulk, and each lower class keeps a tenth', async () => {
    const b = bench();
    for (const [priority, count] of [
      ['bulk', 5],
      ['normal', 5],
      ['urgent', 30],
    ] as const) {
      for (let i = 0; i < count; i++) await b.decided({ priority });
    }
    const taken = await b.take(20);
    const order = taken.map(({ deliveries }) => deliveries[0]!.priority);
    const count = (priority: string) => order.filter((one) => one === priority).length;
    expect([count('urgent'), count('normal'), count('bulk')]).toEqual([16, 2, 2]);
    expect(order.slice(0, 4)).toEqual(['urgent', 'urgent', 'urgent', 'urgent']);
  });

  test('organizations take turns, then destinations', async () => {
    const b = bench();
    for (let i = 0; i < 12; i++) await b.decided({ to: [`p@d${i % 2}.test`] });
    for (let i = 0; i < 3; i++) await b.decided({ organization: 'practice', to: ['p@z.test'] });
    const taken = [];
    for (let i = 0; i < 3; i++) taken.push(...(await b.take(2)));
    const names = taken.map(({ message, deliveries }) => [message.organization, deliveries[0]!.destination] as const);
    expect(names.filter(([organization]) => organization === 'practice')).toHaveLength(3);
    const clinic = names.filter(([organization]) => organization === 'clinic').map(([, destination]) => destination);
    expect(new Set(clinic.slice(0, 2)).size).toBe(2);
  });

  test('a destination at its bound is passed over', async () => {
    const b = bench();
    await b.decided({ to: ['a@a.test'] });
    await b.decided({ to: ['b@b.test'] });
    const options = { recipients: 50, notDestinations: ['a.test'] };
    const taken = await b.queue.lease(A, 10, b.now + MINUTE, options);
    expect(taken.map(({ deliveries }) => deliveries[0]!.destination)).toEqual(['b.test']);
    expect(first(await b.take()).deliveries[0]!.destination).toBe('a.test');
  });

  test('one call leases no more of a destination than it has room for', async () => {
    const b = bench();
    for (let i = 0; i < 5; i++) for (const to of ['p@a.test', 'p@b.test']) await b.decided({ to: [to] });
    await b.decided({ organization: 'practice', to: ['p@b.test'] });
    const options = { recipients: 50, rooms: new Map([['a.test', 3]]) };
    const taken = await b.queue.lease(A, 10, b.now + MINUTE, options);
    expect(taken.map(({ deliveries }) => deliveries[0]!.destination).sort()).toEqual([
      'a.test',
      'a.test',
      'a.test',
      'b.test',
    ]);
    expect(await b.take()).toHaveLength(7);
  });

  test('of busy organizations nothing but urgent mail is leased', async () => {
    const b = bench();
    await b.decided({ to: ['a@a.test'] });
    await b.decided({ to: ['b@b.test'], priority: 'urgent' });
    await b.decided({ organization: 'practice', to: ['c@c.test'] });
    const taken = await b.queue.lease(A, 10, b.now + MINUTE, { recipients: 50, urgentOnlyOf: ['clinic'] });
    expect(taken.map(({ deliveries }) => deliveries[0]!.destination).sort()).toEqual(['b.test', 'c.test']);
  });

  test('a pace holds for all lanes of a destination, and says when it is served next', async () => {
    const b = bench();
    await b.queue.pace({ 'slow.test': 200 });
    for (let i = 0; i < 4; i++) await b.decided({ to: ['p@slow.test'] });
    await b.decided({ organization: 'practice', to: ['q@slow.test'], priority: 'urgent' });
    await b.decided({ to: ['p@fast.test'] });
    const destinations = (taken: readonly Transaction[]) => taken.map(({ deliveries }) => deliveries[0]!.destination);
    expect(destinations(await b.take()).sort()).toEqual(['fast.test', 'slow.test']);
    const due = (await b.queue.nextDue(b.now)).deliver as number;
    expect(due - b.now).toBeGreaterThanOrEqual(100);
    expect(due - b.now).toBeLessThanOrEqual(200);
    expect(await b.take()).toEqual([]);
    let sent = 1;
    for (let ms = 0; ms < 800; ms += 50) {
      b.pass(50);
      sent += (await b.take()).length;
    }
    expect(sent).toBe(5);
    await b.queue.pace({});
    for (let i = 0; i < 3; i++) await b.decided({ to: ['p@slow.test'] });
    expect(await b.take()).toHaveLength(3);
  });

  test('a decision takes no delivery whose destination is paced', async () => {
    const b = bench();
    await b.queue.pace({ 'slow.test': 1_000 });
    await b.decided({ to: ['p@slow.test'] });
    expect(await b.take()).toHaveLength(1);
    await b.decided({ to: ['p@slow.test'] });
    expect(await b.take()).toEqual([]);
    await b.restart();
    expect(await b.take()).toEqual([]);
    b.pass(1_000);
    expect(await b.take()).toHaveLength(1);
  });

  test('lanes stand after a restart, with what is due in them', async () => {
    const b = bench();
    for (let i = 0; i < 4; i++) await b.decided({ to: [`p@d${i}.test`] });
    await b.take(1);
    await b.restart();
    expect(await b.take(10)).toHaveLength(3);
    b.pass(MINUTE);
    expect(await b.take(10)).toHaveLength(4);
  });

  test('outages are kept over a restart, each change with an entry', async () => {
    const b = bench();
    expect(await b.queue.outages()).toEqual([]);
    await b.queue.keepOutages(verb(), [{ from: 5, until: null }], 'outage.began');
    await b.queue.keepOutages(verb(), [{ from: 5, until: 7 }], 'outage.ended');
    await b.restart();
    expect(await b.queue.outages()).toEqual([{ from: 5, until: 7 }]);
    const entries = (await b.audit.read(null, 100)).filter(({ event }) => event.startsWith('outage.'));
    expect(entries.map(({ event, detail }) => [event, detail])).toEqual([
      ['outage.began', { from: 5, until: null }],
      ['outage.ended', { from: 5, until: 7 }],
    ]);
  });
}
