// toNotify, told, bodiless, nextDue: what somebody has to be told, once a kind, and what ends a message.

import { DELIVERIES, type NotificationRow, TELL } from '../calls/queue.ts';
import { Refusal, tellClass, type Workbench } from '../workbench.ts';
import { type DeliveryCore, kindName, type MessageCore, type Rows } from './rows.ts';

export type Teller = { mark(deliveries: readonly string[], kind: number, how: string, at: number): void };

/** A bounce waits while another delivery of its message is under way, and is looked at again after this. */
const AGAIN = 2_000;
const KINDS = [TELL.bounced, TELL.held, TELL.warned, TELL.delayed];

export function makeTell(w: Workbench, rows: Rows) {
  const { db, ledger, lanes } = w;
  const pending = db
    .prepare<[number, number, number], number>(
      'SELECT n FROM delivery INDEXED BY delivery_tell WHERE tell_class > 0 AND tell_class = ? AND tell_at <= ? ORDER BY tell_at LIMIT ?',
    )
    .pluck();
  const postpone = db.prepare('UPDATE delivery SET tell_at = ? WHERE n = ?');
  const firstTell = db
    .prepare<[number], number>(
      'SELECT tell_at FROM delivery INDEXED BY delivery_tell WHERE tell_class > 0 AND tell_class = ? ORDER BY tell_at LIMIT 1',
    )
    .pluck();
  const firstExamine = db.prepare<[], number>('SELECT min(due) FROM message WHERE due IS NOT NULL').pluck();
  const reminded = db.prepare('UPDATE held SET reminded = ? WHERE n = ?');
  const sweep = db.prepare(
    "UPDATE message SET stage = 'bodiless', bodied = 0, body = json_set(body, '$.key', '') WHERE n = ?",
  );

  function isDue(m: MessageCore, d: DeliveryCore, kind: number, now: number): boolean {
    if (!(d.tell & kind)) return false;
    if (kind === TELL.delayed && m.accepted_at + w.delayAfter > now) return false;
    const wait = tellClass(d.tell) === 2 ? w.delayAfter : 0;
    return d.tell_at + wait <= now;
  }

  function notificationsOf(m: MessageCore, until: number, now: number): NotificationRow[] {
    const all = rows.deliveriesOf(m);
    const underWay = all.some((d) => d.state === 'leased');
    const found: NotificationRow[] = [];
    const touched = new Set<DeliveryCore>();
    for (const kind of KINDS) {
      // Those that waited for the others are told with them, not after them.
      const horizon = kind === TELL.bounced ? now + AGAIN : now;
      const of = all.filter((d) => isDue(m, d, kind, horizon));
      if (of.length === 0) continue;
      for (const d of of) touched.add(d);
      // RFC 3464 lets one report speak for all recipients of a message: it waits for those that are being tried.
      if (kind === TELL.bounced && underWay) continue;
      found.push({ kind, message: rows.wholeMessage(m.n), deliveries: of.map((d) => rows.wholeDelivery(d.n)) });
    }
    const next = found.length > 0 ? until : now + AGAIN;
    for (const d of touched) postpone.run(tellClass(d.tell) === 2 ? next - w.delayAfter : next, d.n);
    return found;
  }

  function toNotify(call: readonly [number, number, number, number]): NotificationRow[] {
    const [limit, until, now, delayAfter] = call;
    w.delayAfter = delayAfter;
    const seen = new Set<number>();
    const found: NotificationRow[] = [];
    for (const [ofClass, before] of [
      [1, now],
      [2, now - delayAfter],
    ] as const) {
      for (const n of pending.all(ofClass, before, limit * 4)) {
        if (found.length >= limit) return found;
        const message = Math.floor(n / DELIVERIES);
        if (seen.has(message)) continue;
        seen.add(message);
        found.push(...notificationsOf(rows.byNumber(message), until, now));
      }
    }
    return found;
  }

  function mark(ids: readonly string[], kind: number, how: string, at: number): void {
    const seen = new Map<string, MessageCore>();
    for (const id of ids) {
      const { m, d } = rows.find(id, seen);
      if (kind & TELL.reminded) {
        const no = kind >> 8;
        reminded.run(no, d.n);
        const detail = JSON.stringify({ kind: 'reminded', no, how });
        ledger.append(at, m.organization, m.id, id, 'gateway notify', 'delivery.told', detail, null);
        continue;
      }
      if (d.told & kind) continue;
      d.told |= kind;
      d.tell &= ~kind;
      if (kind !== TELL.warned) d.told_at = at;
      if (tellClass(d.tell) === 2) d.tell_at = m.accepted_at;
      rows.keepDelivery(d, at, null);
      const detail = JSON.stringify({ kind: kindName(kind), how });
      ledger.append(at, m.organization, m.id, id, 'gateway notify', 'delivery.told', detail, null);
    }
    for (const m of seen.values()) rows.keepOpen(m, m.open, at);
  }

  function told([ids, kind, how]: readonly [readonly string[], number, string], at: number): null {
    mark(ids, kind, how, at);
    return null;
  }

  function bodiless([id]: readonly [string], at: number): null {
    const m = rows.message(id);
    if (m.stage === 'bodiless') return null;
    if (m.stage !== 'finished') throw new Refusal('wrong state', `message ${id} is ${m.stage}`);
    rows.goTo(m, 'bodiless');
    sweep.run(m.n);
    ledger.append(at, m.organization, id, null, 'gateway sweep', 'message.swept', '{}', null);
    return null;
  }

  function nextDue([after]: readonly [number]): readonly [number | null, number | null, number | null] {
    const deliver = lanes.nextDue(after);
    const now = firstTell.get(1) ?? Number.POSITIVE_INFINITY;
    const late = (firstTell.get(2) ?? Number.POSITIVE_INFINITY) + w.delayAfter;
    const notify = Math.min(now, late);
    return [firstExamine.get() ?? null, finite(deliver), finite(notify)];
  }

  return { toNotify, told, mark, bodiless, nextDue };
}

function finite(time: number): number | null {
  return time === Number.POSITIVE_INFINITY ? null : time;
}
