// settle: what became of an attempt. With an outdated lease number the outcome is recorded and `in doubt`, and the state
// stays; only `delivered` wins even then.

import { mayBecome } from '../../../domain/states.ts';
import { fromOctets } from '../calls/octets.ts';
import { type SettleCall, type SettleOne, TELL } from '../calls/queue.ts';
import { tellClass, type Workbench } from '../workbench.ts';
import { type Fate, type Follow, type Hand, newHand } from './follow.ts';
import { countUse, type DeliveryCore, type MessageCore, type Rows } from './rows.ts';

const EVENT = {
  delivered: 'delivery.delivered',
  ready: 'delivery.deferred',
  held: 'delivery.held',
  bounced: 'delivery.bounced',
} as const;
const ACTOR = 'gateway deliver';
const LACKS = '"why":"no hop shows what its decision demands",';

/** What the notice's settlement means for the delivery it tells of; the trace of that one shows the notice's hop. */
function fateOf(kind: Fate['kind'], one: SettleOne): Fate {
  const [, outcome, , status, level, , , , , detail, , , parent, parentBox] = one;
  const { mx, tls } = JSON.parse(detail) as { mx?: string; tls?: string };
  return {
    kind,
    actor: ACTOR,
    status,
    level,
    detail: { status, outcome, level: mx === undefined ? undefined : (level ?? 'none'), mx, tls },
    box: parent === null || parentBox === null ? null : { of: parent, bytes: fromOctets(parentBox) },
  };
}

export function makeSettle(w: Workbench, rows: Rows, follow: Follow) {
  const { db, ledger } = w;
  const update = db.prepare(
    `UPDATE delivery SET state = ?, status = ?, level = ?, not_before = ?, step = ?, step_since = ?, step_attempts = ?,
       ended_at = ?, tell = ?, told = ?, tell_class = ?, tell_at = ?, lease_owner = NULL, in_doubt = ?, because = ?
     WHERE n = ?`,
  );
  const closeAttempt = db.prepare(
    'UPDATE attempt SET ended_at = ?, outcome = ?, status = ?, level = ?, step = ? WHERE delivery = ? AND no = ?',
  );
  const closeLate = db.prepare(
    'UPDATE attempt SET ended_at = ?, outcome = ?, status = ?, level = ?, step = ? WHERE delivery = ? AND lease = ?',
  );
  const lateDelivered = db.prepare('UPDATE delivery SET level = ?, step = ? WHERE n = ?');

  function settleOne(m: MessageCore, d: DeliveryCore, one: SettleOne, hand: Hand, at: number): void {
    const [id, outcome, wanted, status, level, notBefore, step, stepSince, stepAttempts, detail, octets, tried] = one;
    const box = fromOctets(octets);
    // No operator could let a notice go another way: the delivery that it tells of takes its own.
    const lacks = m.origin === 'notice' && wanted === 'held';
    const state = lacks ? 'bounced' : wanted;
    closeAttempt.run(at, outcome, status, level, tried, d.n, d.attempts);
    if (outcome === 'in doubt') {
      d.in_doubt = 1;
      ledger.append(at, m.organization, m.id, id, ACTOR, 'delivery.in_doubt', `{"attempt":${d.attempts}}`, box);
    }
    rows.move(m, d, state, state === 'ready' ? notBefore : d.not_before);
    rows.settleTell(d);
    if (state === 'delivered') countUse(w, m, d, tried, at);
    if (state === 'ready') rows.tell(m, d, TELL.delayed, at);
    else if (state === 'held') rows.tell(m, d, TELL.held, at);
    else if (state === 'bounced') rows.tell(m, d, TELL.bounced, at);
    const ready = state === 'ready';
    update.run(
      state,
      status,
      level,
      d.not_before,
      step,
      ready ? stepSince : null,
      ready ? stepAttempts : 0,
      state === 'delivered' || state === 'bounced' ? at : null,
      d.tell,
      d.told,
      tellClass(d.tell),
      d.tell_at,
      d.in_doubt,
      box,
      d.n,
    );
    ledger.append(
      at,
      m.organization,
      m.id,
      id,
      ACTOR,
      EVENT[state],
      `{"attempt":${d.attempts},${lacks ? LACKS : ''}${detail.slice(1)}`,
      box,
    );
    if (m.origin === 'notice' && state !== 'ready') {
      follow(m, fateOf(lacks ? 'next' : state === 'delivered' ? 'noticed' : 'bounced', one), hand, at);
    }
  }

  function settleLate(m: MessageCore, d: DeliveryCore, lease: number, one: SettleOne, hand: Hand, at: number): void {
    const [id, outcome, , status, level, , , , , detail, octets, tried] = one;
    const box = fromOctets(octets);
    closeLate.run(at, outcome, status, level, tried, d.n, lease);
    d.in_doubt = 1;
    const late = `{"late":true,"outcome":"${outcome}","status":${JSON.stringify(status)}}`;
    ledger.append(at, m.organization, m.id, id, ACTOR, 'delivery.in_doubt', late, box);
    let because: Buffer | null = null;
    if (outcome === 'delivered' && mayBecome(d.state, 'delivered')) {
      rows.move(m, d, 'delivered', d.not_before);
      rows.settleTell(d);
      d.status = status;
      d.lease_owner = null;
      because = box;
      d.step = tried;
      countUse(w, m, d, tried, at);
      lateDelivered.run(level, tried, d.n);
      ledger.append(at, m.organization, m.id, id, ACTOR, 'delivery.delivered', detail, box);
      if (m.origin === 'notice') follow(m, fateOf('noticed', one), hand, at);
    }
    rows.keepDelivery(d, at, because);
  }

  function settle([owner, lease, settlements]: SettleCall, at: number): null {
    const hand = newHand();
    for (const one of settlements) {
      const { m, d } = rows.find(one[0], hand.seen);
      if (!hand.opens.has(m)) hand.opens.set(m, m.open);
      const holds = d.state === 'leased' && d.lease_no === lease && d.lease_owner === owner;
      if (holds) settleOne(m, d, one, hand, at);
      else settleLate(m, d, lease, one, hand, at);
    }
    for (const [m, open] of hand.opens) rows.keepOpen(m, open, at);
    return null;
  }

  return settle;
}
