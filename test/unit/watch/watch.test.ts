// What the watch does when a part of it fails.

import { createAlarms } from '../../../src/control/alarms.ts';
import type { Measured } from '../../../src/watch/figures.ts';
import { startWatch, type WatchDeps } from '../../../src/watch/watch.ts';
import { testClock } from '../../support/clock.ts';

const MEASURED: Measured = {
  now: 0,
  held: { deliveries: 0, since: null, recovered: 0 },
  oldestUnderWay: null,
  disk: { free: 1, reserve: 2 },
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

test('when held mail cannot be looked at, what stands is seen and told all the same', async () => {
  const alarms: string[] = [];
  const stands = Promise.withResolvers<ReadonlySet<string>>();
  const watch = startWatch({
    line: {
      outages: { trustsClock: () => true },
      clock: testClock(),
      meter: { alarm: (name: string) => alarms.push(name) },
      log: { warn: () => {}, error: () => {} },
    },
    store: {
      heldSince: async () => Promise.reject(new Error('the reader was away')),
      alerts: async () => ({ told: [], mails: [] }),
    },
    settings: () => ({ limit: 1, remind: [] }),
    measure: { now: async () => MEASURED, close: async () => {} },
    bounds: () => ({ held: 1, heldLimit: 2, oldest: 1, disk: 3, expiry: 1 }),
    raised: createAlarms().list,
    stands: stands.resolve,
    measured: () => {},
    to: () => [],
  } as unknown as WatchDeps);
  try {
    expect(await stands.promise).toEqual(new Set(['low disk']));
    expect(alarms).toEqual(['stage failed', 'low disk']);
  } finally {
    await watch.stop();
  }
});
