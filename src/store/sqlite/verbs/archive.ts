// closeSegment, moveOut, segmentMoved, pruneSegment, recordDestroyed, addHold, removeHold, putHoldBack: closed months of the audit, and what
// keeps them. What is deleted here stands in a synced segment, or is named by an entry.

import Database from 'better-sqlite3';
import { GATEWAY } from '../../../domain/ids.ts';
import { goneDigest } from '../../../record/gone.ts';
import type { Copied, HoldCall, HoldRow, MoveAnswer, MoveCall, SegmentRow } from '../calls/archive.ts';
import { fromOctets, type Octets, toOctets } from '../calls/octets.ts';
import { DELIVERIES } from '../calls/queue.ts';
import { holdTouches, isSameHold } from '../legal-hold.ts';
import { segmentPath } from '../segment-file.ts';
import { missing } from '../sources.ts';
import { Refusal, type Workbench } from '../workbench.ts';

const KEEPER = 'gateway retention';
/** Rows that one call deletes: the commits of the line wait no longer than they do for a large batch. */
const ENTRIES = 1_000;
const MESSAGES = 200;
const CHECKPOINTS = 1_000;
const TAGS = 1_000;

/** What the entry about a segment says of it. */
function named({ name, month, node, epoch, first, last, hash, first_at, last_at, messages }: Copied): object {
  const count = last - first + 1;
  const range = { segment: name, month, node, epoch, from: first, to: last, entries: count, messages };
  return { ...range, hash: Buffer.from(hash).toString('hex'), since: first_at, until: last_at };
}

export function makeArchive(w: Workbench) {
  return { ...makeSegments(w), ...makeMoving(w), ...makeHolds(w) };
}

function makeSegments(w: Workbench) {
  const { db, ledger } = w;
  const byName = db.prepare<[string], SegmentRow>('SELECT * FROM segment WHERE name = ?');
  const insert = db.prepare(
    `INSERT INTO segment (name, month, node, epoch, base, first, last, hash, first_at, last_at, messages, first_message,
       last_message, first_checkpoint, last_checkpoint, state, closed_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'copied', ?)`,
  );
  const moved = db.prepare("UPDATE segment SET state = 'moved' WHERE name = ? AND state = 'copied'");
  const prune = db.prepare("UPDATE segment SET state = 'pruned', pruned_at = ? WHERE name = ?");
  const allPruned = db.prepare<[], SegmentRow>("SELECT * FROM segment WHERE state = 'pruned' ORDER BY no");
  const forgetErased = db.prepare('DELETE FROM erased WHERE n >= ? AND n <= ?');
  const destruction = db.prepare('INSERT INTO destruction (n) VALUES (?)');
  const holds = db.prepare<[], HoldRow>('SELECT * FROM legal_hold');

  return {
    /** What was copied and synced is a segment from now on. */
    closeSegment([one]: readonly [Copied], at: number): null {
      if (byName.get(one.name)) return null;
      insert.run(
        ...([one.name, one.month, one.node, one.epoch, one.base, one.first, one.last, one.hash] as const),
        ...([one.first_at, one.last_at, one.messages, one.first_message, one.last_message] as const),
        ...([one.first_checkpoint, one.last_checkpoint, at] as const),
      );
      ledger.append(at, GATEWAY, null, null, KEEPER, 'log.archived', JSON.stringify(named(one)), null);
      return null;
    },
    segmentMoved([name]: readonly [string]): null {
      moved.run(name);
      return null;
    },
    /** The file is removed after it: what is missing then is named. False: a legal hold, set meanwhile, keeps it. */
    pruneSegment([name, months]: readonly [string, number], at: number): boolean {
      const one = byName.get(name);
      if (!one) throw new Refusal('not found', `no segment ${name}`);
      if (one.state === 'pruned') return true;
      if (holds.all().some((hold) => holdTouches(hold, one))) return false;
      if (one.state !== 'moved') throw new Refusal('wrong state', `segment ${name} is not moved yet`);
      prune.run(at, name);
      forgetErased.run(one.base + one.first, one.base + one.last);
      const gone = allPruned.all();
      const entries = gone.reduce((sum, { first, last }) => sum + last - first + 1, 0);
      const pruned = { segments: gone.length, entries, digest: goneDigest(gone) };
      const detail = JSON.stringify({ ...named(one), months, pruned });
      destruction.run(ledger.append(at, GATEWAY, null, null, KEEPER, 'log.pruned', detail, null));
      return true;
    },
    /** What retention destroyed since it was recorded last. */
    recordDestroyed([detail]: readonly [string], at: number): null {
      destruction.run(ledger.append(at, GATEWAY, null, null, KEEPER, 'retention.destroyed', detail, null));
      return null;
    },
  };
}

/** Deletes rows that a segment holds: each call some, and says where the next one goes on. */
function makeMoving(w: Workbench) {
  const { db } = w;
  const byName = db.prepare<[string], SegmentRow>('SELECT * FROM segment WHERE name = ?');
  const deleteEntries = db.prepare('DELETE FROM audit WHERE n > ? AND n <= ?');
  // The newest gives the next one its number; those that name a key lead from the first key to the last.
  const deleteCheckpoints = db.prepare(
    'DELETE FROM checkpoint WHERE no > ? AND no <= ? AND next IS NULL AND no < (SELECT max(no) FROM checkpoint)',
  );
  const deleteTag = db.prepare('DELETE FROM sought WHERE day = ? AND tag = ? AND n = ?');
  const deleteMessage = db.prepare("DELETE FROM message WHERE n = ? AND stage = 'bodiless' AND finished_at = ?");
  const deleteDeliveries = db.prepare('DELETE FROM delivery WHERE n >= ? AND n < ?');
  const deleteAttempts = db.prepare('DELETE FROM attempt WHERE delivery >= ? AND delivery < ?');
  const conversations = db
    .prepare<[string, string], string>(
      "SELECT DISTINCT conversation FROM parcel WHERE delivery >= ? || '.' AND delivery < ? || '/'",
    )
    .pluck();
  const deleteParcels = db.prepare("DELETE FROM parcel WHERE delivery >= ? || '.' AND delivery < ? || '/'");
  const deleteConversation = db.prepare(
    `DELETE FROM conversation WHERE id = ? AND NOT EXISTS (SELECT 1 FROM parcel p WHERE p.conversation = conversation.id)
       AND NOT EXISTS (SELECT 1 FROM access_grant g WHERE g.conversation = conversation.id)`,
  );
  let open: { readonly name: string; readonly file: Database.Database } | null = null;

  function fileOf({ name, base, last, hash }: SegmentRow): Database.Database {
    if (open?.name === name) return open.file;
    open?.file.close();
    open = null;
    const file = new Database(segmentPath(db.name, name), { readonly: true, fileMustExist: true });
    const stands = file
      .prepare<[number], Uint8Array>('SELECT hash FROM audit WHERE n = ?')
      .pluck()
      .get(base + last);
    if (!stands || Buffer.compare(stands, hash) !== 0) throw new Error('it is another');
    open = { name, file };
    return file;
  }

  /** Throws Refusal: a segment that cannot be read is no failure of the queue's database, and nothing is deleted for it. */
  function rowsOf<Row>(one: SegmentRow, sql: string, ...values: unknown[]): Row[] {
    try {
      return fileOf(one)
        .prepare<unknown[], Row>(sql)
        .all(...values);
    } catch (error) {
      const { code, message } = error as Error & { code?: string };
      throw new Refusal('wrong state', `${missing(one.name)} (${code ?? message})`);
    }
  }

  function tags(one: SegmentRow, [day = 0, tag = '', n = -1]: MoveCall[2]): MoveAnswer {
    const rows = rowsOf<{ day: number; tag: Uint8Array; n: number }>(
      one,
      'SELECT day, tag, n FROM sought WHERE (day, tag, n) > (?, ?, ?) ORDER BY day, tag, n LIMIT ?',
      ...[day, fromOctets(tag as Octets), n, TAGS],
    );
    for (const row of rows) deleteTag.run(row.day, row.tag, row.n);
    const last = rows.at(-1);
    return rows.length < TAGS || !last ? null : [last.day, toOctets(last.tag), last.n];
  }

  function messages(one: SegmentRow, [after = 0]: MoveCall[2]): MoveAnswer {
    const rows = rowsOf<{ n: number; id: string; finished_at: number }>(
      one,
      'SELECT n, id, finished_at FROM message WHERE n > ? ORDER BY n LIMIT ?',
      ...[after, MESSAGES],
    );
    for (const { n, id, finished_at } of rows) {
      if (deleteMessage.run(n, finished_at).changes === 0) continue;
      deleteDeliveries.run(n * DELIVERIES, (n + 1) * DELIVERIES);
      deleteAttempts.run(n * DELIVERIES, (n + 1) * DELIVERIES);
      const touched = conversations.all(id, id);
      deleteParcels.run(id, id);
      for (const conversation of touched) deleteConversation.run(conversation);
    }
    return rows.length < MESSAGES ? null : [rows.at(-1)!.n];
  }

  function range(
    statement: Database.Statement,
    [after]: MoveCall[2],
    first: number,
    last: number,
    slice: number,
  ): MoveAnswer {
    const from = Math.max(first - 1, Number(after ?? 0));
    const to = Math.min(from + slice, last);
    if (from >= last) return null;
    statement.run(from, to);
    return to < last ? [to] : null;
  }

  return {
    moveOut([name, table, after]: MoveCall): MoveAnswer {
      const one = byName.get(name);
      if (!one) throw new Refusal('not found', `no segment ${name}`);
      if (one.state !== 'copied') return null;
      if (table === 'sought') return tags(one, after);
      if (table === 'message') return messages(one, after);
      if (table === 'checkpoint') {
        return range(deleteCheckpoints, after, one.first_checkpoint, one.last_checkpoint, CHECKPOINTS);
      }
      const end = range(deleteEntries, after, one.base + one.first, one.base + one.last, ENTRIES);
      if (end === null) {
        open?.file.close();
        open = null;
      }
      return end;
    },
  };
}

function makeHolds(w: Workbench) {
  const { db, ledger } = w;
  const insert = db.prepare(
    `INSERT INTO legal_hold (id, organization, sender_tag, recipient_tag, message, since, until, added_at, box)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
  );
  const byId = db.prepare<[string], HoldRow>('SELECT * FROM legal_hold WHERE id = ?');
  const remove = db.prepare('DELETE FROM legal_hold WHERE id = ?');
  const restore = db.prepare(
    `INSERT OR REPLACE INTO legal_hold (id, organization, sender_tag, recipient_tag, message, since, until, added_at, box)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );

  return {
    /** A row as the audit says that it is. False: it is so already. */
    putHoldBack([row]: readonly [HoldRow], at: number): boolean {
      const { id, organization, sender_tag, recipient_tag, message, since, until, added_at, box } = row;
      const now = byId.get(id);
      if (now && isSameHold(now, row)) return false;
      restore.run(id, organization, sender_tag, recipient_tag, message, since, until, added_at, box);
      const detail = JSON.stringify({ hold: id, was: now ? 'changed' : 'missing' });
      ledger.append(at, organization, null, null, KEEPER, 'log.hold_restored', detail, null);
      return true;
    },
    addHold(call: HoldCall, at: number): null {
      const [id, organization, sender, recipient, message, since, until, box, actor, detail] = call;
      const tags = [sender, recipient].map((one) => (one === null ? null : fromOctets(one)));
      const { changes } = insert.run(id, organization, ...tags, message, since, until, at, fromOctets(box));
      if (changes > 0) ledger.append(at, organization, null, null, actor, 'log.hold_added', detail, fromOctets(box));
      return null;
    },
    removeHold([id, actor, detail, reason]: readonly [string, string, string, Octets], at: number): null {
      const hold = byId.get(id);
      if (!hold) throw new Refusal('not found', `no legal hold ${id}`);
      remove.run(id);
      ledger.append(at, hold.organization, null, null, actor, 'log.hold_removed', detail, fromOctets(reason));
      return null;
    },
  };
}
