// Who may have connections: those that answer, more and more; those that do not, one at a time and not at once; and all who
// are not known to be prompt share half.

import { createDestinations, type Turn } from '../../../src/relay/destinations.ts';

function begin(connections = 4) {
  let now = 1_000_000;
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
    bounds: () => ({ connections, deliveriesInFlight: 10 }),
  });
  const pass = (ms: number) => {
    now += ms;
    for (const timer of timers.filter(({ at }) => at <= now)) {
      timers = timers.filter((one) => one !== timer);
      timer.call();
    }
  };
  const go = async (destination: string) => {
    const turn = await destinations.enter(destination, 1_000);
    if (turn.kind !== 'go') throw new Error(turn.reason);
    return turn.leave;
  };
  return { destinations, pass, go, now: () => now };
}

test('a destination begins with one connection and gets one more with each answer, up to its bound', async () => {
  const { destinations, go } = begin();
  const widths = [destinations.width('a.test', 3)];
  for (let i = 0; i < 3; i++) {
    (await go('a.test'))('answered');
    widths.push(destinations.width('a.test', 3));
  }
  expect(widths).toEqual([1, 2, 3, 3]);
});

test('one that nobody reached is left in peace, twice as long each time, until it answers', async () => {
  const { destinations, go, pass, now } = begin();
  (await go('a.test'))('answered');
  const rests: number[] = [];
  for (let i = 0; i < 8; i++) {
    (await go('a.test'))('nobody');
    const turn = (await destinations.enter('a.test', 1)) as Turn & { kind: 'later' };
    expect(turn.kind).toBe('later');
    rests.push(turn.notBefore - now());
    pass(turn.notBefore - now());
  }
  expect(destinations.width('a.test', 5)).toBe(1);
  expect(rests).toEqual([15, 30, 60, 120, 240, 480, 600, 600].map((seconds) => seconds * 1_000));
  (await go('a.test'))('answered');
  expect((await destinations.enter('a.test', 1)).kind).toBe('go');
});

test('attempts that began together and failed together count once; what says nothing changes nothing', async () => {
  const { destinations, go, pass, now } = begin(10);
  (await go('a.test'))('answered');
  const together = [await go('a.test'), await go('a.test'), await go('a.test')];
  for (const leave of together) leave('nobody');
  expect(await destinations.enter('a.test', 1)).toMatchObject({ kind: 'later', notBefore: now() + 15_000 });
  pass(15_000);
  (await go('a.test'))('unknown');
  expect((await destinations.enter('a.test', 1)).kind).toBe('go');
});

test('those that are new or hang share half; who is prompt never waits; who waits in vain comes later', async () => {
  const { destinations, go, pass } = begin(4);
  (await go('good.test'))('answered');
  const hanging = [await go('new1.test'), await go('new2.test')];
  const third = destinations.enter('new3.test', 1);
  const fourth = destinations.enter('new4.test', 1);
  expect(destinations.waiting()).toBe(2);
  expect((await destinations.enter('good.test', 1)).kind).toBe('go');
  hanging[0]?.('answered');
  expect((await third).kind).toBe('go');
  pass(10_000);
  expect(await fourth).toMatchObject({ kind: 'later', reason: expect.stringContaining('too many') });
  expect(destinations.waiting()).toBe(0);
});

test('one that was prompt and is slow now counts among the slow, and more than half of the room does not wait', async () => {
  const { destinations, go, pass } = begin(4);
  (await go('good.test'))('answered');
  await go('good.test');
  await go('new1.test');
  pass(2_001);
  const waiting = Array.from({ length: 5 }, (_, i) => destinations.enter(`new${i + 2}.test`, 1));
  expect(destinations.waiting()).toBe(5);
  expect((await destinations.enter('new9.test', 1)).kind).toBe('later');
  pass(10_000);
  expect((await Promise.all(waiting)).map(({ kind }) => kind)).toEqual(Array.from({ length: 5 }, () => 'later'));
});

test('one that has not failed is tried before all that have, however many there are', async () => {
  const { destinations, go, pass } = begin(4);
  const names = Array.from({ length: 7 }, (_, i) => `dead${i}.test`);
  for (const name of names) (await go(name))('nobody');
  pass(20_000);
  const [first, second] = [await go(names[0]!), await go(names[1]!)];
  const waiting = names.slice(2).map((name) => destinations.enter(name, 1));
  expect(destinations.waiting()).toBe(5);
  const good = destinations.enter('good.test', 1);
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
  const fresh = ['b.test', 'c.test'].map((name) => destinations.enter(name, 1));
  pass(10_000);
  expect((await Promise.all([...waiting.slice(2), ...fresh])).map(({ kind }) => kind)).toEqual(Array(5).fill('later'));
  expect(destinations.waiting()).toBe(0);
});

test('a person may have all tried at once', async () => {
  const { destinations, go } = begin();
  (await go('a.test'))('nobody');
  destinations.tryAll();
  expect((await destinations.enter('a.test', 1)).kind).toBe('go');
});
