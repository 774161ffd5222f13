// What was done must be recorded even when the disk is full for now: else it would be done again, or wait for the end of
// its lease. Logs nothing.

import type { Duration } from '../domain/ids.ts';
import { BodyError } from '../store/bodies/port.ts';
import { QueueError } from '../store/queue/port.ts';
import { LEASE, type Line } from './line.ts';

/** Between two tries. */
const AGAIN: Duration = 1_000;

/** The disk has no space for it now. Of that the store tells by itself, once. */
export function isFull(error: unknown): boolean {
  return (error instanceof QueueError || error instanceof BodyError) && error.code === 'full';
}

/** Calls the verb until there is space, at most for the length of a lease unless told. It carries one id, whichever try succeeds. */
export async function untilSpace<T>(
  { clock }: Pick<Line, 'clock'>,
  verb: () => Promise<T>,
  most: Duration = LEASE,
): Promise<T> {
  const end = clock.now() + most;
  for (;;) {
    try {
      return await verb();
    } catch (error) {
      if (!isFull(error) || clock.now() >= end) throw error;
      await clock.sleep(AGAIN);
    }
  }
}
