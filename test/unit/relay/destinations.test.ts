// Who may have connections: those that answer, more and more; those that do not, one at a time and not at once; and all who
// are not known to be prompt share half, in which organizations take turns.

import { createDestinations, type Turn } from '../../../src/relay/destinations/destinations.ts';
import { settled } from '../../support/clock.ts';

function begin(connections = 4, deliveriesInFlight = 10, perDestination = 3) {
  let now = 1_000_000;
  let freed = 0;
  let timers: { readonly at: number; readonly call: () => void }[] = [];
  const destinations = createDestinations({
    clock: { now: () => now },
    fraction: () => 0.5,
    after: (wait, call) => {
      const timer = { at: now + wait, call };
      timers.push(timer);
      return () => {
        timers = timers.filter((one) => one !== timer);
      };
    },
    freed: () => {
      freed += 1;
    },
    bounds: () => ({ connections, perDestination, deliveriesInFlight }),
  });
  const pass = (ms: number) => {
    now += ms;
    for (const timer of timers.filter(({ at }) => at <= now)) {
      timers = timers.filter((one) => one !== timer);
      timer.call();
    }
  };
  const go = async (destination: string, organization = 'Clinic') => {
    const turn = await destinations.enter(destination, 1_000, organization);
    if (turn.kind !== 'go') throw new Error(turn.reason);
    return turn.leave;
  };
  return { destinations, pass, go, now: () => now, freed: () => freed };
}

test('a destination begins with one connection and gets one more with each answer, up to its bound', async () => {
  const { destinations, go } = begin(10);
  const inHand = [destinations.inHand('a.test')];
  for (let i = 0; i < 4; i++) {
    (await go('a.test'))('answered');
    inHand.push(destinations.inHand('a.test'));
  }
  // Twice as many as it has connections, once it is known to be prompt.
  expect(inHand).toEqual([1, 4, 6, 6, 6]);
});

test('twice as many as it has connections are in hand for one that is prompt, and the next one has what one leaves', async () => {
  const { destinations, go } = begin(10);
  expect(destinations.inHand('a.test')).toBe(1);
  (await go('a.test'))('answered');
  expect(destinations.inHand('a.test')).toBe(4);
  const [first] = [await go('a.test'), await go('a.test')];
  const order: string[] = [];
  const third = go('a.test').then((leave) => [order.push('third'), leave] as const);
  const fourth = go('a.test').then(() => order.push('fourth'));
  await settled();
  expect([destinations.waiting(), order]).toEqual([2, []]);
  first?.('unknown');
  await settled();
  expect([destinations.waiting(), order]).toEqual([1, ['third']]);
  // One more with each answer.
  (await third)[1]('answered');
  await fourth;
  expect(order).toEqual(['third', 'fourth']);
  for (let i = 0; i < 3; i++) void go('a.test').then((leave) => leave('answered'));
  await settled();
  expect(destinations.inHand('a.test')).toBe(6);
});

test('more connections than all may have are not made for those that wait', async () => {
  const { destinations, go } = begin(3, 20, 20);
  (await go('a.test'))('answered');
  (await go('b.test'))('answered');
  const a = [await go('a.test'), await go('a.test')];
  await go('b.test');
  const waiting = Array.from({ length: 4 }, () => go('a.test'));
  await settled();
  expect(destinations.waiting()).toBe(4);
  // It may have three now; all three that there are have been given.
  a[0]?.('answered');
  await settled();
  expect(destinations.waiting()).toBe(3);
  void waiting;
});

test('nor for those that the queue gave out when there were some', async () => {
  const { destinations, go, pass } = begin(4, 20, 20);
  const names = Array.from({ length: 8 }, (_, i) => `d${i}.test`);
  for (const name of names) (await go(name))('answered');
  const order: string[] = [];
  const turns = names.map((name) => go(name).then((leave) => [order.push(name), leave] as const));
  await settled();
  expect([destinations.waiting(), order]).toEqual([4, names.slice(0, 4)]);
  (await turns[2]!)[1]('unknown');
  await settled();
  expect(order).toEqual(names.slice(0, 5));
  // Who waited in vain keeps nothing.
  pass(45_000);
  const ended = await Promise.allSettled(turns);
  expect(ended.filter(({ status }) => status === 'rejected')).toHaveLength(3);
  for (const [i, one] of ended.entries()) if (one.status === 'fulfilled' && i !== 2) one.value[1]('answered');
  expect(destinations.waiting()).toBe(0);
  for (const name of names.slice(4)) await go(name);
});

test('who waits for a connection of one that is slow now comes later, and of one that does not answer at once', async () => {
  const { destinations, go, pass, now } = begin(10);
  (await go('a.test'))('answered');
  const slow = [await go('a.test'), await go('a.test')];
  const third = destinations.enter('a.test', 1, 'Clinic');
  pass(45_000);
  expect(await third).toMatchObject({
    kind: 'later',
    reason: expect.stringContaining('slow'),
    notBefore: now() + 30_000,
  });
  expect(destinations.inHand('a.test')).toBe(2);
  const fourth = destinations.enter('a.test', 1, 'Clinic');
  slow[0]?.('nobody');
  slow[1]?.('nobody');
  expect(await fourth).toMatchObject({ kind: 'later', reason: expect.stringContaining('did not answer') });
  expect(destinations.waiting()).toBe(0);
});

test('who waits for one of the half comes later when its destination failed meanwhile, and keeps nothing', async () => {
  const { destinations, go, pass, now } = begin(4);
  const slowly = await go('a.test');
  pass(3_000);
  slowly('answered');
  const [first] = [await go('a.test'), await go('new1.test')];
  const second = destinations.enter('a.test', 1, 'Clinic');
  const other = destinations.enter('new2.test', 1, 'Clinic');
  first?.('nobody');
  expect(await second).toMatchObject({ kind: 'later', notBefore: now() + 15_000 });
  expect((await other).kind).toBe('go');
  expect(destinations.waiting()).toBe(0);
  pass(15_000);
  void destinations.enter('a.test', 1, 'Clinic');
  expect(destinations.waiting()).toBe(1);
});

test('who waits for one of all connections comes later when its destination failed meanwhile, and keeps nothing', async () => {
  const { destinations, go, now } = begin(2);
  for (const name of ['a.test', 'b.test']) (await go(name))('answered');
  const [first] = [await go('a.test'), await go('b.test')];
  const [second, third] = [destinations.enter('a.test', 1, 'Clinic'), destinations.enter('b.test', 1, 'Clinic')];
  expect(destinations.waiting()).toBe(2);
  first?.('nobody');
  expect(await second).toMatchObject({ kind: 'later', notBefore: now() + 15_000 });
  expect((await third).kind).toBe('go');
  expect(destinations.waiting()).toBe(0);
});

test('one that nobody reached is left in peace, twice as long each time, until it answers', async () => {
  const { destinations, go, pass, now } = begin();
  (await go('a.test'))('answered');
  const rests: number[] = [];
  for (let i = 0; i < 8; i++) {
    (await go('a.test'))('nobody');
    const turn = (await destinations.enter('a.test', 1, 'Clinic')) as Turn & { kind: 'later' };
    expect(turn.kind).toBe('later');
    rests.push(turn.notBefore - now());
    pass(turn.notBefore - now());
  }
  expect(destinations.inHand('a.test')).toBe(1);
  expect(rests).toEqual([15, 30, 60, 120, 240, 480, 600, 600].map((seconds) => seconds * 1_000));
  (await go('a.test'))('answered');
  expect((await destinations.enter('a.test', 1, 'Clinic')).kind).toBe('go');
});

test('attempts that began together and failed together count once; what says nothing changes nothing', async () => {
  const { destinations, go, pass, now } = begin(10);
  for (let i = 0; i < 2; i++) (await go('a.test'))('answered');
  const together = [await go('a.test'), await go('a.test'), await go('a.test')];
  for (const leave of together) leave('nobody');
  expect(await destinations.enter('a.test', 1, 'Clinic')).toMatchObject({ kind: 'later', notBefore: now() + 15_000 });
  pass(15_000);
  (await go('a.test'))('unknown');
  expect((await destinations.enter('a.test', 1, 'Clinic')).kind).toBe('go');
});

test('those that are new or hang share half; who is prompt never waits; who waits in vain comes later', async () => {
  const { destinations, go, pass } = begin(4);
  (await go('good.test'))('answered');
  const hanging = [await go('new1.test'), await go('new2.test')];
  const third = destinations.enter('new3.test', 1, 'Clinic');
  const fourth = destinations.enter('new4.test', 1, 'Clinic');
  expect(destinations.waiting()).toBe(2);
  expect((await destinations.enter('good.test', 1, 'Clinic')).kind).toBe('go');
  hanging[0]?.('answered');
  expect((await third).kind).toBe('go');
  pass(45_000);
  expect(await fourth).toMatchObject({ kind: 'later', reason: expect.stringContaining('too many') });
  expect(destinations.waiting()).toBe(0);
});

test('one that was prompt and is slow now counts among the slow, and more than half of the room does not wait', async () => {
  const { destinations, go, pass } = begin(4);
  (await go('good.test'))('answered');
  await go('good.test');
  await go('new1.test');
  pass(2_001);
  const waiting = Array.from({ length: 5 }, (_, i) => destinations.enter(`new${i + 2}.test`, 1, 'Clinic'));
  expect(destinations.waiting()).toBe(5);
  expect((await destinations.enter('new9.test', 1, 'Clinic')).kind).toBe('later');
  pass(45_000);
  expect((await Promise.all(waiting)).map(({ kind }) => kind)).toEqual(Array.from({ length: 5 }, () => 'later'));
});

test('one that has not failed is tried before all that have, however many there are', async () => {
  const { destinations, go, pass } = begin(4);
  const names = Array.from({ length: 7 }, (_, i) => `dead${i}.test`);
  for (const name of names) (await go(name))('nobody');
  pass(20_000);
  const [first, second] = [await go(names[0]!), await go(names[1]!)];
  const waiting = names.slice(2).map((name) => destinations.enter(name, 1, 'Clinic'));
  expect(destinations.waiting()).toBe(5);
  const good = destinations.enter('good.test', 1, 'Clinic');
  expect(destinations.waiting()).toBe(5);
  expect(await waiting[4]).toMatchObject({ kind: 'later' });
  first('nobody');
  const turn = await good;
  expect(turn.kind).toBe('go');
  if (turn.kind === 'go') turn.leave('answered');
  expect((await waiting[0]!).kind).toBe('go');
  second('nobody');
  expect((await waiting[1]!).kind).toBe('go');
  // Among those that have not failed the first that came.
  const fresh = ['b.test', 'c.test'].map((name) => destinations.enter(name, 1, 'Clinic'));
  pass(45_000);
  expect((await Promise.all([...waiting.slice(2), ...fresh])).map(({ kind }) => kind)).toEqual(Array(5).fill('later'));
  expect(destinations.waiting()).toBe(0);
});

test('a person may have all tried at once', async () => {
  const { destinations, go } = begin();
  (await go('a.test'))('nobody');
  destinations.tryAll();
  expect((await destinations.enter('a.test', 1, 'Clinic')).kind).toBe('go');
});

describe('one that hangs after it was prompt', () => {
  /** All that it may have, seven, are under way, and nothing of the half is free then; an eighth waits. */
  async function hanging() {
    const all = begin(12, 40, 7);
    for (let i = 0; i < 7; i++) (await all.go('a.test'))('answered');
    const turns = await Promise.all(Array.from({ length: 7 }, () => all.destinations.enter('a.test', 1, 'Clinic')));
    const gone = turns.flatMap((turn) => (turn.kind === 'go' ? [turn] : []));
    const eighth = all.destinations.enter('a.test', 1, 'Clinic');
    const left = () => gone.filter(({ signal }) => signal.aborted).length;
    return { ...all, gone, eighth, left };
  }

  test('is left after 15 seconds by all attempts but one, and by who waits for it; it has one connection then', async () => {
    const { destinations, pass, gone, eighth, left, now } = await hanging();
    for (const { watch } of gone) watch('before the dot');
    pass(14_999);
    expect([left(), destinations.waiting()]).toEqual([0, 1]);
    pass(1);
    expect(left()).toBe(6);
    expect(await eighth).toMatchObject({ kind: 'later', notBefore: now() + 30_000 });
    for (const { signal, leave } of gone) if (signal.aborted) leave('unknown');
    expect(destinations.inHand('a.test')).toBe(1);
    const other = await destinations.enter('new.test', 1, 'Clinic');
    expect(other.kind).toBe('go');
    pass(600_000);
    expect(left()).toBe(6);
  });

  test('is not left where something was sent whole, or still is prepared', async () => {
    const { pass, gone, left } = await hanging();
    for (const { watch } of gone.slice(0, 3)) watch('before the dot');
    gone[0]?.watch('behind the dot');
    pass(15_000);
    expect(gone.map(({ signal }) => signal.aborted)).toEqual([false, true, true, false, false, false, false]);
    pass(600_000);
    expect(left()).toBe(2);
  });

  test('behind the dot is set aside while others want connections, and gets none more', async () => {
    const { destinations, pass, gone, eighth, left, go, freed } = await hanging();
    for (const { watch } of gone) watch('behind the dot');
    pass(14_999);
    expect([destinations.waiting(), freed()]).toEqual([1, 0]);
    pass(1);
    expect((await eighth).kind).toBe('later');
    // As many as leave one more of the half: five are its own but for what is kept.
    expect([left(), destinations.waiting(), freed()]).toEqual([0, 3, 3]);
    expect(destinations.inHand('a.test')).toBe(1);
    await go('new1.test');
    for (let i = 2; i < 8; i++) {
      void destinations.enter(`new${i}.test`, 1, 'Clinic');
      pass(5_000);
    }
    await settled();
    expect([left(), freed()]).toEqual([0, 7]);
    // All that was set aside is over; who goes is counted once.
    for (const { leave } of gone) leave('unknown');
    pass(45_000);
    expect(destinations.waiting()).toBe(0);
  });

  test('behind the dot of one next hop and then of another, it is set aside once', async () => {
    const { destinations, pass, gone, freed } = await hanging();
    for (const stage of ['behind the dot', 'behind the dot'] as const) {
      gone[0]?.watch(stage);
      pass(15_000);
    }
    expect(freed()).toBe(1);
    for (const { leave } of gone) leave('unknown');
    pass(45_000);
    expect(destinations.waiting()).toBe(0);
  });

  test('behind the dot, no more are set aside than there may be connections', async () => {
    const { destinations, pass, go, freed } = begin(4, 100, 4);
    for (const name of ['a.test', 'b.test', 'c.test']) for (let i = 0; i < 4; i++) (await go(name))('answered');
    for (const name of ['a.test', 'b.test', 'c.test']) {
      const turns = Array.from({ length: 4 }, () => destinations.enter(name, 1, 'Clinic'));
      for (const turn of turns) void turn.then((one) => one.kind === 'go' && one.watch('behind the dot'));
      await settled();
      pass(15_000);
      await settled();
    }
    for (let i = 0; i < 20; i++) pass(5_000);
    expect(freed()).toBe(4);
  });

  test('is not left while nobody wants what it has, and is as soon as somebody does', async () => {
    const { destinations, pass, go } = begin(40, 100, 7);
    for (let i = 0; i < 7; i++) (await go('a.test'))('answered');
    const turns = [await destinations.enter('a.test', 1, 'Clinic'), await destinations.enter('a.test', 1, 'Clinic')];
    const gone = turns.flatMap((turn) => (turn.kind === 'go' ? [turn] : []));
    for (const { watch } of gone) watch('before the dot');
    pass(60_000);
    expect(gone.map(({ signal }) => signal.aborted)).toEqual([false, false]);
    for (let i = 0; i < 14; i++) await go(`new${i}.test`);
    const next = destinations.enter('good.test', 1, 'Clinic');
    pass(5_000);
    expect(gone.map(({ signal }) => signal.aborted)).toEqual([true, false]);
    gone[0]?.leave('unknown');
    expect((await next).kind).toBe('go');
  });

  test('what is large may take a second more for each mebioctet', async () => {
    const { destinations, go, pass } = begin(4, 40);
    for (let i = 0; i < 2; i++) (await go('a.test'))('answered');
    const [small] = [await destinations.enter('a.test', 1, 'Clinic')];
    const large = await destinations.enter('a.test', 30 << 20, 'Clinic');
    if (small.kind !== 'go' || large.kind !== 'go') throw new Error('all may go');
    large.watch('before the dot');
    await go('b.test');
    pass(44_999);
    expect(large.signal.aborted).toBe(false);
    pass(1);
    expect(large.signal.aborted).toBe(true);
  });
});

test('what is known of 10,000 is kept; one that has connections, or is waited for, is never forgotten', async () => {
  const { destinations, go } = begin(40, 100, 1);
  (await go('used.test'))('answered');
  const [leave] = [await go('used.test')];
  const next = go('used.test');
  (await go('oldest.test'))('answered');
  for (let i = 0; i < 10_001; i++) (await go(`d${i}.test`))('answered');
  expect(destinations.inHand('oldest.test')).toBe(1);
  const third = go('used.test');
  await settled();
  // It has its one connection: two wait for it.
  expect(destinations.waiting()).toBe(2);
  leave('answered');
  (await next)('answered');
  (await third)('answered');
  expect(destinations.waiting()).toBe(0);
});

describe('organizations', () => {
  const [MANY, FEW] = ['Hospital', 'Practice'];

  test('what becomes free goes to the one that has fewest of the half, in order of arrival among its own', async () => {
    const { destinations, go } = begin(4);
    const [first, second] = [await go('a.test', MANY), await go('b.test', MANY)];
    const went: string[] = [];
    for (const [name, organization] of [
      ...['c.test', 'd.test', 'e.test'].map((one) => [one, MANY] as const),
      ...['x.test', 'y.test'].map((one) => [one, FEW] as const),
    ])
      void destinations.enter(name, 1, organization).then(({ kind }) => went.push(`${name} ${kind}`));
    first('nobody');
    await settled();
    expect(went).toEqual(['x.test go']);
    second('nobody');
    await settled();
    expect(went).toEqual(['x.test go', 'c.test go']);
  });

  test('a fifth of the half is kept for who has less of it', async () => {
    const { destinations, go } = begin(20);
    for (let i = 0; i < 8; i++) await go(`hangs${i}.test`, MANY);
    const ninth = destinations.enter('hangs8.test', 1, MANY);
    expect(destinations.waiting()).toBe(1);
    const leave = await go('good.test', FEW);
    await go('other.test', FEW);
    void destinations.enter('third.test', 1, FEW);
    expect(destinations.waiting()).toBe(2);
    leave('nobody');
    await settled();
    // One of the two is free again; who has eight may not have it.
    expect(destinations.waiting()).toBe(1);
    expect(await Promise.race([ninth, settled()])).toBeUndefined();
  });

  test('room to wait is taken from who has most that wait', async () => {
    const { destinations, go } = begin(4);
    await go('a.test', MANY);
    await go('b.test', MANY);
    const many = Array.from({ length: 5 }, (_, i) => destinations.enter(`new${i}.test`, 1, MANY));
    void destinations.enter('x.test', 1, FEW);
    expect(await many[4]).toMatchObject({ kind: 'later' });
    void destinations.enter('y.test', 1, FEW);
    expect(await many[3]).toMatchObject({ kind: 'later' });
    // Three and two are even: no place goes back and forth.
    expect(await destinations.enter('z.test', 1, FEW)).toMatchObject({ kind: 'later' });
    expect(await destinations.enter('new5.test', 1, MANY)).toMatchObject({ kind: 'later' });
    expect(destinations.waiting()).toBe(5);
  });

  // Of whom a thousand names hang for 40 seconds each, and for how many a good new destination of another organization waits at most.
  test.each<[string, readonly string[], number]>([
    ['one has a thousand names that hang: others wait for nothing', [MANY], 0],
    ['twelve have them, more than there are connections', Array.from({ length: 12 }, (_, i) => `Hospital ${i}`), 240],
  ])('%s', async (_, many, most) => {
    const { destinations, pass } = begin(20, 100);
    const SECOND = 1_000;
    const waits: number[] = [];
    let second = 0;
    /** When something is tried next, and what: each of the thousand once, then again as a delivery would be. */
    const due: { at: number; name: string; organization: string; attempts: number; since: number }[] = [];
    const hanging: { until: number; leave: (reached: 'nobody') => void }[] = [];
    let entered = 0;
    for (let i = 0; i < 1_000; i++)
      due.push({ at: 0, name: `hangs${i}.test`, organization: many[i % many.length] as string, attempts: 0, since: 0 });
    for (let i = 0; i < 20; i++)
      due.push({ at: 45 + i * 7, name: `good${i}.test`, organization: FEW, attempts: 0, since: 45 + i * 7 });
    for (; second < 1_800 && waits.length < 20; second++) {
      for (const one of due.filter(({ at }) => at <= second)) {
        // As many as may be leased.
        if (one.organization !== FEW && entered >= 60) continue;
        due.splice(due.indexOf(one), 1);
        entered += 1;
        void destinations.enter(one.name, 1, one.organization).then((turn) => {
          if (turn.kind === 'later') {
            entered -= 1;
            const wait = [60, 120, 300, 600][Math.min(one.attempts, 3)] as number;
            due.push({ ...one, at: second + wait, attempts: one.attempts + 1 });
          } else if (one.organization === FEW) {
            entered -= 1;
            waits.push(second - one.since);
            turn.leave('answered');
          } else hanging.push({ until: second + 40, leave: turn.leave });
        });
      }
      await settled();
      for (const one of hanging.filter(({ until }) => until <= second)) {
        hanging.splice(hanging.indexOf(one), 1);
        entered -= 1;
        one.leave('nobody');
      }
      await settled();
      pass(SECOND);
      await settled();
    }
    expect(waits).toHaveLength(20);
    expect(Math.max(...waits)).toBeLessThanOrEqual(most);
  });
});
