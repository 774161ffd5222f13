// Alarms since the start, latest time of each: what `status` shows until alerts are sent.

import type { Time } from '../domain/ids.ts';

export type Alarm = { readonly name: string; readonly count: number; readonly at: Time };
export type Alarms = { raise(name: string, at: Time): void; list(): readonly Alarm[] };

export function createAlarms(): Alarms {
  const raised = new Map<string, Alarm>();
  return {
    raise: (name, at) => raised.set(name, { name, at, count: (raised.get(name)?.count ?? 0) + 1 }),
    list: () => [...raised.values()],
  };
}

/** What the log says when the store had to fail; `why`: words of the store, with codes of SQLite or the system. */
export function storeFailedWords(why: string): string {
  return /SQLITE_(CORRUPT|NOTADB)|malformed|not a database/.test(why)
    ? 'the database failed: mail is no longer taken and the gateway ends; when this comes again after a start, the database is damaged: systemd/README.md, "When the database is lost"'
    : 'the disk failed: mail is no longer taken and the gateway ends; check the disk, then start it';
}
