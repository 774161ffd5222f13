// Syncs the database's write-ahead log after the writer's commits, so that the writer runs its next batch meanwhile. Where a sync takes
// milliseconds, up to LANES are under way at once, and a commit does not wait for the one before it; where it is quick, those that come
// meanwhile share the next. Logs nothing.

import { close, constants, fdatasync, fsync, open } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

export type LogSync = {
  /** Calls `done` when all that the log holds now is on stable storage, in the order of the calls; never, once a sync failed. */
  after(done: () => void): void;
  close(): Promise<void>;
};

const LANES = 4;
/** A second sync begins so many milliseconds after the first, unless that has ended. */
const GATHER_MS = 1;

/** `path`: of the log, which lives as long as a connection does. `failed`: a system error code. A sync that failed once may claim success
 *  the next time, so it is the last. What the log holds already is on stable storage when it resolves: a process that was killed may
 *  have left it unsynced, and a start acts on it. */
export async function openLogSync(path: string, failed: (code: string) => void): Promise<LogSync> {
  await syncFolder(dirname(path));
  // One for each lane: Linux tells an error of the disk once to each open file, so that of two syncs of one only the first would fail.
  const idle = await Promise.all(Array.from({ length: LANES }, () => promisify(open)(path, constants.O_RDONLY)));
  const all = [...idle];
  await promisify(fdatasync)(idle[0]!);
  const waiting: { readonly no: number; readonly done: () => void }[] = [];
  let last = 0;
  let begun = 0;
  let begunAt = 0;
  let isLooking = false;
  let isOver = false;
  let closed: Promise<unknown> | null = null;

  const start = () => {
    if (isOver || begun === last || idle.length === 0) return;
    if (idle.length < LANES && performance.now() - begunAt < GATHER_MS) {
      if (!isLooking) setTimeout(look, GATHER_MS);
      isLooking = true;
      return;
    }
    const fd = idle.pop()!;
    const upTo = last;
    begun = upTo;
    begunAt = performance.now();
    fdatasync(fd, (error) => {
      idle.push(fd);
      if (isOver) return;
      if (error) {
        isOver = true;
        failed(error.code ?? 'error');
        return;
      }
      // One that began earlier may end later; what it covers, this one does as well.
      while (waiting[0] !== undefined && waiting[0].no <= upTo) waiting.shift()?.done();
      start();
    });
  };
  const look = () => {
    isLooking = false;
    start();
  };
  return {
    after(done) {
      last += 1;
      waiting.push({ no: last, done });
      start();
    },
    async close() {
      isOver = true;
      closed ??= Promise.all(all.map((fd) => promisify(close)(fd)));
      await closed;
    },
  };
}

/** The log's name must outlast the power as well as its content. */
async function syncFolder(path: string): Promise<void> {
  const fd = await promisify(open)(path, constants.O_RDONLY);
  try {
    await promisify(fsync)(fd);
  } finally {
    await promisify(close)(fd);
  }
}
