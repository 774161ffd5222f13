// Where entries, messages and checkpoints are read from: the queue's database, and the segments that were not pruned. Files
// of segments are opened when they are asked for, and the longest unused is closed again.

import Database from 'better-sqlite3';
import { LRUCache } from 'lru-cache';
import type { SegmentRow } from './calls/archive.ts';
import { segmentPath } from './segment-file.ts';

/** Files open at once. */
const OPEN = 16;
/** Pages cached by each, in KiB (negative: SQLite's notation for KiB instead of pages). */
const CACHE = -4_096;

export type Sources = {
  readonly live: Database.Database;
  /** In order of the chain. */
  segments(): readonly SegmentRow[];
  /** The file of a segment; null when it was pruned. Throws when it cannot be opened. */
  open(one: SegmentRow): Database.Database | null;
  /** It is opened anew when it is asked for again: another file may stand there then. */
  forget(one: SegmentRow): void;
  close(): void;
};

/** Throws in plain words: the caller asks for what was there. */
function openFile(path: string, name: string): Database.Database {
  try {
    return new Database(path, { readonly: true, fileMustExist: true });
  } catch {
    throw new Error(`${missing(name)}; put it back from a backup`);
  }
}

export function missing(name: string): string {
  return `audit/${name}.db, a closed month of the audit, cannot be opened`;
}

export function openSources(live: Database.Database): Sources {
  const rows = live.prepare<[], SegmentRow>('SELECT * FROM segment ORDER BY no');
  const files = new LRUCache<string, Database.Database>({ max: OPEN, dispose: (db) => db.close() });
  return {
    live,
    segments: () => rows.all(),
    open({ name, state }) {
      if (state === 'pruned') return null;
      const known = files.get(name);
      if (known) return known;
      const db = openFile(segmentPath(live.name, name), name);
      db.pragma('automatic_index = OFF');
      db.pragma('temp_store = MEMORY');
      db.pragma(`cache_size = ${CACHE}`);
      files.set(name, db);
      return db;
    },
    forget: ({ name }) => void files.delete(name),
    close: () => files.clear(),
  };
}

/** Queries of each file, made once while it is open. */
export function perFile<T>(sources: Sources, make: (db: Database.Database) => T): (one: SegmentRow) => T | null {
  const made = new WeakMap<Database.Database, T>();
  return (one) => {
    const db = sources.open(one);
    if (db === null) return null;
    let queries = made.get(db);
    if (!queries) {
      queries = make(db);
      made.set(db, queries);
    }
    return queries;
  };
}
