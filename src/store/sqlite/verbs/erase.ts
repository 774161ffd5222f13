// erase, erasedDone: boxed detail of entries, and of the rows of messages that are over, is overwritten where it stands here; what stands
// in a segment is marked, and done there after this is committed. Zeros of the same length: SQLite puts them where the
// box stood, while a shorter value would move, and leave octets of the box in the gaps of pages.

import type { EraseCall } from '../calls/archive.ts';
import { fromOctets } from '../calls/octets.ts';
import { DAY, DELIVERIES } from '../calls/queue.ts';
import { Refusal, type Workbench } from '../workbench.ts';

/** SQL that overwrites what is boxed of an entry, a message, its deliveries. */
export const ERASE_ENTRY = 'UPDATE audit SET boxed = zeroblob(length(boxed)) WHERE n = ?';
export const ERASE_MESSAGE =
  'UPDATE message SET fixed = zeroblob(length(fixed)), examination = zeroblob(length(examination)) WHERE n = ?';
export const ERASE_DELIVERIES =
  'UPDATE delivery SET decision = zeroblob(length(decision)), because = zeroblob(length(because)) WHERE n >= ? AND n < ?';

export const ERASE_PARCELS =
  "UPDATE parcel SET fixed = zeroblob(length(fixed)) WHERE delivery >= ? || '.' AND delivery < ? || '/'";

export function makeErase(w: Workbench) {
  const { db, ledger } = w;
  const mark = db.prepare('INSERT INTO erased (n, done) VALUES (?, 0) ON CONFLICT DO NOTHING');
  const done = db.prepare('UPDATE erased SET done = 1 WHERE n = ?');
  const holds = db.prepare<[], string>('SELECT id FROM legal_hold').pluck();
  const destruction = db.prepare('INSERT INTO destruction (n) VALUES (?)');
  const eraseEntry = db.prepare(ERASE_ENTRY);
  const eraseMessage = db.prepare(`${ERASE_MESSAGE} AND id = ? AND stage = 'bodiless'`);
  const eraseDeliveries = db.prepare(ERASE_DELIVERIES);
  const eraseConversations = db.prepare(
    `UPDATE conversation SET fixed = zeroblob(length(fixed)) WHERE id IN
       (SELECT conversation FROM parcel WHERE delivery >= ? || '.' AND delivery < ? || '/')
     AND NOT EXISTS (SELECT 1 FROM parcel p WHERE p.conversation = conversation.id
       AND p.state IN ('waiting', 'opened', 'replied', 'expired'))`,
  );
  const eraseParcels = db.prepare(ERASE_PARCELS);
  const deleteTag = db.prepare('DELETE FROM sought WHERE day = ? AND tag = ? AND n >= ? AND n < ?');
  const acceptedOn = db.prepare<[number], number>(`SELECT accepted_at / ${DAY} FROM message WHERE n = ?`).pluck();

  return {
    /** These were seen to be gone where they stood. */
    erasedDone([entries]: readonly [readonly number[]]): null {
      for (const n of entries) done.run(n);
      return null;
    },
    erase(call: EraseCall, at: number): null {
      const [organization, actor, details, reason, entries, messages, senderTags, recipientTags, judged] = call;
      if (holds.all().some((id) => !judged.includes(id)))
        throw new Refusal(
          'wrong state',
          'a legal hold was set meanwhile: ask again, it may cover what was to be erased',
        );
      for (const detail of details) {
        destruction.run(ledger.append(at, organization, null, null, actor, 'log.erased', detail, fromOctets(reason)));
      }
      for (const n of entries) {
        mark.run(n);
        // While a month is being moved, an entry stands in both places.
        eraseEntry.run(n);
      }
      for (const [n, id] of messages) {
        eraseConversations.run(id, id);
        eraseParcels.run(id, id);
        if (eraseMessage.run(n, id).changes === 0) continue;
        eraseDeliveries.run(n * DELIVERIES, (n + 1) * DELIVERIES);
        const day = acceptedOn.get(n) as number;
        for (const tag of senderTags) deleteTag.run(day, fromOctets(tag), n, n + 1);
        for (const tag of recipientTags) deleteTag.run(day, fromOctets(tag), n * DELIVERIES, (n + 1) * DELIVERIES);
      }
      return null;
    },
  };
}
