// Clears what is over: bodies of finished messages, and bytes that no row knows. Runs in the background, in batches.

import type { Duration } from '../domain/ids.ts';
import { verbId } from '../store/queue/port.ts';
import { codeOf, type Line } from './line.ts';
import { isFull } from './patience.ts';

const EVERY: Duration = 5_000;
const BATCH = 256;
const DAY: Duration = 86_400_000;

export type Sweep = { stop(): Promise<void> };

export function startSweep(line: Line): Sweep {
  let orphansAt = line.clock.now();
  return sweeping(line, 'sweep', async (stop) => {
    while ((await sweepFinished(line)) === BATCH && !stop.aborted);
    if (line.clock.now() < orphansAt) return;
    orphansAt = line.clock.now() + DAY;
    await sweepOrphans(line);
  });
}

/** Sweeps again and again until it is stopped; what fails is tried again, and told unless the disk is full. */
export function sweeping(
  line: Pick<Line, 'clock' | 'log' | 'meter'>,
  stage: string,
  sweep: (stop: AbortSignal) => Promise<void>,
): Sweep {
  const stopped = new AbortController();
  const done = (async () => {
    while (!stopped.signal.aborted) {
      try {
        await sweep(stopped.signal);
      } catch (error) {
        if (!isFull(error)) {
          line.meter.alarm('stage failed');
          line.log.error({ stage, code: codeOf(error) }, 'the sweep failed and is tried again');
        }
      }
      await line.clock.sleep(EVERY, stopped.signal).catch(() => {});
    }
  })();
  return {
    stop: async () => {
      stopped.abort();
      await done;
    },
  };
}

/** Removes the bodies of finished messages; the key goes first, the row says so last. Returns how many. */
export async function sweepFinished(line: Line): Promise<number> {
  const messages = await line.queue.finished(BATCH);
  await Promise.all(
    messages.map(async (message) => {
      await line.bodies.remove(message.body);
      await line.queue.bodiless(verbId(line), message.id);
    }),
  );
  return messages.length;
}

/** Removes sealed bytes without a row: what was never acknowledged. A day old, so that nothing in flight is meant. */
export async function sweepOrphans(line: Line): Promise<number> {
  const { removed } = await line.bodies.sweep((objects) => line.queue.knownObjects(objects), line.clock.now() - DAY);
  if (removed > 0) line.log.info({ removed }, 'removed bodies that no message owns');
  return removed;
}
