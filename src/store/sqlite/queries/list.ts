// Pages of deliveries for `queue list`: the open ones by their index, any others by slices of numbers, so that no statement
// looks at more rows than a slice holds. Numbers first, and whole rows, with their boxes, only of those that are given: a row
// that does not match costs a tenth of a microsecond.

import type Database from 'better-sqlite3';
import { DELIVERIES, type DeliveryRow, deliveryRow, type MessageRow } from '../calls/queue.ts';

/** Conditions of `list`; tags are pairs (organization's tags of one address), any of which may match. */
export type ListCall = {
  readonly deliveries?: readonly string[];
  readonly messages?: readonly string[];
  readonly organization?: string;
  readonly domain?: string;
  readonly senderTags?: readonly Uint8Array[];
  readonly recipientTags?: readonly Uint8Array[];
  readonly states?: readonly string[];
  readonly stage?: string;
  readonly acceptedBefore?: number;
  readonly recovered?: true;
  readonly before?: string;
  readonly limit: number;
};
/** Of a message what a list shows. */
export type ListedMessage = Pick<MessageRow, 'n' | 'id' | 'organization' | 'size' | 'accepted_at' | 'fixed'>;
export type ListRow = DeliveryRow & { message: ListedMessage };

/** Messages whose deliveries one statement looks at. */
const SLICE = 2_000;
/** Numbers for each unfinished message among which those are read in one go. */
const SPARSE = 4;
const OPEN = new Set(['undecided', 'ready', 'leased', 'noticing', 'held']);

export function listQuery(db: Database.Database): (call: ListCall) => ListRow[] {
  const byNumber = db.prepare<[number], ListedMessage>(
    'SELECT n, id, organization, size, accepted_at, fixed FROM message WHERE n = ?',
  );
  const delivery = db.prepare<[number], DeliveryRow>(`SELECT ${deliveryRow('d')} FROM delivery d WHERE n = ?`);
  const idToNumber = db.prepare<[string], number>('SELECT n FROM message WHERE id = ?').pluck();
  const numbersOf = db
    .prepare<[number, number], number>('SELECT n FROM delivery WHERE n >= ? AND n < ? ORDER BY n')
    .pluck();

  function deliveryNumber(id: string): number | undefined {
    const n = idToNumber.get(id.slice(0, id.lastIndexOf('.')));
    return n === undefined ? undefined : n * DELIVERIES + Number(id.slice(id.lastIndexOf('.') + 1));
  }

  /** Numbers named by ids, newest first. */
  function named(call: ListCall): number[] | null {
    if (!call.deliveries && !call.messages) return null;
    const numbers = new Set<number>();
    for (const id of call.deliveries ?? []) {
      const n = deliveryNumber(id);
      if (n !== undefined) numbers.add(n);
    }
    if (!call.messages) return [...numbers].sort((a, b) => b - a);
    const ranges = new Set<number>();
    for (const id of call.messages) {
      const n = idToNumber.get(id);
      if (n === undefined) continue;
      for (const one of numbersOf.all(n * DELIVERIES, (n + 1) * DELIVERIES)) ranges.add(one);
    }
    const both = call.deliveries ? [...numbers].filter((n) => ranges.has(n)) : [...ranges];
    return both.sort((a, b) => b - a);
  }

  function fill(numbers: readonly number[]): ListRow[] {
    const messages = new Map<number, ListedMessage>();
    return numbers.map((at) => {
      const n = Math.floor(at / DELIVERIES);
      let message = messages.get(n);
      if (!message) {
        message = byNumber.get(n) as ListedMessage;
        messages.set(n, message);
      }
      return { ...(delivery.get(at) as DeliveryRow), message };
    });
  }

  return (call) => {
    const where = conditions(call.states || !wantsOpen(call) ? call : { ...call, states: [...OPEN] });
    const cursor = call.before === undefined ? undefined : deliveryNumber(call.before);
    const below = cursor ?? Number.MAX_SAFE_INTEGER;
    const numbers = named(call);
    if (numbers === null)
      return fill(wantsOpen(call) ? openPage(db, where, below, call) : anyPage(db, where, below, call));
    const matches = matching(db, where, 'd.n = ?');
    const found: number[] = [];
    for (const n of numbers) {
      if (found.length >= call.limit) break;
      if (n < below && matches.get(n, ...where.values) !== undefined) found.push(n);
    }
    return fill(found);
  };
}

/** Numbers of deliveries `within` that meet the conditions. The message is looked at only where a condition asks. */
function matching(db: Database.Database, { sql }: Where, within: string): Database.Statement<unknown[], number> {
  const join = sql.includes('m.') ? `JOIN message m ON m.n = d.n / ${DELIVERIES}` : '';
  return db
    .prepare<unknown[], number>(`SELECT d.n FROM delivery d ${join} WHERE ${within} ${sql} ORDER BY d.n DESC`)
    .pluck();
}

type Open = { readonly n: number; readonly at: number };

/** Of unfinished messages, newest first by the partial index, which holds all that is asked of them; ties of time in order of
 *  number. */
function openPage(db: Database.Database, where: Where, below: number, { limit }: ListCall): number[] {
  const slice = db.prepare<[number, number, number, number], Open>(
    `SELECT n, accepted_at AS at FROM message INDEXED BY message_unfinished
     WHERE finished_at IS NULL AND accepted_at <= ? AND (accepted_at < ? OR n <= ?) ORDER BY accepted_at DESC, n DESC LIMIT ?`,
  );
  const within = matching(db, where, 'd.n >= ? AND d.n < ?');
  const acceptedAt = db.prepare<[number], number>('SELECT accepted_at FROM message WHERE n = ?').pluck();
  const range = (from: number, to: number) => within.all(from * DELIVERIES, to * DELIVERIES, ...where.values);
  const n = Math.floor(below / DELIVERIES);
  const at = below === Number.MAX_SAFE_INTEGER ? below : (acceptedAt.get(n) ?? below);
  let from: Open = { n: at === below ? below : n, at };
  const found: number[] = [];
  for (let size = limit; found.length < limit; size = SLICE) {
    const some = slice.all(from.at, from.at, from.n, size);
    const last = some.at(-1);
    if (last === undefined) break;
    const numbers = some.map((one) => one.n);
    const [least, most] = [Math.min(...numbers), Math.max(...numbers)];
    // Mostly they stand one behind the other.
    const isDense = most - least < some.length * SPARSE;
    const all = Map.groupBy(isDense ? range(least, most + 1) : [], (one) => Math.floor(one / DELIVERIES));
    for (const one of numbers) {
      for (const each of (isDense ? all.get(one) : range(one, one + 1)) ?? [])
        if (one !== n || each < below) found.push(each);
      if (found.length >= limit) break;
    }
    if (some.length < size) break;
    from = { n: last.n - 1, at: last.at };
  }
  return found.slice(0, limit);
}

function anyPage(db: Database.Database, where: Where, below: number, { limit }: ListCall): number[] {
  const lastNumber = db.prepare<[], number>('SELECT max(n) FROM message').pluck();
  const slice = matching(db, where, 'd.n < ? AND d.n >= ?');
  const found: number[] = [];
  let high = Math.min(below, ((lastNumber.get() ?? 0) + 1) * DELIVERIES);
  while (high > 0 && found.length < limit) {
    const low = Math.max(high - SLICE * DELIVERIES, 0);
    found.push(...slice.all(high, low, ...where.values));
    high = low;
  }
  return found.slice(0, limit);
}

type Where = { readonly sql: string; readonly values: readonly unknown[] };

function conditions(call: ListCall): Where {
  const parts: string[] = [];
  const values: unknown[] = [];
  const add = (sql: string, ...more: unknown[]) => {
    parts.push(sql);
    values.push(...more);
  };
  if (call.organization !== undefined) add('m.organization = ?', call.organization);
  if (call.domain !== undefined) add('d.domain = ?', call.domain);
  if (call.stage !== undefined) add('m.stage = ?', call.stage);
  if (call.recovered) add('d.recovered = 1');
  if (call.acceptedBefore !== undefined) add('m.accepted_at < ?', call.acceptedBefore);
  if (call.states) add(`d.state IN (${call.states.map(() => '?').join(', ')})`, ...call.states);
  for (const [tags, n] of [
    [call.senderTags, 'm.n'],
    [call.recipientTags, 'd.n'],
  ] as const) {
    if (!tags) continue;
    const any = tags.map(() => '?').join(', ');
    const day = 'm.accepted_at / 86400000';
    add(`EXISTS (SELECT 1 FROM sought s WHERE s.day = ${day} AND s.tag IN (${any}) AND s.n = ${n})`, ...tags);
  }
  return { sql: parts.length > 0 ? `AND ${parts.join(' AND ')}` : '', values };
}

/** Only what is not ended, when nothing else is asked for: the queue. */
function wantsOpen(call: ListCall): boolean {
  if (call.deliveries || call.messages) return false;
  return call.states ? call.states.every((state) => OPEN.has(state)) : call.stage === undefined;
}
