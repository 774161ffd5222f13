// toExamine, examined, examineFailed: messages that wait for their examiner. While a message is leased its `due` is the
// end of the lease, so that one whose holder died is due again by itself.

import { fromOctets, type Octets } from '../calls/octets.ts';
import type { MessageLeaseRow } from '../calls/queue.ts';
import { Refusal, type Workbench } from '../workbench.ts';
import type { MessageCore, Rows } from './rows.ts';

export function makeExamine(w: Workbench, rows: Rows) {
  const { db, ledger } = w;
  const due = db
    .prepare<[number, number], number>('SELECT n FROM message WHERE due IS NOT NULL AND due <= ? ORDER BY due LIMIT ?')
    .pluck();
  const suspectInHand = db
    .prepare<[], number>(
      'SELECT 1 FROM message WHERE due IS NOT NULL AND lease_owner IS NOT NULL AND examine_attempts > 1 LIMIT 1',
    )
    .pluck();
  const keepExamination = db.prepare('UPDATE message SET examination = ? WHERE n = ?');

  function leased(id: string, owner: string, lease: number): MessageCore {
    const m = rows.message(id);
    if (m.lease_no === lease && m.lease_owner === owner) return m;
    throw new Refusal('outdated lease', `message ${id} is no longer leased under number ${lease}`);
  }

  function toExamine([owner, limit, until]: readonly [string, number, number], at: number): MessageLeaseRow[] {
    let suspects = 0;
    return due.all(at, limit).flatMap((n) => {
      const m = rows.byNumber(n);
      // What was in hand when a process or worker ended is taken one by one: else one message that ends the process three
      // times would take along all that happened to be in memory with it, and they would be held as well.
      if (m.examine_attempts > 0 && (suspects++ > 0 || suspectInHand.get() !== undefined)) return [];
      if (m.lease_owner !== null) {
        const detail = `{"attempt":${m.examine_attempts},"why":"lease ran out"}`;
        ledger.append(at, m.organization, m.id, null, 'gateway examine', 'message.examine_failed', detail, null);
      }
      m.examine_attempts += 1;
      m.due = until;
      m.lease_owner = owner;
      m.lease_no = w.nextLease();
      rows.keepMessage(m, null);
      return [{ lease: m.lease_no, message: rows.wholeMessage(n), deliveries: rows.wholeDeliveries(m) }];
    });
  }

  function examined(call: readonly [string, string, number, Octets, number], at: number): null {
    const [id, owner, lease, box, notBefore] = call;
    const m = leased(id, owner, lease);
    if (m.stage === 'accepted') rows.goTo(m, 'examined');
    m.due = notBefore;
    m.lease_owner = null;
    rows.keepMessage(m, null);
    keepExamination.run(fromOctets(box), m.n);
    const detail = `{"attempt":${m.examine_attempts},"waits":"a fact is unknown"}`;
    ledger.append(at, m.organization, id, null, 'gateway examine', 'message.examined', detail, null);
    return null;
  }

  function examineFailed(call: readonly [string, string, number, Octets, number], at: number): null {
    const [id, owner, lease, box, notBefore] = call;
    const m = leased(id, owner, lease);
    m.due = notBefore;
    m.lease_owner = null;
    rows.keepMessage(m, null);
    const detail = `{"attempt":${m.examine_attempts}}`;
    const boxed = fromOctets(box);
    ledger.append(at, m.organization, id, null, 'gateway examine', 'message.examine_failed', detail, boxed);
    return null;
  }

  return { toExamine, examined, examineFailed };
}
