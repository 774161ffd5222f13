// Places of which only so many may be taken; who comes when all are waits, in order of arrival, for a while. Logs nothing.

import type { Duration } from '../../domain/ids.ts';

/** How long somebody waits for one. */
export const PATIENCE: Duration = 45_000;

/** Calls it after so long; gives what keeps it from that. */
export type After = (wait: Duration, call: () => void) => () => void;

export type Places = {
  /** Whether one could be taken, in time. */
  take(): boolean | Promise<boolean>;
  /** One is free again: who waits first has it. */
  give(): void;
  taken(): number;
  waiting(): number;
  /** Nobody waits any longer. */
  sendAway(): void;
};

/** `most`: how many may be taken now. `waits`: told when one more, or one less, waits. */
export function createPlaces(after: After, most: () => number, waits: (by: 1 | -1) => void): Places {
  let taken = 0;
  /** Each is told whether it has one. */
  const queue = new Set<(has: boolean) => void>();
  return {
    take() {
      if (taken < most()) {
        taken += 1;
        return true;
      }
      return new Promise((resolve) => {
        const wake = (has: boolean): void => {
          cancel();
          queue.delete(wake);
          waits(-1);
          if (has) taken += 1;
          resolve(has);
        };
        const cancel = after(PATIENCE, () => wake(false));
        queue.add(wake);
        waits(1);
      });
    },
    give() {
      taken -= 1;
      for (const wake of queue) {
        if (taken >= most()) break;
        wake(true);
      }
    },
    taken: () => taken,
    waiting: () => queue.size,
    sendAway() {
      for (const wake of [...queue]) wake(false);
    },
  };
}
