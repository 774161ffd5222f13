// `log search`: deliveries newest first. By address it goes from day to day through the search tags; otherwise through
// deliveries in slices from the newest down. A page that is not full yet tells where the next one goes on.

import type Database from 'better-sqlite3';
import { DAY, DELIVERIES, type DeliveryRow, deliveryRow, MESSAGE_ROW, type MessageRow } from '../calls/queue.ts';

export type SearchCall = {
  readonly since?: number;
  readonly until?: number;
  readonly organization?: string;
  readonly domain?: string;
  readonly message?: string;
  readonly states?: readonly string[];
  readonly protection?: string;
  readonly rule?: string;
  readonly senderTags?: readonly Uint8Array[];
  readonly recipientTags?: readonly Uint8Array[];
  readonly limit: number;
  /** The last delivery seen: its number, and the day on which its message was accepted. */
  readonly cursor?: { readonly n: number; readonly day: number };
  /** The `next` of the page before. */
  readonly before?: number;
};
export type SearchRow = DeliveryRow & { message: MessageRow };
/** `next` null: nothing older can match. */
export type SearchPage = { rows: SearchRow[]; next: number | null };

/** Deliveries or days looked at before a page is handed back unfinished: well under a second. */
const SLICE = 20_000;
const DAYS = 400;
/** Messages whose numbers may be out of order of their times: they are numbered at commit, timed at the end of DATA. */
const DISORDER = 600_000;

export function searchQueries(db: Database.Database) {
  const messageAt = db.prepare<[number], { n: number; accepted_at: number }>(
    'SELECT n, accepted_at FROM message WHERE n >= ? ORDER BY n LIMIT 1',
  );
  const byNumber = db.prepare<[number], MessageRow>(`SELECT ${MESSAGE_ROW} FROM message WHERE n = ?`);
  const lastNumber = db.prepare<[], number>('SELECT max(n) FROM message').pluck();
  const idToNumber = db.prepare<[string], number>('SELECT n FROM message WHERE id = ?').pluck();
  const firstDay = db.prepare<[], number>('SELECT min(day) FROM sought').pluck();
  const lastDay = db.prepare<[], number>('SELECT max(day) FROM sought').pluck();

  /** First message number whose time is at or after `time`, by halving: numbers grow with time. */
  function numberAt(time: number): number {
    let low = 1;
    let high = (lastNumber.get() ?? 0) + 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const row = messageAt.get(middle);
      if (row && row.accepted_at < time) low = row.n + 1;
      else high = middle;
    }
    return low;
  }

  function conditions(call: SearchCall): { sql: string; values: unknown[] } {
    const parts: string[] = [];
    const values: unknown[] = [];
    const add = (sql: string, ...more: unknown[]) => {
      parts.push(sql);
      values.push(...more);
    };
    if (call.since !== undefined) add('m.accepted_at >= ?', call.since);
    if (call.until !== undefined) add('m.accepted_at < ?', call.until);
    if (call.organization !== undefined) add('m.organization = ?', call.organization);
    if (call.domain !== undefined) add('d.domain = ?', call.domain);
    if (call.rule !== undefined) add('d.rule = ?', call.rule);
    if (call.states) add(`d.state IN (${call.states.map(() => '?').join(', ')})`, ...call.states);
    if (call.protection === 'none') add("d.state = 'delivered' AND d.level IS NULL");
    else if (call.protection !== undefined) {
      // The item of the list that was tried last: `tls`, `tls: dane`, `portal`.
      add("(', ' || d.list || ',') LIKE ('%, ' || ? || '%')", call.protection);
      // `tls: may` may have left in clear: who asks for tls does not mean that.
      if (call.protection === 'tls') add("NOT (d.state = 'delivered' AND d.level IS NULL)");
    }
    for (const [tags, n] of [
      [call.senderTags, 'm.n'],
      [call.recipientTags, 'd.n'],
    ] as const) {
      if (!tags) continue;
      const any = tags.map(() => '?').join(', ');
      add(
        `EXISTS (SELECT 1 FROM sought s WHERE s.day = m.accepted_at / ${DAY} AND s.tag IN (${any}) AND s.n = ${n})`,
        ...tags,
      );
    }
    return { sql: parts.length > 0 ? `AND ${parts.join(' AND ')}` : '', values };
  }

  const join = `FROM delivery d JOIN message m ON m.n = d.n / ${DELIVERIES}`;

  function slices(call: SearchCall, low: number, high: number): SearchPage {
    const { sql, values } = conditions(call);
    const slice = db.prepare<unknown[], DeliveryRow>(
      `SELECT ${deliveryRow('d')} ${join} WHERE d.n < ? AND d.n >= ? ${sql} ORDER BY d.n DESC LIMIT ?`,
    );
    const bottom = Math.max(low, high - SLICE * DELIVERIES);
    const rows = slice.all(high, bottom, ...values, call.limit);
    if (rows.length === call.limit) return page(rows, rows.at(-1)!.n);
    return page(rows, bottom > low ? bottom : null);
  }

  /** Through the tags of the rarer side, one day after the other. */
  function days(call: SearchCall): SearchPage {
    const { sql, values } = conditions(call);
    const tags = (call.recipientTags ?? call.senderTags)!;
    const any = tags.map(() => '?').join(', ');
    const tagged = db
      .prepare<unknown[], number>(`SELECT n FROM sought WHERE day = ? AND tag IN (${any}) AND n < ? ORDER BY n DESC`)
      .pluck();
    const byRecipient = call.recipientTags !== undefined;
    const of = db.prepare<unknown[], DeliveryRow>(
      `SELECT ${deliveryRow('d')} ${join} WHERE d.n < ? AND d.n >= ? ${sql} ORDER BY d.n DESC LIMIT ?`,
    );
    const rows: DeliveryRow[] = [];
    const newest = call.until === undefined ? (lastDay.get() ?? 0) : Math.floor(call.until / DAY);
    const bottom = Math.max(firstDay.get() ?? 0, call.since === undefined ? 0 : Math.floor(call.since / DAY));
    // The order is day, then number: behind a cursor only the rest of its own day is bounded by its number.
    const cursor = call.cursor?.n ?? null;
    const cursorDay = call.cursor?.day ?? null;
    let day = Math.min(newest, cursorDay ?? call.before ?? newest);
    for (let looked = 0; day >= bottom && looked < DAYS; day--, looked++) {
      const high = day === cursorDay ? cursor! : Number.MAX_SAFE_INTEGER;
      const scale = byRecipient ? 1 : DELIVERIES;
      for (const n of tagged.all(day, ...tags, Math.ceil(high / scale))) {
        const first = byRecipient ? n : n * DELIVERIES;
        const end = Math.min(byRecipient ? n + 1 : first + DELIVERIES, high);
        rows.push(...of.all(end, first, ...values, call.limit - rows.length));
        if (rows.length >= call.limit) return page(rows, day);
      }
    }
    return page(rows, day >= bottom ? day : null);
  }

  function page(rows: DeliveryRow[], next: number | null): SearchPage {
    return {
      rows: rows.map((row) => ({ ...row, message: byNumber.get(Math.floor(row.n / DELIVERIES)) as MessageRow })),
      next,
    };
  }

  return {
    search(call: SearchCall): SearchPage {
      if (call.cursor !== undefined && call.cursor.n < DELIVERIES) return { rows: [], next: null };
      const tagged = (call.recipientTags ?? call.senderTags) !== undefined;
      if (call.message === undefined && tagged) return days(call);
      let low = call.since === undefined ? 0 : numberAt(call.since - DISORDER) * DELIVERIES;
      const last = call.until === undefined ? (lastNumber.get() ?? 0) : numberAt(call.until + DISORDER);
      let high = (last + 1) * DELIVERIES;
      if (call.message !== undefined) {
        const n = idToNumber.get(call.message);
        if (n === undefined) return { rows: [], next: null };
        low = n * DELIVERIES;
        high = low + DELIVERIES;
      }
      high = Math.min(high, call.before ?? high, call.cursor?.n ?? high);
      return high <= low ? { rows: [], next: null } : slices(call, low, high);
    },
  };
}
