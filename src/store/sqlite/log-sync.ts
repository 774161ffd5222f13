// Syncs the database's write-ahead log after the writer's commits, so that the writer runs its next batch meanwhile. Up to LANES syncs are
// under way at once: where one takes milliseconds, a commit does not wait for the one before it. Logs nothing.

import { close, constants, fdatasync, fsync, open } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

export type LogSync = {
  /** Calls `done` when all that the log holds now is on stable storage, in the order of the calls; never, once a sync failed. */
  after(done: () => void): void;
  close(): Promise<void>;
};

const LANES = 4;

/** `path`: of the log, which lives as long as a connection does. `failed`: a system error code. A sync that failed once may claim success
 *  the next time, so it is the last. */
export async function openLogSync(path: string, failed: (code: string) => void): Promise<LogSync> {
  await syncFolder(dirname(path));
  const fd = await promisify(open)(path, constants.O_RDONLY);
  const waiting: { readonly no: number; readonly done: () => void }[] = [];
  let last = 0;
  let begun = 0;
  let running = 0;
  let isOver = false;
  let closed: Promise<void> | null = null;

  const start = () => {
    if (running === LANES || begun === last) return;
    const upTo = last;
    begun = upTo;
    running += 1;
    fdatasync(fd, (error) => {
      running -= 1;
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
  return {
    after(done) {
      last += 1;
      waiting.push({ no: last, done });
      start();
    },
    close() {
      closed ??= promisify(close)(fd);
      return closed;
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
