// What an operator does to deliveries. Who may and what meets the floors was judged before on the main thread, over rows
// it had read: a delivery that is in another state by now is refused, never forced.

import { isEnded } from '../../../domain/states.ts';
import type { DeliveryState } from '../../../domain/types.ts';
import { fromOctets, type OperateAnswer, type OperateCall, type OperateOne, TELL } from '../protocol.ts';
import { Refusal, type Workbench } from '../workbench.ts';
import type { DeliveryCore, MessageCore, Rows } from './rows.ts';

const DONE: Record<OperateCall[0], { readonly to: DeliveryState; readonly event: string }> = {
  hold: { to: 'held', event: 'delivery.held' },
  release: { to: 'ready', event: 'delivery.released' },
  retry: { to: 'ready', event: 'delivery.retried' },
  'give up': { to: 'bounced', event: 'delivery.bounced' },
  drop: { to: 'dropped', event: 'delivery.dropped' },
  redecide: { to: 'undecided', event: 'message.redecided' },
};

export function makeOperate(w: Workbench, rows: Rows) {
  const { db, ledger } = w;
  const restart = db.prepare('UPDATE delivery SET step = 0, step_since = NULL, step_attempts = 0 WHERE n = ?');
  const decide = db.prepare('UPDATE delivery SET decision = ?, list = ? WHERE n = ?');

  function redecide(m: MessageCore, at: number): void {
    if (m.stage === 'decided') rows.goTo(m, 'accepted');
    if (m.stage !== 'accepted') throw new Refusal('wrong state', `message ${m.id} is ${m.stage}`);
    m.due = at;
    m.lease_owner = null;
    rows.keepMessage(m, null);
  }

  function apply(kind: OperateCall[0], m: MessageCore, d: DeliveryCore, one: OperateOne, actor: string, at: number) {
    const { to, event } = DONE[kind];
    const [id, , because, decision] = one;
    const box = fromOctets(because);
    rows.move(m, d, to, at);
    rows.settleTell(d);
    d.lease_owner = null;
    if (kind === 'redecide') redecide(m, at);
    if (to === 'held') rows.tell(m, d, TELL.held, at);
    if (to === 'bounced') rows.tell(m, d, TELL.bounced, at);
    if (kind === 'give up') d.status = '5.7.0';
    if (kind === 'release' || kind === 'redecide') {
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

  return function operate([kind, actor, deliveries]: OperateCall, at: number): OperateAnswer {
    const seen = new Map<string, MessageCore>();
    const opens = new Map<MessageCore, number>();
    const answer: OperateAnswer = { changed: [], refused: [] };
    for (const one of deliveries) {
      const [id, expected] = one;
      const { m, d } = rows.find(id, seen);
      if (d.state !== expected || isEnded(d.state)) {
        answer.refused.push({ delivery: id, why: `it is ${d.state} now` });
        continue;
      }
      if (!opens.has(m)) opens.set(m, m.open);
      apply(kind, m, d, one, actor, at);
      answer.changed.push(id);
    }
    for (const [m, open] of opens) rows.keepOpen(m, open, at);
    return answer;
  };
}
