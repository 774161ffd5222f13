// Pages of deliveries for `queue list`: the open ones by their index, any others by slices of numbers, so that no statement
// looks at more rows than a slice holds.

import type Database from 'better-sqlite3';
import { DELIVERIES, type DeliveryRow, deliveryRow, MESSAGE_ROW, type MessageRow } from '../calls/queue.ts';

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
export type ListRow = DeliveryRow & { message: MessageRow };

/** Messages whose deliveries one statement looks at. */
const SLICE = 2_000;
const OPEN = new Set(['undecided', 'ready', 'leased', 'noticing', 'held']);

export function listQuery(db: Database.Database): (call: ListCall) => ListRow[] {
  const byNumber = db.prepare<[number], MessageRow>(`SELECT ${MESSAGE_ROW} FROM message WHERE n = ?`);
  const idToNumber = db.prepare<[string], number>('SELECT n FROM message WHERE id = ?').pluck();
  const lastNumber = db.prepare<[], number>('SELECT max(n) FROM message').pluck();
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

  function fill(rows: DeliveryRow[]): ListRow[] {
    const messages = new Map<number, MessageRow>();
    return rows.map((row) => {
      const n = Math.floor(row.n / DELIVERIES);
      let message = messages.get(n);
      if (!message) {
        message = byNumber.get(n) as MessageRow;
        messages.set(n, message);
      }
      return { ...row, message };
    });
  }

  function list(call: ListCall): ListRow[] {
    const { sql, values } = conditions(call.states || !wantsOpen(call) ? call : { ...call, states: [...OPEN] });
    const cursor = call.before === undefined ? undefined : deliveryNumber(call.before);
    const below = cursor ?? Number.MAX_SAFE_INTEGER;
    const numbers = named(call);
    const found: DeliveryRow[] = [];
    if (numbers) {
      const one = db.prepare<unknown[], DeliveryRow>(
        `SELECT ${deliveryRow('d')} FROM delivery d JOIN message m ON m.n = d.n / ${DELIVERIES} WHERE d.n = ? ${sql}`,
      );
      for (const n of numbers) {
        if (n >= below || found.length >= call.limit) continue;
        const row = one.get(n, ...values);
        if (row) found.push(row);
      }
      return fill(found);
    }
    return fill(wantsOpen(call) ? openPage(sql, values, below, call.limit) : anyPage(sql, values, below, call.limit));
  }

  function openPage(sql: string, values: unknown[], below: number, limit: number): DeliveryRow[] {
    // Unfinished messages newest first by the partial index; ties of time in order of number.
    const from = byNumber.get(Math.floor(Math.min(below, Number.MAX_SAFE_INTEGER) / DELIVERIES));
    const cut = from && below !== Number.MAX_SAFE_INTEGER ? 'AND (m.accepted_at, m.n) <= (?, ?) AND d.n < ?' : '';
    const cutValues = cut ? [from!.accepted_at, from!.n, below] : [];
    return db
      .prepare<unknown[], DeliveryRow>(
        `SELECT ${deliveryRow('d')} FROM message m INDEXED BY message_unfinished
         CROSS JOIN delivery d ON d.n >= m.n * ${DELIVERIES} AND d.n < (m.n + 1) * ${DELIVERIES}
         WHERE m.finished_at IS NULL ${cut ? `${cut.replace('AND d.n < ?', `AND (m.n <> ${from!.n} OR d.n < ?)`)}` : ''} ${sql}
         ORDER BY m.accepted_at DESC, m.n DESC, d.n DESC LIMIT ?`,
      )
      .all(...cutValues, ...values, limit);
  }

  function anyPage(sql: string, values: unknown[], below: number, limit: number): DeliveryRow[] {
    const found: DeliveryRow[] = [];
    let high = Math.min(below, ((lastNumber.get() ?? 0) + 1) * DELIVERIES);
    const slice = db.prepare<unknown[], DeliveryRow>(
      `SELECT ${deliveryRow('d')} FROM delivery d JOIN message m ON m.n = d.n / ${DELIVERIES}
       WHERE d.n < ? AND d.n >= ? ${sql} ORDER BY d.n DESC LIMIT ?`,
    );
    while (high > 0 && found.length < limit) {
      const low = Math.max(high - SLICE * DELIVERIES, 0);
      found.push(...slice.all(high, low, ...values, limit - found.length));
      high = low;
    }
    return found;
  }

  return list;
}

function conditions(call: ListCall): { sql: string; values: unknown[] } {
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
