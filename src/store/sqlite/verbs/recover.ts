// beginRecovery, recover, discardUnclaimed: a database filled from the bodies that another one left. What is put in was
// acknowledged as far as can be known, and may have been delivered: nothing of it moves before an operator says so.

import { GATEWAY } from '../../../domain/ids.ts';
import { fromOctets, type Octets } from '../calls/octets.ts';
import type { AcceptAnswer, AcceptCall } from '../calls/queue.ts';
import type { BeginRecoveryCall, RecoverAnswer, RecoverCall } from '../calls/recovery.ts';
import type { Workbench } from '../workbench.ts';
import { idOf, type Rows } from './rows.ts';

type Accept = (call: AcceptCall, at: number, event: 'message.recovered') => AcceptAnswer;

export function makeRecover(w: Workbench, rows: Rows, accept: Accept) {
  const { db, ledger } = w;
  const addKey = db.prepare(
    'INSERT INTO key (organization, purpose, generation, id, wrapped_by, box, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)',
  );
  const addUnclaimed = db.prepare(
    'INSERT OR IGNORE INTO unclaimed (object, organization, kind, created_at) VALUES (?, ?, ?, ?)',
  );
  const clearUnclaimed = db.prepare('DELETE FROM unclaimed');
  const mark = db.prepare('UPDATE delivery SET recovered = 1 WHERE n = ?');

  function beginRecovery([epoch, detail, keys, unclaimed]: BeginRecoveryCall, at: number): null {
    ledger.begin(epoch);
    ledger.append(at, GATEWAY, null, null, 'gateway', 'gateway.recovered', detail, null);
    for (const [organization, purpose, generation, id, wrappedBy, box, createdAt] of keys) {
      addKey.run(organization, purpose, generation, id, wrappedBy, fromOctets(box), createdAt);
    }
    for (const one of unclaimed) addUnclaimed.run(...one);
    return null;
  }

  function recover([call, boxes]: RecoverCall, at: number): RecoverAnswer {
    const [, repeated, , n] = accept(call, at, 'message.recovered');
    if (repeated === 1) return 'repeated';
    // Else a body that is lost later would look as if its message never had been acknowledged.
    w.acknowledge(n);
    const m = rows.byNumber(n);
    m.due = null;
    rows.deliveriesOf(m).forEach((d, i) => {
      rows.move(m, d, 'held', d.not_before);
      rows.settleTell(d);
      d.in_doubt = 1;
      const box = fromOctets(boxes[i] as Octets);
      rows.keepDelivery(d, at, box);
      mark.run(d.n);
      ledger.append(at, m.organization, m.id, idOf(m, d), 'gateway', 'delivery.held', '{"why":"recovered"}', box);
    });
    rows.keepMessage(m, null);
    return 'held';
  }

  function discardUnclaimed([actor, reason]: readonly [string, Octets], at: number): number {
    const { changes } = clearUnclaimed.run();
    const detail = JSON.stringify({ objects: changes });
    ledger.append(at, GATEWAY, null, null, actor, 'gateway.discarded', detail, fromOctets(reason));
    return changes;
  }

  return { beginRecovery, recover, discardUnclaimed };
}
