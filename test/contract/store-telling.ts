// The contract of who is told what, once, and of how messages end.

import type { DeliveryId } from '../../src/domain/ids.ts';
import {
  A,
  type Bench,
  BOUNCE,
  by,
  decision,
  HOLD,
  letter,
  MINUTE,
  refuses,
  settlement,
  TLS,
  verb,
} from './store-bench.ts';

const HOURS = 60 * MINUTE;
const DELAY = 4 * HOURS;

export function tellingContract(bench: () => Bench): void {
  const toTell = (b: Bench, limit = 10) => b.queue.toNotify(A, limit, b.now + MINUTE, b.now, DELAY);
  const kinds = async (b: Bench) =>
    (await toTell(b)).map(({ kind, deliveries }) => `${kind} ${deliveries.map(({ id }) => id.slice(-1)).join('')}`);

  test('a bounce is told once: leased, due again when not told, and never after', async () => {
    const b = bench();
    const id = await b.decided({ to: ['a@a.test', 'b@b.test'] }, BOUNCE, BOUNCE);
    expect((await b.queue.nextDue()).notify).toBe(b.now);
    const [found] = await toTell(b);
    expect(found).toMatchObject({ kind: 'bounced', message: { id }, deliveries: [{}, {}] });
    expect(await toTell(b)).toEqual([]);
    b.pass(MINUTE);
    expect(await kinds(b)).toEqual(['bounced 01']);
    const deliveries = found!.deliveries.map((one) => one.id);
    await b.queue.told(verb(), deliveries, 'bounced', 'by hand');
    expect(await b.stage(id)).toBe('finished');
    await b.queue.told(verb(), deliveries, 'bounced', 'by hand');
    b.pass(HOURS);
    expect(await toTell(b)).toEqual([]);
    const events = await b.events(id);
    expect(events.filter((event) => event === 'delivery.told')).toHaveLength(2);
    expect(events.at(-1)).toBe('message.finished');
  });

  test('a DSN is accepted once for its cause, and marks what it tells in the same transaction', async () => {
    const b = bench();
    const id = await b.decided({}, BOUNCE);
    const tells = { deliveries: [`${id}.0` as DeliveryId], kind: 'bounced' as const };
    const dsn = () =>
      letter(b.now, { origin: 'dsn', from: '', cause: { kind: 'dsn of', key: id }, decision: decision() });
    const [one, two] = [dsn(), dsn()];
    b.test.failCommit();
    await refuses(b.queue.accept(verb(), one, one.cause, undefined, tells), 'full');
    expect(await b.stage(id)).toBe('decided');
    expect(await b.events(id)).not.toContain('delivery.told');
    await b.queue.accept(verb(), one, one.cause, undefined, tells);
    expect(await toTell(b)).toEqual([]);
    const told = (await b.audit.trace(id)).find(({ event }) => event === 'delivery.told');
    expect(told?.detail).toEqual({ kind: 'bounced', how: one.id });
    const answers = await Promise.all(
      [one, two].map((dsn) => b.queue.accept(verb(), dsn, dsn.cause, undefined, tells)),
    );
    expect(answers.map((answer) => answer.id)).toEqual([one.id, one.id]);
    expect(answers.map(({ repeated }) => repeated)).toEqual([true, true]);
    expect(await toTell(b)).toEqual([]);
    expect(await b.stage(id)).toBe('finished');
    expect((await b.events(id)).filter((event) => event === 'delivery.told')).toHaveLength(1);
    expect(await b.take()).toHaveLength(1);
    expect(await b.accepted(letter(b.now, { cause: { kind: 'note of', key: id } }))).toMatchObject({ repeated: false });
  });

  test('nobody is told behind a null reverse-path, of mail of ours, or against NOTIFY; the audit says why', async () => {
    const b = bench();
    const ids = [
      await b.decided({ from: '' }, BOUNCE),
      await b.accept({ origin: 'dsn', from: '', decision: decision(BOUNCE) }),
      await b.decided({ notify: ['NEVER'] }, BOUNCE),
    ];
    expect(await toTell(b)).toEqual([]);
    const words = [];
    for (const id of ids) {
      expect(await b.stage(id)).toBe('finished');
      const told = (await b.audit.trace(id)).filter(({ event }) => event === 'delivery.told');
      words.push(...told.map(({ detail }) => detail.how));
    }
    expect(words).toEqual(['the reverse-path is null', 'mail of ours causes no mail', 'NOTIFY does not ask for it']);
  });

  test('a bounce waits for recipients that are being tried, and is told with them', async () => {
    const b = bench();
    await b.decided({ to: ['a@a.test', 'b@b.test'] }, BOUNCE, TLS);
    const [taken] = await b.take();
    expect(await kinds(b)).toEqual([]);
    await b.settle(taken!.lease, settlement(taken!.deliveries[0]!.id, 'bounced'));
    b.pass(3000);
    expect(await kinds(b)).toEqual(['bounced 01']);
  });

  test('what is held is told of once, and no longer when it was released first', async () => {
    const b = bench();
    const told = await b.decided({}, HOLD);
    expect(await kinds(b)).toEqual(['held 0']);
    await b.queue.told(verb(), [`${told}.0` as DeliveryId], 'held', 'x');
    expect(await b.stage(told)).toBe('decided');
    await b.queue.redecide(by(), { messages: [told] });
    const [again] = await b.queue.toExamine(A, 1, b.now + MINUTE);
    await b.decide(again!, HOLD);
    expect([await b.states(told), await kinds(b)]).toEqual(['held', []]);
    const id = await b.decided();
    await b.queue.hold(by(), { messages: [id] });
    await b.queue.release(by(), { messages: [id] });
    expect(await toTell(b)).toEqual([]);
  });

  test('a delay is told after its time, once, and not when it was delivered before', async () => {
    const b = bench();
    const id = await b.decided({ to: ['a@a.test', 'b@b.test'] });
    b.pass(DELAY - 1);
    expect(await toTell(b)).toEqual([]);
    const other = (await b.take()).find(({ deliveries }) => deliveries[0]!.destination === 'b.test')!;
    await b.settle(other.lease, settlement(other.deliveries[0]!.id, 'delivered'));
    b.pass(1);
    expect(await kinds(b)).toEqual(['delayed 0']);
    await b.queue.told(verb(), [`${id}.0` as DeliveryId], 'delayed', 'x');
    b.pass(DELAY);
    expect(await toTell(b)).toEqual([]);
    expect((await b.queue.message(id))!.deliveries[0]!.toldAt).toBe(b.now - DELAY);
  });

  test('a warning of the rule is told; the message ends after it', async () => {
    const b = bench();
    const hand = await b.inHand();
    const warned = { ...decision(), warn: 'a note' };
    const of = [{ delivery: hand.deliveries[0]!.id, decision: warned }];
    await b.queue.decided(verb(), hand.message.id, hand.lease, null, of);
    const [taken] = await b.take();
    await b.settle(taken!.lease, settlement(taken!.deliveries[0]!.id, 'delivered'));
    expect(await b.stage(hand.message.id)).toBe('decided');
    expect(await kinds(b)).toEqual(['warned 0']);
    await b.queue.told(verb(), [taken!.deliveries[0]!.id], 'warned', 'x');
    expect(await b.stage(hand.message.id)).toBe('finished');
  });

  test('limits are kept, what is left comes next, and a restart forgets nothing', async () => {
    const b = bench();
    for (let i = 0; i < 5; i++) await b.decided({}, BOUNCE);
    expect(await toTell(b, 2)).toHaveLength(2);
    await b.restart();
    expect(await toTell(b, 10)).toHaveLength(3);
    b.pass(MINUTE);
    expect(await toTell(b, 10)).toHaveLength(5);
  });

  test('a finished message is swept once its body is gone; one that is not finished cannot be', async () => {
    const b = bench();
    const open = await b.decided();
    const ended = await b.decided({ from: '' }, BOUNCE);
    const finished = async () => (await b.queue.finished(10)).map(({ id }) => id);
    expect(await finished()).toEqual([ended]);
    await refuses(b.queue.bodiless(verb(), open), 'wrong state');
    const { body } = (await b.queue.message(ended))!.message;
    await b.queue.bodiless(verb(), ended);
    await b.queue.bodiless(verb(), ended);
    expect(await finished()).toEqual([]);
    expect(await b.queue.knownObjects([body.object])).toEqual(new Set());
    expect(await b.stage(ended)).toBe('bodiless');
    expect((await b.events(ended)).filter((event) => event === 'message.swept')).toHaveLength(1);
    await refuses(b.queue.corrupt(verb(), ended, 'x'), 'wrong state');
  });
}
