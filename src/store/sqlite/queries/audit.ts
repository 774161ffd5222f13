// Reading the audit chain: a message's entries, pages for export, and verification a slice at a time.

import type Database from 'better-sqlite3';
import { isOverwritten, restOf } from '../../../record/gone.ts';
import { type Bad, check, type Head, type HexEntry, headOf, hexHead, isBad } from '../../../record/verify.ts';
import { AUDIT_ROW, type AuditRow, HEX_ROW } from '../calls/audit.ts';
import { DELIVERIES } from '../calls/queue.ts';
import { LASTING_EVENTS, type LastingRow } from './lasting.ts';

/** An epoch's head as it was kept beside the entries; `base` is the number of the row before its first entry. */
export type KeptHead = Head & { readonly base: number };
export type VerifySlice = {
  readonly head: Head;
  readonly bad: Bad | null;
  readonly checked: number;
  /** Deliveries that were accepted and have neither an end nor a row in the same place. */
  readonly lost: readonly string[];
  /** Entries without their boxed detail, and what is left of each. */
  readonly erased: readonly Rest[];
  /** Entries that tell of prunings and erasures. */
  readonly told: readonly { readonly event: string; readonly detail: string }[];
  readonly lasting: readonly LastingRow[];
};
type Rest = { readonly node: string; readonly epoch: number; readonly seq: number; readonly rest: string };
/** `erased`: numbers of entries whose boxed detail was to be destroyed. */
export type VerifySliceCall = readonly [head: Head, from: number, to: number, erased?: readonly number[]];

const TELLING = new Set(['log.pruned', 'log.erased']);
const ENDS = ['delivered', 'noticed', 'bounced', 'dropped'].map((state) => `delivery.${state}`);

function lastingRow({ organization, at, event, detail, boxed }: HexEntry): LastingRow {
  return { organization, at, event, detail, boxed };
}

export function auditQueries(db: Database.Database) {
  const ofMessage = db.prepare<[string], AuditRow>(`SELECT ${AUDIT_ROW} FROM audit WHERE message = ? ORDER BY n`);
  const after = db.prepare<[number, number], AuditRow>(`SELECT ${AUDIT_ROW} FROM audit WHERE n > ? ORDER BY n LIMIT ?`);
  const between = db.prepare<[number, number], HexEntry & { n: number }>(
    `SELECT n, ${HEX_ROW} FROM audit WHERE n > ? AND n <= ? ORDER BY n`,
  );
  const heads = db.prepare<[], KeptHead>('SELECT node, epoch, base, seq, hash FROM chain ORDER BY base, epoch');
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
    /** Entries numbered n and up. */
    readAfter: ([n, limit]: readonly [number, number]) => after.all(n, limit),
    /** Whether a delivery has a row or an end here. */
    accounts([message, delivery]: readonly [string, string]): boolean {
      const n = number.get(message);
      if (n !== undefined && hasRow.get(n * DELIVERIES + Number(delivery.slice(message.length + 1))) === 1) return true;
      return ofMessage.all(message).some((one) => one.delivery === delivery && ENDS.includes(one.event));
    },
    trace: ([id]: readonly [string]) => ofMessage.all(id),
    /** Heads, and the numbers of the first and last entry and of the last checkpoint, in one snapshot. */
    heads: () =>
      db.transaction(() => ({
        ...{ heads: heads.all(), first: firstEntry.get() ?? 1, last: lastEntry.get() ?? 0 },
        checkpoints: lastCheckpoint.get() ?? 0,
      }))(),
    /** Checks entries numbered `from` < n ≤ `to` behind `head`. */
    verifySlice([head, from, to, erased = []]: VerifySliceCall): VerifySlice {
      let at = hexHead(head);
      let checked = 0;
      const gone: Rest[] = [];
      const told: VerifySlice['told'][number][] = [];
      const lasting: LastingRow[] = [];
      const numbers = new Set(erased);
      for (const row of between.all(from, to)) {
        const isErased = numbers.size > 0 && numbers.has(row.n) && isOverwritten(row.boxed);
        const next = check(at, row, isErased);
        if (isBad(next)) return { head: headOf(at), bad: next, checked, lost: [], erased: gone, told, lasting };
        if (isErased) gone.push({ node: row.node, epoch: row.epoch, seq: row.seq, rest: restOf(row) });
        if (TELLING.has(row.event)) told.push({ event: row.event, detail: row.detail });
        if (LASTING_EVENTS.has(row.event)) lasting.push(lastingRow(row));
        at = next;
        checked += 1;
      }
      return { head: headOf(at), bad: null, checked, lost: lostOf(from, to), erased: gone, told, lasting };
    },
  };
}
