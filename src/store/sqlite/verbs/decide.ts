// decided: examination and decisions of a message, all or none; what is deliverable is leased at once where its lane has
// nothing due before it.

import type { DeliveryState } from '../../../domain/types.ts';
import { fromOctets } from '../calls/octets.ts';
import { DELIVERIES, type DecideAnswer, type DecideCall, type DecisionCall, TELL } from '../calls/queue.ts';
import { Refusal, tellClass, type Workbench } from '../workbench.ts';
import { type DeliveryCore, idOf, type MessageCore, type Rows } from './rows.ts';

export type Take = {
  readonly owner: string;
  readonly until: number;
  readonly limit: number;
  readonly recipients: number;
};
export type Decider = {
  /** Applies decisions to undecided deliveries; answers the transactions taken. The caller writes the message. */
  decideAll(m: MessageCore, decisions: readonly DecisionCall[], take: Take | null, at: number): number[][];
  decided(call: DecideCall, at: number): DecideAnswer;
};

/** A transaction being filled: its key, its lease number, then index and attempts in turn. */
type Taking = { readonly lane: number; readonly list: string; readonly taken: number[] };

export function makeDecider(w: Workbench, rows: Rows): Decider {
  const { db, ledger, lanes } = w;
  const update = db.prepare(
    `UPDATE delivery SET state = ?, rule = ?, list = ?, policy_version = ?, decision = ?, because = NULL, step = 0,
       step_since = NULL, step_attempts = 0, attempts = ?, not_before = ?, lease_owner = ?, lease_no = ?, ended_at = ?,
       status = '', tell = ?, told = ?, tell_class = ?, tell_at = ? WHERE n = ?`,
  );
  const examine = db.prepare(
    `UPDATE message SET stage = ?, open = ?, examination = coalesce(?, examination), due = NULL, lease_owner = NULL
     WHERE n = ?`,
  );
  const insertAttempt = db.prepare(
    'INSERT INTO attempt (delivery, no, lease, step, owner, begun_at) VALUES (?, ?, ?, 0, ?, ?)',
  );

  /** The transaction that takes this delivery at once, or null: its lane has something due that would be overtaken. */
  function room(takings: Taking[], take: Take, lane: number, list: string, at: number): Taking | null {
    for (const one of takings) {
      if (one.lane === lane && one.list === list && one.taken.length <= take.recipients * 2 - 1) return one;
    }
    if (takings.length >= take.limit) return null;
    const one = lanes.byNumber(lane);
    if (one.nextDue <= at || lanes.pacedUntil(one) > at) return null;
    lanes.pace(one, at);
    const taking = { lane, list, taken: [w.nextLease()] };
    takings.push(taking);
    return taking;
  }

  function target(action: DecisionCall[1]): DeliveryState {
    if (action === 'deliver') return 'ready';
    return action === 'hold' ? 'held' : 'bounced';
  }

  function decideOne(
    m: MessageCore,
    d: DeliveryCore,
    decision: DecisionCall,
    take: Take | null,
    taking: Taking | null,
  ) {
    const [, action, rule, list, policyVersion, warn, detail, octets] = decision;
    return { m, d, action, rule, list, policyVersion, warn, detail, octets, take, taking };
  }

  function write(one: ReturnType<typeof decideOne>, at: number): void {
    const { m, d, action, taking, take } = one;
    const id = idOf(m, d);
    const box = fromOctets(one.octets);
    ledger.append(at, m.organization, m.id, id, 'gateway policy', 'delivery.decided', one.detail, box);
    d.list = one.list;
    d.step = 0;
    rows.move(m, d, target(action), at);
    if (taking && take) {
      rows.move(m, d, 'leased', take.until);
      d.attempts += 1;
      d.lease_owner = take.owner;
      d.lease_no = taking.taken[0]!;
      taking.taken.push(d.n - m.n * DELIVERIES, d.attempts);
    } else if (action === 'deliver') {
      rows.tell(m, d, TELL.delayed, at);
    }
    if (action === 'hold') rows.tell(m, d, TELL.held, at);
    if (action === 'bounce') rows.tell(m, d, TELL.bounced, at);
    if (one.warn) rows.tell(m, d, TELL.warned, at);
    const ended = d.state === 'bounced' ? at : null;
    update.run(
      d.state,
      one.rule,
      one.list,
      one.policyVersion,
      box,
      d.attempts,
      d.not_before,
      d.lease_owner,
      d.lease_no,
      ended,
      d.tell,
      d.told,
      tellClass(d.tell),
      d.tell_at,
      d.n,
    );
    if (!taking || !take) return;
    insertAttempt.run(d.n, d.attempts, d.lease_no, take.owner, at);
    const attempted = `{"attempt":${d.attempts}}`;
    ledger.append(at, m.organization, m.id, id, 'gateway deliver', 'delivery.attempted', attempted, null);
  }

  function decideAll(m: MessageCore, decisions: readonly DecisionCall[], take: Take | null, at: number): number[][] {
    const undecided = m.deliveries === 1 ? [rows.delivery(m.n * DELIVERIES)] : rows.deliveriesOf(m);
    const byIndex = new Map<number, DecisionCall>();
    for (const decision of decisions) byIndex.set(decision[0], decision);
    const takings: Taking[] = [];
    const planned: ReturnType<typeof decideOne>[] = [];
    for (const d of undecided) {
      // An operator may have held or dropped it while it was examined.
      if (d.state !== 'undecided') continue;
      const decision = byIndex.get(d.n - m.n * DELIVERIES);
      if (!decision) throw new Refusal('wrong state', `no decision for delivery ${idOf(m, d)}`);
      const takes = take !== null && decision[1] === 'deliver';
      const taking = takes ? room(takings, take, d.lane, decision[3], at) : null;
      if (taking) taking.taken.length += 2;
      planned.push(decideOne(m, d, decision, take, taking));
    }
    for (const one of takings) one.taken.length = 1;
    for (const one of planned) write(one, at);
    return takings.map((one) => one.taken);
  }

  function decided(call: DecideCall, at: number): DecideAnswer {
    const [id, owner, lease, examination, examinedBox, examinedDetail, decisions, takeOwner, until, limit, recipients] =
      call;
    const m = rows.message(id);
    if (m.lease_no !== lease || m.lease_owner !== owner) {
      throw new Refusal('outdated lease', `message ${id} is no longer leased under number ${lease}`);
    }
    if (m.stage !== 'accepted' && m.stage !== 'examined') {
      throw new Refusal('wrong state', `message ${id} is ${m.stage}`);
    }
    const boxed = examinedBox === null ? null : fromOctets(examinedBox);
    const event = examination === null ? 'message.examine_failed' : 'message.examined';
    ledger.append(at, m.organization, id, null, 'gateway examine', event, examinedDetail, boxed);
    const take = takeOwner === null || limit < 1 ? null : { owner: takeOwner, until, limit, recipients };
    const openBefore = m.open;
    const taken = decideAll(m, decisions, take, at);
    rows.goTo(m, 'decided');
    m.due = null;
    m.lease_owner = null;
    examine.run(m.stage, m.open, examination === null ? null : fromOctets(examination), m.n);
    if (m.open === 0) rows.keepOpen(m, openBefore, at);
    return taken;
  }

  return { decideAll, decided };
}
