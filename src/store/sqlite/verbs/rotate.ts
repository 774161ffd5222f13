// beginRotation, rewrapKeys, replaceBoxes, retireKeys, endRotation: keys boxed anew under new organization keys. Begin and
// end, and each key that is deleted, are audited; between them a row changes only in that the same key stands in another
// box.

import { GATEWAY } from '../../../domain/ids.ts';
import type { BoxKind, LastingKind, ReplaceCall, RetireCall, RewrapCall } from '../calls/keys.ts';
import { fromOctets, type Octets } from '../calls/octets.ts';
import { Refusal, type Workbench } from '../workbench.ts';

const REPLACE: Record<BoxKind | LastingKind, string> = {
  body: 'UPDATE message SET body = ? WHERE n = ? AND body = ?',
  grant: 'UPDATE access_grant SET key = ? WHERE locator = ? AND key = ?',
  private: 'UPDATE address_key SET private = ? WHERE n = ? AND private = ?',
  addressKey: 'UPDATE address_key SET box = ? WHERE n = ? AND box = ?',
  operator: 'UPDATE operator SET box = ? WHERE rowid = ? AND box = ?',
  login: 'UPDATE login SET box = ? WHERE rowid = ? AND box = ?',
};

export function makeRotate(w: Workbench) {
  const { db, ledger } = w;
  const replace = {
    body: db.prepare(REPLACE.body),
    grant: db.prepare(REPLACE.grant),
    private: db.prepare(REPLACE.private),
    addressKey: db.prepare(REPLACE.addressKey),
    operator: db.prepare(REPLACE.operator),
    login: db.prepare(REPLACE.login),
  };
  const rewrap = db.prepare(
    'UPDATE key SET wrapped_by = ?, box = ? WHERE organization = ? AND purpose = ? AND generation = ? AND box = ?',
  );
  const setMark = db.prepare("INSERT OR REPLACE INTO tally (name, value) VALUES ('rotation', ?)");
  const dropMark = db.prepare("DELETE FROM tally WHERE name = 'rotation'");
  const isNeeded = db
    .prepare<unknown[], number>(
      `SELECT 1 FROM key WHERE organization = :organization AND wrapped_by = :id
       UNION ALL SELECT 1 FROM access_grant WHERE organization = :organization AND substr(key, 1, 4) = :octets
       UNION ALL SELECT 1 FROM address_key WHERE organization = :organization AND substr(private, 1, 4) = :octets LIMIT 1`,
    )
    .pluck();
  const remove = db.prepare(
    "DELETE FROM key WHERE organization = ? AND purpose = 'organization' AND generation = ? AND id = ?",
  );

  function record(at: number, actor: string, event: string, detail: string, reason: Octets | null): void {
    ledger.append(at, GATEWAY, null, null, actor, event, detail, reason === null ? null : fromOctets(reason));
  }

  return {
    beginRotation([mark, actor, detail, reason]: readonly [string, string, string, Octets], at: number): null {
      setMark.run(mark);
      record(at, actor, 'key.rotation_begun', detail, reason);
      return null;
    },
    rewrapKeys(rows: RewrapCall): number {
      let changes = 0;
      for (const [organization, purpose, generation, before, wrappedBy, after] of rows) {
        const place = [organization, purpose, generation, fromOctets(before)];
        changes += rewrap.run(wrappedBy, fromOctets(after), ...place).changes;
      }
      return changes;
    },
    replaceBoxes([kind, changes]: ReplaceCall): number {
      const octets = (value: string | number) => (typeof value === 'string' ? fromOctets(value) : value);
      let done = 0;
      for (const [row, before, after] of changes) {
        const values = kind === 'body' ? [after, row, before] : [octets(after), octets(row), octets(before)];
        done += replace[kind].run(...values).changes;
      }
      return done;
    },
    retireKeys([actor, keys]: RetireCall, at: number): null {
      w.retiring = true;
      for (const [organization, generation, id] of keys) {
        if (isNeeded.get({ organization, id, octets: Buffer.from(id, 'hex') }) !== undefined) {
          throw new Refusal('wrong state', `key ${id} of organization ${organization} is still needed`);
        }
        if (remove.run(organization, generation, id).changes === 0) continue;
        const detail = JSON.stringify({ purpose: 'organization', generation, id });
        ledger.append(at, organization, null, null, actor, 'key.removed', detail, null);
      }
      return null;
    },
    /** Its answer comes after the log was emptied: writer.ts. */
    emptyLog: () => false,
    endRotation([actor, detail]: readonly [string, string], at: number): null {
      dropMark.run();
      record(at, actor, 'key.rotated', detail, null);
      return null;
    },
  };
}
