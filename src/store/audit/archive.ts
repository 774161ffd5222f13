// Segments of the audit on SQLite: copied by a thread of its own, recorded and emptied out of the queue's database by the
// writer, read by the reader. Each step may be made again: what a crash leaves is gone on with, or made anew.

import { readdirSync, rmSync, statfsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Time } from '../../domain/ids.ts';
import { monthEnd, monthOf } from '../../domain/months.ts';
import { start } from '../../record/verify.ts';
import { QueueError, verbId } from '../queue/port.ts';
import type { Access } from '../sqlite/access.ts';
import { type HoldRow, MOVED_TABLES, type MoveAnswer, type SegmentRow } from '../sqlite/calls/archive.ts';
import type { AuditRow } from '../sqlite/calls/audit.ts';
import { holdTouches } from '../sqlite/legal-hold.ts';
import type { Pending, Swept } from '../sqlite/queries/archive.ts';
import type { VerifySlice } from '../sqlite/queries/audit.ts';
import { segmentFolder, segmentPath, syncPath } from '../sqlite/segment-file.ts';
import type { Archive, AtStep, Segment } from './archive-port.ts';
import { runArchivist } from './archivist.ts';
import { erase, erasureLeft } from './erase.ts';
import type { ProvenHolds } from './holds.ts';
import type { Lasting } from './lasting.ts';
import type { Proven } from './proven.ts';
import { entryFrom } from './sqlite.ts';

const DAY = 86_400_000;
/** A month is closed so long after its end: what ended in its last minutes may still be settled late. */
const GRACE = 2 * DAY;

export type ArchiveDeps = {
  readonly access: Access;
  /** Path of the queue's database. */
  readonly database: string;
  readonly lasting: Lasting;
  readonly proven: Proven;
  readonly holds: ProvenHolds;
};

export function openArchive({ access, database, lasting, proven, holds: proving }: ArchiveDeps): Archive {
  const segments = () => access.read<SegmentRow[]>('segments', null);
  const { prove, proveAll, ...holds } = proving;
  let unproven: readonly string[] = [];
  let last: Promise<unknown> = Promise.resolve();
  // What is erased while a month is copied would still stand in the copy; what is pruned meanwhile could not be opened.
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = last.then(work, work);
    last = mine;
    return mine;
  };
  return {
    segments: async () => (await segments()).map(segmentOf),
    closeNext: (now, at = () => {}, stop) => inTurn(() => closeNext(access, database, now, at, stop)),
    prune: (before, months, at = () => {}, stop) =>
      inTurn(async () => {
        const done = await prune({ access, database, prove, proveAll }, before, months, at, stop);
        unproven = done.unproven;
        return done.pruned;
      }),
    ...holds,
    wrong: () => [...[proven.wrong()].filter((one) => one !== null), ...unproven, ...lasting.reported()],
    erase: (what, at = () => {}) =>
      inTurn(() => erase({ access, prove, proveAll, run: (job) => runArchivist({ database, job }) }, what, at)),
    still: inTurn,
    recordDestroyed: () => recordDestroyed(access),
    lastBefore: (time) => access.read<Time | null>('lastBefore', [time - STARTING]),
    async destroyed() {
      const vault = access.vault();
      return (await access.read<AuditRow[]>('destroyed', null)).map((row) => entryFrom(vault, row));
    },
  };
}

/** Entries of so long before belong to a start. */
const STARTING = 60_000;

function segmentOf({ name, month, node, epoch, first, last, first_at, last_at, messages, state }: SegmentRow): Segment {
  return { name, month, node, epoch, first, last, since: first_at, until: last_at, messages, state };
}

// ── closing ──

async function closeNext(
  access: Access,
  database: string,
  now: Time,
  at: AtStep,
  stop?: AbortSignal,
): Promise<Segment | null> {
  const all = await access.read<SegmentRow[]>('segments', null);
  for (const one of all) if (one.state === 'copied') await moveOut(access, one.name, at);
  const pending = await access.read<Pending | null>('pending', null);
  if (pending === null) return null;
  // An entry of the future, of a clock that was wrong, is of this month.
  const month = monthOf(Math.min(pending.at, now));
  const end = monthEnd(month);
  if (now < end + GRACE) return null;
  const { node, epoch, base, after, seq } = pending;
  refuseWithoutSpace(database);
  const what = { node, epoch, base, after, until: seq, month, end };
  const copied = await runArchivist({ database, job: { kind: 'copy', what, now, cutoff: now - GRACE } }, stop);
  if (copied === null) return null;
  await at('copied');
  await access.write('closeSegment', verbId(access), [copied]);
  await at('recorded');
  await moveOut(access, copied.name, at);
  return segmentOf((await access.read<SegmentRow[]>('segments', null)).find((one) => one.name === copied.name)!);
}

/** Left for the line while a month is copied. */
const SPARE = 256 << 20;

/** Throws `ENOSPC`: a segment is no larger than the database that it is copied from, and mail must not stop for it. */
function refuseWithoutSpace(database: string): void {
  const { bavail, bsize } = statfsSync(dirname(database));
  if (bavail * bsize > statSync(database).size + SPARE) return;
  throw Object.assign(new Error('there is no space to close a month'), { code: 'ENOSPC' });
}

async function moveOut(access: Access, name: string, at: AtStep): Promise<void> {
  for (const table of MOVED_TABLES) {
    for (let after: MoveAnswer = []; after !== null; ) {
      after = await access.write('moveOut', verbId(access), [name, table, after]);
      await at('some moved');
    }
  }
  await at('moved');
  await access.write('segmentMoved', verbId(access), [name]);
}

// ── pruning ──

type PruneDeps = Pick<ArchiveDeps, 'access' | 'database'> & Pick<ProvenHolds, 'prove' | 'proveAll'>;

/** `unproven`: what stays though its term is over, and why. */
async function prune(
  { access, database, prove, proveAll }: PruneDeps,
  before: Time,
  months: number,
  at: AtStep,
  stop?: AbortSignal,
): Promise<{ readonly pruned: number; readonly unproven: readonly string[] }> {
  const all = await access.read<SegmentRow[]>('segments', null);
  sweep(database, all);
  const isOver = (one: SegmentRow) => one.state === 'moved' && monthEnd(one.month) <= before;
  const dueBy = (holds: readonly HoldRow[]) =>
    all.filter((one) => isOver(one) && !holds.some((hold) => holdTouches(hold, one)));
  let due = dueBy(await prove());
  if (due.length > 0) {
    const holds = await proveAll(stop);
    due = holds === null ? [] : dueBy(holds);
  }
  const unfinished = await erasureLeft(access).catch((error) => {
    // A month that cannot be read is named by who verifies.
    if (error instanceof QueueError) return null;
    throw error;
  });
  const wrong: string[] = unfinished === null ? [] : [unfinished];
  if (unfinished !== null) access.alarm(unfinished);
  let pruned = 0;
  for (const one of due) {
    const { name } = one;
    const why = await unprovenBecause(access, one, all, before, stop);
    if (why !== null) {
      wrong.push(`audit/${name}.db is over its term and not destroyed, for that is not proven: ${why}`);
      access.alarm(`${wrong.at(-1)}; sealrelay log verify`);
      continue;
    }
    if (!(await access.write('pruneSegment', verbId(access), [name, months]))) continue;
    await at('pruned');
    removeFile(database, name);
    pruned += 1;
  }
  return { pruned, unproven: wrong };
}

/** Entries looked at by one call on the reader. */
const SLICE = 2_000;

/** Why entries of a segment may be younger than its row says, which anybody can change who writes rows: their times stand in
 *  the chain, which must fit up to the hash from which verifying goes on when they are gone. Null: all are older than
 *  `before`, but those of a clock that is ahead even now. */
async function unprovenBecause(
  access: Access,
  { name, node, epoch, base, first, last, hash, first_at, last_at }: SegmentRow,
  all: readonly SegmentRow[],
  before: Time,
  stop?: AbortSignal,
): Promise<string | null> {
  const behind = all.find((one) => one.node === node && one.epoch === epoch && one.last === first - 1);
  let head = behind ? { node, epoch, seq: behind.last, hash: behind.hash } : start(node, epoch);
  for (let from = base + first - 1; from < base + last; from += SLICE) {
    stop?.throwIfAborted();
    const to = Math.min(from + SLICE, base + last);
    const slice = await access.read<VerifySlice>('verifySegment', [name, [head, from, to]]);
    if (slice.bad) return `entry ${slice.bad.seq} ${slice.bad.what}`;
    if (await access.read<boolean>('hasEntryOf', [name, from, to, before, access.clock.now()]))
      return 'an entry of it is younger than that';
    // By these times a legal hold touches it or not.
    for (const [since, until] of [
      [Number.MIN_SAFE_INTEGER, first_at - 1] as const,
      [last_at + 1, Number.MAX_SAFE_INTEGER] as const,
    ])
      if (await access.read<boolean>('hasEntryOf', [name, from, to, since, until]))
        return 'its entries are of other times than its row says';
    head = slice.head;
  }
  const fits = head.seq === last && Buffer.compare(head.hash, hash) === 0;
  return fits ? null : 'its last entry is another';
}

function removeFile(database: string, name: string): void {
  rmSync(segmentPath(database, name), { force: true });
  syncPath(segmentFolder(database));
}

/** Files that a crash left: of segments that were pruned, and half-made ones. */
function sweep(database: string, all: readonly SegmentRow[]): void {
  for (const { name, state } of all) if (state === 'pruned') rmSync(segmentPath(database, name), { force: true });
  const folder = segmentFolder(database);
  let files: string[] = [];
  try {
    files = readdirSync(folder);
  } catch {
    return;
  }
  for (const file of files) if (file.endsWith('.part')) rmSync(join(folder, file), { force: true });
}

/** Counts what was swept since the last record. */
async function recordDestroyed(access: Access): Promise<boolean> {
  const told = await access.read<AuditRow[]>('destroyed', null);
  const last = told.filter(({ event }) => event === 'retention.destroyed').at(-1);
  let through = last ? (JSON.parse(last.detail) as { through: number }).through : 0;
  const sum = { bodies: 0, parcels: 0, since: Number.MAX_SAFE_INTEGER, until: 0 };
  for (;;) {
    const swept = await access.read<Swept>('swept', [through]);
    for (const { event, count, since, until } of swept.rows) {
      if (event === 'message.swept') sum.bodies += count;
      else sum.parcels += count;
      sum.since = Math.min(sum.since, since);
      sum.until = Math.max(sum.until, until);
    }
    through = swept.through;
    if (through >= swept.last) break;
  }
  if (sum.bodies + sum.parcels === 0) return false;
  await access.write('recordDestroyed', verbId(access), [JSON.stringify({ ...sum, through })]);
  return true;
}
