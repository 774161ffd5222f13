// What the watch does when a part of it fails or hangs.

import { createAlarms } from '../../../src/control/alarms.ts';
import type { Measured } from '../../../src/watch/figures.ts';
import { startWatch, type WatchDeps } from '../../../src/watch/watch.ts';
import { settled, testClock } from '../../support/clock.ts';

const MINUTE = 60_000;
const MEASURED: Measured = {
  now: 0,
  held: { deliveries: 0, since: null, recovered: 0 },
  oldestUnderWay: null,
  disk: { free: 1, reserve: 2, full: false },
  sync: 1,
  batch: { mean: 1, most: 1 },
  wal: 0,
  read: 0,
  heap: null,
  loop: 0,
  late: { examine: 0, deliver: 0, notify: 0 },
  audit: null,
  endings: [],
  silent: [],
};
const away = async () => Promise.reject(Object.assign(new Error('canary'), { code: 'AWAY' }));
const hangs = () => new Promise<never>(() => {});
/** Lets go on whatever can. */

function begin({
  measure = async () => MEASURED,
  heldSince = async () => [],
}: {
  measure?: () => Promise<Measured>;
  heldSince?: () => Promise<readonly never[]>;
}) {
  const clock = testClock();
  const alarms = createAlarms();
  const logged: string[] = [];
  const log = (fields: object, words: string) => logged.push(`${JSON.stringify(fields)} ${words}`);
  let stands: readonly string[] = [];
  let asked = 0;
  let measured = 0;
  const watch = startWatch({
    line: {
      outages: { trustsClock: () => true },
      clock,
      meter: { alarm: (name: string) => alarms.raise(name, clock.now()) },
      log: { warn: log, error: log },
    },
    store: {
      heldSince,
      toRemind: async () => [],
      // People are told now, if there is something to tell.
      alerts: async () => {
        asked += 1;
        return { told: [], mails: [] };
      },
    },
    settings: () => ({ limit: 1, remind: [] }),
    measure: {
      now: () => {
        measured += 1;
        return measure();
      },
      close: async () => {},
    },
    bounds: () => ({ held: 1, heldLimit: 2, oldest: 1, disk: 3, expiry: 1 }),
    raised: alarms.list,
    stands: (names: ReadonlySet<string>) => {
      stands = [...names];
    },
    measured: () => {},
    to: () => [],
  } as unknown as WatchDeps);
  const pass = async (minutes: number) => {
    for (let i = 0; i < minutes; i++) {
      clock.advance(MINUTE);
      await settled();
    }
  };
  const stop = async () => {
    const stopped = watch.stop();
    await pass(1);
    await stopped;
  };
  const raised = () => alarms.list().map(({ name, count }) => `${name} ${count}`);
  return { watch, pass, stop, logged, raised, stands: () => stands, asked: () => asked, measured: () => measured };
}

test('when held mail cannot be looked at, what stands is seen and told all the same', async () => {
  const { stop, stands, raised, asked } = begin({ heldSince: away });
  await settled();
  expect(stands()).toEqual(['low disk']);
  expect(raised()).toEqual(['stage failed 1', 'low disk 1']);
  expect(asked()).toBe(1);
  await stop();
});

test('when held mail hangs too, and is not looked at twice at once', async () => {
  let looks = 0;
  const { pass, stop, stands, raised, asked } = begin({
    heldSince: () => {
      looks += 1;
      return hangs();
    },
  });
  await pass(6);
  expect(stands()).toEqual(['low disk']);
  expect(asked()).toBeGreaterThanOrEqual(2);
  expect(raised()).toEqual([expect.stringMatching(/^long read [3-6]$/), 'low disk 1']);
  expect(looks).toBe(1);
  await stop();
});

test('when nothing can be measured what stood stands on, people are told, and the next look comes', async () => {
  const results = [
    async () => MEASURED,
    away,
    async () => ({ ...MEASURED, disk: { free: 9, reserve: 2, full: false } }),
  ];
  const { pass, stop, logged, stands, raised, asked } = begin({ measure: () => results.shift()!() });
  await settled();
  expect(stands()).toEqual(['low disk']);
  await pass(1);
  expect(stands()).toEqual(['low disk']);
  expect(raised()).toEqual(['low disk 1', 'stage failed 1']);
  expect(logged.at(-1)).toMatch(/^\{"stage":"watch","code":"AWAY"\}/);
  expect(logged.join()).not.toContain('canary');
  expect(asked()).toBe(2);
  await pass(1);
  expect(stands()).toEqual([]);
  await stop();
});

test('when measuring hangs it is waited for, a minute each look, and goes on when it ends', async () => {
  const first = Promise.withResolvers<Measured>();
  const { pass, stop, raised, asked, stands, measured, logged } = begin({ measure: () => first.promise });
  await pass(6);
  expect(asked()).toBeGreaterThanOrEqual(3);
  expect(measured()).toBe(1);
  expect(raised()).toEqual([expect.stringMatching(/^long read [3-6]$/)]);
  expect(logged.at(-1)).toContain('"part":"figures"');
  first.resolve(MEASURED);
  await pass(2);
  expect(stands()).toEqual(['low disk']);
  await stop();
});
