// unopened, corrupt, abandon: what cannot go on because its boxes or its body do not open. What was acknowledged is held for
// a person; what never was is the sender's to send again, and leaves nothing behind (P2).

import { fromOctets, type Octets } from '../calls/octets.ts';
import { TELL } from '../calls/queue.ts';
import type { Workbench } from '../workbench.ts';
import { type Follow, type Hand, newHand } from './follow.ts';
import { idOf, isTheirs, type MessageCore, type Rows } from './rows.ts';

export function makeLost(w: Workbench, rows: Rows, follow: Follow) {
  const { ledger } = w;

  function held(notice: MessageCore, why: string, hand: Hand, at: number): void {
    if (notice.origin !== 'notice') return;
    const fate = { kind: 'held', actor: 'gateway', status: '', level: null, detail: { why }, box: null } as const;
    follow(notice, fate, hand, at);
  }

  function unopened([ids, boxes]: readonly [readonly string[], readonly Octets[]], at: number): null {
    const hand = newHand();
    ids.forEach((id, i) => {
      const { m, d } = rows.find(id, hand.seen);
      if (d.state !== 'leased' && d.state !== 'ready') return;
      rows.move(m, d, 'held', d.not_before);
      rows.settleTell(d);
      d.lease_owner = null;
      const box = fromOctets(boxes[i] as Octets);
      rows.keepDelivery(d, at, box);
      const detail = '{"why":"its box does not open"}';
      ledger.append(at, m.organization, m.id, id, 'gateway', 'delivery.held', detail, box);
      held(m, 'the box of its notice does not open', hand, at);
    });
    return null;
  }

  function corrupt([id, why, lacks]: readonly [string, string, 'body' | 'boxes'], at: number): 'corrupt' | 'abandoned' {
    const m = rows.message(id);
    if (m.stage === 'corrupt') return 'corrupt';
    // A body that lacks was not durable, so that no 250 went out; boxes that do not open say nothing of that.
    if (lacks === 'body' && m.stage === 'accepted' && w.mayBeUnacknowledged(m.n)) {
      drop(m, at, 'the gateway ended before the 250');
      return 'abandoned';
    }
    rows.goTo(m, 'corrupt');
    m.due = null;
    m.lease_owner = null;
    ledger.append(at, m.organization, id, null, 'gateway', 'message.corrupt', JSON.stringify({ why }), null);
    for (const d of rows.deliveriesOf(m)) {
      if (d.state !== 'undecided' && d.state !== 'ready' && d.state !== 'leased') continue;
      rows.move(m, d, 'held', d.not_before);
      rows.settleTell(d);
      rows.tell(m, d, TELL.held, at);
      d.lease_owner = null;
      rows.keepDelivery(d, at, null);
      ledger.append(at, m.organization, id, idOf(m, d), 'gateway', 'delivery.held', '{"why":"body corrupt"}', null);
    }
    rows.keepMessage(m, null);
    held(m, 'the body of its notice does not open', newHand(), at);
    return 'corrupt';
  }

  function abandon([id, why]: readonly [string, string], at: number): null {
    const m = rows.message(id);
    if (m.stage === 'accepted') drop(m, at, why);
    return null;
  }

  function drop(m: MessageCore, at: number, why: string): void {
    const open = m.open;
    m.due = null;
    m.lease_owner = null;
    const detail = JSON.stringify({ why });
    ledger.append(at, m.organization, m.id, null, 'gateway accept', 'message.abandoned', detail, null);
    if (isTheirs(m.origin)) {
      w.usage.count(m.accepted_at, m.organization, 'accepted', -1, -m.deliveries, -rows.wholeMessage(m.n).size);
    }
    for (const d of rows.deliveriesOf(m)) {
      rows.move(m, d, 'dropped', d.not_before);
      rows.keepDelivery(d, at, null);
      ledger.append(at, m.organization, m.id, idOf(m, d), 'gateway accept', 'delivery.dropped', detail, null);
    }
    rows.keepOpen(m, open, at);
  }

  return { unopened, corrupt, abandon };
}
