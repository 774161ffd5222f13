// What outlives its month stands under keys that no retention deletes. What was boxed before such keys were made, or comes
// back with a backup of then, is moved in the background of each start, and again before a month's key is destroyed.

import { codeOf } from '../relay/line.ts';
import { type Base, clock, meterOf } from './base.ts';
import type { State } from './state.ts';

type Places = Pick<State, 'kept'> & { readonly store: Pick<State['store'], 'keyBoxes'> };

/** Ends soon after `stop`. */
export async function moveLasting({ store, kept }: Places, stop: AbortSignal) {
  const policies = await kept.move(clock.now(), stop);
  return { ...(await store.keyBoxes.moveLasting(stop)), policies };
}

/** Returns at once; what is not moved keeps the key of its month, also when the gateway stops amid it. */
export function startMoving(base: Base, places: Places): void {
  const { log, closers } = base;
  const stopped = new AbortController();
  const moved = moveLasting(places, stopped.signal).then(
    ({ moved, unreadable, policies }) => {
      if (moved + policies > 0)
        log.info({ moved, policies }, 'what outlives its month was moved under a key that stays');
      if (unreadable > 0) log.warn({ unreadable }, 'rows do not open: they keep the keys of their months');
    },
    (error) => {
      meterOf(base).alarm('stage failed');
      log.error(
        { stage: 'lasting', code: codeOf(error) },
        'not all was moved under a key that stays: it goes on later',
      );
    },
  );
  closers.push(() => {
    stopped.abort();
    return moved;
  });
}
