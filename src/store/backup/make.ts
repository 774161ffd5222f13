// A backup of the running gateway: the database page by page on the writer's connection, then, while no body may be removed,
// the moment that the backup is of: the last pages, the key files of the bodies, and a link to every other file. The links
// are copied afterwards, with removals going on. So a row's body is always there, and a body that was removed before that
// moment is not. The manifest comes last. What is copied and what is not: contents.ts. Logs nothing; its errors are words
// for operators, and a backup that ends by one stays behind without a manifest.

import { existsSync, promises } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../domain/types.ts';
import type { Archive } from '../audit/archive-port.ts';
import { isMissing } from '../bodies/io.ts';
import type { SegmentBodies } from '../bodies/segments.ts';
import { QueueError } from '../queue/port.ts';
import type { SnapshotHead } from '../sqlite/calls/snapshot.ts';
import type { Snapshot } from '../sqlite/snapshot.ts';
import { startThread, type Thread } from '../sqlite/thread.ts';
import { DATABASE, PREPARING, WORKING } from './contents.ts';
import { MANIFEST, UNFINISHED } from './manifest.ts';
import type { About, Finished, Step, Surveyed } from './thread.ts';

export type BackupDeps = {
  /** Storage folder. */
  readonly storage: string;
  /** Version of this gateway. */
  readonly version: string;
  readonly snapshot: Snapshot;
  readonly bodies: Pick<SegmentBodies, 'still'>;
  /** What is erased after the moment that the backup is of must not be gone from the files that are copied later: its rows would
   *  not say so. */
  readonly archive: Pick<Archive, 'still'>;
  readonly clock: Clock;
};

export type MadeBackup = {
  readonly target: string;
  readonly files: number;
  readonly octets: number;
  /** The moment that it is of, ISO 8601. */
  readonly at: string;
  readonly head: SnapshotHead;
  /** Milliseconds: all of it, and of that while no body could be removed. */
  readonly took: number;
  readonly still: number;
  /** Neither files nor folders of the storage folder, which were left out (links, pipes). */
  readonly others: readonly string[];
};
/** Octets so far and in all, which may grow. */
export type Progress = (stage: 'rows' | 'files', done: number, of: number) => Promise<void>;

export class BackupError extends Error {
  readonly next: string | undefined;
  constructor(message: string, next?: string) {
    super(message);
    this.next = next;
  }
}

/** Of the target's file system, kept free. */
const SPARE = 32 << 20;
const LOOK = 100;
/** Octets of a page, for progress only. */
const PAGE = 4096;
/** Between two syncs of the copy of the database. */
const SYNC = 1_000;

export type Backups = { make(target: string, progress: Progress): Promise<MadeBackup> };

/** One backup at a time. `make` takes an absolute path, and throws BackupError, also when `progress` rejects. */
export function createBackups(deps: BackupDeps): Backups {
  // What one that was ended amid its work left keeps the space of bodies that are removed; and what a restore left would let
  // another begin over this folder, should its database ever be lost.
  const left = [WORKING, PREPARING].map((name) =>
    promises.rm(join(deps.storage, name), { recursive: true, force: true }),
  );
  const cleared = Promise.allSettled(left);
  let busy = false;
  return {
    async make(target, progress) {
      if (busy) throw new BackupError('a backup is being made already', 'wait for it');
      busy = true;
      await cleared;
      try {
        const told: Progress = (...done) => progress(...done).catch(() => Promise.reject(gone()));
        return await deps.archive.still(() => make(deps, target, told));
      } finally {
        busy = false;
      }
    },
  };
}

async function make(deps: BackupDeps, target: string, progress: Progress): Promise<MadeBackup> {
  await refuseTarget(deps.storage, target);
  const data = { storage: deps.storage, target };
  const thread = await startThread(new URL('./thread.ts', import.meta.url), data, () => {});
  try {
    return await makeWith(deps, target, callsOf(thread), progress);
  } catch (error) {
    await deps.snapshot.cancel().catch(() => {});
    throw wordsOf(error, target);
  } finally {
    await thread.call('clear', '', 0, null).catch(() => {});
    await thread.close();
  }
}

/** Nobody hears it any more, but whoever reads the log. */
function gone(): BackupError {
  return new BackupError('who asked for the backup left, or the gateway ends: it is not whole');
}

type Calls = <T>(name: string, ...args: readonly unknown[]) => Promise<T>;

function callsOf(thread: Thread): Calls {
  return (name, ...args) => thread.call(name, '', 0, args);
}

/** Throws BackupError when something is there already, or it would be part of what it copies. */
async function refuseTarget(storage: string, target: string): Promise<void> {
  const there = nearest(target);
  const real = join(await promises.realpath(there), relative(there, target));
  if (!relative(await promises.realpath(storage), real).startsWith('..')) {
    throw new BackupError(`${target} lies in the storage folder`, 'name a folder on another disk');
  }
  const found = await promises.readdir(target).catch((error: NodeJS.ErrnoException): string[] => {
    if (isMissing(error)) return [];
    if (error.code === 'ENOTDIR') throw new BackupError(`${target} is a file`, 'name a folder that is new or empty');
    throw wordsOf(error, target);
  });
  if (found.length === 0) return;
  const what = found.includes(MANIFEST)
    ? 'holds a backup'
    : found.includes(UNFINISHED)
      ? 'holds a backup that was interrupted'
      : 'is not empty';
  throw new BackupError(`${target} ${what}`, 'name a folder that is new or empty');
}

/** The path, or the first folder above it that is there. */
function nearest(path: string): string {
  return existsSync(path) ? path : nearest(dirname(path));
}

async function refuseWithoutSpace(target: string, octets: number): Promise<void> {
  const there = nearest(target);
  const { bavail, bsize } = await promises.statfs(there);
  if (bavail * bsize >= octets + SPARE) return;
  const mega = (n: number) => `${Math.ceil(n / 1e6)} MB`;
  const wants = `the backup takes about ${mega(octets)}, and ${mega(bavail * bsize)} are free in ${there}`;
  throw new BackupError(wants, 'make room there, or name a folder on another disk');
}

async function makeWith(deps: BackupDeps, target: string, call: Calls, progress: Progress): Promise<MadeBackup> {
  const { storage, version, snapshot, bodies, clock } = deps;
  const begun = clock.now();
  const { octets, others } = await call<Surveyed>('survey');
  await refuseWithoutSpace(target, octets);
  await call('begin', `${JSON.stringify({ begun: new Date(begun).toISOString() })}\n`);
  const whole = snapshot.begin(join(target, DATABASE));
  // Awaited below, perhaps later than it fails.
  whole.catch(() => {});
  await copyRows(snapshot, whole, () => call('sync'), progress);
  const moment = clock.now();
  const head = await bodies.still(async (written) => {
    await snapshot.finish();
    const end = await whole;
    await written();
    await call('take');
    return end;
  });
  const still = clock.now() - moment;
  let through = 0;
  for (let step = await call<Step>('next'); !step.done; step = await call<Step>('next')) {
    through += step.octets;
    if (step.octets > 0) await progress('files', through, step.of);
  }
  const at = new Date(moment).toISOString();
  const { node, schema, ...audit } = head;
  const about: About = { version, schema, node, storage, at, audit };
  const made = await call<Finished>('finish', about);
  return { target, ...made, at, head, took: clock.now() - begun, still, others };
}

/** Resolves when only the last pages are to come. */
async function copyRows(
  snapshot: Snapshot,
  whole: Promise<SnapshotHead>,
  sync: () => Promise<null>,
  progress: Progress,
): Promise<void> {
  for (let looks = 0; ; looks++) {
    const state = await snapshot.state();
    if (state === null) await whole;
    else {
      const { pages, left, near } = state;
      await progress('rows', (pages - left) * PAGE, pages * PAGE);
      if (near) return;
    }
    if ((looks * LOOK) % SYNC === 0) await sync();
    await sleep(LOOK);
  }
}

/** Not in words that name what is in a file: a code, and where. */
function wordsOf(error: unknown, target: string): Error {
  if (error instanceof QueueError && error.code === 'full') {
    return new BackupError(`the disk of ${target} is full`, 'make room there, and begin again in a new folder');
  }
  const { code, message } = error as { code?: string; message: string };
  const why = error instanceof QueueError ? message : (code ?? '');
  if (/^(EACCES|EPERM|EROFS)$/.test(why)) {
    return new BackupError(
      `the gateway may not write to ${target} (${why})`,
      'its service must own the folder above, and its unit allow it: systemd/README.md, "Backup"',
    );
  }
  if (/^E[A-Z0-9]+$/.test(why)) return new BackupError(`the backup in ${target} failed (${why})`, 'look at that disk');
  return error as Error;
}
