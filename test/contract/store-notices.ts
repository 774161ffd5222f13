// The contract of the portal step, and of what becomes of a delivery whose notice is on its way.

import type { DeliveryId } from '../../src/domain/ids.ts';
import { A, type Bench, by, MINUTE, PORTAL, refuses, settlement, verb } from './store-bench.ts';
import { deliveryOf, escrow, escrowed, parcelsOf, receiptOf, settleNotice, TWO_WAYS } from './store-escrow.ts';

export function noticesContract(bench: () => Bench): void {
  const toTell = async (b: Bench) =>
    (await b.queue.toNotify(A, 10, b.now + MINUTE, b.now, 240 * MINUTE)).map(
      ({ kind, deliveries }) => `${kind} ${deliveries.map(({ id }) => id.slice(-1)).join('')}`,
    );
  const last = async (b: Bench, id: DeliveryId, event: string) =>
    (await b.audit.trace(deliveryMessage(id))).findLast((entry) => entry.event === event && entry.delivery === id);

  describe('escrow', () => {
    test('parcels, grants, notices and receipt come to be, and the deliveries wait for their notices', async () => {
      const b = bench();
      const one = await escrowed(b, { to: ['kim@a.test', 'sam@a.test'] });
      await b.restart();
      expect([await b.states(one.id), await b.stage(one.id)]).toEqual(['noticing noticing', 'decided']);
      for (const { parcel, grants, notice } of one.made) {
        expect(await b.opened.parcels.parcel(parcel.id)).toEqual(parcel);
        expect(await b.opened.parcels.ofDelivery(parcel.delivery)).toEqual(parcel);
        expect(await b.opened.parcels.ofConversation(parcel.conversation)).toEqual([parcel]);
        for (const grant of grants) {
          const found = await b.opened.parcels.grant(grant.locator);
          expect({ ...found, box: Buffer.from(found!.box) }).toEqual(grant);
        }
        const entry = await last(b, parcel.delivery, 'delivery.noticing');
        expect(entry!.detail).toEqual({
          ...{ attempt: 1, protection: 'portal', parcel: parcel.id, notice: notice.id, expires: parcel.expiresAt },
        });
        expect((await deliveryOf(b, parcel.delivery)).because).toContain('its notice is on its way');
        expect(await b.states(notice.id)).toBe('ready');
      }
      expect(await b.states(one.receipt.id)).toBe('ready');
      expect((await b.queue.counts()).states).toMatchObject({ noticing: 2, leased: 0, ready: 3 });
      expect(await b.opened.parcels.grant(verb())).toBeNull();
      expect(await b.opened.parcels.parcel('none')).toBeNull();
      expect(await toTell(b)).toEqual([]);
      const { object } = one.made[0]!.parcel.body;
      expect(await b.queue.knownObjects([object, verb()])).toEqual(new Set([object]));
      const many = Array.from({ length: 9 }, verb);
      expect(await b.queue.knownObjects([...many, object])).toEqual(new Set([object]));
      expect(
        (await b.queue.list({ limit: 10 }))
          .map(({ state }) => state)
          .sort()
          .join(' '),
      ).toBe('noticing noticing ready ready ready');
    });

    test('a notice that nobody takes is a delay, of which the sender is told once', async () => {
      const b = bench();
      const one = await escrowed(b, { to: ['kim@a.test'] });
      const later = b.now + 241 * MINUTE;
      const told = await b.queue.toNotify(A, 10, later + MINUTE, later, 240 * MINUTE);
      expect(told.map(({ kind, message }) => [kind, message.id])).toEqual([['delayed', one.id]]);
      await b.queue.told(verb(), [one.made[0]!.parcel.delivery], 'delayed', 'a mail');
      expect(await b.queue.toNotify(A, 10, later + MINUTE, later, 240 * MINUTE)).toEqual([]);
    });

    test('all or nothing: with a failed commit, an outdated lease, one delivery that is not leased', async () => {
      const b = bench();
      const id = await b.decided({ to: ['kim@a.test', 'sam@a.test'] }, PORTAL);
      const [transaction] = await b.take();
      const made = parcelsOf(b, transaction!);
      const receipt = receiptOf(b, transaction!);
      const { lease } = transaction!;
      const nothing = async () => {
        expect(await b.states(id)).toBe('leased leased');
        expect(await b.opened.parcels.list({ limit: 5 })).toEqual([]);
        expect(await b.opened.parcels.grant(made[0]!.grants[0]!.locator)).toBeNull();
        for (const mail of [made[0]!.notice, made[1]!.notice, receipt])
          expect(await b.queue.message(mail.id)).toBeNull();
      };
      b.test.failCommit();
      await refuses(b.opened.parcels.escrow(verb(), lease, made, receipt), 'full');
      await nothing();
      for (const wrong of [
        { ...lease, no: lease.no + 1 },
        { ...lease, owner: 'gw 2' as never },
      ]) {
        await refuses(b.opened.parcels.escrow(verb(), wrong, made, receipt), 'outdated lease');
      }
      const twice = [made[0]!, { ...made[1]!, parcel: { ...made[1]!.parcel, delivery: made[0]!.parcel.delivery } }];
      await refuses(b.opened.parcels.escrow(verb(), lease, twice, receipt), 'outdated lease');
      await nothing();
      await Promise.all([b.opened.parcels.escrow(verb(), lease, made, receipt), b.decided()]);
      expect(await b.states(id)).toBe('noticing noticing');
      await refuses(b.opened.parcels.escrow(verb(), lease, made, receipt), 'outdated lease');
      expect(await b.opened.parcels.list({ limit: 5 })).toHaveLength(2);
    });

    test('items that were passed over before the portal are behind it: its step stands, with clocks at zero', async () => {
      const b = bench();
      await b.decided({}, TWO_WAYS);
      const [first] = await b.take();
      const { next, ...rest } = settlement(first!.deliveries[0]!.id, 'ready', b.now);
      await b.settle(first!.lease, { ...rest, next: { ...next, stepSince: b.now, stepAttempts: 2 } as typeof next });
      const [transaction] = await b.take();
      const [made] = parcelsOf(b, transaction!);
      const because = 'portal: verify: not now → portal: sealed';
      await b.opened.parcels.escrow(verb(), transaction!.lease, [{ ...made!, step: 1, because }], null);
      const { delivery } = made!.parcel;
      expect(await deliveryOf(b, delivery)).toMatchObject({ step: 1, stepSince: null, stepAttempts: 0, because });
      expect((await last(b, delivery, 'delivery.noticing'))!.detail).toMatchObject({
        protection: 'portal',
        attempt: 2,
      });
    });

    test('what waits for its notice is not leased, renewed, cleared or settled', async () => {
      const b = bench();
      const one = await escrowed(b);
      const { delivery } = one.made[0]!.parcel;
      expect((await b.take()).map(({ message }) => message.origin).sort()).toEqual(['notice', 'receipt']);
      expect(await b.queue.renew(A, [{ id: delivery, no: one.transaction.lease.no }], b.now + MINUTE)).toEqual([]);
      expect(await b.queue.clearLeases(verb(), 'gw 9' as never)).toEqual({ messages: 0, deliveries: 2 });
      await b.settle(one.transaction.lease, settlement(delivery, 'bounced'));
      expect(await b.states(one.id)).toBe('noticing');
    });
  });

  describe('what becomes of the notice', () => {
    test('delivered: noticed, with what its hop showed, and the message ends with its last', async () => {
      const b = bench();
      const one = await escrowed(b, { to: ['kim@a.test', 'sam@a.test'] });
      await settleNotice(b, one, 'ready');
      expect(await b.states(one.id)).toBe('noticing noticing');
      b.pass(2 * MINUTE);
      await settleNotice(b, one, 'delivered');
      expect([await b.states(one.id), await b.stage(one.id)]).toEqual(['noticed noticing', 'decided']);
      const { delivery, id } = one.made[0]!.parcel;
      const found = await deliveryOf(b, delivery);
      expect(found).toMatchObject({ status: '2.0.0', level: 'verify', because: 'portal: notice: was delivered' });
      expect(await last(b, delivery, 'delivery.noticed')).toMatchObject({
        detail: { notice: one.made[0]!.notice.id, status: '2.0.0', outcome: 'delivered', level: 'verify' },
        boxed: { because: 'portal: notice: was delivered' },
      });
      b.pass(2 * MINUTE);
      await settleNotice(b, one, 'delivered', 1);
      expect([await b.states(one.id), await b.stage(one.id)]).toEqual(['noticed noticed', 'finished']);
      expect(await b.opened.parcels.parcel(id)).toMatchObject({ state: 'waiting' });
      expect(await toTell(b)).toEqual([]);
      const [row] = await b.audit.search({ states: ['noticed'], limit: 5 });
      expect(row).toMatchObject({ protection: 'portal', level: 'verify', endedAt: b.now });
    });

    test('bounced: its delivery bounces and is told, its parcel is deleted', async () => {
      const b = bench();
      const one = await escrowed(b);
      await settleNotice(b, one, 'bounced');
      const { delivery, id } = one.made[0]!.parcel;
      expect(await deliveryOf(b, delivery)).toMatchObject({
        ...{ state: 'bounced', status: '5.1.1', because: 'portal: notice: was refused' },
      });
      expect(await toTell(b)).toEqual(['bounced 0']);
      expect(await b.opened.parcels.parcel(id)).toMatchObject({ state: 'deleted', body: { key: '' } });
      for (const { locator } of one.made[0]!.grants) expect(await b.opened.parcels.grant(locator)).toBeNull();
      expect((await b.events(one.id)).slice(-2)).toEqual(['portal.deleted', 'delivery.bounced']);
    });

    test('not possible as demanded: it ends itself, its delivery goes on with the next item at once', async () => {
      const b = bench();
      const one = await escrowed(b, {}, TWO_WAYS);
      const { delivery, id } = one.made[0]!.parcel;
      await settleNotice(b, one, 'held');
      expect(await b.states(one.made[0]!.notice.id)).toBe('bounced');
      expect(await b.stage(one.made[0]!.notice.id)).toBe('finished');
      const bounced = (await b.audit.trace(one.made[0]!.notice.id)).find(({ event }) => event === 'delivery.bounced');
      expect(bounced!.detail.why).toBe('no hop shows what its decision demands');
      const next = { state: 'ready', step: 1, stepSince: null, stepAttempts: 0, notBefore: b.now };
      expect(await deliveryOf(b, delivery)).toMatchObject({ ...next, because: 'portal: notice: was refused' });
      expect(await b.opened.parcels.parcel(id)).toMatchObject({ state: 'deleted' });
      expect(await toTell(b)).toEqual([]);
      const again = (await b.take()).find(({ message }) => message.id === one.id)!;
      expect(again.deliveries[0]).toMatchObject({ attempts: 2, step: 1 });
      const second = await escrow(b, again);
      expect((await last(b, delivery, 'delivery.noticing'))!.detail).toMatchObject({
        protection: 'portal',
        attempt: 2,
      });
      expect(await b.opened.parcels.ofDelivery(delivery)).toMatchObject({ id: second.made[0]!.parcel.id });
      // The first notice was taken after all: the second one decides.
      const late = settlement(`${one.made[0]!.notice.id}.0` as DeliveryId, 'delivered');
      await b.settle({ owner: A, no: 1, until: 0 }, { ...late, parent: delivery });
      expect(await b.states(one.made[0]!.notice.id)).toBe('delivered');
      expect(await b.states(one.id)).toBe('noticing');
      await settleNotice(b, second, 'delivered');
      expect(await deliveryOf(b, delivery)).toMatchObject({ state: 'noticed', step: 1 });
    });

    test('what its sender took back goes no other way', async () => {
      const b = bench();
      const one = await escrowed(b, {}, TWO_WAYS);
      const { delivery, id } = one.made[0]!.parcel;
      await b.opened.parcels.retract(verb(), id, { actor: 'portal sender', reason: 'asked for' });
      await settleNotice(b, one, 'held');
      expect(await deliveryOf(b, delivery)).toMatchObject({ state: 'bounced', step: 0 });
      expect(await b.opened.parcels.parcel(id)).toMatchObject({ state: 'retracted' });
      expect((await b.take()).filter(({ message }) => message.id === one.id)).toEqual([]);
      expect(await toTell(b)).toEqual(['bounced 0']);
    });

    test('the next item begins with clocks at zero; what is held before it is tried is left alone', async () => {
      const b = bench();
      const id = await b.decided({}, TWO_WAYS);
      const [first] = await b.take();
      const { next, ...rest } = settlement(first!.deliveries[0]!.id, 'ready', b.now);
      await b.settle(first!.lease, { ...rest, next: { ...next, stepSince: b.now, stepAttempts: 2 } as typeof next });
      const one = await escrow(b, (await b.take())[0]!);
      const { delivery } = one.made[0]!.parcel;
      expect(await deliveryOf(b, delivery)).toMatchObject({ stepSince: b.now, stepAttempts: 2 });
      await settleNotice(b, one, 'held');
      expect(await deliveryOf(b, delivery)).toMatchObject({
        state: 'ready',
        step: 1,
        stepSince: null,
        stepAttempts: 0,
      });
      const counts = await b.queue.counts();
      await b.restart();
      expect(await b.queue.counts()).toEqual(counts);
      await b.queue.hold(by(), { messages: [id] });
      const late = settlement(`${one.made[0]!.notice.id}.0` as DeliveryId, 'delivered');
      await b.settle({ owner: A, no: 1, until: 0 }, { ...late, parent: delivery });
      expect([await b.states(one.made[0]!.notice.id), await b.states(id)]).toEqual(['delivered', 'held']);
    });

    test('delivered after its lease ran out: noticed', async () => {
      const b = bench();
      const one = await escrowed(b);
      const taken = (await b.take()).find(({ message }) => message.origin === 'notice')!;
      b.pass(2 * MINUTE);
      const again = (await b.take()).find(({ message }) => message.origin === 'notice')!;
      expect(again.lease.no).not.toBe(taken.lease.no);
      await b.settle(taken.lease, settlement(taken.deliveries[0]!.id, 'delivered'));
      expect([await b.states(one.id), await b.stage(one.id)]).toEqual(['noticed', 'finished']);
    });

    test('a failed commit changes neither', async () => {
      const b = bench();
      const one = await escrowed(b);
      const taken = (await b.take()).find(({ message }) => message.origin === 'notice')!;
      b.test.failCommit();
      await refuses(b.settle(taken.lease, settlement(taken.deliveries[0]!.id, 'bounced')), 'full');
      expect([await b.states(one.id), await b.states(one.made[0]!.notice.id)]).toEqual(['noticing', 'leased']);
      expect(await b.opened.parcels.parcel(one.made[0]!.parcel.id)).toEqual(one.made[0]!.parcel);
    });
  });

  describe('operators', () => {
    test.each([
      ['drop', 'dropped', []],
      ['giveUp', 'bounced', ['bounced 0']],
    ] as const)('%s of what waits for its notice: its parcel is deleted, the notice changes nothing more', async (verb, state, told) => {
      const b = bench();
      const one = await escrowed(b);
      expect((await b.queue.hold(by(), { messages: [one.id] })).refused[0]!.why).toBe('its notice is on its way');
      const { changed } = await b.queue[verb](by('a mistake'), { messages: [one.id] });
      expect(changed).toEqual([one.made[0]!.parcel.delivery]);
      expect(await b.states(one.id)).toBe(state);
      expect(await toTell(b)).toEqual(told);
      expect(await b.opened.parcels.parcel(one.made[0]!.parcel.id)).toMatchObject({ state: 'deleted' });
      await settleNotice(b, one, 'delivered');
      expect(await b.states(one.id)).toBe(state);
    });

    test('a notice that is held holds its delivery, which is told; released and delivered it is noticed', async () => {
      const b = bench();
      const one = await escrowed(b);
      const { notice, parcel } = one.made[0]!;
      await b.queue.hold(by(), { messages: [notice.id] });
      expect([await b.states(one.id), await toTell(b)]).toEqual(['held', ['held 0']]);
      await b.queue.release(by(), { messages: [notice.id] });
      expect(await b.states(one.id)).toBe('held');
      await settleNotice(b, one, 'delivered');
      expect([await b.states(one.id), await b.stage(one.id)]).toEqual(['noticed', 'finished']);
      expect(await b.opened.parcels.parcel(parcel.id)).toMatchObject({ state: 'waiting' });
    });

    test('a delivery that was held with its notice is released: its parcel is deleted, another one is made', async () => {
      const b = bench();
      const one = await escrowed(b);
      await b.queue.drop(by(), { messages: [one.made[0]!.notice.id] });
      expect([await b.states(one.id), await toTell(b)]).toEqual(['held', ['held 0']]);
      await b.queue.release(by(), { messages: [one.id] });
      expect(await b.opened.parcels.parcel(one.made[0]!.parcel.id)).toMatchObject({ state: 'deleted' });
      const again = (await b.take()).find(({ message }) => message.id === one.id)!;
      const second = await escrow(b, again);
      await settleNotice(b, second, 'delivered');
      expect(await b.states(one.id)).toBe('noticed');
    });

    test('a notice that is given up bounces its delivery', async () => {
      const b = bench();
      const one = await escrowed(b);
      await b.queue.giveUp(by(), { messages: [one.made[0]!.notice.id] });
      expect([await b.states(one.id), await toTell(b)]).toEqual(['bounced', ['bounced 0']]);
      expect(await b.opened.parcels.parcel(one.made[0]!.parcel.id)).toMatchObject({ state: 'deleted' });
    });

    test('both named at once: each is what the operator said', async () => {
      const b = bench();
      const one = await escrowed(b, { to: ['kim@a.test', 'sam@a.test'] });
      const all = [one.id, ...one.made.map(({ notice }) => notice.id), one.receipt.id];
      expect((await b.queue.giveUp(by(), { messages: all })).refused).toEqual([]);
      for (const id of all) expect(await b.states(id)).toMatch(/^bounced( bounced)?$/);
      expect((await b.queue.counts()).states).toMatchObject({ bounced: 5, noticing: 0, held: 0, ready: 0 });
      expect(await toTell(b)).toEqual(['bounced 01']);
      await b.queue.told(
        verb(),
        one.made.map(({ parcel }) => parcel.delivery),
        'bounced',
        'by hand',
      );
      expect(await b.stage(one.id)).toBe('finished');
    });

    test('a notice whose body does not open holds its delivery', async () => {
      const b = bench();
      const one = await escrowed(b);
      expect(await b.queue.corrupt(verb(), one.made[0]!.notice.id, 'the body cannot be opened')).toBe('corrupt');
      expect([await b.states(one.id), await toTell(b)]).toEqual(['held', ['held 0']]);
      expect((await last(b, one.made[0]!.parcel.delivery, 'delivery.held'))!.detail).toMatchObject({
        ...{ notice: one.made[0]!.notice.id, why: 'the body of its notice does not open' },
      });
    });
  });
}

function deliveryMessage(id: DeliveryId) {
  return id.slice(0, id.lastIndexOf('.')) as never;
}
