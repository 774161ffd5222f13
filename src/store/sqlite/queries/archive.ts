// Reading across segments: what has to be closed, a message's entries and rows wherever they stand, and what was destroyed.

import type { SegmentRow } from '../calls/archive.ts';
import { AUDIT_ROW, type AuditRow } from '../calls/audit.ts';
import { DAY, DELIVERIES } from '../calls/queue.ts';
import { missing, perFile, type Sources } from '../sources.ts';
import { auditQueries, type VerifySlice, type VerifySliceCall } from './audit.ts';
import { messageQuery, type Whole } from './queue.ts';
import { type SearchCall, searchQueries } from './search.ts';

type ChainRow = { readonly node: string; readonly epoch: number; readonly base: number; readonly seq: number };
/** The first epoch with entries that stand in no segment; `at` of the first of them. */
export type Pending = ChainRow & { readonly after: number; readonly at: number };

type SweptRow = { readonly event: string; readonly count: number; readonly since: number; readonly until: number };
/** `last`: the number of the last entry of all. */
export type Swept = { readonly rows: readonly SweptRow[]; readonly through: number; readonly last: number };
/** Entries that a start may write, and more. */
const LAST = 10_000;
/** Entries looked at by one call. */
const SWEPT = 20_000;

export function archiveQueries(sources: Sources) {
  const { live } = sources;
  const chains = live.prepare<[], ChainRow>('SELECT node, epoch, base, seq FROM chain ORDER BY base, epoch');
  const atOf = live.prepare<[number], number>('SELECT at FROM audit WHERE n = ?').pluck();
  const liveAudit = auditQueries(live);
  const liveMessage = messageQuery(live);
  const audit = perFile(sources, auditQueries);
  const search = perFile(sources, searchQueries);
  const whole = perFile(sources, messageQuery);
  /** Whether one of these numbers is of a time between those: for pruning, which trusts no row's times. */
  const entryOf = perFile(sources, (db) =>
    db
      .prepare<[number, number, number, number], number>(
        'SELECT 1 FROM audit WHERE n > ? AND n <= ? AND at >= ? AND at <= ? LIMIT 1',
      )
      .pluck(),
  );
  const erased = live.prepare<[number, number], number>('SELECT n FROM erased WHERE n > ? AND n <= ?').pluck();
  const destroyed = live.prepare<[], number>('SELECT n FROM destruction ORDER BY n').pluck();
  const lastTimes = live.prepare<[number], number>('SELECT at FROM audit ORDER BY n DESC LIMIT ?').pluck();
  const sweptBetween = live.prepare<[number, number], SweptRow>(
    `SELECT event, count(*) AS count, min(at) AS since, max(at) AS until FROM audit
     WHERE n > ? AND n <= ? AND event IN ('message.swept', 'portal.deleted') GROUP BY event`,
  );
  const bounds = live.prepare<[], { first: number; last: number }>(
    'SELECT coalesce(min(n), 1) AS first, coalesce(max(n), 0) AS last FROM audit',
  );
  const liveEntry = live.prepare<[number], AuditRow>(`SELECT ${AUDIT_ROW} FROM audit WHERE n = ?`);

  function pending(): Pending | null {
    const closed = sources.segments();
    for (const chain of chains.all()) {
      const last = closed.filter((one) => one.node === chain.node && one.epoch === chain.epoch).at(-1)?.last ?? 0;
      if (last >= chain.seq) continue;
      return { ...chain, after: last, at: atOf.get(chain.base + last + 1) ?? 0 };
    }
    return null;
  }

  function trace([id]: readonly [string]): AuditRow[] {
    const found = sources.segments().flatMap((one) => audit(one)?.trace([id]) ?? []);
    const seen = new Set(found.map(({ epoch, seq, node }) => `${node} ${epoch} ${seq}`));
    const rest = liveAudit.trace([id]).filter(({ epoch, seq, node }) => !seen.has(`${node} ${epoch} ${seq}`));
    return [...found, ...rest];
  }

  /** Entries numbered from n on: of one place after the other. */
  function read([epoch, seq, limit]: readonly [number, number, number]): AuditRow[] {
    let after = epoch === 0 ? 0 : (chains.all().find((one) => one.epoch === epoch)?.base ?? 0) + seq;
    const found: AuditRow[] = [];
    for (const one of sources.segments()) {
      const end = one.base + one.last;
      if (end <= after || found.length >= limit) continue;
      found.push(...(audit(one)?.readAfter([after, limit - found.length]) ?? []));
      if (found.length < limit) after = end;
    }
    return found.length >= limit ? found : [...found, ...liveAudit.readAfter([after, limit - found.length])];
  }

  function message([id]: readonly [string]): Whole | null {
    const found = liveMessage(id);
    if (found) return found;
    for (const one of [...sources.segments()].reverse()) {
      const there = whole(one)?.(id);
      if (there) return there;
    }
    return null;
  }

  /** Deliveries of these, which one place does not account for, that no other does either. */
  function nowhere(ids: readonly string[]): string[] {
    const all = sources.segments();
    return ids.filter((id) => {
      const of = id.slice(0, id.lastIndexOf('.'));
      if (liveAudit.accounts([of, id])) return false;
      return !all.some((one) => audit(one)?.accounts([of, id]));
    });
  }

  function entryAt(n: number): AuditRow | null {
    const one = sources.segments().find(({ base, first, last }) => n >= base + first && n <= base + last);
    if (one === undefined) return liveEntry.get(n) ?? null;
    return audit(one)?.readAfter([n - 1, 1])[0] ?? null;
  }

  /** What cannot be read is named as an entry that does not fit. */
  function verifyIn(one: SegmentRow, call: VerifySliceCall): VerifySlice {
    try {
      return audit(one)!.verifySlice(call);
    } catch (error) {
      const [head] = call;
      const { node, epoch, seq } = head;
      const code = (error as { code?: string }).code;
      const what = `is missing: ${missing(one.name)}${code === undefined ? '' : ` (${code})`}`;
      return {
        head,
        bad: { node, epoch, seq: seq + 1, what },
        checked: 0,
        lost: [],
        erased: [],
        told: [],
        lasting: [],
      };
    }
  }

  const named = (name: string): SegmentRow => sources.segments().find((one) => one.name === name)!;

  return {
    segments: () => sources.segments(),
    /** Time of the newest of the last entries that is before; behind them all it is that of the last closed month. */
    lastBefore([time]: readonly [number]): number | null {
      const found = lastTimes.all(LAST).find((at) => at < time);
      return found ?? sources.segments().at(-1)?.last_at ?? null;
    },
    pending,
    trace,
    read,
    message,
    nowhere,
    destroyed: () => destroyed.all().flatMap((n) => entryAt(n) ?? []),
    /** What was swept behind entry `after`, of some thousands of entries. */
    swept([after]: readonly [number]): Swept {
      const { first, last } = bounds.get()!;
      const from = Math.max(after, first - 1);
      const through = Math.min(from + SWEPT, last);
      return { rows: sweptBetween.all(from, through), through, last };
    },
    verifySlice: ([head, from, to]: VerifySliceCall) => liveAudit.verifySlice([head, from, to, erased.all(from, to)]),
    verifySegment: ([name, [head, from, to]]: readonly [string, VerifySliceCall]) =>
      verifyIn(named(name), [head, from, to, erased.all(from, to)]),
    /** Whether an entry numbered from < n ≤ to is of a moment from `since` to `until`. */
    hasEntryOf: ([name, from, to, since, until]: readonly [string, number, number, number, number]) =>
      entryOf(named(name))!.get(from, to, since, until) === 1,
    searchSegment: ([name, call]: readonly [string, SearchCall]) => search(named(name))!.search(call),
    /** Where a page of a search goes on behind this delivery. */
    cursorOf: ([id]: readonly [string]): SearchCall['cursor'] => {
      const dot = id.lastIndexOf('.');
      const found = message([id.slice(0, dot)])?.message;
      if (!found) return { n: 0, day: 0 };
      return { n: found.n * DELIVERIES + Number(id.slice(dot + 1)), day: Math.floor(found.accepted_at / DAY) };
    },
  };
}
