// The reserve: a file of random octets in the storage folder that the writer removes when the disk is full (give-way.ts), so
// that the outcome of what is under way can still be written. Its being there says that all is well: it is written beside
// its name, synced and renamed, so that it is whole or missing whatever ends the process. Logs nothing.

import { randomFillSync } from 'node:crypto';
import { lstat, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Duration } from '../../domain/ids.ts';
import type { Clock } from '../../domain/types.ts';
import { isFull, isMissing as isNotThere, realIo } from '../bodies/io.ts';

export type ReserveDeps = {
  readonly path: string;
  /** Octets. */
  readonly size: number;
  readonly clock: Clock;
  /** `spent`: the writer removed it; `missing`: there is no space to make it; `made`: it is there again. */
  readonly became: (state: 'spent' | 'missing' | 'made') => void;
};

export type Reserve = {
  /** Then nothing else may grow. */
  isMissing(): boolean;
  /** Octets that must be free for it to be made again. */
  readonly wanted: number;
  /** The writer removed it. */
  spent(): void;
  stop(): Promise<void>;
};

/** Between two looks whether there is space for it again. */
const LOOK: Duration = 2_000;
const AT_ONCE = 1 << 20;

export function reservePath(folder: string): string {
  return join(folder, 'reserve');
}

/** Makes the file where it is missing or of another size. Without space for it, it is looked for until `stop`. Rejects with
 *  words, and the next step as `next`, when a folder has its name. */
export async function openReserve(deps: ReserveDeps): Promise<Reserve> {
  const { path, size, clock, became } = deps;
  const stopped = new AbortController();
  // As much again stays free: else the next batch would take it away at once.
  const wanted = 2 * size;
  const free = () => realIo.free(dirname(path));
  let missing = false;
  /** Looks that found space. */
  let inARow = 0;
  let looking: Promise<void> | null = null;

  async function look(): Promise<void> {
    await clock.sleep(LOOK, stopped.signal);
    inARow = (await free()) >= wanted ? inARow + 1 : 0;
    // Seen once, outcomes that wait are written first, and only then all goes on.
    if (inARow < 2 || !(await write(path, size))) return;
    inARow = 0;
    // As soon as it has its name the writer goes on: what it gives out must find bodies open.
    missing = false;
    try {
      await putInPlace(path);
    } catch (error) {
      missing = true;
      throw error;
    }
    became('made');
  }

  /** What fails is tried again: a disk that fails is told of by who must write to it. */
  async function lookUntilMade(): Promise<void> {
    while (missing && !stopped.signal.aborted) await look().catch(() => {});
    looking = null;
  }

  function lack(why: 'spent' | 'missing'): void {
    missing = true;
    became(why);
    looking ??= lookUntilMade();
  }

  for (const one of [path, beside(path)]) await refuseFolder(one);
  if (!(await isWhole(path, size))) {
    await rm(path, { force: true });
    if ((await free()) >= wanted && (await write(path, size))) await putInPlace(path);
    else lack('missing');
  }
  return {
    isMissing: () => missing,
    wanted,
    spent: () => lack('spent'),
    async stop() {
      stopped.abort();
      await looking;
    },
  };
}

/** Whose it is nobody knows: it is not removed. */
async function refuseFolder(path: string): Promise<void> {
  const found = await lstat(path).catch((error) => {
    if (isNotThere(error)) return null;
    throw error;
  });
  if (!found?.isDirectory()) return;
  throw Object.assign(new Error(`${path} is a folder, and the reserve (limits.reserve_file) is a file of that name`), {
    next: 'move that folder elsewhere, or remove it, then start the gateway again',
  });
}

/** A file system that compresses, or makes holes, takes fewer blocks than octets: then it is no reserve. */
async function isWhole(path: string, size: number): Promise<boolean> {
  try {
    const found = await stat(path);
    return found.size === size && found.blocks * 512 >= size;
  } catch (error) {
    if (isNotThere(error)) return false;
    throw error;
  }
}

const beside = (path: string): string => `${path}.new`;

/** Beside its place, durable. False when there was no space after all. */
async function write(path: string, size: number): Promise<boolean> {
  const unfinished = beside(path);
  // Not zeros: some file systems store none.
  const octets = randomFillSync(Buffer.allocUnsafe(Math.min(size, AT_ONCE)));
  await rm(unfinished, { force: true });
  try {
    const file = await open(unfinished, 'wx', 0o600);
    try {
      for (let at = 0; at < size; at += octets.length) await file.writeFile(octets.subarray(0, size - at));
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    await rm(unfinished, { force: true });
    if (isFull(error)) return false;
    throw error;
  }
  return true;
}

async function putInPlace(path: string): Promise<void> {
  await rename(beside(path), path);
  await realIo.syncFolder(dirname(path));
}
