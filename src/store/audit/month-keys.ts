// The keys of months (`fields YYYY-MM`) that are over their term. A month's detail is destroyed for good with its key: also what
// old pages, copies of the log and copies of the database still hold of it. A key goes only when nothing is under it any more,
// neither a row nor a segment nor what the caller knows of: what remains (held mail, a message that ended a month later, a
// legal hold) keeps it, and is asked again. Logs nothing. Backups that hold the key still open what they hold.

import type { FieldsKey } from '../../crypto/vault.ts';
import type { Time } from '../../domain/ids.ts';
import { monthEnd, monthStart } from '../../domain/months.ts';
import type { KeyRow } from '../../keys/port.ts';
import { rowOf } from '../keyring/sqlite.ts';
import { QueueError, verbId } from '../queue/port.ts';
import type { Access } from '../sqlite/access.ts';
import type { SegmentRow } from '../sqlite/calls/archive.ts';
import type { BoxMarks, StoredKey } from '../sqlite/calls/keys.ts';
import { holdTouches } from '../sqlite/legal-hold.ts';
import type { BoxedPage, Slice } from '../sqlite/queries/boxed.ts';
import type { ProvenHolds } from './holds.ts';

export type KeyStep = 'looked' | 'resting' | 'destroyed' | 'forgotten';

export type DestroyKeysOptions = {
  /** Ids (hex) of keys that something outside the database is boxed by. */
  readonly used?: ReadonlySet<string>;
  /** Between two of these a crash may come. */
  readonly at?: (step: KeyStep) => unknown;
  readonly stop?: AbortSignal;
};

/** `kept`: months' keys that are over their term, and that something keeps. */
export type DestroyedKeys = { readonly gone: readonly FieldsKey[]; readonly kept: number };

export interface MonthKeys {
  /** Deletes the keys of months that ended before `before` and under which nothing remains; none while the audit does not
   *  verify. Nothing may be closed, pruned or erased meanwhile: `archive.still`. Rejects when `stop` is aborted. */
  destroy(before: Time, options?: DestroyKeysOptions): Promise<DestroyedKeys>;
}

/** All generations of one month's key in an organization. */
type MonthOf = { readonly organization: string; readonly month: string; readonly ids: readonly string[] };

/** Times the log is tried to be emptied beside whoever reads; a second later it is emptied anyway. */
const TRIES = 20;
/** Entries that came while rows were looked through, so few that the transaction looks at them; times that they are looked
 *  through before they are as many as they are. */
const FEW = 500;
const ROUNDS = 10;
/** Months of an organization in one transaction. */
const AT_ONCE = 20;
const WAIT = 100;

export function openMonthKeys(access: Access, { proveAll }: Pick<ProvenHolds, 'proveAll'>): MonthKeys {
  async function keysIn(name: string | null, stop?: AbortSignal, since?: BoxMarks): Promise<Set<string>> {
    const keys = new Set<string>();
    for (let slice: Slice | null = [0, 0]; slice !== null; ) {
      stop?.throwIfAborted();
      const page: BoxedPage = await access.read<BoxedPage>('boxedPage', since ? [name, slice, since] : [name, slice]);
      for (const key of page.keys) keys.add(key);
      slice = page.next;
    }
    return keys;
  }

  /** Keys in rows, and up to where that was seen: behind it came few meanwhile, for the transaction to look at. */
  async function keysInRows(stop?: AbortSignal): Promise<{ readonly keys: Set<string>; readonly marks: BoxMarks }> {
    let marks = await access.read<BoxMarks>('boxMarks', null);
    const keys = await keysIn(null, stop);
    for (let round = 0; round < ROUNDS; round++) {
      const now = await access.read<BoxMarks>('boxMarks', null);
      if (now.audit - marks.audit < FEW) break;
      for (const key of await keysIn(null, stop, marks)) keys.add(key);
      marks = now;
    }
    return { keys, marks };
  }

  /** What this process saw itself of segments. */
  const seen = new Map<string, readonly string[]>();

  /** Keys that the segments' boxes are under; one that was not looked through yet is now, once. Null: one cannot be read. `believing`:
   *  what rows say that an earlier process saw, which anybody can change who writes rows. */
  async function keysOfSegments(believing: boolean, stop?: AbortSignal): Promise<Set<string> | null> {
    const looked = new Map(
      (await access.read<{ name: string; keys: string }[]>('segmentKeys', null)).map((one) => [one.name, one.keys]),
    );
    const used = new Set<string>();
    for (const { name, state } of await access.read<SegmentRow[]>('segments', null)) {
      if (state === 'pruned') continue;
      const noted = looked.get(name);
      // Where none is noted it is noted again: the transaction asks these rows.
      const known = noted && (seen.get(name) ?? (believing ? (JSON.parse(noted) as string[]) : undefined));
      const keys = known || (await lookThrough(name, stop));
      if (keys === null) return null;
      for (const key of keys) used.add(key);
    }
    return used;
  }

  async function lookThrough(name: string, stop?: AbortSignal): Promise<string[] | null> {
    let keys: string[];
    try {
      keys = [...(await keysIn(name, stop))];
    } catch (error) {
      if (!(error instanceof QueueError)) throw error;
      access.alarm(`audit/${name}.db cannot be read: until it can, no month's key is destroyed; sealrelay log verify`);
      return null;
    }
    await access.write('segmentKeys', verbId(access), [name, keys]);
    seen.set(name, keys);
    return keys;
  }

  async function emptyLog(): Promise<void> {
    for (let tried = 0; tried < TRIES && !(await access.write('emptyLog', '', null)); tried++) {
      await new Promise((resolve) => setTimeout(resolve, WAIT));
    }
  }

  return {
    async destroy(before, { used = new Set<string>(), at = () => {}, stop } = {}) {
      const over = monthsOf((await access.read<StoredKey[]>('keys', null)).map(rowOf), before);
      const without = (months: readonly MonthOf[], keys: ReadonlySet<string>) =>
        months.filter(({ ids }) => !ids.some((id) => keys.has(id)));
      let free = without(over, used);
      const inSegments = free.length > 0 ? await keysOfSegments(true, stop) : null;
      free = inSegments === null ? [] : without(free, inSegments);
      await at('looked');
      const holds = free.length > 0 ? await proveAll(stop) : null;
      if (holds !== null && holds.length > 0) {
        // A hold keeps months in which something ended, and with them what is boxed there under keys of months before.
        const seenInSegments = await keysOfSegments(false, stop);
        free = seenInSegments === null ? [] : without(free, seenInSegments);
      }
      // By these, and once more by the rows when they go.
      free = holds === null ? [] : free.filter((one) => !holds.some((hold) => holdTouches(hold, timeOf(one))));
      if (free.length === 0) return { gone: [], kept: over.length };
      const keys = free.flatMap(({ organization, month, ids }) => ids.map((id) => ({ organization, month, id })));
      // No box is made under them from here on, so that what is seen below is so until the end, however long it takes.
      const wake = access.vault().rest(keys);
      let gone: readonly FieldsKey[] = [];
      try {
        // Behind whatever was called before.
        await access.write('append', verbId(access), []);
        await at('resting');
        const { keys: inRows, marks } = await keysInRows(stop);
        free = without(free, inRows);
        const ids = new Set<string>();
        for (let i = 0; i < free.length; i += AT_ONCE) {
          const call = [marks, free.slice(i, i + AT_ONCE).map(callOf)] as const;
          for (const id of await access.write('destroyKeys', verbId(access), call)) ids.add(id);
          // At once: should the next one fail, nothing may be boxed under these all the same.
          gone = keys.filter(({ organization, id }) => ids.has(`${organization} ${id}`));
        }
        await at('destroyed');
      } finally {
        wake(gone);
      }
      if (gone.length > 0) await emptyLog();
      await at('forgotten');
      const months = new Set(gone.map(({ organization, month }) => `${organization} ${month}`));
      return { gone, kept: over.length - months.size };
    },
  };
}

function timeOf({ month }: MonthOf) {
  return { first_at: monthStart(month), last_at: monthEnd(month) - 1 };
}

function callOf({ organization, month, ids }: MonthOf) {
  return [organization, month, monthStart(month), monthEnd(month), ids] as const;
}

function monthsOf(rows: readonly KeyRow[], before: Time): MonthOf[] {
  const found = new Map<string, { organization: string; month: string; ids: string[] }>();
  for (const { organization, purpose, id } of rows) {
    const month = /^fields (\d{4}-\d{2})$/.exec(purpose)?.[1];
    if (month === undefined || monthEnd(month) > before) continue;
    const name = `${organization} ${month}`;
    const one = found.get(name) ?? { organization, month, ids: [] };
    one.ids.push(id);
    found.set(name, one);
  }
  return [...found.values()];
}
