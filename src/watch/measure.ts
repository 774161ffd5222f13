// Measures what is watched, in the living gateway. Nothing here judges (figures.ts). A part that cannot be measured keeps nothing else
// from being: what it was last stands. Logs names of parts and codes.

import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { constants, monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import type { Duration, OrganizationName, Time } from '../domain/ids.ts';
import { codeOf, type Line } from '../relay/line.ts';
import type { Archive } from '../store/audit/archive-port.ts';
import type { Audit } from '../store/audit/port.ts';
import type { WatchStore } from '../store/watch/port.ts';
import type { Ending, Measured } from './figures.ts';

export type MeasureDeps = {
  readonly line: Pick<Line, 'queue' | 'clock' | 'outages' | 'log' | 'meter'>;
  readonly store: WatchStore;
  readonly audit: Pick<Audit, 'verify'>;
  readonly archive: Pick<Archive, 'wrong'>;
  readonly stats: () => { readonly calls: number; readonly batches: number; readonly oldestRead: number };
  /** Octets of the write-ahead log. */
  readonly wal: () => number;
  readonly disk: () => Promise<Measured['disk']>;
  /** Changes that may share a commit. */
  readonly batch: number;
  /** Folder on the disk of the state, where a small file may be written. */
  readonly path: string;
  /** What ends at a time: each part that keeps such things hands in its own. */
  readonly endings: readonly (() => Promise<readonly Ending[]>)[];
  /** Organizations whose silence is watched. */
  readonly silence: () => readonly { readonly organization: OrganizationName; readonly after: Duration }[];
  readonly startedAt: Time;
};

export type Measure = {
  now(): Promise<Measured>;
  close(): Promise<void>;
};

const MINUTE: Duration = 60_000;
const TAIL_EVERY: Duration = 15 * MINUTE;
const TAIL = 5_000;
/** All of the audit is read an hour after the start and then daily. */
const ALL_FIRST: Duration = 60 * MINUTE;
const ALL_EVERY: Duration = 24 * 60 * MINUTE;
const RESOLUTION = 10;
const SPAN: Duration = 50_000;

export function createMeasure(deps: MeasureDeps): Measure {
  const { line, store, stats } = deps;
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION });
  delay.enable();
  const heap = watchHeap();
  const audit = watchAudit(deps);
  const sync = openProbe(deps.path);
  let last = { ...stats(), at: line.clock.now() };
  let over: Pick<Measured, 'batch' | 'loop'> = { batch: { mean: 0, most: deps.batch }, loop: 0 };

  /** Over the last minute or so, whoever looks in between. */
  function overTime(now: Time): Pick<Measured, 'batch' | 'loop'> {
    if (Math.abs(now - last.at) < SPAN) return over;
    const { calls, batches } = stats();
    const commits = batches - last.batches;
    const mean = commits === 0 ? 0 : (calls - last.calls) / commits;
    over = { batch: { mean, most: deps.batch }, loop: loopDelay(delay) };
    last = { ...stats(), at: now };
    return over;
  }

  /** What `ask` gives, else what it gave last. */
  function lasting<T>(part: string, nothing: T, ask: () => Promise<T>): () => Promise<T> {
    let last = nothing;
    return async () => {
      try {
        last = await ask();
      } catch (error) {
        line.meter.alarm('stage failed');
        line.log.error({ stage: 'watch', part, code: codeOf(error) }, 'a part of the watch could not be measured');
      }
      return last;
    };
  }

  const ask = {
    lastAccepted: lasting(
      'last mail',
      new Map<OrganizationName, Time>(),
      async () => new Map(await store.lastAccepted()),
    ),
    due: lasting('due', { examine: null, deliver: null, notify: null }, () => line.queue.nextDue()),
    held: lasting('held', { deliveries: 0, since: null, recovered: 0 }, () => store.held()),
    oldestUnderWay: lasting('oldest message', null, () => store.oldestUnderWay()),
    // One that was never measured is not taken for good.
    disk: lasting('disk', { free: 0, reserve: 0, full: false }, () => deps.disk()),
    audit: lasting('audit', null, audit),
    endings: deps.endings.map((list) => lasting<readonly Ending[]>('endings', [], list)),
  };

  return {
    async now() {
      const now = line.clock.now();
      const before = stats().oldestRead;
      const begun = performance.now();
      const lastAccepted = await ask.lastAccepted();
      // The reader does one after the other: ours waited as long.
      const read = Math.max(before, performance.now() - begun);
      const due = await ask.due();
      const lateness = (at: Time | null) => (at === null ? 0 : Math.max(0, now - at));
      return {
        ...{ now, read, wal: deps.wal(), ...overTime(now), heap: heap.used() },
        held: await ask.held(),
        oldestUnderWay: await ask.oldestUnderWay(),
        disk: await ask.disk(),
        sync: await sync.measure(),
        late: {
          ...{ examine: lateness(due.examine), notify: lateness(due.notify) },
          // In an outage of our own it is held back on purpose.
          deliver: line.outages.away() ? 0 : lateness(due.deliver),
        },
        audit: await ask.audit(),
        endings: (await Promise.all(ask.endings.map((list) => list()))).flat(),
        silent: deps.silence().map(({ organization, after }) => ({
          ...{ organization, after, since: deps.startedAt },
          last: lastAccepted.get(organization) ?? null,
        })),
      };
    },
    async close() {
      delay.disable();
      heap.close();
      await sync.close();
    },
  };
}

function loopDelay(delay: ReturnType<typeof monitorEventLoopDelay>): Duration {
  const ms = Math.max(0, delay.percentile(99) / 1e6 - RESOLUTION);
  delay.reset();
  return Number.isFinite(ms) ? ms : 0;
}

/** What is left after a full collection is what is needed. */
function watchHeap() {
  let used: number | null = null;
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { detail } = entry as { detail?: { kind?: number } };
      if (detail?.kind === constants.NODE_PERFORMANCE_GC_MAJOR) used = process.memoryUsage().heapUsed;
    }
  });
  observer.observe({ entryTypes: ['gc'] });
  return {
    used: () => (used === null ? null : { used, limit: getHeapStatistics().heap_size_limit }),
    close: () => observer.disconnect(),
  };
}

/** A small write, made durable as bodies and rows are. Null when it fails. */
export function openProbe(folder: string): { measure(): Promise<Duration | null>; close(): Promise<void> } {
  const path = join(folder, 'sync.probe');
  const block = Buffer.alloc(4_096);
  let file: FileHandle | null = null;
  return {
    async measure() {
      try {
        file ??= await open(path, 'w', 0o600);
        const begun = performance.now();
        await file.write(block, 0, block.length, 0);
        await file.datasync();
        return performance.now() - begun;
      } catch {
        return null;
      }
    },
    async close() {
      await file?.close();
      file = null;
      await rm(path, { force: true });
    },
  };
}

function watchAudit({ line, store, audit, archive, startedAt }: MeasureDeps): () => Promise<Measured['audit']> {
  let tailAt = Number.NEGATIVE_INFINITY;
  let allAt = startedAt + ALL_FIRST - ALL_EVERY;
  let tail: Measured['audit'] = null;
  let all: Measured['audit'] = null;
  let running = false;

  async function verifyAll(now: Time): Promise<void> {
    const { bad, entries, lost } = await audit.verify();
    const words = bad ? `entry ${bad.seq} of epoch ${bad.epoch} ${bad.what}` : null;
    const missing = lost.count > 0 ? `${lost.count} accepted deliveries have neither an end nor a row` : null;
    all = { bad: words ?? missing, entries, at: now };
  }

  return async () => {
    const now = line.clock.now();
    if (Math.abs(now - tailAt) >= TAIL_EVERY) {
      tail = { ...(await store.auditTail(TAIL)), at: now };
      tailAt = now;
    }
    if (Math.abs(now - allAt) >= ALL_EVERY && !running) {
      allAt = now;
      running = true;
      // As long as it takes: nobody waits for it. What fails is tried again with the next tail, not a day later.
      void verifyAll(now)
        .catch(() => {
          allAt = now - ALL_EVERY + TAIL_EVERY;
        })
        .finally(() => {
          running = false;
        });
    }
    const [wrong] = archive.wrong();
    if (wrong !== undefined && !all?.bad) return { bad: wrong, entries: 0, at: now };
    return all?.bad ? all : tail;
  };
}
