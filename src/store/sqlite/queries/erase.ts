// What is found of one address: its messages by their search tags, their entries wherever those stand, and whether a legal hold
// covers one of them.

import type Database from 'better-sqlite3';
import { restOf } from '../../../record/gone.ts';
import type { HoldRow, SegmentRow } from '../calls/archive.ts';
import { AUDIT_ROW, type AuditRow } from '../calls/audit.ts';
import { DAY, DELIVERIES } from '../calls/queue.ts';
import { perFile, type Sources } from '../sources.ts';

/** `segment` null: the queue's database. */
export type FindCall = readonly [
  segment: string | null,
  senderTags: readonly Uint8Array[],
  recipientTags: readonly Uint8Array[],
  day: number | null,
];
export type FoundMessage = {
  readonly n: number;
  readonly id: string;
  readonly organization: string;
  /** Nothing of it is under way, and no parcel of it may be opened. */
  readonly isOver: boolean;
  /** Id of a legal hold that covers it. */
  readonly hold: string | null;
};
/** `next`: the day to go on with; null: none is left. */
export type FoundPage = { readonly messages: readonly FoundMessage[]; readonly next: number | null };
export type FoundEntry = {
  readonly n: number;
  readonly node: string;
  readonly epoch: number;
  readonly seq: number;
  readonly rest: string;
  readonly segment: string | null;
};

/** Days looked at by one call. */
const DAYS = 100;

type Row = { n: number; id: string; organization: string; stage: string; accepted_at: number };

function placeQueries(db: Database.Database) {
  const days = db.prepare<[], { first: number | null; last: number | null }>(
    'SELECT min(day) AS first, max(day) AS last FROM sought',
  );
  const numbers = db.prepare<[number, Uint8Array], number>('SELECT n FROM sought WHERE day = ? AND tag = ?').pluck();
  const byNumber = db.prepare<[number], Row>('SELECT n, id, organization, stage, accepted_at FROM message WHERE n = ?');
  const tagged = db
    .prepare<[number, Uint8Array, number, number], number>(
      'SELECT 1 FROM sought WHERE day = ? AND tag = ? AND n >= ? AND n < ? LIMIT 1',
    )
    .pluck();
  const entries = db.prepare<[string], AuditRow & { n: number }>(
    `SELECT n, ${AUDIT_ROW} FROM audit WHERE message = ? AND boxed <> zeroblob(length(boxed))`,
  );

  function hasTag({ n, accepted_at }: Row, { sender_tag, recipient_tag }: HoldRow): boolean {
    if (sender_tag === null || recipient_tag === null) return true;
    const day = Math.floor(accepted_at / DAY);
    const isSender = tagged.get(day, sender_tag, n, n + 1) === 1;
    return isSender || tagged.get(day, recipient_tag, n * DELIVERIES, (n + 1) * DELIVERIES) === 1;
  }

  return {
    days,
    entries,
    /** Of that day. */
    messages(day: number, senders: readonly Uint8Array[], recipients: readonly Uint8Array[]): Row[] {
      const found = new Set(senders.flatMap((tag) => numbers.all(day, tag)));
      for (const tag of recipients) for (const n of numbers.all(day, tag)) found.add(Math.floor(n / DELIVERIES));
      return [...found].flatMap((n) => byNumber.get(n) ?? []);
    },
    isCovered(row: Row, hold: HoldRow): boolean {
      const { since, until, message, organization } = hold;
      const isThen = row.accepted_at >= (since ?? 0) && row.accepted_at < (until ?? Number.MAX_SAFE_INTEGER);
      if (!isThen || organization !== row.organization || (message !== null && message !== row.id)) return false;
      return hasTag(row, hold);
    },
  };
}

/** `done`: entries whose detail is gone where they stand. `left`: segments in which some stands still, and how many entries. */
export type ErasedPage = {
  readonly done: readonly number[];
  readonly left: readonly (readonly [segment: string, entries: number])[];
  readonly next: number | null;
};
/** Entries looked at by one call. */
const ERASED = 2_000;

function standingIn(db: Database.Database) {
  return db.prepare<[number], number>('SELECT 1 FROM audit WHERE n = ? AND boxed <> zeroblob(length(boxed))').pluck();
}

/** What was named as erased and not seen to be done. */
function undoneQuery(sources: Sources) {
  const undone = sources.live
    .prepare<[number, number], number>('SELECT n FROM erased WHERE n > ? AND done = 0 ORDER BY n LIMIT ?')
    .pluck();
  const inFile = perFile(sources, standingIn);
  const inLive = standingIn(sources.live);
  return ([after]: readonly [number]): ErasedPage => {
    const numbers = undone.all(after, ERASED);
    const segments = sources.segments();
    const left = new Map<string, number>();
    const done: number[] = [];
    for (const n of numbers) {
      const one = segments.find(({ base, first, last }) => n >= base + first && n <= base + last);
      const isThere = inLive.get(n) === 1 || (one !== undefined && inFile(one)?.get(n) === 1);
      if (!isThere) done.push(n);
      else left.set(one?.name ?? '', (left.get(one?.name ?? '') ?? 0) + 1);
    }
    return { done, left: [...left], next: numbers.length === ERASED ? numbers.at(-1)! : null };
  };
}

export function eraseQueries(sources: Sources) {
  const live = placeQueries(sources.live);
  const files = perFile(sources, placeQueries);
  const holds = sources.live.prepare<[], HoldRow>('SELECT * FROM legal_hold');
  const keyed = sources.live
    .prepare<[string, string], number>(
      `SELECT 1 FROM parcel WHERE delivery >= ? || '.' AND delivery < ? || '/'
         AND state IN ('waiting', 'opened', 'replied', 'expired') LIMIT 1`,
    )
    .pluck();
  const named = (name: string): SegmentRow => sources.segments().find((one) => one.name === name)!;

  let undone: ReturnType<typeof undoneQuery> | null = null;
  return {
    undone(call: readonly [number]): ErasedPage {
      undone ??= undoneQuery(sources);
      return undone(call);
    },
    messagesOf([segment, senders, recipients, from]: FindCall): FoundPage {
      const place = segment === null ? live : files(named(segment))!;
      const { first, last } = place.days.get()!;
      if (first === null || last === null) return { messages: [], next: null };
      const all = holds.all();
      const messages: FoundMessage[] = [];
      const begin = Math.max(first, from ?? first);
      const end = Math.min(last, begin + DAYS - 1);
      for (let day = begin; day <= end; day++) {
        for (const row of place.messages(day, senders, recipients)) {
          const { n, id, organization, stage } = row;
          const isOver = stage === 'bodiless' && keyed.get(id, id) === undefined;
          const hold = all.find((one) => place.isCovered(row, one))?.id ?? null;
          messages.push({ n, id, organization, isOver, hold });
        }
      }
      return { messages, next: end < last ? end + 1 : null };
    },

    /** Entries of a message whose boxed detail stands. */
    entriesOf([id]: readonly [string]): FoundEntry[] {
      const found = new Map<number, FoundEntry>();
      // One place after the other: a file is closed again when many others were opened since.
      for (const one of [...sources.segments(), null]) {
        const place = one === null ? live : files(one);
        for (const row of place?.entries.all(id) ?? []) {
          if (found.has(row.n)) continue;
          const { n, node, epoch, seq } = row;
          found.set(n, { n, node, epoch, seq, rest: restOf(row), segment: one?.name ?? null });
        }
      }
      return [...found.values()];
    },
  };
}
