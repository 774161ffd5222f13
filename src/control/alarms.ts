// Alarms since the start, latest time of each, and which of them are so now: what `status` shows, and the watch tells of.

import type { Time } from '../domain/ids.ts';

/** `standing`: it is so now; else it happened, or is over. */
export type Alarm = { readonly name: string; readonly count: number; readonly at: Time; readonly standing: boolean };
export type Alarms = {
  raise(name: string, at: Time): void;
  /** Names of all that is so now. */
  stands(names: ReadonlySet<string>): void;
  list(): readonly Alarm[];
};

export function createAlarms(): Alarms {
  const raised = new Map<string, Omit<Alarm, 'standing'>>();
  let standing: ReadonlySet<string> = new Set();
  return {
    raise: (name, at) => raised.set(name, { name, at, count: (raised.get(name)?.count ?? 0) + 1 }),
    stands: (names) => {
      standing = names;
    },
    list: () => [...raised.values()].map((one) => ({ ...one, standing: standing.has(one.name) })),
  };
}

/** What the log says when the store had to fail; `why`: words of the store, with codes of SQLite or the system. */
export function storeFailedWords(why: string): string {
  return /SQLITE_(CORRUPT|NOTADB)|malformed|not a database/.test(why)
    ? 'the database failed: mail is no longer taken and the gateway ends; when this comes again after a start, the database is damaged: systemd/README.md, "When the database is lost"'
    : 'the disk failed: mail is no longer taken and the gateway ends; check the disk, then start it';
}
