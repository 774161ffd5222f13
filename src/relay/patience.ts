// What was done must be recorded even when the disk is full for now: else it would be done again, or wait for the end of
// its lease. Logs nothing.

import type { Duration } from '../domain/ids.ts';
import { QueueError } from '../store/queue/port.ts';
import { LEASE, type Line } from './line.ts';

/** Between two tries. */
const AGAIN: Duration = 1_000;

/** Calls the verb until there is space, at most for the length of a lease. It carries one id, whichever try succeeds. */
export async function untilSpace<T>({ clock }: Pick<Line, 'clock'>, verb: () => Promise<T>): Promise<T> {
  const end = clock.now() + LEASE;
  for (;;) {
    try {
      return await verb();
    } catch (error) {
      if (!(error instanceof QueueError && error.code === 'full') || clock.now() >= end) throw error;
      await clock.sleep(AGAIN);
    }
  }
}
