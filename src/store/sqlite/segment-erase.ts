// Erases detail in a segment's file, where it stands. With a write-ahead log for the while: a rollback journal would hold what
// is erased, and be deleted without being overwritten.

import Database from 'better-sqlite3';
import type { EraseInSegment } from './calls/archive.ts';
import { DAY, DELIVERIES } from './calls/queue.ts';
import { segmentPath } from './segment-file.ts';
import { ERASE_DELIVERIES, ERASE_ENTRY, ERASE_MESSAGE, ERASE_PARCELS } from './verbs/erase.ts';

/** Overwritten and on stable storage when it returns. Throws when the log could not be emptied. */
export function eraseInSegment(database: string, name: string, what: EraseInSegment): void {
  const db = new Database(segmentPath(database, name), { fileMustExist: true });
  try {
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    db.pragma('secure_delete = ON');
    db.pragma('temp_store = MEMORY');
    db.transaction(() => erase(db, what))();
    const [{ busy }] = db.pragma('wal_checkpoint(TRUNCATE)') as [{ busy: number }];
    if (busy !== 0) throw new Error('the segment is being read');
    db.pragma('journal_mode = DELETE');
  } finally {
    db.close();
  }
}

function erase(db: Database.Database, { entries, messages, senderTags, recipientTags }: EraseInSegment): void {
  const eraseEntry = db.prepare(ERASE_ENTRY);
  const eraseMessage = db.prepare(ERASE_MESSAGE);
  const eraseDeliveries = db.prepare(ERASE_DELIVERIES);
  const eraseParcels = db.prepare(ERASE_PARCELS);
  const idOf = db.prepare<[number], string>('SELECT id FROM message WHERE n = ?').pluck();
  const deleteTag = db.prepare('DELETE FROM sought WHERE day = ? AND tag = ? AND n >= ? AND n < ?');
  const acceptedOn = db.prepare<[number], number>(`SELECT accepted_at / ${DAY} FROM message WHERE n = ?`).pluck();
  for (const n of entries) eraseEntry.run(n);
  for (const n of messages) {
    eraseMessage.run(n);
    const id = idOf.get(n) as string;
    eraseParcels.run(id, id);
    eraseDeliveries.run(n * DELIVERIES, (n + 1) * DELIVERIES);
    const day = acceptedOn.get(n) as number;
    for (const tag of senderTags) deleteTag.run(day, tag, n, n + 1);
    for (const tag of recipientTags) deleteTag.run(day, tag, n * DELIVERIES, (n + 1) * DELIVERIES);
  }
}
