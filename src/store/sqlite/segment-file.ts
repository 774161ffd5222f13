// A segment's file: a database of its own with the closed entries, the messages that were over, their search tags, and the
// checkpoints of those entries, in tables as the queue's database has them. Written whole beside its name, synced, renamed.

import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import type { Closable, Copied } from './calls/archive.ts';
import { DAY, DELIVERIES } from './calls/queue.ts';

const TABLES = ['audit', 'message', 'delivery', 'parcel', 'sought', 'checkpoint', 'chain'];
/** Numbers copied by one statement: its snapshot is gone long before a second. */
const SLICE = 5_000;
/** Slices of a day's search tags, by their first octet. */
const TAGS = 16;

/** Folder of the segments of the queue's database at `database`. */
export function segmentFolder(database: string): string {
  return join(dirname(database), 'audit');
}

export function segmentPath(database: string, name: string): string {
  return join(segmentFolder(database), `${name}.db`);
}

/** Whole and on stable storage when it returns. Null: no entry is of that month. `cutoff`: what ended later stays. */
export function writeSegment(database: string, what: Closable, now: number, cutoff: number): Copied | null {
  const folder = segmentFolder(database);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const name = `${what.month}-${what.base + what.after + 1}`;
  const path = segmentPath(database, name);
  const part = `${path}.part`;
  rmSync(part, { force: true });
  const db = new Database(part);
  let copied: Copied | null;
  try {
    db.pragma('journal_mode = OFF');
    // Else the first page of a table keeps a copy of what it held while the table was small.
    db.pragma('secure_delete = ON');
    db.pragma('synchronous = OFF');
    db.pragma('temp_store = MEMORY');
    db.pragma('automatic_index = OFF');
    db.prepare('ATTACH ? AS live').run(database);
    makeTables(db);
    copied = copy(db, what, name, now, cutoff);
  } finally {
    db.close();
  }
  if (copied === null) {
    rmSync(part, { force: true });
    return null;
  }
  syncPath(part);
  renameSync(part, path);
  syncPath(folder);
  return copied;
}

export function syncPath(path: string): void {
  const file = openSync(path, 'r');
  fsyncSync(file);
  closeSync(file);
}

function makeTables(db: Database.Database): void {
  const names = TABLES.map(() => '?').join(', ');
  const made = db
    .prepare<string[], string>(
      `SELECT sql FROM live.sqlite_schema WHERE tbl_name IN (${names}) AND sql IS NOT NULL
       AND (type = 'table' OR name IN ('audit_message', 'audit_lasting', 'parcel_delivery'))`,
    )
    .pluck()
    .all(...TABLES);
  for (const sql of made) db.exec(sql);
}

/** Entries in order up to the first that is of a later month; one from the future (a clock that was wrong) is of this one. */
function copyEntries(db: Database.Database, { base, after, until, end }: Closable, now: number): number {
  const later = db
    .prepare<[number, number, number, number], number | null>(
      'SELECT min(n) FROM live.audit WHERE n > ? AND n <= ? AND at >= ? AND at <= ?',
    )
    .pluck();
  const put = db.prepare('INSERT INTO main.audit SELECT * FROM live.audit WHERE n > ? AND n <= ?');
  const last = base + until;
  for (let from = base + after; from < last; from += SLICE) {
    const to = Math.min(from + SLICE, last);
    const first = later.get(from, to, end, now) ?? null;
    put.run(from, first === null ? to : first - 1);
    if (first !== null) return first - 1;
  }
  return last;
}

function copy(db: Database.Database, what: Closable, name: string, now: number, cutoff: number): Copied | null {
  const { node, epoch, base, after, month, end } = what;
  const last = copyEntries(db, what, now) - base;
  if (last === after) return null;
  copyMessages(db, end, cutoff);
  const { messages, first_message, last_message } = db
    .prepare<[], Pick<Copied, 'messages' | 'first_message' | 'last_message'>>(
      'SELECT count(*) AS messages, coalesce(min(n), 0) AS first_message, coalesce(max(n), 0) AS last_message FROM message',
    )
    .get()!;
  db.prepare(
    'INSERT INTO main.checkpoint SELECT * FROM live.checkpoint WHERE node = ? AND epoch = ? AND seq > ? AND seq <= ?',
  ).run(node, epoch, after, last);
  const { first_checkpoint, last_checkpoint } = db
    .prepare<[], Pick<Copied, 'first_checkpoint' | 'last_checkpoint'>>(
      'SELECT coalesce(min(no), 0) AS first_checkpoint, coalesce(max(no), 0) AS last_checkpoint FROM main.checkpoint',
    )
    .get()!;
  const { hash, count, first_at, last_at } = db
    .prepare<[number], { hash: Uint8Array; count: number; first_at: number; last_at: number }>(
      `SELECT (SELECT hash FROM main.audit WHERE n = ?) AS hash, count(*) AS count, min(at) AS first_at,
         max(at) AS last_at FROM main.audit`,
    )
    .get(base + last)!;
  if (count !== last - after) throw new Error(`entries are missing between ${after} and ${last}: sealrelay log verify`);
  return {
    ...{ name, month, node, epoch, base, first: after + 1, last, hash: Uint8Array.from(hash), first_at, last_at },
    ...{ messages, first_message, last_message, first_checkpoint, last_checkpoint },
  };
}

/** Messages accepted before the month's end that are over, and whose parcels are: nobody opens one, its bytes are gone, no link
 *  is answered. The newest message of all stays, from which the next one's number is counted. */
function copyMessages(db: Database.Database, end: number, cutoff: number): void {
  const newest = db.prepare<[], number>('SELECT coalesce(max(n), 0) FROM live.message').pluck().get()!;
  // The key of a body that is gone has no use, and would outlast a rotation here.
  const columns = (db.pragma('main.table_info(message)') as { name: string }[])
    .map(({ name }) => (name === 'body' ? "json_set(m.body, '$.key', '')" : `m.${name}`))
    .join(', ');
  const put = db.prepare(
    `INSERT INTO main.message SELECT ${columns} FROM live.message m WHERE m.n > ? AND m.n <= ? AND m.n < ?
       AND m.stage = 'bodiless' AND m.accepted_at < ? AND m.finished_at < ?
       AND NOT EXISTS (SELECT 1 FROM live.parcel p WHERE p.delivery >= m.id || '.' AND p.delivery < m.id || '/'
         AND (p.state IN ('waiting', 'opened', 'replied', 'expired') OR p.object IS NOT NULL
           OR EXISTS (SELECT 1 FROM live.access_grant g WHERE g.conversation = p.conversation)))`,
  );
  const parcels = db.prepare(
    `INSERT INTO main.parcel SELECT p.* FROM main.message m CROSS JOIN live.parcel p
       ON p.delivery >= m.id || '.' AND p.delivery < m.id || '/' WHERE m.n > ? AND m.n <= ?`,
  );
  const deliveries = db.prepare(
    `INSERT INTO main.delivery SELECT d.* FROM main.message m CROSS JOIN live.delivery d
       ON d.n >= m.n * ${DELIVERIES} AND d.n < (m.n + 1) * ${DELIVERIES} WHERE m.n > ? AND m.n <= ?`,
  );
  const first = db.prepare<[], number>('SELECT coalesce(min(n), 1) FROM live.message').pluck().get()!;
  for (let from = first - 1; from < newest; from += SLICE) {
    if (put.run(from, from + SLICE, newest, end, cutoff).changes === 0) continue;
    deliveries.run(from, from + SLICE);
    parcels.run(from, from + SLICE);
  }
  copyTags(db);
}

function copyTags(db: Database.Database): void {
  const days = db.prepare<[], number>(`SELECT DISTINCT accepted_at / ${DAY} FROM main.message`).pluck().all();
  const put = db.prepare(
    `INSERT INTO main.sought SELECT s.* FROM live.sought s WHERE s.day = ? AND s.tag >= ? AND s.tag < ? AND
       (EXISTS (SELECT 1 FROM main.message m WHERE m.n = s.n AND m.accepted_at / ${DAY} = s.day) OR
        EXISTS (SELECT 1 FROM main.message m WHERE m.n = s.n / ${DELIVERIES} AND m.accepted_at / ${DAY} = s.day))`,
  );
  const width = 256 / TAGS;
  for (const day of days) {
    for (let i = 0; i < TAGS; i++) {
      const to = i === TAGS - 1 ? Buffer.alloc(17, 0xff) : Buffer.of((i + 1) * width);
      put.run(day, Buffer.of(i * width), to);
    }
  }
}
