// Whether a legal hold covers a message, as SQL: of its organization, accepted in its time; of the one message or address when it
// names one.

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
