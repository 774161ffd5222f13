// Legal holds: their rows, and the entries that set and lift them, wherever those stand.

import type Database from 'better-sqlite3';
import type { HoldRow } from '../calls/archive.ts';
import { perFile, type Sources } from '../sources.ts';

type HoldEntryRow = {
  readonly organization: string;
  readonly at: number;
  readonly event: string;
  readonly detail: string;
  readonly boxed: Uint8Array | null;
};
/** `done`: behind them is none. `passedOver`: up to `through` nothing could be read. */
export type HoldEntries = {
  readonly rows: readonly HoldEntryRow[];
  readonly through: number;
  readonly done: boolean;
  readonly passedOver: boolean;
};
/** Entries looked at by one call. */
const SLICE = 20_000;

function holdEntriesOf(db: Database.Database) {
  const between = db.prepare<[number, number], HoldEntryRow>(
    `SELECT organization, at, event, detail, boxed FROM audit
     WHERE n > ? AND n <= ? AND event IN ('log.hold_added', 'log.hold_removed') ORDER BY n`,
  );
  return (from: number, through: number) => between.all(from, through);
}

export function holdQueries(sources: Sources) {
  const { live } = sources;
  const holds = live.prepare<[], HoldRow>('SELECT * FROM legal_hold ORDER BY added_at');
  const lastEntry = live.prepare<[], number | null>('SELECT max(n) FROM audit').pluck();
  const inFile = perFile(sources, holdEntriesOf);
  const inLive = holdEntriesOf(live);

  return {
    holds: () => holds.all(),
    /** What tells of legal holds behind entry `after`, of some thousands of entries; a month that cannot be read is passed over. */
    holdEntries([after]: readonly [number]): HoldEntries {
      const one = sources.segments().find(({ base, last, state }) => state !== 'pruned' && base + last > after);
      const last = lastEntry.get() ?? 0;
      const from = one === undefined ? after : Math.max(after, one.base + one.first - 1);
      const through = Math.min(from + SLICE, one === undefined ? Math.max(last, after) : one.base + one.last);
      if (one === undefined) return { rows: inLive(from, through), through, done: through >= last, passedOver: false };
      try {
        return { rows: inFile(one)!(from, through), through, done: false, passedOver: false };
      } catch {
        sources.forget(one);
        return { rows: [], through: one.base + one.last, done: false, passedOver: true };
      }
    },
  };
}
