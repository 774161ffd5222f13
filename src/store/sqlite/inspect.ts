// Looks into the database of a gateway that does not run: whether it is whole, and which keys wrap its keys. Opens nothing
// that is boxed.

import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { openReading, walPath } from './database.ts';

export type Inspected = {
  /** `ok`, or the first thing that SQLite found; null when it was not looked at. */
  readonly integrity: string | null;
  /** Octets of the write-ahead log. */
  readonly wal: number;
  readonly keys: readonly { readonly id: string; readonly wrappedBy: string }[];
};

/** Null when there is no database. `whole`: its form is checked, which takes as long as reading all of it. */
export function inspectDatabase(path: string, whole: boolean): Inspected | null {
  const file = join(path, 'queue.db');
  if (!existsSync(file)) return null;
  const wal = statSync(walPath(file), { throwIfNoEntry: false })?.size ?? 0;
  try {
    const db = openReading(file);
    try {
      const integrity = whole ? String(db.pragma('quick_check(1)', { simple: true })) : null;
      const keys = db.prepare<[], Inspected['keys'][number]>('SELECT id, wrapped_by AS wrappedBy FROM key').all();
      return { integrity, wal, keys };
    } finally {
      db.close();
    }
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    return { integrity: `cannot be read (${code ?? message})`, wal, keys: [] };
  }
}
