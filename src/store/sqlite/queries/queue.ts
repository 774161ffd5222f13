// Reading the queue: one message, what is finished, counts. Pages of deliveries: list.ts.

import type Database from 'better-sqlite3';
import type { Outage } from '../../../domain/types.ts';
import { DELIVERIES, type DeliveryRow, deliveryRow, MESSAGE_ROW, type MessageRow } from '../calls/queue.ts';
import { underHold } from '../legal-hold.ts';
import type { Tally } from '../protocol.ts';
import { listQuery } from './list.ts';

/** A message with its deliveries, as rows. */
export type Whole = { message: MessageRow; deliveries: DeliveryRow[] };
/** Rows looked at by one statement. */
const SLICE = 2_000;

/** A message by its id. */
export function messageQuery(db: Database.Database) {
  const byId = db.prepare<[string], MessageRow>(`SELECT ${MESSAGE_ROW} FROM message WHERE id = ?`);
  const deliveriesOf = deliveriesQuery(db);
  return (id: string): Whole | null => {
    const message = byId.get(id);
    return message ? { message, deliveries: deliveriesOf(message.n) } : null;
  };
}

function deliveriesQuery(db: Database.Database) {
  const range = db.prepare<[number, number], DeliveryRow>(
    `SELECT ${deliveryRow('d')} FROM delivery d WHERE n >= ? AND n < ? ORDER BY n`,
  );
  return (n: number) => range.all(n * DELIVERIES, (n + 1) * DELIVERIES);
}

export function queueQueries(db: Database.Database) {
  const finished = db.prepare<[number], Pick<MessageRow, 'id' | 'organization' | 'body'>>(
    // A legal hold keeps bodies, but for what went to the portal: its parcels are kept, and a body beside them would open what
    // only a link may open.
    `SELECT id, organization, body FROM message m INDEXED BY message_finished
     WHERE finished_at IS NOT NULL AND bodied = 1 AND NOT (${underHold('m')} AND m.origin IN ('relayed', 'submitted')
       AND NOT EXISTS (SELECT 1 FROM parcel p WHERE p.delivery >= m.id || '.' AND p.delivery < m.id || '/'))
     ORDER BY finished_at LIMIT ?`,
  );
  const lastDecided = db.prepare<[number], MessageRow>(
    `SELECT ${MESSAGE_ROW} FROM message WHERE stage IN ('decided', 'finished', 'bodiless') AND origin IN ('relayed', 'submitted')
     ORDER BY n DESC LIMIT ?`,
  );
  const objects = db
    .prepare<[string], string>(
      `SELECT j.value FROM json_each(?) j WHERE EXISTS
         (SELECT 1 FROM message m WHERE m.bodied = 1 AND json_extract(m.body, '$.object') = j.value)`,
    )
    .pluck();
  const parcelObjects = db
    .prepare<[string], string>(
      'SELECT j.value FROM json_each(?) j WHERE EXISTS (SELECT 1 FROM parcel p WHERE p.object = j.value)',
    )
    .pluck();
  const unclaimed = db
    .prepare<[string], string>('SELECT j.value FROM json_each(?) j JOIN unclaimed u ON u.object = j.value')
    .pluck();
  const recovered = db
    .prepare<[], number>("SELECT count(*) FROM delivery WHERE recovered = 1 AND state = 'held'")
    .pluck();
  const unfinished = db.prepare<[number, number], { n: number; state: string; id: string; organization: string }>(
    `SELECT d.n, d.state, m.id, m.organization FROM delivery d JOIN message m ON m.n = d.n / ${DELIVERIES}
     WHERE d.n > ? AND d.state IN ('undecided', 'ready', 'leased', 'noticing', 'held') ORDER BY d.n LIMIT ?`,
  );
  const allUnclaimed = db.prepare<[], number>('SELECT count(*) FROM unclaimed').pluck();
  const bodies = db
    .prepare<[number, number], string>(
      "SELECT json_extract(body, '$.object') FROM message WHERE n > ? AND n <= ? AND bodied = 1",
    )
    .pluck();
  const lastNumber = db.prepare<[], number>('SELECT max(n) FROM message').pluck();
  const oldest = db.prepare<[], number>('SELECT min(accepted_at) FROM message WHERE finished_at IS NULL').pluck();
  const lanes = db.prepare(
    `SELECT organization, destination, sum(waiting) AS waiting, min(next_due) AS nextDue FROM lane
     WHERE waiting + leased > 0 GROUP BY organization, destination`,
  );
  const tally = db.prepare<[], string>("SELECT value FROM tally WHERE name = 'queue'").pluck();
  const outages = db.prepare<[], string>("SELECT value FROM tally WHERE name = 'outages'").pluck();
  const organizations = db.prepare<[], string>('SELECT name FROM organization').pluck();

  const deliveriesOf = deliveriesQuery(db);

  /** Which of the object ids a message or a parcel owns, or is kept though nothing does. */
  function knownObjects(wanted: readonly string[]): string[] {
    const ids = JSON.stringify(wanted);
    const found = [...parcelObjects.all(ids), ...unclaimed.all(ids)];
    if (wanted.length <= 4) return [...found, ...objects.all(ids)];
    const set = new Set(wanted);
    const end = lastNumber.get() ?? 0;
    for (let from = 0; from < end; from += SLICE) {
      for (const object of bodies.all(from, from + SLICE)) if (set.has(object)) found.push(object);
    }
    return found;
  }

  return {
    list: listQuery(db),
    finished: ([limit]: readonly [number]) => finished.all(limit),
    lastDecided: ([limit]: readonly [number]) =>
      lastDecided.all(limit).map((message) => ({ message, deliveries: deliveriesOf(message.n) })),
    knownObjects,
    recoveryCounts: () => [recovered.get() ?? 0, allUnclaimed.get() ?? 0],
    /** Deliveries that have not ended, behind the one numbered so. */
    unfinished: ([after, limit]: readonly [number, number]) =>
      unfinished.all(after, limit).map(({ n, id, ...one }) => ({ n, delivery: `${id}.${n % DELIVERIES}`, ...one })),
    outages: () => JSON.parse(outages.get() ?? '[]') as Outage[],
    organizations: () => organizations.all(),
    counts: () => ({
      tally: JSON.parse(tally.get() ?? '{"stages":{},"states":{}}') as Tally,
      oldest: oldest.get() ?? null,
      lanes: lanes.all(),
    }),
  };
}
