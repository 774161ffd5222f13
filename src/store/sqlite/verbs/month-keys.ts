// segmentKeys, destroyKeys: the keys of months whose detail is destroyed. A key goes only when nothing under it remains, as
// far as rows can tell, and each one that goes is named by an entry of its organization.

import { BOXED } from '../boxed.ts';
import type { DestroyKeysCall, SegmentKeysCall } from '../calls/keys.ts';
import type { Workbench } from '../workbench.ts';

const KEEPER = 'gateway retention';
/** What was asked of an operator and is over; its entries stay in the audit. */
const OVER = "(state IN ('used', 'refused', 'reviewed') OR (state IN ('waiting', 'confirmed') AND until < :at))";

export function makeMonthKeys(w: Workbench) {
  const { db, ledger } = w;
  const note = db.prepare('INSERT OR REPLACE INTO segment_keys (name, keys) VALUES (?, ?)');
  const forget = db.prepare(
    "DELETE FROM segment_keys WHERE name NOT IN (SELECT name FROM segment WHERE state <> 'pruned')",
  );
  // A hold covers a month whole, whose hold it is does not matter; the month in which it was set proves it.
  const held = db
    .prepare<unknown[], number>(
      `SELECT 1 FROM legal_hold WHERE (coalesce(since, 0) < :until AND coalesce(until, :until) > :since)
         OR (added_at >= :since AND added_at < :until) LIMIT 1`,
    )
    .pluck();
  const inSegment = db
    .prepare<[string], number>(
      `SELECT 1 FROM segment s LEFT JOIN segment_keys k ON k.name = s.name
       WHERE s.state <> 'pruned' AND (k.keys IS NULL OR instr(k.keys, ?) > 0) LIMIT 1`,
    )
    .pluck();
  const inRows = BOXED.map(({ table, columns, number, after }) => {
    const under = columns.map((column) => `substr(${column}, 1, 4) = :key`).join(' OR ');
    const newer = number === null || after === null ? '' : `AND ${number} >= (:${after.mark} + 1) * ${after.times}`;
    const open = table === 'approval' ? `AND NOT ${OVER}` : '';
    return db.prepare<unknown[], number>(`SELECT 1 FROM ${table} WHERE (${under}) ${newer} ${open} LIMIT 1`).pluck();
  });
  const dropOver = db.prepare(`DELETE FROM approval WHERE substr(box, 1, 4) = :key AND ${OVER}`);
  const generations = db.prepare<[string, string], { generation: number; id: string }>(
    'SELECT generation, id FROM key WHERE organization = ? AND purpose = ? ORDER BY generation',
  );
  const remove = db.prepare('DELETE FROM key WHERE organization = ? AND purpose = ? AND generation = ? AND id = ?');
  const destruction = db.prepare('INSERT INTO destruction (n) VALUES (?)');

  function isNeeded(id: string, marks: DestroyKeysCall[0], at: number): boolean {
    if (inSegment.get(`"${id}"`) !== undefined) return true;
    return inRows.some((one) => one.get({ key: Buffer.from(id, 'hex'), ...marks, at }) !== undefined);
  }

  return {
    segmentKeys([name, keys]: SegmentKeysCall): null {
      note.run(name, JSON.stringify(keys));
      return null;
    },
    /** `organization id` of the keys that are deleted: of a month all generations, or none. What was asked of an operator and is over goes
     *  with the key that boxes it. */
    destroyKeys([marks, months]: DestroyKeysCall, at: number): string[] {
      forget.run();
      const gone: string[] = [];
      for (const [organization, month, since, until, ids] of months) {
        if (held.get({ since, until }) !== undefined) continue;
        const purpose = `fields ${month}`;
        const rows = generations.all(organization, purpose);
        if (rows.some(({ id }) => !ids.includes(id) || isNeeded(id, marks, at))) continue;
        for (const { generation, id } of rows) {
          remove.run(organization, purpose, generation, id);
          const approvals = dropOver.run({ key: Buffer.from(id, 'hex'), at }).changes;
          const detail = JSON.stringify({ purpose, generation, id, since, until: until - 1, approvals });
          destruction.run(ledger.append(at, organization, null, null, KEEPER, 'key.removed', detail, null));
        }
        gone.push(...ids.map((id) => `${organization} ${id}`));
      }
      return gone;
    },
  };
}
