// The contract of what operators do to the queue.

import type { DeliveryId, QueueId } from '../../src/domain/ids.ts';
import type { Protection } from '../../src/domain/types.ts';
import type { Operation, Selection } from '../../src/store/queue/port.ts';
import {
  A,
  B,
  type Bench,
  BOUNCE,
  by,
  EXAMINATION,
  HOLD,
  MINUTE,
  refuses,
  settlement,
  TLS,
  verb,
} from './store-bench.ts';

type Verb = 'hold' | 'release' | 'retryNow' | 'giveUp' | 'drop' | 'redecide';
const TO = ['u@a.test', 'r@b.test', 'l@c.test', 'h@d.test', 'd@e.test', 'b@f.test'];

/** Messages of one delivery each: undecided, ready, leased, held, delivered, bounced. */
async function inEveryState(b: Bench): Promise<QueueId[]> {
  const ids: QueueId[] = [await b.accept({ to: [TO[0]!] })];
  const delivered = await b.decided({ to: [TO[4]!] });
  const [sent] = await b.take();
  await b.settle(sent!.lease, settlement(sent!.deliveries[0]!.id, 'delivered'));
  const leased = await b.decided({ to: [TO[2]!] });
  await b.take();
  ids.push(await b.decided({ to: [TO[1]!] }), leased, await b.decided({ to: [TO[3]!] }, HOLD), delivered);
  ids.push(await b.decided({ to: [TO[5]!] }, BOUNCE));
  return ids;
}

const STATES = 'undecided ready leased held delivered bounced';

export function operatorsContract(bench: () => Bench): void {
  const all = async (b: Bench, ids: readonly QueueId[]) => {
    const states = [];
    for (const id of ids) states.push(await b.states(id));
    return states.join(' ');
  };

  test.each<[Verb, string, string]>([
    ['hold', 'held held leased held delivered bounced', 'delivery.held'],
    ['release', STATES, ''],
    ['retryNow', STATES, 'delivery.retried'],
    ['giveUp', 'bounced bounced leased bounced delivered bounced', 'delivery.bounced'],
    ['drop', 'dropped dropped leased dropped delivered bounced', 'delivery.dropped'],
    ['redecide', 'undecided undecided leased undecided delivered bounced', 'message.redecided'],
  ])('%s of what is in any state: done where it fits, refused in words elsewhere', async (name, after, event) => {
    const b = bench();
    const ids = await inEveryState(b);
    expect(await all(b, ids)).toBe(STATES);
    const dry = await b.queue[name](by('why', true), { messages: ids });
    expect(await all(b, ids)).toBe(STATES);
    const { changed, refused } = await b.queue[name](by('why'), { messages: ids });
    expect({ changed, refused }).toEqual(dry);
    expect(await all(b, ids)).toBe(after);
    expect(changed.length + refused.length).toBe(6);
    for (const { why } of refused) expect(why).toMatch(/^(it|its) /);
    for (const id of changed) {
      const trace = await b.audit.trace(id.slice(0, -2) as QueueId);
      const entry = trace.find((one) => one.event === event && one.actor === 'ann');
      expect(entry?.boxed).toMatchObject({ because: 'why' });
      expect(JSON.stringify(entry?.detail)).not.toContain('why');
    }
    for (const { delivery } of refused) {
      const trace = await b.audit.trace(delivery.slice(0, -2) as QueueId);
      expect(trace.some(({ actor }) => actor === 'ann')).toBe(false);
    }
  });

  test('held is not sent; released goes under its decision with clocks at zero; retried is due now', async () => {
    const b = bench();
    const id = await b.decided();
    const [taken] = await b.take();
    const later = settlement(`${id}.0` as DeliveryId, 'ready', b.now + 60 * MINUTE);
    const next = { ...later.next, step: 0, stepSince: b.now, stepAttempts: 3 } as typeof later.next;
    await b.settle(taken!.lease, { ...later, next });
    await b.queue.retryNow(by(), { messages: [id] });
    const [again] = await b.take();
    expect(again!.deliveries).toMatchObject([{ stepAttempts: 3, attempts: 2 }]);
    await b.settle(again!.lease, { ...later, next });
    await b.queue.hold(by(), { messages: [id] });
    b.pass(120 * MINUTE);
    expect(await b.take()).toEqual([]);
    await b.queue.release(by(), { messages: [id] });
    const [released] = await b.take();
    expect(released!.deliveries).toMatchObject([{ stepAttempts: 0, stepSince: null, step: 0, attempts: 3 }]);
    expect(released!.deliveries[0]!.decision?.action).toEqual(TLS);
  });

  test('release of what the decision holds names a protection that meets its floors', async () => {
    const b = bench();
    const id = await b.decided({}, HOLD);
    const what = { messages: [id] };
    const verify: Protection = { name: 'tls', level: 'verify' };
    const weak: Protection = { name: 'tls', level: 'may' };
    const meets = (_: unknown, protection: Protection) => (protection.level === 'may' ? 'its floor is verify' : null);
    const refused = async (...args: [Protection?, typeof meets?]) =>
      (await b.queue.release(by(), what, ...args)).refused[0]?.why;
    expect(await refused()).toContain('name the protection');
    expect(await refused(weak, meets)).toBe('its floor is verify');
    expect(await refused(verify)).toContain('floors cannot be judged');
    expect(await b.states(id)).toBe('held');
    expect((await b.queue.release(by('a call'), what, verify, meets)).changed).toEqual([`${id}.0`]);
    const [taken] = await b.take();
    expect(taken!.deliveries[0]!.decision).toMatchObject({
      action: { kind: 'deliver', protections: [verify] },
      because: 'released by an operator: a call',
    });
    expect(await b.events(id)).toContain('delivery.released');
  });

  test('redecide puts the message back to its examiner; others of it are left alone', async () => {
    const b = bench();
    const id = await b.decided({ to: ['a@a.test', 'b@b.test', 'c@c.test'] }, TLS, HOLD, BOUNCE);
    await b.queue.redecide(by(), { messages: [id] });
    expect([await b.stage(id), await b.states(id)]).toEqual(['accepted', 'undecided undecided bounced']);
    expect(await b.take()).toEqual([]);
    const [again] = await b.queue.toExamine(A, 5, b.now + MINUTE);
    await b.decide(again!, HOLD, TLS, TLS);
    expect(await b.states(id)).toBe('held ready bounced');
  });

  test('redecide of what was held before it was decided, while a fact is unknown', async () => {
    const b = bench();
    const hand = await b.inHand();
    const { id } = hand.message;
    await b.queue.hold(by(), { messages: [id] });
    await b.queue.examined(verb(), id, hand.lease, EXAMINATION, b.now + 60 * MINUTE);
    const other = await b.decided({}, HOLD);
    expect((await b.queue.redecide(by(), { states: ['held'] })).changed).toHaveLength(2);
    expect([await b.states(id), await b.states(other)]).toEqual(['undecided', 'undecided']);
    expect(await b.queue.toExamine(A, 5, b.now + MINUTE)).not.toEqual([]);
  });

  test.each<Verb>(['release', 'redecide'])('%s is refused for a message whose body does not open', async (name) => {
    const b = bench();
    const corrupt = await b.decided();
    await b.queue.corrupt(verb(), corrupt, 'missing');
    const whole = await b.decided();
    await b.queue.hold(by(), { messages: [whole] });
    const { changed, refused } = await b.queue[name](by(), { states: ['held'] });
    expect(changed).toEqual([`${whole}.0`]);
    expect(refused).toEqual([{ delivery: `${corrupt}.0`, why: 'the body of its message does not open' }]);
    expect((await b.queue.drop(by(), { messages: [corrupt] })).changed).toHaveLength(1);
    expect(await b.stage(corrupt)).toBe('finished');
  });

  test('what is given up is told of, what is dropped is not; both end the message', async () => {
    const b = bench();
    const bounced = await b.decided();
    const dropped = await b.decided();
    await b.queue.giveUp(by(), { messages: [bounced] });
    await b.queue.drop(by(), { messages: [dropped] });
    expect(await b.stage(dropped)).toBe('finished');
    const told = await b.queue.toNotify(A, 5, b.now + MINUTE, b.now, MINUTE);
    expect(told.map(({ kind, message }) => [kind, message.id])).toEqual([['bounced', bounced]]);
  });

  test('an undecided message that was dropped cannot be decided any more', async () => {
    const b = bench();
    const hand = await b.inHand();
    await b.queue.drop(by(), { messages: [hand.message.id] });
    await expect(b.decide(hand)).rejects.toThrow('finished');
    expect(await b.states(hand.message.id)).toBe('dropped');
    expect(await b.queue.nextDue()).toEqual({ examine: null, deliver: null, notify: null });
  });

  test('selections: all conditions hold together', async () => {
    const b = bench();
    const one = await b.decided({ from: 'lee@clinic.test', to: ['kim@a.test', 'sam@b.test'] });
    b.pass(MINUTE);
    const other = await b.decided({ organization: 'practice', to: ['kim@a.test'] });
    const pick = async (what: Selection) => (await b.queue.hold(by('', true), what)).changed;
    expect(await pick({ domain: 'a.test' })).toEqual([`${other}.0`, `${one}.0`]);
    expect(await pick({ domain: 'a.test', organization: 'clinic' })).toEqual([`${one}.0`]);
    expect(await pick({ recipient: 'KIM@a.test', olderThan: b.now })).toEqual([`${one}.0`]);
    expect(await pick({ sender: 'lee@clinic.test', recipient: 'sam@b.test' })).toEqual([`${one}.1`]);
    expect(
      await pick({ deliveries: [`${one}.1` as DeliveryId, `${other}.0` as DeliveryId], domain: 'b.test' }),
    ).toEqual([`${one}.1`]);
    expect(await pick({ states: ['held'] })).toEqual([]);
    expect(await pick({ messages: [] })).toEqual([]);
  });

  test('a state that changed since it was read is refused, not forced', async () => {
    const b = bench();
    const id = await b.decided();
    const [old] = await b.take();
    await b.queue.clearLeases(verb(), B);
    await b.queue.hold(by(), { messages: [id] });
    const late: Promise<void>[] = [];
    // Asked between reading and doing.
    const meets = () => {
      late.push(b.settle(old!.lease, settlement(`${id}.0` as DeliveryId, 'delivered')));
      return null;
    };
    const protection: Protection = { name: 'portal', level: 'encrypt' };
    const { changed, refused } = await b.queue.release(by(), { messages: [id] }, protection, meets);
    await Promise.all(late);
    expect({ changed, refused }).toEqual({
      changed: [],
      refused: [{ delivery: `${id}.0`, why: 'it is delivered now' }],
    });
    expect(await b.states(id)).toBe('delivered');
  });

  const many = async (b: Bench) => {
    const to = Array.from({ length: 400 }, (_, i) => `p${i}@d${i % 5}.test`);
    for (let i = 0; i < 3; i++) await b.decided({ to });
    await b.decided({}, HOLD);
  };

  test.each<[string, Selection]>([
    ['by no condition', {}],
    ['by state', { states: ['ready'] }],
  ])('more than fit into a slice, %s: a repeated operation gets its first answer, also after a restart', async (_, what) => {
    const b = bench();
    await many(b);
    const op: Operation = by('a storm');
    const first = await b.queue.hold(op, what);
    expect(first.changed).toHaveLength(1200);
    expect(first.refused).toHaveLength(what.states ? 0 : 1);
    const { length } = await b.audit.read(null, 10_000);
    expect(await b.queue.hold(op, what)).toEqual(first);
    await b.restart();
    expect(await b.queue.hold(op, what)).toEqual(first);
    expect((await b.queue.release(by(), what.states ? { states: ['held'] } : what)).changed).toHaveLength(1200);
    // Nor does it take what came later.
    await b.decided();
    expect(await b.queue.hold(op, what)).toEqual(first);
    expect((await b.queue.counts()).states).toMatchObject({ ready: 1201, held: 1 });
    expect((await b.audit.read(null, 10_000)).length).toBe(length + 1200 + 3);
  });

  test('an operation that was cut between slices goes on where it stopped', async () => {
    const b = bench();
    await many(b);
    const op: Operation = by('a storm');
    b.test.failCommit(3);
    await refuses(b.queue.hold(op, { states: ['ready'] }), 'full');
    expect((await b.queue.counts()).states.held).toBeGreaterThan(1);
    expect((await b.queue.counts()).states.held).toBeLessThan(1201);
    expect((await b.queue.hold(op, { states: ['ready'] })).changed).toHaveLength(1200);
    expect((await b.queue.counts()).states).toMatchObject({ ready: 0, held: 1201 });
  });
}
