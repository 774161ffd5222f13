// Reading what is watched: usage, held deliveries and the reminders that are due, alerts that were told.

import type Database from 'better-sqlite3';
import { isSame, isSigned } from '../../../record/checkpoint.ts';
import { compareHead, type Head, start } from '../../../record/verify.ts';
import type { CheckpointRow } from '../calls/audit.ts';
import { DELIVERIES, type DeliveryRow, deliveryRow, MESSAGE_ROW, type MessageRow, TELL } from '../calls/queue.ts';
import type { ReminderRow, TailAnswer } from '../calls/watch.ts';
import { auditQueries, type KeptHead } from './audit.ts';
import { fromRow } from './proof.ts';

/** Unfinished messages that are looked at for one that is not merely held. */
const LOOKED_AT = 20_000;

export function watchQueries(db: Database.Database) {
  const usage = db.prepare<[string, string]>(
    `SELECT month, organization, what, messages, recipients, octets FROM usage WHERE month >= ? AND month <= ?
     ORDER BY month, organization, what`,
  );
  const lastAccepted = db.prepare(
    "SELECT organization, max(last_at) AS at FROM usage WHERE what = 'accepted' GROUP BY organization",
  );
  const held = db.prepare<[], { deliveries: number; since: number | null }>(
    'SELECT count(*) AS deliveries, min(since) AS since FROM held',
  );
  const recovered = db
    .prepare<[], number>("SELECT count(*) FROM delivery WHERE recovered = 1 AND state = 'held'")
    .pluck();
  const underWay = db
    .prepare<[number], number>(
      `SELECT accepted_at FROM (SELECT n, accepted_at, open FROM message WHERE finished_at IS NULL ORDER BY accepted_at LIMIT ?) m
       WHERE m.open > (SELECT count(*) FROM held h WHERE h.n >= m.n * ${DELIVERIES} AND h.n < (m.n + 1) * ${DELIVERIES})
       ORDER BY accepted_at LIMIT 1`,
    )
    .pluck();
  const due = db.prepare<[number, number, number], { n: number; since: number }>(
    `SELECT h.n, h.since FROM held h JOIN delivery d ON d.n = h.n
     WHERE h.reminded < ? AND h.since <= ? AND d.recovered = 0 AND d.may_tell & ${TELL.held} ORDER BY h.n LIMIT ?`,
  );
  const over = db
    .prepare<[number, number], string>(
      `SELECT m.id || '.' || (h.n % ${DELIVERIES}) FROM held h JOIN delivery d ON d.n = h.n
         JOIN message m ON m.n = h.n / ${DELIVERIES}
       WHERE h.since <= ? AND d.recovered = 0 ORDER BY h.since LIMIT ?`,
    )
    .pluck();
  const message = db.prepare<[number], MessageRow>(`SELECT ${MESSAGE_ROW} FROM message WHERE n = ?`);
  const delivery = db.prepare<[number], DeliveryRow>(`SELECT ${deliveryRow('d')} FROM delivery d WHERE n = ?`);
  const told = db.prepare('SELECT cause, at, state FROM alert ORDER BY cause');
  const mails = db.prepare('SELECT organization, message, at FROM alert_mail ORDER BY organization');

  /** The latest reminder first: one that was missed meanwhile is not sent behind it. One row a message. */
  function toRemind([now, after, limit]: readonly [number, readonly number[], number]): ReminderRow[] {
    for (let no = after.length; no > 0; no--) {
      const rows = due.all(no, now - after[no - 1]!, limit);
      if (rows.length === 0) continue;
      const found = new Map<number, ReminderRow>();
      for (const { n, since } of rows) {
        const of = Math.floor(n / DELIVERIES);
        let one = found.get(of);
        if (!one) {
          one = { kind: TELL.reminded, message: message.get(of) as MessageRow, deliveries: [], no, since };
          found.set(of, one);
        }
        one.deliveries.push(delivery.get(n) as DeliveryRow);
      }
      return [...found.values()];
    }
    return [];
  }

  const tail = tailQuery(db);

  return {
    auditTail: ([limit]: readonly [number]) => tail(limit),
    usage: ([from, to]: readonly [string, string]) => usage.all(from, to),
    lastAccepted: () => lastAccepted.all(),
    held: () => ({ ...held.get(), recovered: recovered.get() ?? 0 }),
    oldestUnderWay: () => underWay.get(LOOKED_AT) ?? null,
    toRemind,
    heldSince: ([before, limit]: readonly [number, number]) => over.all(before, limit),
    alerts: () => ({ told: told.all(), mails: mails.all() }),
  };
}

/** Checkpoints whose signatures are looked at. */
const CHECKPOINTS = 20;

/** The newest entries and checkpoints, in one snapshot: whether they fit each other and the heads that were kept. */
function tailQuery(db: Database.Database): (limit: number) => TailAnswer {
  const heads = db.prepare<[], KeptHead>('SELECT node, epoch, base, seq, hash FROM chain ORDER BY base, epoch');
  const row = db.prepare<[number], Head>('SELECT node, epoch, seq, hash FROM audit WHERE n = ?');
  /** Closed months stand in files of their own; the next entry follows the last one of them. */
  const closed = db.prepare<[string, number], Head>(
    'SELECT node, epoch, last AS seq, hash FROM segment WHERE node = ? AND epoch = ? ORDER BY last DESC LIMIT 1',
  );
  const erased = db.prepare<[number], number>('SELECT n FROM erased WHERE n > ?').pluck();
  const checkpoints = db.prepare<[number], CheckpointRow>(
    `SELECT * FROM checkpoint WHERE no > (SELECT coalesce(max(last_checkpoint), 0) FROM segment)
     ORDER BY no DESC LIMIT ?`,
  );
  const { verifySlice } = auditQueries(db);

  function entries(kept: KeptHead, limit: number): TailAnswer {
    const { base, seq, node, epoch } = kept;
    const file = closed.get(node, epoch);
    const from = Math.max(base, base + seq - limit, base + (file?.seq ?? 0));
    const before = from === base ? start(node, epoch) : (row.get(from) ?? file);
    if (before === undefined || before.seq !== from - base) {
      return { entries: 0, bad: `entry ${from - base} is missing` };
    }
    // One more than there should be: none may stand behind the head.
    const { head, bad, checked } = verifySlice([before, from, base + seq + 1, erased.all(from)]);
    const wrong = bad ?? compareHead(head, kept);
    return { entries: checked, bad: wrong === null ? null : `entry ${wrong.seq} ${wrong.what}` };
  }

  function signatures(all: readonly KeptHead[]): string | null {
    let later: number | null = null;
    for (const one of checkpoints.all(CHECKPOINTS).map(fromRow)) {
      if (later !== null && one.no !== later - 1) return `checkpoint ${later - 1} is missing`;
      later = one.no;
      if (!isSigned(one)) return `checkpoint ${one.no} is not signed by the key that it names`;
      const base = all.find(({ node, epoch }) => node === one.node && epoch === one.epoch)?.base;
      if (base === undefined) return `checkpoint ${one.no} is of an epoch that is not there`;
      const entry = row.get(base + one.seq);
      if (entry && !isSame(entry.hash, one.hash)) return `entry ${one.seq} is not the one that was signed`;
    }
    return null;
  }

  return (limit) =>
    db.transaction((): TailAnswer => {
      const all = heads.all();
      for (const [i, one] of all.entries()) {
        const next = all[i + 1];
        if (next && next.base !== one.base + one.seq) {
          return { entries: 0, bad: `epoch ${next.epoch} does not begin where epoch ${one.epoch} ended` };
        }
      }
      const newest = all.at(-1);
      if (newest === undefined) return { entries: 0, bad: null };
      const answer = entries(newest, limit);
      return answer.bad === null ? { ...answer, bad: signatures(all) } : answer;
    })();
}
