// Keys of correspondents and of organizations. Rows were read and boxed anew on the main thread: what changed since then is
// left alone, and the caller looks again.

import type { AddAddressKeyCall, ChangeAddressKeyCall } from '../calls/keys.ts';
import { fromOctets } from '../calls/octets.ts';
import type { Workbench } from '../workbench.ts';

export function makeKeys(w: Workbench) {
  const { db, ledger } = w;
  const count = db.prepare<[Uint8Array], number>('SELECT count(*) FROM address_key WHERE tag = ?').pluck();
  const insert = db.prepare(
    `INSERT INTO address_key (id, organization, kind, own, tag, pinned, valid_until, added_at, box, private)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const change = db.prepare<unknown[], { organization: string }>(
    `UPDATE address_key SET box = ?, private = coalesce(?, private), pinned = ?, valid_until = ?, revoked_at = ?
     WHERE id = ? AND box = ? RETURNING organization`,
  );

  return {
    /** False when that subject has not `standing` keys any more. */
    addAddressKey(call: AddAddressKeyCall, at: number): boolean {
      const [id, organization, kind, own, tag, standing, pinned, validUntil, box, secret, actor, detail, why] = call;
      const tagged = fromOctets(tag);
      if (count.get(tagged) !== standing) return false;
      const boxes = [fromOctets(box), secret === null ? null : fromOctets(secret)];
      if (secret !== null) w.refuseRetired(organization, fromOctets(secret));
      insert.run(id, organization, kind, own, tagged, pinned, validUntil, at, ...boxes);
      ledger.append(at, organization, null, null, actor, 'key.imported', detail, fromOctets(why));
      return true;
    },
    /** False when its box is another by now. */
    changeAddressKey(call: ChangeAddressKeyCall, at: number): boolean {
      const [id, before, box, secret, pinned, validUntil, revokedAt, actor, event, detail, why] = call;
      const boxes = [fromOctets(box), secret === null ? null : fromOctets(secret)];
      const changed = change.get(...boxes, pinned, validUntil, revokedAt, id, fromOctets(before));
      if (!changed) return false;
      if (secret !== null) w.refuseRetired(changed.organization, fromOctets(secret));
      ledger.append(at, changed.organization, null, null, actor, event, detail, fromOctets(why));
      return true;
    },
  };
}
