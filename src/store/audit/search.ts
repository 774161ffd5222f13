// `log search` over all places where messages stand: the queue's database and the segments, merged newest first. A segment is
// asked only when what it holds may be newer than what is found so far.

import type { Vault } from '../../crypto/vault.ts';
import { monthEnd } from '../../domain/months.ts';
import { deliveryOrNothing, fixedOrNothing } from '../queue/reading.ts';
import { type Access, tagsOf } from '../sqlite/access.ts';
import type { SegmentRow } from '../sqlite/calls/archive.ts';
import { DAY, DELIVERIES } from '../sqlite/calls/queue.ts';
import type { SearchCall, SearchPage, SearchRow } from '../sqlite/queries/search.ts';
import type { LogQuery, LogRow } from './port.ts';

/** Order of the result: by day and number where search tags are followed, else by number. */
type Key = { readonly day: number; readonly n: number };
type Place = {
  /** Null: the queue's database. */
  readonly segment: string | null;
  /** Nothing in it is newer. */
  readonly bound: Key;
  readonly rows: SearchRow[];
  call: SearchCall | null;
};

export async function search(access: Access, query: LogQuery): Promise<LogRow[]> {
  const call = await callOf(access, query);
  if (call === null) return [];
  const isTagged = call.message === undefined && (call.recipientTags ?? call.senderTags) !== undefined;
  const keyOf = (row: SearchRow): Key => ({
    day: isTagged ? Math.floor(row.message.accepted_at / DAY) : 0,
    n: row.n,
  });
  const segments = await access.read<SegmentRow[]>('segments', null);
  const places = placesOf(segments, call, isTagged);
  const vault = access.vault();
  const found: LogRow[] = [];
  let last = -1;
  while (found.length < query.limit) {
    let best: { place: Place; key: Key } | null = null;
    for (const place of places) {
      if (best && isNewer(best.key, place.bound)) continue;
      if (place.rows.length === 0) await fill(access, place, query.limit - found.length);
      const [first] = place.rows;
      if (first && (!best || isNewer(keyOf(first), best.key))) best = { place, key: keyOf(first) };
    }
    const row = best?.place.rows.shift();
    if (!row) break;
    // While a month is being moved, a row stands in both places.
    if (row.n !== last && hasProtection(row, query.protection)) found.push(logRow(vault, row));
    last = row.n;
  }
  return found;
}

/** Null: nothing can match. */
async function callOf(access: Access, query: LogQuery): Promise<SearchCall | null> {
  const { sender, recipient, domain, before, ...rest } = query;
  const senderTags = await tagsOf(access, 'sender', sender, query.organization);
  const recipientTags = await tagsOf(access, 'recipient', recipient, query.organization);
  if (senderTags?.length === 0 || recipientTags?.length === 0) return null;
  const cursor = before === undefined ? undefined : await access.read<SearchCall['cursor']>('cursorOf', [before]);
  return {
    ...rest,
    ...(domain !== undefined && { domain: domain.toLowerCase() }),
    ...(senderTags && { senderTags }),
    ...(recipientTags && { recipientTags }),
    ...(cursor && { cursor }),
  };
}

/** The newest first. */
function placesOf(segments: readonly SegmentRow[], call: SearchCall, isTagged: boolean): Place[] {
  const top: Key = { day: Number.MAX_SAFE_INTEGER, n: Number.MAX_SAFE_INTEGER };
  const closed = segments.filter((one) => {
    const end = monthEnd(one.month);
    return one.state !== 'pruned' && one.messages > 0 && (call.since === undefined || call.since < end);
  });
  const places = closed.map(({ name, month, last_message }): Place => {
    const day = isTagged ? Math.floor(monthEnd(month) / DAY) : 0;
    return { segment: name, bound: { day, n: (last_message + 1) * DELIVERIES }, rows: [], call };
  });
  return [...places, { segment: null, bound: top, rows: [], call }].reverse();
}

function isNewer(a: Key, b: Key): boolean {
  return a.day > b.day || (a.day === b.day && a.n > b.n);
}

/** Reads on until there is a row, or nothing more. */
async function fill(access: Access, place: Place, limit: number): Promise<void> {
  while (place.rows.length === 0 && place.call !== null) {
    const { cursor: _, before: __, ...rest } = place.call;
    const call: SearchCall = { ...place.call, limit };
    const page = await (place.segment === null
      ? access.read<SearchPage>('search', call)
      : access.read<SearchPage>('searchSegment', [place.segment, call]));
    place.rows.push(...page.rows);
    const last = page.rows.at(-1);
    if (page.next === null) place.call = null;
    else if (last && page.rows.length === limit) {
      place.call = { ...rest, cursor: { n: last.n, day: Math.floor(last.message.accepted_at / DAY) } };
    } else place.call = { ...rest, before: page.next };
  }
}

/** The protection that the delivery left by, or tries now; null while none is decided. */
function protectionOf(row: SearchRow): string | null {
  return row.list === '' ? null : (row.list.split(', ')[row.step] ?? null);
}

function hasProtection(row: SearchRow, wanted: string | undefined): boolean {
  if (wanted === undefined || wanted === 'none') return true;
  const protection = protectionOf(row);
  return protection === wanted || protection?.startsWith(`${wanted}: `) === true;
}

function logRow(vault: Vault, row: SearchRow): LogRow {
  const fixed = fixedOrNothing(vault, row.message);
  const delivery = deliveryOrNothing(vault, row.message, fixed, { ...row, decision: null, because: null });
  return {
    delivery: delivery.id,
    message: delivery.message,
    organization: delivery.organization,
    acceptedAt: row.message.accepted_at,
    endedAt: row.ended_at,
    sender: fixed.sender[0] ?? fixed.reversePath,
    recipient: delivery.recipient,
    destination: row.destination,
    size: row.message.size,
    protection: protectionOf(row),
    level: row.level,
    state: row.state,
    status: row.status,
    rule: row.rule,
  };
}
