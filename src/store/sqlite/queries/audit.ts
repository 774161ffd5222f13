// Reading the audit chain: a message's entries, pages for export, and verification a slice at a time.

import type Database from 'better-sqlite3';
import { type Bad, check, type Head, type HexEntry, headOf, hexHead, isBad } from '../../../record/verify.ts';
import { AUDIT_ROW, type AuditRow, HEX_ROW } from '../calls/audit.ts';
import { DELIVERIES } from '../calls/queue.ts';

/** An epoch's head as it was kept beside the entries; `base` is the number of the row before its first entry. */
export type KeptHead = Head & { readonly base: number };
/** `lost`: deliveries that were accepted and have neither an end in the chain nor a row. */
export type VerifySlice = { head: Head; bad: Bad | null; checked: number; lost: readonly string[] };

const ENDS = ['delivered', 'noticed', 'bounced', 'dropped'].map((state) => `delivery.${state}`);

export function auditQueries(db: Database.Database) {
  const ofMessage = db.prepare<[string], AuditRow>(`SELECT ${AUDIT_ROW} FROM audit WHERE message = ? ORDER BY n`);
  const base = db.prepare<[number], number>('SELECT base FROM chain WHERE epoch = ?').pluck();
  const after = db.prepare<[number, number], AuditRow>(`SELECT ${AUDIT_ROW} FROM audit WHERE n > ? ORDER BY n LIMIT ?`);
  const between = db.prepare<[number, number], HexEntry>(
    `SELECT ${HEX_ROW} FROM audit WHERE n > ? AND n <= ? ORDER BY n`,
  );
  const heads = db.prepare<[], KeptHead>('SELECT node, epoch, base, seq, hash FROM chain ORDER BY node, epoch');
  const lacking = db.prepare<[number, number], { message: string; detail: string }>(
    `SELECT a.message, a.detail FROM audit a LEFT JOIN message m ON m.id = a.message
     WHERE a.n > ? AND a.n <= ? AND a.event IN ('message.accepted', 'message.recovered') AND (m.n IS NULL OR json_extract(a.detail, '$.recipients') >
       (SELECT count(*) FROM delivery d WHERE d.n >= m.n * ${DELIVERIES} AND d.n < (m.n + 1) * ${DELIVERIES}))`,
  );
  const number = db.prepare<[string], number>('SELECT n FROM message WHERE id = ?').pluck();
  const hasRow = db.prepare<[number], number>('SELECT 1 FROM delivery WHERE n = ?').pluck();
  const lastCheckpoint = db.prepare<[], number>('SELECT coalesce(max(no), 0) FROM checkpoint').pluck();
  const firstEntry = db.prepare<[], number>('SELECT min(n) FROM audit').pluck();
  const lastEntry = db.prepare<[], number>('SELECT max(n) FROM audit').pluck();
  /** Of what was accepted in those entries. */
  function lostOf(from: number, to: number): string[] {
    return lacking.all(from, to).flatMap(({ message, detail }) => {
      const { recipients } = JSON.parse(detail) as { recipients: number };
      const n = number.get(message);
      const ended = new Set(ofMessage.all(message).flatMap((one) => (ENDS.includes(one.event) ? [one.delivery] : [])));
      const ids = Array.from({ length: recipients }, (_, index) => ({ index, id: `${message}.${index}` }));
      const isThere = (index: number) => n !== undefined && hasRow.get(n * DELIVERIES + index) === 1;
      return ids.filter(({ id, index }) => !ended.has(id) && !isThere(index)).map(({ id }) => id);
    });
  }

  return {
    trace: ([id]: readonly [string]) => ofMessage.all(id),
    read: ([epoch, seq, limit]: readonly [number, number, number]) =>
      after.all(epoch === 0 ? 0 : (base.get(epoch) ?? 0) + seq, limit),
    /** Heads, and the numbers of the first and last entry and of the last checkpoint, in one snapshot. */
    heads: () =>
      db.transaction(() => ({
        ...{ heads: heads.all(), first: firstEntry.get() ?? 1, last: lastEntry.get() ?? 0 },
        checkpoints: lastCheckpoint.get() ?? 0,
      }))(),
    /** Checks entries numbered `from` < n ≤ `to` behind `head`. */
    verifySlice([head, from, to]: readonly [Head, number, number]): VerifySlice {
      let at = hexHead(head);
      let checked = 0;
      for (const row of between.all(from, to)) {
        const next = check(at, row);
        if (isBad(next)) return { head: headOf(at), bad: next, checked, lost: [] };
        at = next;
        checked += 1;
      }
      return { head: headOf(at), bad: null, checked, lost: lostOf(from, to) };
    },
  };
}
