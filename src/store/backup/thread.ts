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
import { type BackupFile, MANIFEST, manifestText, UNFINISHED } from './manifest.ts';

export type BackupThreadData = { readonly storage: string; readonly target: string };

/** `others`: neither files nor folders. */
export type Surveyed = { readonly octets: number; readonly others: readonly string[] };
/** Octets copied or hashed since the step before, and to be so in all. */
export type Step = { readonly octets: number; readonly of: number; readonly done: boolean };
export type Finished = { readonly files: number; readonly octets: number };
/** What the manifest says besides its files. */
export type About = Omit<Parameters<typeof manifestText>[0], 'files'>;

/** A file that was taken and is not copied yet. */
type Waiting = { readonly path: string; readonly size: number };

/** A master key file is shorter. */
const LONGEST_KEY = 1 << 16;

const FULL = new Set(['ENOSPC', 'EDQUOT', 'SQLITE_FULL']);
const TAKEN: ReadonlySet<Part> = new Set(['rows', 'file']);

function makeCalls({ storage, target }: BackupThreadData) {
  const working = join(storage, WORKING);
  const files: BackupFile[] = [];
  const waiting: Waiting[] = [];
  let of = 0;
  let copy: { readonly path: string; readonly work: ReturnType<typeof copying> } | null = null;

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

  const isLeftOut = (path: string) => partOf(path) === 'left out';
  const taken = () =>
    filesBelow(storage, isLeftOut).files.filter((path) => TAKEN.has(partOf(path)) && !holdsMaster(path));

  function survey(): Surveyed {
    const { others } = filesBelow(storage, isLeftOut);
    const octets = [...taken(), DATABASE, `${DATABASE}-wal`].reduce(
      (sum, path) => sum + sizeOf(join(storage, path)),
      0,
    );
    return { octets, others };
  }

  /** Slots of removed bodies are overwritten in place: key files are copied at once, all else as it is linked. */
  function take(): null {
    for (const path of taken()) {
      const [folder, name = ''] = path.split('/');
      const isKeys = folder === BODIES && classify(name)?.kind === 'keys';
      try {
        if (!isKeys && link(path)) waiting.push({ path, size: sizeOf(join(working, path)) });
        else files.push({ path, ...whole(join(storage, path), join(target, path)) });
      } catch (error) {
        // Emptied and unlinked meanwhile: no row names what was in it.
        if (!isMissing(error)) throw error;
      }
    }
    waiting.push({ path: DATABASE, size: sizeOf(join(target, DATABASE)) });
    of = waiting.reduce((sum, { size }) => sum + size, 0);
    return null;
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

  /** Copies on; the copy of the database is there and is only hashed. */
  async function next(): Promise<Step> {
    if (copy === null) {
      const one = waiting.shift();
      if (one === undefined) return { octets: 0, of, done: true };
      copy = { path: one.path, work: await begun(one) };
    }
    const { done, value } = copy.work.next();
    if (!done) return { octets: value, of, done: false };
    files.push({ path: copy.path, ...value });
    copy = null;
    return { octets: 0, of, done: false };
  }

  /** Another database than the queue's is copied by itself while it is in its place, and as it was when it is not any more. */
  async function begun({ path, size }: Waiting): Promise<ReturnType<typeof copying>> {
    const from = join(storage, path);
    const to = join(target, path);
    if (path !== DATABASE) {
      if (partOf(path) !== 'rows' || !existsSync(from)) return copying(join(working, path), to, size);
      mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
      const db = new Database(from, { readonly: true, fileMustExist: true });
      try {
        await db.backup(to);
      } finally {
        db.close();
      }
    }
    chmodSync(to, 0o600);
    syncPath(to);
    return copying(to, null);
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
      chmodSync(target, 0o700);
      write(UNFINISHED, text);
      syncPath(target);
      syncPath(dirname(target));
      return null;
    },
    take,
    next,
    /** So that the end of a long copy has little left to sync. */
    sync: () => {
      if (sizeOf(join(target, DATABASE)) > 0) syncPath(join(target, DATABASE));
      return null;
    },
    finish: ([about]: readonly [About]): Finished => {
      files.sort((one, other) => (one.path < other.path ? -1 : 1));
      write(UNFINISHED, manifestText({ ...about, files }));
      syncFolders(target);
      renameSync(join(target, UNFINISHED), join(target, MANIFEST));
      syncPath(target);
      return { files: files.length, octets: files.reduce((sum, { size }) => sum + size, 0) };
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
