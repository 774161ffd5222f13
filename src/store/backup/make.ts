// A backup of the running gateway: the database page by page on the writer's connection, then, while no body may be removed,
// the moment that the backup is of: the last pages, the key files of the bodies, and a link to every other file. The links
// are copied afterwards, with removals going on. So a row's body is always there, and a body that was removed before that
// moment is not. The manifest comes last. What is copied and what is not: contents.ts. Logs nothing; its errors are words
// for operators, and a backup that ends by one stays behind without a manifest.

import { promises, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../domain/types.ts';
import { isMissing } from '../bodies/io.ts';
import type { SegmentBodies } from '../bodies/segments.ts';
import { QueueError } from '../queue/port.ts';
import type { SnapshotHead } from '../sqlite/calls/snapshot.ts';
import type { Snapshot } from '../sqlite/snapshot.ts';
import { startThread, type Thread } from '../sqlite/thread.ts';
import { DATABASE, WORKING } from './contents.ts';
import { type BackupFile, MANIFEST, manifestText, UNFINISHED } from './manifest.ts';
import type { Step, Surveyed, Taken } from './thread.ts';

export type BackupDeps = {
  /** Storage folder. */
  readonly storage: string;
  /** Version of this gateway. */
  readonly version: string;
  readonly snapshot: Snapshot;
  readonly bodies: Pick<SegmentBodies, 'still'>;
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

/** One backup at a time. `make` takes an absolute path, and throws BackupError or what `progress` threw. */
export function createBackups(deps: BackupDeps): Backups {
  // What one that was ended amid its work left: it keeps the space of bodies that are removed.
  const cleared = promises.rm(join(deps.storage, WORKING), { recursive: true, force: true }).catch(() => {});
  let busy = false;
  return {
    async make(target, progress) {
      if (busy) throw new BackupError('a backup is being made already', 'wait for it');
      busy = true;
      await cleared;
      try {
        return await make(deps, target, progress);
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
    throw wordsOf(error, target);
  } finally {
    await thread.call('clear', '', 0, null).catch(() => {});
    await thread.close();
  }
}

type Calls = <T>(name: string, ...args: readonly unknown[]) => Promise<T>;

function callsOf(thread: Thread): Calls {
  return (name, ...args) => thread.call(name, '', 0, args);
}

/** Throws BackupError when something is there already, or it would be part of what it copies. */
async function refuseTarget(storage: string, target: string): Promise<void> {
  const inside = (a: string, b: string) => !relative(a, b).startsWith('..');
  if (inside(storage, target)) {
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

async function refuseWithoutSpace(target: string, octets: number): Promise<void> {
  let there = target;
  while (!statSync(there, { throwIfNoEntry: false })) there = dirname(there);
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
  const rows = await copyRows(snapshot, join(target, DATABASE), () => call('sync', DATABASE), progress);
  const moment = clock.now();
  const { head, taken } = await bodies.still(async (written) => {
    const end = await rows.finish();
    await written();
    return { head: end, taken: await call<Taken>('take') };
  });
  const still = clock.now() - moment;
  const files = [...taken.done, ...(await copyFiles(taken.waiting, rows.octets(), call, progress))];
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  const at = new Date(moment).toISOString();
  const { node, schema, ...audit } = head;
  await call('finish', manifestText({ version, schema, node, storage, at, audit, files }));
  const sum = files.reduce((total, { size }) => total + size, 0);
  const took = clock.now() - begun;
  return { target, files: files.length, octets: sum, at, head, took, still, others };
}

/** Resolves when only the last pages are to come. */
async function copyRows(
  snapshot: Snapshot,
  path: string,
  sync: () => Promise<unknown>,
  progress: Progress,
): Promise<{ finish(): Promise<SnapshotHead>; octets(): number }> {
  const whole = snapshot.begin(path);
  // Awaited below, perhaps later than it fails.
  whole.catch(() => {});
  const octets = () => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  try {
    for (let looks = 0; ; looks++) {
      const state = await snapshot.state();
      if (state === null) await whole;
      else {
        const { pages, left, near } = state;
        await progress('rows', (pages - left) * PAGE, pages * PAGE);
        if (near) break;
      }
      if ((looks * LOOK) % SYNC === 0) await sync();
      await sleep(LOOK);
    }
  } catch (error) {
    await snapshot.cancel().catch(() => {});
    throw error;
  }
  const finish = async () => {
    await snapshot.finish();
    return whole;
  };
  return { finish, octets };
}

/** Copies what stands still, and hashes the copy of the database. */
async function copyFiles(
  waiting: Taken['waiting'],
  database: number,
  call: Calls,
  progress: Progress,
): Promise<BackupFile[]> {
  const files: BackupFile[] = [];
  const all = [...waiting, { path: DATABASE, size: database }];
  const of = all.reduce((sum, { size }) => sum + size, 0);
  let through = 0;
  for (const { path, size } of all) {
    let step = path === DATABASE ? await call<Step>('hash', path) : await call<Step>('copy', path, size);
    for (; step.file === null; step = await call<Step>('more')) {
      through += step.octets;
      await progress('files', through, of);
    }
    files.push({ path, ...step.file });
  }
  return files;
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
