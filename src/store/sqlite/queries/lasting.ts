// Entries of the audit that tell of what lasts, wherever they stand: legal holds, accounts, restores, and what was pruned. And
// the rows of legal holds, which they prove.

import type Database from 'better-sqlite3';
import { goneDigest } from '../../../record/gone.ts';
import type { HoldRow } from '../calls/archive.ts';
import { perFile, type Sources } from '../sources.ts';

/** As schema step 10 has it: word for word the condition of its index, else it is not used. */
const LASTING = `event IN ('log.hold_added', 'log.hold_removed', 'operator.added',
  'operator.removed', 'submission.added', 'submission.removed', 'gateway.restored', 'log.pruned')`;
export const LASTING_EVENTS: ReadonlySet<string> = new Set([...LASTING.matchAll(/'([^']+)'/g)].map((one) => one[1]!));

export type LastingRow = {
  readonly organization: string;
  readonly at: number;
  readonly event: string;
  readonly detail: string;
  readonly boxed: Uint8Array | null;
};
/** `done`: behind them is none. `passedOver`: up to `through` nothing could be read. `gone`: digest of all that rows say was
 *  pruned, and its last time; null: nothing was. */
export type LastingEntries = {
  readonly rows: readonly LastingRow[];
  readonly through: number;
  readonly done: boolean;
  readonly passedOver: boolean;
  readonly gone: { readonly digest: string; readonly until: number } | null;
};
/** Entries looked at by one call where there is no index: a month that was closed before there was one. */
const SLICE = 20_000;

function lastingOf(db: Database.Database) {
  const between = db.prepare<[number, number], LastingRow>(
    `SELECT organization, at, event, detail, boxed FROM audit WHERE n > ? AND n <= ? AND ${LASTING} ORDER BY n`,
  );
  const index = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'audit_lasting'").pluck();
  const slice = index.get() === 1 ? Number.MAX_SAFE_INTEGER / 2 : SLICE;
  return { slice, between: (from: number, through: number) => between.all(from, through) };
}

export function lastingQueries(sources: Sources) {
  const { live } = sources;
  const holds = live.prepare<[], HoldRow>('SELECT * FROM legal_hold ORDER BY added_at');
  const lastEntry = live.prepare<[], number | null>('SELECT max(n) FROM audit').pluck();
  const inFile = perFile(sources, lastingOf);
  let inLive: ReturnType<typeof lastingOf> | null = null;

  function gone(): LastingEntries['gone'] {
    const pruned = sources.segments().filter(({ state }) => state === 'pruned');
    if (pruned.length === 0) return null;
    return { digest: goneDigest(pruned), until: Math.max(...pruned.map(({ last_at }) => last_at)) };
  }

  /** What stands behind entry `after`, in one place. */
  function entries(after: number): Omit<LastingEntries, 'gone'> {
    const one = sources.segments().find(({ base, last, state }) => state !== 'pruned' && base + last > after);
    if (one === undefined) {
      inLive ??= lastingOf(live);
      const through = Math.max(after, lastEntry.get() ?? 0);
      return { rows: inLive.between(after, through), through, done: true, passedOver: false };
    }
    const end = one.base + one.last;
    try {
      const { between, slice } = inFile(one)!;
      const from = Math.max(after, one.base + one.first - 1);
      const through = Math.min(from + slice, end);
      return { rows: between(from, through), through, done: false, passedOver: false };
    } catch {
      sources.forget(one);
      return { rows: [], through: end, done: false, passedOver: true };
    }
  }

  return {
    holds: () => holds.all(),
    /** In one snapshot, so that what was pruned fits the entry that names it. */
    lastingEntries: ([after]: readonly [number]): LastingEntries =>
      live.transaction(() => ({ ...entries(after), gone: gone() }))(),
  };
}
