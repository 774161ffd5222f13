// The rows that verbs read and the changes that several of them make: find, move between states, tell, finish.

import { isEnded } from '../../../domain/states.ts';
import type { DeliveryState, Origin, Stage } from '../../../domain/types.ts';
import { DELIVERIES, type DeliveryRow, deliveryRow, MESSAGE_ROW, type MessageRow, TELL } from '../calls/queue.ts';
import { countStage, countState, Refusal, tellClass, type Workbench, whyMute } from '../workbench.ts';

/** What verbs need of a message; changed in place and written by `keepMessage`. */
export type MessageCore = {
  readonly n: number;
  readonly id: string;
  readonly organization: string;
  readonly origin: Origin;
  readonly accepted_at: number;
  readonly deliveries: number;
  stage: Stage;
  open: number;
  due: number | null;
  lease_owner: string | null;
  lease_no: number;
  examine_attempts: number;
};

export type DeliveryCore = {
  readonly n: number;
  lane: number;
  state: DeliveryState;
  status: string;
  list: string;
  step: number;
  attempts: number;
  not_before: number;
  may_tell: number;
  tell: number;
  told: number;
  told_at: number | null;
  tell_at: number;
  lease_owner: string | null;
  lease_no: number;
  in_doubt: number;
};

const MESSAGE_CORE =
  'n, id, organization, origin, accepted_at, deliveries, stage, open, due, lease_owner, lease_no, examine_attempts';
const DELIVERY_CORE = `n, lane, state, status, list, step, attempts, not_before, may_tell, tell, told, told_at, tell_at,
  lease_owner, lease_no, in_doubt`;

export type Rows = ReturnType<typeof openRows>;

/** Mail that an organization handed to us, which is what usage counts. */
export function isTheirs(origin: Origin): boolean {
  return origin === 'relayed' || origin === 'submitted';
}

/** Counts that it left by that item of its decision's list. */
export function countUse({ usage }: Workbench, m: MessageCore, d: DeliveryCore, item: number, at: number): void {
  const what = d.list.split(', ')[item]?.split(':', 1)[0];
  if (isTheirs(m.origin) && what) usage.count(at, m.organization, what, 0, 1, 0);
}

export function openRows(w: Workbench) {
  const { db, tally, lanes, ledger, held } = w;
  const byId = db.prepare<[string], MessageCore>(`SELECT ${MESSAGE_CORE} FROM message WHERE id = ?`);
  const byNumber = db.prepare<[number], MessageCore>(`SELECT ${MESSAGE_CORE} FROM message WHERE n = ?`);
  const wholeMessage = db.prepare<[number], MessageRow>(`SELECT ${MESSAGE_ROW} FROM message WHERE n = ?`);
  const oneDelivery = db.prepare<[number], DeliveryCore>(`SELECT ${DELIVERY_CORE} FROM delivery WHERE n = ?`);
  const range = db.prepare<[number, number], DeliveryCore>(
    `SELECT ${DELIVERY_CORE} FROM delivery WHERE n >= ? AND n < ? ORDER BY n`,
  );
  const wholeDelivery = db.prepare<[number], DeliveryRow>(`SELECT ${deliveryRow('d')} FROM delivery d WHERE n = ?`);
  const wholeRange = db.prepare<[number, number], DeliveryRow>(
    `SELECT ${deliveryRow('d')} FROM delivery d WHERE n >= ? AND n < ? ORDER BY n`,
  );
  const telling = db
    .prepare<[number, number], number>('SELECT 1 FROM delivery WHERE n >= ? AND n < ? AND tell_class = 1 LIMIT 1')
    .pluck();
  const updateMessage = db.prepare(
    `UPDATE message SET stage = ?, open = ?, due = ?, lease_owner = ?, lease_no = ?, examine_attempts = ?, finished_at = ?
     WHERE n = ?`,
  );
  const updateOpen = db.prepare('UPDATE message SET open = ? WHERE n = ?');
  const updateDelivery = db.prepare(
    `UPDATE delivery SET lane = ?, state = ?, status = ?, step = ?, not_before = ?, tell = ?, told = ?, told_at = ?,
       tell_class = ?, tell_at = ?, in_doubt = ?, lease_owner = ?, because = coalesce(?, because),
       ended_at = CASE WHEN ? THEN coalesce(ended_at, ?) ELSE NULL END
     WHERE n = ?`,
  );

  const first = (message: MessageCore) => message.n * DELIVERIES;

  function message(id: string): MessageCore {
    const found = byId.get(id);
    if (!found) throw new Refusal('not found', `no message ${id}`);
    return found;
  }

  const deliveriesOf = (m: MessageCore): DeliveryCore[] => range.all(first(m), first(m) + m.deliveries);

  /** Counters, lane and the message's open count; the row itself is the caller's to write. `due` for ready, leased. */
  function move(m: MessageCore, d: DeliveryCore, to: DeliveryState, due: number): void {
    countState(tally, d.state, to);
    const was = d.state === 'ready' || d.state === 'leased' ? d.state : null;
    const will = to === 'ready' || to === 'leased' ? to : null;
    if (was !== null || will !== null) lanes.move(lanes.byNumber(d.lane), was, will, due);
    if (isEnded(to) && !isEnded(d.state)) m.open -= 1;
    if (d.state !== to) held.move(d.n, d.state, to, w.at);
    d.state = to;
    d.not_before = due;
  }

  /** Somebody has to be told, once a kind; where nobody may be, that is recorded instead. */
  function tell(m: MessageCore, d: DeliveryCore, kind: number, at: number): void {
    if (d.told & kind) return;
    if (d.may_tell & kind) {
      d.tell |= kind;
      if (kind !== TELL.delayed) d.tell_at = at;
      else if (d.tell === TELL.delayed) d.tell_at = m.accepted_at;
      return;
    }
    if (kind === TELL.delayed || kind === TELL.warned) return;
    d.told |= kind;
    const detail = `{"kind":"${kindName(kind)}","how":"${whyMute(d.may_tell)}"}`;
    ledger.append(at, m.organization, m.id, idOf(m, d), 'gateway notify', 'delivery.told', detail, null);
  }

  /** What no longer needs telling in the state it is in now. */
  function settleTell(d: DeliveryCore): void {
    if (d.state !== 'held') d.tell &= ~TELL.held;
    if (d.state !== 'bounced') d.tell &= ~TELL.bounced;
    if (d.state !== 'ready' && d.state !== 'leased' && d.state !== 'noticing') d.tell &= ~TELL.delayed;
  }

  function keepDelivery(d: DeliveryCore, at: number, because: Buffer | null): void {
    const ended = isEnded(d.state) ? 1 : 0;
    updateDelivery.run(
      d.lane,
      d.state,
      d.status,
      d.step,
      d.not_before,
      d.tell,
      d.told,
      d.told_at,
      tellClass(d.tell),
      d.tell_at,
      d.in_doubt,
      d.lease_owner,
      because,
      ended,
      at,
      d.n,
    );
  }

  function keepMessage(m: MessageCore, finishedAt: number | null): void {
    updateMessage.run(m.stage, m.open, m.due, m.lease_owner, m.lease_no, m.examine_attempts, finishedAt, m.n);
  }

  function goTo(m: MessageCore, stage: Stage): void {
    countStage(tally, m.stage, stage);
    m.stage = stage;
  }

  /** Writes the open count, and the end of the message when nothing is left to do or to tell. */
  function keepOpen(m: MessageCore, openBefore: number, at: number): void {
    if (m.open === 0 && m.stage !== 'finished' && m.stage !== 'bodiless') {
      if (telling.get(first(m), first(m) + m.deliveries) === undefined) {
        if (m.stage === 'accepted' || m.stage === 'examined') goTo(m, 'decided');
        goTo(m, 'finished');
        m.due = null;
        keepMessage(m, at);
        ledger.append(at, m.organization, m.id, null, 'gateway', 'message.finished', '{}', null);
        return;
      }
    }
    if (m.open !== openBefore) updateOpen.run(m.open, m.n);
  }

  return {
    message,
    byNumber: (n: number) => byNumber.get(n) as MessageCore,
    wholeMessage: (n: number) => wholeMessage.get(n) as MessageRow,
    wholeDelivery: (n: number) => wholeDelivery.get(n) as DeliveryRow,
    wholeDeliveries: (m: MessageCore) => wholeRange.all(first(m), first(m) + m.deliveries),
    delivery: (n: number) => oneDelivery.get(n) as DeliveryCore,
    /** A delivery and its message by the delivery's id; `seen` keeps messages of one verb. */
    find(id: string, seen: Map<string, MessageCore>): { m: MessageCore; d: DeliveryCore } {
      const dot = id.lastIndexOf('.');
      const messageId = id.slice(0, dot);
      let m = seen.get(messageId);
      if (!m) {
        m = message(messageId);
        seen.set(messageId, m);
      }
      const index = Number(id.slice(dot + 1));
      const d = index < m.deliveries ? oneDelivery.get(first(m) + index) : undefined;
      if (!d) throw new Refusal('not found', `no delivery ${id}`);
      return { m, d };
    },
    deliveriesOf,
    move,
    tell,
    settleTell,
    keepDelivery,
    keepMessage,
    goTo,
    keepOpen,
  };
}

export function idOf(m: { id: string; n: number }, d: { n: number }): string {
  return `${m.id}.${d.n - m.n * DELIVERIES}`;
}

export function kindName(kind: number): string {
  for (const [name, bit] of Object.entries(TELL)) if (bit === kind) return name;
  return 'warned';
}
