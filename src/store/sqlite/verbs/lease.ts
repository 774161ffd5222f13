// lease, pace, renew: lanes first, then due rows inside a lane. A leased row stays in its lane, due at the end of
// its lease: when the holder died, the row is taken again and its open attempt is marked `in doubt`.

import { DELIVERIES, type MessageLeaseRow } from '../calls/queue.ts';
import { Turns } from '../lanes.ts';
import type { WriterVerbs } from '../protocol.ts';
import type { Workbench } from '../workbench.ts';
import type { Doubt } from './clear.ts';
import { idOf, type MessageCore, type Rows } from './rows.ts';

type LeaseCall = WriterVerbs['lease']['args'];
type RenewCall = readonly [owner: string, until: number, deliveries: readonly string[], nos: readonly number[]];

export function makeLease(w: Workbench, rows: Rows, doubt: Doubt) {
  const { db, ledger, lanes, tally } = w;
  // `+?`: a bare parameter beside a partial index might change the plan, says SQLite, and prepares the statement anew at each run.
  const head = db
    .prepare<[number, number], number>(
      `SELECT n FROM delivery INDEXED BY delivery_due
       WHERE lane = +? AND not_before <= ? AND state IN ('ready', 'leased') ORDER BY not_before LIMIT 1`,
    )
    .pluck();
  const earliest = db
    .prepare<[number], number>(
      `SELECT not_before FROM delivery INDEXED BY delivery_due
       WHERE lane = +? AND state IN ('ready', 'leased') ORDER BY not_before LIMIT 1`,
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
  /** When each class and organization was last served. */
  const served = new Map<string, number>();

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
    const [, limit, , , not, urgentOnlyOf, rooms] = call;
    const left = new Map(rooms);
    const unlisted = rooms === null ? Number.POSITIVE_INFINITY : 1;
    const excluded = new Set(not);
    const busy = new Set(urgentOnlyOf);
    const due = [];
    for (const lane of lanes.active()) {
      if (busy.has(lane.organization) && lane.priority !== 'urgent') continue;
      if (lane.nextDue <= at && lanes.pacedUntil(lane) <= at && !excluded.has(lane.destination)) due.push(lane);
    }
    if (due.length === 0) return [];
    const turns = new Turns(due, served);
    const taken: MessageLeaseRow[] = [];
    while (taken.length < limit) {
      const turn = tally.served + 1;
      const lane = turns.next(turn);
      if (lane === null) break;
      const room = left.get(lane.destination) ?? unlisted;
      // Another lane of its destination was served just now, or it has all connections that it may have.
      if (room <= 0 || lanes.pacedUntil(lane) > at) {
        turns.skip(lane);
        continue;
      }
      const n = head.get(lane.n, at);
      if (n !== undefined) {
        tally.served = turn;
        lane.lastServed = turn;
        taken.push(transaction(call, n, lane.n, at));
        lanes.pace(lane, at);
        left.set(lane.destination, room - 1);
      }
      lane.nextDue = earliest.get(lane.n) ?? Number.POSITIVE_INFINITY;
      lanes.touch(lane);
      if (lane.nextDue <= at) turns.again(lane, tally.served);
      else turns.remove(lane, tally.served);
    }
    return taken;
  }

  function pace(paces: readonly (readonly [destination: string, interval: number])[]): null {
    lanes.setPaces(paces);
    return null;
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

  return { lease, pace, renew };
}
