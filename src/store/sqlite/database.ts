// Opens the queue's database the one way it may be opened: WAL with a sync at every commit, deleted content overwritten,
// temporary data in memory only, our own checkpoints. A second process on the same data is refused.

import Database from 'better-sqlite3';
import { STEPS, stepsAfter } from '../schema/steps.ts';

/** Pages cached by a connection, in KiB (negative: SQLite's notation for KiB instead of pages). */
const READ_CACHE = -65_536;
/** Small: where a tree was balanced in it, a commit walks through all cached pages (pcache1TruncateUnsafe; with 64 MiB a fifth of the
 *  writer's time). What is not cached comes from the system's own cache. */
const WRITE_CACHE = -4_096;

/** Off: for a page of held deliveries SQLite made an index of all deliveries, at every page, and looked through all of the
 *  held ones for each message (8 s a page with 20,000 waiting; 0.2 ms by the tables' own indexes). */
const NO_INDEX_OF_ITS_OWN = 'automatic_index = OFF';

/** Connection of the writer. Throws with plain words. */
export function openWriting(path: string): Database.Database {
  const db = new Database(path);
  db.pragma('journal_mode = WAL');
  // better-sqlite3 is built with DEFAULT_WAL_SYNCHRONOUS=1: at the first access after the switch to WAL, synchronous
  // becomes NORMAL by itself, and power loss would take acknowledged commits (facts: 1–123 of 400).
  db.prepare('SELECT count(*) FROM sqlite_schema').get();
  db.pragma('synchronous = FULL');
  db.prepare('SELECT count(*) FROM sqlite_schema').get();
  db.pragma('secure_delete = ON');
  db.pragma('temp_store = MEMORY');
  db.pragma(NO_INDEX_OF_ITS_OWN);
  db.pragma('wal_autocheckpoint = 0');
  db.pragma('foreign_keys = OFF');
  db.pragma(`cache_size = ${WRITE_CACHE}`);
  const mode = db.pragma('journal_mode', { simple: true });
  const synchronous = db.pragma('synchronous', { simple: true });
  if (mode !== 'wal' || synchronous !== 2) {
    db.close();
    throw new Error(`the database does not sync its commits (journal_mode ${mode}, synchronous ${synchronous})`);
  }
  return db;
}

/** Brings the schema up to date, each step in a transaction of its own. */
export function migrate(db: Database.Database): void {
  db.exec('CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL) STRICT');
  const version = db.prepare<[], number>('SELECT max(version) FROM schema_version').pluck().get() ?? 0;
  const steps = stepsAfter(version);
  steps.forEach((sql, i) => {
    db.transaction(() => {
      db.exec(sql);
      db.prepare('INSERT INTO schema_version (version) VALUES (?)').run(version + i + 1);
    })();
  });
}

export function openReading(path: string): Database.Database {
  const db = new Database(path, { readonly: true, fileMustExist: true });
  db.pragma(NO_INDEX_OF_ITS_OWN);
  db.pragma('temp_store = MEMORY');
  db.pragma(`cache_size = ${READ_CACHE}`);
  return db;
}

/** Held as long as the process lives, also after kill -9: a transaction on a database of its own that never ends. */
export function takeLock(path: string): Database.Database {
  const lock = new Database(path, { timeout: 0 });
  try {
    lock.pragma('locking_mode = EXCLUSIVE');
    lock.exec('BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock.close();
    if ((error as { code?: string }).code !== 'SQLITE_BUSY') throw error;
    throw new Error(`another Sealrelay uses this data: it holds ${path}`);
  }
}

export function walPath(path: string): string {
  return `${path}-wal`;
}

export { STEPS };
