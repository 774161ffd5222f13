// lease, renew, clearLeases: lanes first, then due rows inside a lane. A leased row stays in its lane, due at the end of
// its lease: when the holder died, the row is taken again and its open attempt is marked `in doubt`.

import { DELIVERIES, type MessageLeaseRow } from '../calls/queue.ts';
import { Turns } from '../lanes.ts';
import type { Workbench } from '../workbench.ts';
import { type DeliveryCore, idOf, type MessageCore, type Rows } from './rows.ts';

type LeaseCall = readonly [owner: string, limit: number, until: number, recipients: number, not: readonly string[]];
type RenewCall = readonly [owner: string, until: number, deliveries: readonly string[], nos: readonly number[]];

/** What was under way when a process ended waits this long for each attempt that it has had, and never longer than its
 *  lease would have lasted: a crash costs a wait, not a hot loop, and not a whole lease either. */
const CRASH_WAIT = 60_000;

export function makeLease(w: Workbench, rows: Rows) {
  const { db, ledger, lanes, tally } = w;
  const head = db
    .prepare<[number, number], number>(
      `SELECT n FROM delivery INDEXED BY delivery_due
       WHERE lane = ? AND not_before <= ? AND state IN ('ready', 'leased') ORDER BY not_before LIMIT 1`,
    )
    .pluck();
  const earliest = db
    .prepare<[number], number>(
      `SELECT not_before FROM delivery INDEXED BY delivery_due
       WHERE lane = ? AND state IN ('ready', 'leased') ORDER BY not_before LIMIT 1`,
    )
    .pluck();
  const companions = db
    .prepare<[number, number, number, number, string, number, number], number>(
      `SELECT n FROM delivery WHERE n >= ? AND n < ? AND lane = ? AND not_before <= ? AND list = ? AND step = ?
       AND state IN ('ready', 'leased') LIMIT ?`,
    )
    .pluck();
  const update = db.prepare(
    `UPDATE delivery SET state = 'leased', attempts = ?, not_before = ?, lease_owner = ?, lease_no = ?, in_doubt = ?
     WHERE n = ?`,
  );
  const extend = db.prepare('UPDATE delivery SET not_before = ? WHERE n = ?');
  const insertAttempt = db.prepare(
    'INSERT INTO attempt (delivery, no, lease, step, owner, begun_at) VALUES (?, ?, ?, ?, ?, ?)',
  );
  const doubtAttempt = db.prepare(
    "UPDATE attempt SET ended_at = ?, outcome = 'in doubt' WHERE delivery = ? AND no = ? AND ended_at IS NULL",
  );
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
  /** When each class and organization was last served. */
  const served = new Map<string, number>();

  function doubt(m: MessageCore, d: DeliveryCore, why: string, at: number): void {
    doubtAttempt.run(at, d.n, d.attempts);
    d.in_doubt = 1;
    const detail = `{"attempt":${d.attempts},"why":"${why}"}`;
    ledger.append(at, m.organization, m.id, idOf(m, d), 'gateway', 'delivery.in_doubt', detail, null);
  }

  function leaseOne(m: MessageCore, n: number, owner: string, no: number, until: number, at: number): void {
    const d = rows.delivery(n);
    if (d.state === 'leased') doubt(m, d, 'lease ran out', at);
    rows.move(m, d, 'leased', until);
    d.attempts += 1;
    update.run(d.attempts, until, owner, no, d.in_doubt, n);
    insertAttempt.run(n, d.attempts, no, d.step, owner, at);
    const detail = `{"attempt":${d.attempts}}`;
    ledger.append(at, m.organization, m.id, idOf(m, d), 'gateway deliver', 'delivery.attempted', detail, null);
  }

  function transaction(call: LeaseCall, n: number, lane: number, at: number): MessageLeaseRow {
    const [owner, , until, recipients] = call;
    const m = rows.byNumber(Math.floor(n / DELIVERIES));
    const d = rows.delivery(n);
    const first = m.n * DELIVERIES;
    const together =
      m.deliveries === 1 ? [n] : companions.all(first, first + m.deliveries, lane, at, d.list, d.step, recipients);
    const no = w.nextLease();
    for (const one of together) leaseOne(m, one, owner, no, until, at);
    return { lease: no, message: rows.wholeMessage(m.n), deliveries: together.map(rows.wholeDelivery) };
  }

  function lease(call: LeaseCall, at: number): MessageLeaseRow[] {
    const [, limit, , , not] = call;
    const excluded = new Set(not);
    const due = [];
    for (const lane of lanes.active()) {
      if (lane.nextDue <= at && lane.pacedUntil <= at && !excluded.has(lane.destination)) due.push(lane);
    }
    if (due.length === 0) return [];
    const turns = new Turns(due, served);
    const taken: MessageLeaseRow[] = [];
    while (taken.length < limit) {
      const turn = tally.served + 1;
      const lane = turns.next(turn);
      if (lane === null) break;
      const n = head.get(lane.n, at);
      if (n !== undefined) {
        tally.served = turn;
        lane.lastServed = turn;
        taken.push(transaction(call, n, lane.n, at));
      }
      lane.nextDue = earliest.get(lane.n) ?? Number.POSITIVE_INFINITY;
      lanes.touch(lane);
      if (lane.nextDue <= at) turns.again(lane, tally.served);
      else turns.remove(lane, tally.served);
    }
    return taken;
  }

  function renew([owner, until, ids, nos]: RenewCall): string[] {
    const seen = new Map<string, MessageCore>();
    return ids.filter((id, i) => {
      const { d } = rows.find(id, seen);
      if (d.state !== 'leased' || d.lease_owner !== owner || d.lease_no !== nos[i]) return false;
      extend.run(until, d.n);
      return true;
    });
  }

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

  return { lease, renew, clearLeases };
}
