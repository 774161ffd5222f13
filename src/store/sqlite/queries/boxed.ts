// Which keys the boxes of a place are under, slice by slice: of the queue's database, or of a segment's file. A box begins
// with the id of its key (crypto/box.ts); what was erased is zeros, and names none.

import type Database from 'better-sqlite3';
import { BOXED, type BoxedTable } from '../boxed.ts';
import type { BoxMarks } from '../calls/keys.ts';
import { missing, perFile, type Sources } from '../sources.ts';

/** Place of a slice: the number of a table among those that are looked through in slices, and of the last row seen there. */
export type Slice = readonly [table: number, after: number];
export type BoxedPage = { readonly keys: readonly string[]; readonly next: Slice | null };

type Sliced = BoxedTable & { readonly number: string };

function pagesOf(db: Database.Database, tables: readonly Sliced[]) {
  const made = tables.map(({ table, columns, number }) => {
    const each = columns.map(
      (column) =>
        `SELECT DISTINCT lower(hex(substr(${column}, 1, 4))) FROM ${table} WHERE ${number} > :from AND ${number} <= :to`,
    );
    return {
      keys: db.prepare<unknown[], string>(each.join(' UNION ')).pluck(),
      first: db.prepare<[], number>(`SELECT coalesce(min(${number}), 0) FROM ${table}`).pluck(),
      last: db.prepare<[], number>(`SELECT coalesce(max(${number}), 0) FROM ${table}`).pluck(),
    };
  });
  return ([index, after]: Slice, since?: BoxMarks): BoxedPage => {
    const { keys, first, last } = made[index]!;
    const from = Math.max(after, first.get()! - 1, since === undefined ? 0 : before(tables[index]!, since));
    const to = from + tables[index]!.slice;
    const following: Slice | null = index + 1 < tables.length ? [index + 1, 0] : null;
    return { keys: named(keys.all({ from, to })), next: to < last.get()! ? [index, to] : following };
  };
}

/** Number of the last row that stood at the marks. Tables without one are looked at in the transaction. */
function before({ after }: Sliced, marks: BoxMarks): number {
  return after === null ? Number.MAX_SAFE_INTEGER / 2 : (marks[after.mark] + 1) * after.times - 1;
}

function named(keys: readonly string[]): string[] {
  return keys.filter((key) => key !== '' && key !== '00000000');
}

/** Made when they are asked for: a database that no gateway of this release has opened yet has not all of these tables. */
function liveQueries(live: Database.Database, tables: readonly Sliced[]) {
  const looked = live.prepare<[], { name: string; keys: string }>('SELECT name, keys FROM segment_keys');
  const marks = live.prepare<[], BoxMarks>(
    'SELECT (SELECT coalesce(max(n), 0) FROM message) AS message, (SELECT coalesce(max(n), 0) FROM audit) AS audit',
  );
  return { page: pagesOf(live, tables), looked, marks };
}

export function boxedQueries(sources: Sources) {
  const sliced = BOXED.filter((one): one is Sliced => one.number !== null);
  const moving = sliced.filter(({ moves }) => moves);
  const inFile = perFile(sources, (db) => pagesOf(db, moving));
  let made: ReturnType<typeof liveQueries> | null = null;
  const live = () => {
    made ??= liveQueries(sources.live, sliced);
    return made;
  };
  return {
    /** Throws when the segment cannot be read: nobody may take that for "none". `since`: only rows that came later. */
    boxedPage: ([name, slice, since]: readonly [string | null, Slice, BoxMarks?]): BoxedPage => {
      if (name === null) return live().page(slice, since);
      const one = sources.segments().find((segment) => segment.name === name);
      const page = one && inFile(one)?.(slice);
      if (!page) throw new Error(missing(name));
      return page;
    },
    segmentKeys: () => live().looked.all(),
    boxMarks: () => live().marks.get()!,
  };
}
