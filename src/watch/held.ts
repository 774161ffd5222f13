// What is held never ends silently: its sender and the admin are reminded of it (`queue.held.remind`), and at
// `queue.held.limit` it goes back to its sender as undelivered. What was recovered after a loss waits for its release only:
// nobody but an operator can know whether it was delivered before. Logs counts and queue ids.

import type { Duration } from '../domain/ids.ts';
import { notify } from '../relay/bounce.ts';
import { codeOf, type Line } from '../relay/line.ts';
import { verbId } from '../store/queue/port.ts';
import type { WatchStore } from '../store/watch/port.ts';
import { ageOf } from './words.ts';

export type HeldDeps = {
  readonly line: Line;
  readonly store: Pick<WatchStore, 'toRemind' | 'heldSince'>;
  readonly settings: () => { readonly limit: Duration; readonly remind: readonly Duration[] };
};

const REMINDERS = 50;
const ENDED = 500;

/** Sends the reminders that are due and ends what was held too long. Returns how many deliveries it ended. */
export async function lookAtHeld(deps: HeldDeps): Promise<number> {
  const ended = await endHeld(deps);
  await remind(deps);
  return ended;
}

async function remind({ line, store, settings }: HeldDeps): Promise<void> {
  const { remind: after, limit } = settings();
  for (;;) {
    const due = await store.toRemind(line.clock.now(), after, REMINDERS);
    let failed = 0;
    for (const reminder of due) {
      // One that cannot be written now must not keep the others from being sent.
      await notify(line, { ...reminder, endsAt: reminder.since + limit }).catch((error) => {
        failed += 1;
        line.meter.alarm('stage failed');
        line.log.error({ queueId: reminder.message.id, stage: 'remind', code: codeOf(error) }, 'telling failed');
      });
    }
    if (due.length === 0 || failed > 0) return;
  }
}

async function endHeld({ line, store, settings }: HeldDeps): Promise<number> {
  const { limit } = settings();
  let ended = 0;
  for (;;) {
    const deliveries = await store.heldSince(line.clock.now() - limit, ENDED);
    if (deliveries.length === 0) break;
    const reason = `held for ${ageOf(limit)}, and nobody decided about it`;
    const op = { verb: verbId(line), actor: 'gateway', reason };
    const { changed } = await line.queue.giveUp(op, { deliveries });
    ended += changed.length;
    for (let i = 0; i < changed.length; i++) line.meter.alarm('held mail ended');
    if (changed.length === 0) break;
  }
  if (ended === 0) return 0;
  line.log.warn({ deliveries: ended }, 'held too long: they go back to their senders');
  line.wake('notify');
  return ended;
}
