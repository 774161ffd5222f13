// What a backup does to files, in a thread of its own: it reads, hashes, writes and syncs, which takes as long as the disks
// take. Driven call by call from make.ts, through store/sqlite/thread.ts. It never opens the living database or its lock:
// closing a descriptor of those would let go of the locks that the whole process holds on them (fcntl(2), POSIX locks).

import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import Database from 'better-sqlite3';
import { isMissing } from '../bodies/io.ts';
import { classify } from '../bodies/layout.ts';
import type { Call } from '../sqlite/protocol.ts';
import { BODIES, DATABASE, isMasterKey, type Part, partOf, WORKING } from './contents.ts';
import { copying, filesBelow, sizeOf, syncFolders, syncPath } from './files.ts';
import { type BackupFile, MANIFEST, UNFINISHED } from './manifest.ts';

export type BackupThreadData = { readonly storage: string; readonly target: string };

/** Files that `take` left to be copied, below the folder where they stand still. */
export type Taken = { readonly done: readonly BackupFile[]; readonly waiting: readonly Waiting[] };
export type Waiting = { readonly path: string; readonly size: number };
export type Surveyed = { readonly octets: number; readonly others: readonly string[] };
/** A slice of a copy: octets of it, and the file when it is whole. */
export type Step = { readonly octets: number; readonly file: Omit<BackupFile, 'path'> | null };

/** A master key file is shorter. */
const LONGEST_KEY = 1 << 16;

const FULL = new Set(['ENOSPC', 'EDQUOT', 'SQLITE_FULL']);
const TAKEN: ReadonlySet<Part> = new Set(['rows', 'file']);

function makeCalls({ storage, target }: BackupThreadData) {
  const working = join(storage, WORKING);
  let copy: ReturnType<typeof copying> | null = null;

  function holdsMaster(path: string): boolean {
    if (partOf(path) !== 'file' || path.startsWith(`${BODIES}/`)) return false;
    if (sizeOf(join(storage, path)) > LONGEST_KEY) return false;
    const file = openSync(join(storage, path), 'r');
    try {
      const start = Buffer.alloc(LONGEST_KEY);
      return isMasterKey(start.toString('latin1', 0, readSync(file, start, 0, LONGEST_KEY, 0)));
    } finally {
      closeSync(file);
    }
  }

  const taken = () => filesBelow(storage).files.filter((path) => TAKEN.has(partOf(path)) && !holdsMaster(path));

  function survey(): Surveyed {
    const { others } = filesBelow(storage);
    const octets = [...taken(), DATABASE, `${DATABASE}-wal`].reduce(
      (sum, path) => sum + sizeOf(join(storage, path)),
      0,
    );
    return { octets, others: others.filter((path) => TAKEN.has(partOf(path))) };
  }

  /** Slots of removed bodies are overwritten in place: key files are copied at once, all else as it is linked. */
  function take(): Taken {
    const done: BackupFile[] = [];
    const waiting: Waiting[] = [];
    for (const path of taken()) {
      const [folder, name = ''] = path.split('/');
      const isKeys = folder === BODIES && classify(name)?.kind === 'keys';
      try {
        if (!isKeys && link(path)) waiting.push({ path, size: sizeOf(join(working, path)) });
        else done.push({ path, ...whole(join(storage, path), join(target, path)) });
      } catch (error) {
        // Emptied and unlinked meanwhile: no row names what was in it.
        if (!isMissing(error)) throw error;
      }
    }
    return { done, waiting };
  }

  /** False when the file system cannot. */
  function link(path: string): boolean {
    mkdirSync(dirname(join(working, path)), { recursive: true, mode: 0o700 });
    try {
      linkSync(join(storage, path), join(working, path));
      return true;
    } catch (error) {
      if (['EXDEV', 'EPERM', 'ENOTSUP', 'EMLINK'].includes((error as { code?: string }).code ?? '')) return false;
      throw error;
    }
  }

  function whole(from: string, to: string): Omit<BackupFile, 'path'> {
    const work = copying(from, to);
    for (;;) {
      const { done, value } = work.next();
      if (done) return value;
    }
  }

  function more(): Step {
    const { done, value } = copy!.next();
    if (!done) return { octets: value, file: null };
    copy = null;
    return { octets: 0, file: value };
  }

  function start(from: string, to: string | null, size: number): Step {
    copy = copying(from, to, size);
    return more();
  }

  /** Of another database than the queue's: by itself while it is in its place, as it was when it is not any more. */
  async function rows(path: string, size: number): Promise<Step> {
    const from = join(storage, path);
    const to = join(target, path);
    if (!existsSync(from)) return start(join(working, path), to, size);
    mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
    const db = new Database(from, { readonly: true, fileMustExist: true });
    try {
      await db.backup(to);
    } finally {
      db.close();
    }
    return hash(to);
  }

  function hash(path: string): Step {
    chmodSync(path, 0o600);
    syncPath(path);
    return start(path, null, Number.POSITIVE_INFINITY);
  }

  function write(name: string, text: string): void {
    const file = openSync(join(target, name), 'w', 0o600);
    try {
      writeSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }

  return {
    survey,
    /** Makes the folder, and the sign that it holds no whole backup. */
    begin: ([text]: readonly [string]) => {
      clear();
      mkdirSync(target, { recursive: true, mode: 0o700 });
      write(UNFINISHED, text);
      syncPath(target);
      syncPath(dirname(target));
      return null;
    },
    take,
    copy: ([path, size]: readonly [string, number]) =>
      partOf(path) === 'rows' ? rows(path, size) : start(join(working, path), join(target, path), size),
    hash: ([path]: readonly [string]) => hash(join(target, path)),
    more,
    /** So that the end of a long copy has little left to sync. */
    sync: ([path]: readonly [string]) => {
      if (sizeOf(join(target, path)) > 0) syncPath(join(target, path));
      return null;
    },
    finish: ([text]: readonly [string]) => {
      write(UNFINISHED, text);
      syncFolders(target);
      renameSync(join(target, UNFINISHED), join(target, MANIFEST));
      syncPath(target);
      return null;
    },
    clear,
  };

  function clear(): null {
    rmSync(working, { recursive: true, force: true });
    return null;
  }
}

function serve(port: MessagePort, data: BackupThreadData): void {
  const calls = makeCalls(data) as Record<string, (args: never) => unknown>;
  const answer = async ([no, name, , , args]: Call): Promise<void> => {
    try {
      port.postMessage([no, 0, await calls[name]!(args as never)]);
    } catch (error) {
      const { code, message: words } = error as Error & { code?: string };
      port.postMessage([no, code !== undefined && FULL.has(code) ? 'full' : 'closed', code ?? words]);
    }
  };
  port.on('message', (message: Call[] | 'close') => {
    if (message === 'close') return port.close();
    // One at a time: who calls waits for each.
    for (const one of message) void answer(one);
  });
  port.postMessage({ ready: true, synchronous: 0 });
}

if (parentPort) serve(parentPort, workerData as BackupThreadData);
