// What a legal hold covers. A message, as SQL: of its organization, accepted in its time; of the one message or address when it
// names one. A closed month: by time.

import type { HoldRow, SegmentRow } from './calls/archive.ts';
import { DAY, DELIVERIES } from './calls/queue.ts';

/** A condition on the row named `m` of the table of messages. */
export function underHold(m: string): string {
  const day = `${m}.accepted_at / ${DAY}`;
  return `EXISTS (SELECT 1 FROM legal_hold h WHERE h.organization = ${m}.organization
    AND (h.message IS NULL OR h.message = ${m}.id)
    AND (h.since IS NULL OR ${m}.accepted_at >= h.since) AND (h.until IS NULL OR ${m}.accepted_at < h.until)
    AND (h.sender_tag IS NULL
      OR EXISTS (SELECT 1 FROM sought s WHERE s.day = ${day} AND s.tag = h.sender_tag AND s.n = ${m}.n)
      OR EXISTS (SELECT 1 FROM sought s WHERE s.day = ${day} AND s.tag = h.recipient_tag
        AND s.n >= ${m}.n * ${DELIVERIES} AND s.n < (${m}.n + 1) * ${DELIVERIES})))`;
}

/** A hold covers a month whole, since a segment is pruned whole: whose hold it is does not matter, only its time. The month in
 *  which it was set stays too: its entry proves it. */
export function holdTouches(
  { since, until, added_at }: HoldRow,
  { first_at, last_at }: Pick<SegmentRow, 'first_at' | 'last_at'>,
): boolean {
  if (added_at >= first_at && added_at <= last_at) return true;
  return (since ?? 0) <= last_at && (until ?? Number.MAX_SAFE_INTEGER) > first_at;
}

export function isSameHold(one: HoldRow, other: HoldRow): boolean {
  const hex = (octets: Uint8Array | null) => (octets === null ? null : Buffer.from(octets).toString('hex'));
  const text = (row: HoldRow) =>
    JSON.stringify([
      ...[row.id, row.organization, hex(row.sender_tag), hex(row.recipient_tag)],
      ...[row.message, row.since, row.until, row.added_at, hex(row.box)],
    ]);
  return text(one) === text(other);
}
