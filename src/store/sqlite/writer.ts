// The store's one writer: a thread with the only connection that writes. It takes whatever calls arrived while the last
// commit ran (up to a bound of calls, or 8 MB), runs them in one transaction, and answers them all after the one sync. It runs
// verbs and nothing else, and sees boxes, tags and clear columns only. It logs nothing; after a failure of the disk it
// refuses everything and says so once, since a sync that failed once may claim success the next time.

import { statSync } from 'node:fs';
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { type BatchRunner, checkpoint, makeRunner, type Verb, WAL_BOUND } from './batch.ts';
import { migrate, openWriting, takeLock, walPath } from './database.ts';
import { givingWay } from './give-way.ts';
import type { Call } from './protocol.ts';
import { makeSnapshots } from './snapshot.ts';
import { makeAccept } from './verbs/accept.ts';
import { makeAdmin } from './verbs/admin.ts';
import { makeApprovals } from './verbs/approvals.ts';
import { makeArchive } from './verbs/archive.ts';
import { makeClear, makeDoubt } from './verbs/clear.ts';
import { makeCodes } from './verbs/codes.ts';
import { makeDecider } from './verbs/decide.ts';
import { makeErase } from './verbs/erase.ts';
import { makeExamine } from './verbs/examine.ts';
import { makeFollow } from './verbs/follow.ts';
import { makeKeys } from './verbs/keys.ts';
import { makeLease } from './verbs/lease.ts';
import { makeLost } from './verbs/lost.ts';
import { makeMonthKeys } from './verbs/month-keys.ts';
import { makeOperate } from './verbs/operate.ts';
import { openParcelRows } from './verbs/parcel-rows.ts';
import { makeParcels } from './verbs/parcels.ts';
import { makeRecover } from './verbs/recover.ts';
import { makeRestore } from './verbs/restore.ts';
import { makeRotate } from './verbs/rotate.ts';
import { openRows } from './verbs/rows.ts';
import { makeSettle } from './verbs/settle.ts';
import { makeTell } from './verbs/tell.ts';
import { makeWatch } from './verbs/watch.ts';
import { openWorkbench, type Workbench } from './workbench.ts';

export type WriterData = {
  readonly path: string;
  readonly lock: string;
  readonly node: string;
  /** Calls that share one commit. */
  readonly batch: number;
  /** Path of the reserve; null: there is none. */
  readonly reserve: string | null;
  readonly faults: boolean;
};

/** `failed`: a commit could not be synced. */
type ToWriter = Call[] | 'close' | { readonly failed: string };

const BATCH_OCTETS = 8 * 1024 * 1024;
/** Idle time after which the log is moved into the database. */
const IDLE = 1_000;
/** After so many more entries a checkpoint is asked for. */
const ENTRIES = 1_000;
const FIRST = new Set(['accept', 'settle']);

function verbsOf(w: Workbench): Record<string, Verb> {
  const rows = openRows(w);
  const doubt = makeDoubt(w);
  const decider = makeDecider(w, rows);
  const { mark, ...telling } = makeTell(w, rows);
  const accept = makeAccept(w, rows, decider, { mark });
  const parcels = openParcelRows(w);
  const follow = makeFollow(w, rows, parcels);
  return {
    accept,
    decided: decider.decided,
    ...makeOperate(w, rows, parcels, follow),
    tally: () => w.tally,
    ...makeExamine(w, rows),
    ...makeLease(w, rows, doubt),
    ...makeClear(w, rows, doubt),
    settle: makeSettle(w, rows, follow),
    ...makeLost(w, rows, follow),
    ...makeParcels(w, rows, parcels, accept),
    ...makeCodes(w, parcels, accept),
    ...telling,
    ...makeRecover(w, rows, accept),
    ...makeRestore(w, rows),
    ...makeAdmin(w),
    ...makeApprovals(w),
    ...makeArchive(w),
    ...makeErase(w),
    ...makeKeys(w),
    ...makeMonthKeys(w),
    ...makeRotate(w),
    ...makeWatch(w),
  };
}

/** Rough size of a call: its strings, two levels deep in arrays. */
function octetsOf(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (!Array.isArray(value)) return 8;
  let sum = 0;
  for (const one of value) sum += octetsOf(one);
  return sum;
}

function serve(port: MessagePort, w: Workbench, runner: BatchRunner, data: WriterData): void {
  const { path, faults, batch, node, reserve } = data;
  const line = givingWay(runner, reserve, () => port.postMessage({ full: true }));
  const snapshots = makeSnapshots(w.db, node, (answers) => port.postMessage(answers));
  let batches = 0;
  let written = false;
  let told = false;
  let entries = w.ledger.count();
  let timer: NodeJS.Timeout | null = null;

  const idle = () => {
    timer = null;
    if (!written || runner.failed() !== null) return;
    // On a full disk the log keeps its space: it may not get it back.
    checkpoint(w.db, !line.isFull());
    written = false;
  };

  const runSome = (calls: readonly Call[]) => {
    const answers: unknown[] = [];
    const done = line.run(calls);
    const emptied = emptyLog(w.db, calls, runner);
    for (const { no, code, value } of done) answers.push(no, code, emptied?.get(no) ?? value);
    port.postMessage(answers);
    written = true;
    batches += 1;
    const failed = runner.failed();
    if (failed !== null && !told) {
      told = true;
      port.postMessage({ failed });
    }
    if (w.ledger.count() - entries >= ENTRIES) {
      entries = w.ledger.count();
      port.postMessage({ grown: true });
    }
    // On a full disk after each: then the log begins anew in the space that it has.
    const isDue = line.isFull() || (batches % 16 === 0 && walSize(path) > WAL_BOUND);
    if (isDue && failed === null) checkpoint(w.db, false);
  };

  const runAll = (taken: readonly Call[]) => {
    const waiting = taken.filter((call) => !snapshots.take(call));
    if (faults) {
      for (const [, verb, , , args] of waiting) {
        if (verb !== 'fault') continue;
        const [code] = args as [string];
        if (code === 'CRASH') throw new Error('injected');
        runner.failNext(code);
      }
    }
    if (waiting.length === 0) return;
    while (waiting.length > 0) runSome(takeBatch(waiting, batch));
    if (timer === null) timer = setTimeout(idle, IDLE);
    else timer.refresh();
  };

  port.on('message', (first: ToWriter) => {
    const waiting: Call[] = [];
    let closing = false;
    const take = (message: ToWriter) => {
      if (message === 'close') closing = true;
      else if (Array.isArray(message)) waiting.push(...message);
      else runner.fail(message.failed);
    };
    take(first);
    while (waiting.length < batch && !closing) {
      const more = receiveMessageOnPort(port) as { message: ToWriter } | undefined;
      if (!more) break;
      take(more.message);
    }
    runAll(waiting);
    if (closing) close(port, w, runner, timer);
  });
}

function close(port: MessagePort, w: Workbench, runner: BatchRunner, timer: NodeJS.Timeout | null): void {
  if (timer !== null) clearTimeout(timer);
  if (runner.failed() === null) checkpoint(w.db, true);
  w.db.close();
  port.postMessage({ closed: true });
  port.close();
}

/** After the commit; whether the log was emptied, by the numbers of the calls that asked for it. */
function emptyLog(db: Workbench['db'], calls: readonly Call[], runner: BatchRunner): Map<number, boolean> | null {
  const asked = calls.filter((call) => call[1] === 'emptyLog');
  if (asked.length === 0 || runner.failed() !== null) return null;
  const isEmpty = checkpoint(db, true);
  return new Map(asked.map((call) => [call[0], isEmpty]));
}

/** Removes the next batch from the front of `waiting`: accepts and settlements first, they hold peers and duplicates. */
function takeBatch(waiting: Call[], calls: number): Call[] {
  let octets = 0;
  let count = 0;
  while (count < waiting.length && count < calls && octets < BATCH_OCTETS) {
    octets += octetsOf(waiting[count]![4]);
    count += 1;
  }
  const batch = waiting.splice(0, count);
  if (batch.length === 1) return batch;
  return [...batch.filter((call) => FIRST.has(call[1])), ...batch.filter((call) => !FIRST.has(call[1]))];
}

function walSize(path: string): number {
  return statSync(walPath(path), { throwIfNoEntry: false })?.size ?? 0;
}

function start(port: MessagePort, data: WriterData): void {
  try {
    // Kept open for the life of the thread; the lock ends with it.
    const lock = takeLock(data.lock);
    const db = openWriting(data.path);
    migrate(db);
    // The main thread syncs the log (log-sync.ts) before it gives an answer out; a checkpoint syncs it by itself before it writes.
    db.pragma('synchronous = NORMAL');
    const w = openWorkbench(db, data.node);
    const verbs: Record<string, Verb> = { ...verbsOf(w), fault: () => null };
    const runner = makeRunner(w, verbs);
    port.once('close', () => lock.close());
    serve(port, w, runner, data);
    port.postMessage({ ready: true, synchronous: db.pragma('synchronous', { simple: true }) });
  } catch (error) {
    const { message, code } = error as Error & { code?: string };
    port.postMessage({ refused: message, code });
    port.close();
  }
}

if (parentPort) start(parentPort, workerData as WriterData);
