// What an operator does to deliveries. Who may and what meets the floors was judged before on the main thread, over rows
// it had read: a delivery that is in another state by now is refused, never forced.

import { isEnded } from '../../../domain/states.ts';
import type { DeliveryState } from '../../../domain/types.ts';
import { fromOctets } from '../calls/octets.ts';
import { type OperateAnswer, type OperateCall, type OperateOne, TELL } from '../calls/queue.ts';
import type { Workbench } from '../workbench.ts';
import { type Fate, type Follow, type Hand, newHand } from './follow.ts';
import type { ParcelRows } from './parcel-rows.ts';
import type { DeliveryCore, MessageCore, Rows } from './rows.ts';

const DONE: Record<OperateCall[0], { readonly to: DeliveryState; readonly event: string }> = {
  hold: { to: 'held', event: 'delivery.held' },
  release: { to: 'ready', event: 'delivery.released' },
  // Mail of ours, which is decided when it is made; all else becomes undecided.
  recover: { to: 'ready', event: 'delivery.released' },
  retry: { to: 'ready', event: 'delivery.retried' },
  'give up': { to: 'bounced', event: 'delivery.bounced' },
  drop: { to: 'dropped', event: 'delivery.dropped' },
  redecide: { to: 'undecided', event: 'message.redecided' },
};

/** Its parcel waits no more: whoever sends or ends it does so in another way. */
const ENDS_PARCEL: ReadonlySet<OperateCall[0]> = new Set(['release', 'redecide', 'give up', 'drop']);

/** What an operator's verb on a notice means for the delivery it tells of. */
const FATE: Partial<Record<OperateCall[0], Fate['kind']>> = { hold: 'held', drop: 'held', 'give up': 'bounced' };

/** Of no use to a message that cannot be read. */
const NEEDS_BODY: ReadonlySet<OperateCall[0]> = new Set(['release', 'recover', 'retry', 'redecide']);

export function makeOperate(w: Workbench, rows: Rows, parcels: ParcelRows, follow: Follow) {
  const { db, ledger } = w;
  const restart = db.prepare(
    'UPDATE delivery SET step = 0, step_since = NULL, step_attempts = 0, recovered = 0 WHERE n = ?',
  );
  // Slices of one operation stand under its id, a blank and a number; the last one under the id alone.
  const recorded = db.prepare<[string, string, string], { id: string; answer: string }>(
    'SELECT id, answer FROM verb WHERE id = ? OR (id > ? AND id < ?)',
  );
  const decide = db.prepare('UPDATE delivery SET decision = ?, list = ? WHERE n = ?');

  function redecide(m: MessageCore, at: number): void {
    if (m.stage !== 'accepted') rows.goTo(m, 'accepted');
    m.due = at;
    m.lease_owner = null;
    rows.keepMessage(m, null);
  }

  function apply(kind: OperateCall[0], m: MessageCore, d: DeliveryCore, one: OperateOne, actor: string, at: number) {
    const { event } = DONE[kind];
    const to = kind === 'recover' && d.list === '' ? 'undecided' : DONE[kind].to;
    const [id, , because, decision] = one;
    const box = fromOctets(because);
    if (ENDS_PARCEL.has(kind)) parcels.endOf(id, at, actor, `its delivery is ${to}`);
    rows.move(m, d, to, at);
    rows.settleTell(d);
    d.lease_owner = null;
    if (to === 'undecided') redecide(m, at);
    if (to === 'held') rows.tell(m, d, TELL.held, at);
    if (to === 'bounced') rows.tell(m, d, TELL.bounced, at);
    if (kind === 'give up') d.status = '5.7.0';
    if (kind === 'release' || kind === 'recover' || kind === 'redecide') {
      d.step = 0;
      restart.run(d.n);
    }
    if (decision !== null) {
      const decisionBox = fromOctets(decision[7]);
      decide.run(decisionBox, decision[3], d.n);
      ledger.append(at, m.organization, m.id, id, actor, 'delivery.decided', decision[6], decisionBox);
    }
    rows.keepDelivery(d, at, box);
    ledger.append(at, m.organization, m.id, id, actor, event, '{}', box);
  }

  function followed(kind: OperateCall[0], notice: MessageCore, actor: string, hand: Hand, at: number): void {
    const fate = FATE[kind];
    if (fate === undefined) return;
    const detail = { why: `its notice: ${kind}` };
    follow(notice, { kind: fate, actor, status: '5.7.0', level: null, detail, box: null }, hand, at);
  }

  function operate([kind, actor, deliveries, refused]: OperateCall, at: number): OperateAnswer {
    const hand = newHand();
    const { seen, opens } = hand;
    const answer: OperateAnswer = { changed: [], refused: [...refused] };
    const notices: MessageCore[] = [];
    for (const one of deliveries) {
      const [id, expected] = one;
      const { m, d } = rows.find(id, seen);
      if (d.state !== expected || isEnded(d.state)) {
        answer.refused.push({ delivery: id, why: `it is ${d.state} now` });
        continue;
      }
      if (m.stage === 'corrupt' && NEEDS_BODY.has(kind)) {
        answer.refused.push({ delivery: id, why: 'the body of its message does not open' });
        continue;
      }
      if (!opens.has(m)) opens.set(m, m.open);
      apply(kind, m, d, one, actor, at);
      answer.changed.push(id);
      if (m.origin === 'notice') notices.push(m);
    }
    // Behind the others: what the operator named himself follows no notice.
    for (const notice of notices) followed(kind, notice, actor, hand, at);
    for (const [m, open] of opens) rows.keepOpen(m, open, at);
    return answer;
  }

  /** What an operation did so far; a repeated one that was complete only gets its answer again. */
  function recall([verb]: readonly [string]): { complete: boolean; answers: OperateAnswer[] } {
    const rows = recorded.all(verb, `${verb} `, `${verb}!`);
    const place = (id: string) => (id === verb ? Number.POSITIVE_INFINITY : Number(id.slice(verb.length)));
    rows.sort((a, b) => place(a.id) - place(b.id));
    return { complete: rows.some(({ id }) => id === verb), answers: rows.map(({ answer }) => JSON.parse(answer)) };
  }

  return { operate, recall };
}
