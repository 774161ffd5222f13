// A clock that stands still until a test moves it.

import type { Clock } from '../../src/domain/types.ts';

export type TestClock = Clock & { readonly advance: (ms: number) => void };

type Sleeper = { readonly due: number; readonly wake: () => void };

/** Once all has run that waits for no timer, no disk and no socket. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export function testClock(start = Date.UTC(2026, 0, 1)): TestClock {
  let now = start;
  let sleepers: Sleeper[] = [];
  return {
    now: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        if (ms <= 0) return resolve();
        const sleeper = { due: now + ms, wake: resolve };
        sleepers.push(sleeper);
        signal?.addEventListener('abort', () => {
          sleepers = sleepers.filter((one) => one !== sleeper);
          reject(signal.reason);
        });
      }),
    advance: (ms) => {
      now += ms;
      const due = sleepers.filter((one) => one.due <= now);
      sleepers = sleepers.filter((one) => one.due > now);
      for (const { wake } of due) wake();
    },
  };
}
