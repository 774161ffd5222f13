// beginRestore, holdRestored: a backup's database made ready to start closed. What was unfinished may have been finished by
// the gateway that was lost: nothing of it moves before an operator says so. What was held before stays held as it was.

import { GATEWAY } from '../../../domain/ids.ts';
import { fromOctets } from '../calls/octets.ts';
import type { BeginRestoreCall, HoldRestoredCall, RestoreAnswer } from '../calls/recovery.ts';
import type { Workbench } from '../workbench.ts';
import type { DeliveryCore, MessageCore, Rows } from './rows.ts';

export function makeRestore(w: Workbench, rows: Rows) {
  const { db, ledger } = w;
  const voidSessions = db.prepare('DELETE FROM portal_session');
  const voidCodes = db.prepare('DELETE FROM challenge');
  const voidOperators = db.prepare('DELETE FROM operator');
  const doubtAttempt = db.prepare(
    "UPDATE attempt SET ended_at = ?, outcome = 'in doubt' WHERE delivery = ? AND no = ? AND ended_at IS NULL",
  );
  const mark = db.prepare('UPDATE delivery SET recovered = 1 WHERE n = ?');

  function beginRestore([epoch, detail]: BeginRestoreCall, at: number): RestoreAnswer {
    ledger.open(epoch);
    const gone: RestoreAnswer = {
      sessions: voidSessions.run().changes,
      codes: voidCodes.run().changes,
      operators: voidOperators.run().changes,
    };
    const all = JSON.stringify({ ...(JSON.parse(detail) as object), void: gone });
    ledger.append(at, GATEWAY, null, null, 'gateway', 'gateway.restored', all, null);
    return gone;
  }

  function hold(m: MessageCore, d: DeliveryCore, id: string, box: Buffer, at: number): void {
    rows.move(m, d, 'held', d.not_before);
    rows.settleTell(d);
    mark.run(d.n);
    ledger.append(at, m.organization, m.id, id, 'gateway', 'delivery.held', '{"why":"restored"}', box);
  }

  /** What it carries opens nothing any more. */
  function drop(m: MessageCore, d: DeliveryCore, id: string, at: number): void {
    rows.move(m, d, 'dropped', d.not_before);
    rows.settleTell(d);
    ledger.append(at, m.organization, m.id, id, 'gateway', 'delivery.dropped', '{"why":"its code is void"}', null);
  }

  /** Gives how many were dropped, because they carry a code. */
  function holdRestored(call: HoldRestoredCall, at: number): number {
    const seen = new Map<string, MessageCore>();
    const opens = new Map<MessageCore, number>();
    let dropped = 0;
    for (const [id, octets] of call) {
      const { m, d } = rows.find(id, seen);
      if (!opens.has(m)) opens.set(m, m.open);
      if (d.state === 'leased') doubtAttempt.run(at, d.n, d.attempts);
      d.in_doubt = 1;
      d.lease_owner = null;
      const box = d.state === 'held' ? null : fromOctets(octets);
      if (box !== null) hold(m, d, id, box, at);
      if (box !== null && m.origin === 'code') {
        drop(m, d, id, at);
        dropped += 1;
      }
      rows.keepDelivery(d, at, box);
      if (m.due === null) continue;
      m.due = null;
      m.lease_owner = null;
      rows.keepMessage(m, null);
    }
    for (const [m, open] of opens) rows.keepOpen(m, open, at);
    return dropped;
  }

  return { beginRestore, holdRestored };
}
