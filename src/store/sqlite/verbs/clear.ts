// clearLeases: what a process that ended had in hand is taken up again. And what an attempt is called of which nobody knows how it ended.

import { DELIVERIES } from '../calls/queue.ts';
import type { Workbench } from '../workbench.ts';
import { type DeliveryCore, idOf, type MessageCore, type Rows } from './rows.ts';

/** What was under way when a process ended waits this long for each attempt that it has had, and never longer than its
 *  lease would have lasted: a crash costs a wait, not a hot loop, and not a whole lease either. */
const CRASH_WAIT = 60_000;

/** The last attempt of the delivery is `in doubt`. */
export type Doubt = (m: MessageCore, d: DeliveryCore, why: string, at: number) => void;

export function makeDoubt({ db, ledger }: Workbench): Doubt {
  const doubtAttempt = db.prepare(
    "UPDATE attempt SET ended_at = ?, outcome = 'in doubt' WHERE delivery = ? AND no = ? AND ended_at IS NULL",
  );
  return (m, d, why, at) => {
    doubtAttempt.run(at, d.n, d.attempts);
    d.in_doubt = 1;
    const detail = `{"attempt":${d.attempts},"why":"${why}"}`;
    ledger.append(at, m.organization, m.id, idOf(m, d), 'gateway', 'delivery.in_doubt', detail, null);
  };
}

export function makeClear(w: Workbench, rows: Rows, doubt: Doubt) {
  const { db, ledger, lanes } = w;
  const othersDeliveries = db
    .prepare<[number, string], number>(
      `SELECT n FROM delivery INDEXED BY delivery_due
       WHERE lane = ? AND state IN ('ready', 'leased') AND state = 'leased' AND lease_owner <> ?`,
    )
    .pluck();
  const othersMessages = db
    .prepare<[string], number>('SELECT n FROM message WHERE due IS NOT NULL AND lease_owner <> ?')
    .pluck();
  // What is to be told is in hand until `tell_at`, without an owner: this node's process is the only one that tells.
  const tellAgain = db.prepare(
    'UPDATE delivery INDEXED BY delivery_tell SET tell_at = ? WHERE tell_class > 0 AND tell_class = 1 AND tell_at > ?',
  );

  function clearLeases([owner]: readonly [string], at: number): readonly [number, number] {
    const messages = othersMessages.all(owner);
    for (const n of messages) {
      const m = rows.byNumber(n);
      m.due = at;
      m.lease_owner = null;
      rows.keepMessage(m, null);
      const detail = `{"attempt":${m.examine_attempts},"why":"the process ended"}`;
      ledger.append(at, m.organization, m.id, null, 'gateway', 'message.examine_failed', detail, null);
    }
    let deliveries = 0;
    for (const lane of [...lanes.active()]) {
      if (lane.leased === 0) continue;
      for (const n of othersDeliveries.all(lane.n, owner)) {
        const m = rows.byNumber(Math.floor(n / DELIVERIES));
        const d = rows.delivery(n);
        doubt(m, d, 'the process ended', at);
        d.not_before = Math.min(d.not_before, at + CRASH_WAIT * d.attempts);
        rows.move(m, d, 'ready', d.not_before);
        d.lease_owner = null;
        rows.tell(m, d, 4, at);
        rows.keepDelivery(d, at, null);
        const detail = `{"attempt":${d.attempts}}`;
        ledger.append(at, m.organization, m.id, idOf(m, d), 'gateway', 'delivery.lease_cleared', detail, null);
        deliveries += 1;
      }
    }
    tellAgain.run(at + CRASH_WAIT, at + CRASH_WAIT);
    return [messages.length, deliveries];
  }

  return { clearLeases };
}
