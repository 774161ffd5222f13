// Reading the audit chain: a message's entries, pages for export, and verification a slice at a time.

import type Database from 'better-sqlite3';
import { type Bad, check, type Head, isBad } from '../../../record/verify.ts';
import { AUDIT_ROW, type AuditRow } from '../protocol.ts';

/** An epoch's head as it was kept beside the entries; `base` is the number of the row before its first entry. */
export type KeptHead = Head & { readonly base: number };
export type VerifySlice = { head: Head; bad: Bad | null; checked: number };

export function auditQueries(db: Database.Database) {
  const ofMessage = db.prepare<[string], AuditRow>(`SELECT ${AUDIT_ROW} FROM audit WHERE message = ? ORDER BY n`);
  const base = db.prepare<[number], number>('SELECT base FROM chain WHERE epoch = ?').pluck();
  const after = db.prepare<[number, number], AuditRow>(`SELECT ${AUDIT_ROW} FROM audit WHERE n > ? ORDER BY n LIMIT ?`);
  const between = db.prepare<[number, number], AuditRow>(
    `SELECT ${AUDIT_ROW} FROM audit WHERE n > ? AND n <= ? ORDER BY n`,
  );
  const heads = db.prepare<[], KeptHead>('SELECT node, epoch, base, seq, hash FROM chain ORDER BY node, epoch');
  const firstEntry = db.prepare<[], number>('SELECT min(n) FROM audit').pluck();
  const lastEntry = db.prepare<[], number>('SELECT max(n) FROM audit').pluck();
  return {
    trace: ([id]: readonly [string]) => ofMessage.all(id),
    read: ([epoch, seq, limit]: readonly [number, number, number]) =>
      after.all(epoch === 0 ? 0 : (base.get(epoch) ?? 0) + seq, limit),
    /** Heads, and the first and last entry's numbers, in one snapshot. */
    heads: () =>
      db.transaction(() => ({ heads: heads.all(), first: firstEntry.get() ?? 1, last: lastEntry.get() ?? 0 }))(),
    /** Checks entries numbered `from` < n ≤ `to` behind `head`. */
    verifySlice([head, from, to]: readonly [Head, number, number]): VerifySlice {
      let at = head;
      let checked = 0;
      for (const row of between.all(from, to)) {
        const next = check(at, row);
        if (isBad(next)) return { head: at, bad: next, checked };
        at = next;
        checked += 1;
      }
      return { head: at, bad: null, checked };
    },
  };
}
