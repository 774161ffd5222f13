// The few file operations that the body store uses, as a collaborator, so that tests can inject a slow or failing disk,
// full space and partial writes. Works on descriptors by callbacks: FileHandle costs three times as much CPU per call.

import * as fs from 'node:fs';
import { promises } from 'node:fs';

/** An open file. Positions and lengths in octets. */
export type BodyFile = {
  /** Octets written, which may be fewer than given. */
  writev(buffers: readonly Uint8Array[], position: number): Promise<number>;
  /** Octets read, 0 at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>;
  datasync(): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
};

export type BodyIo = {
  /** `wx` makes it with mode 0600 and fails when it exists. */
  open(path: string, flags: 'wx' | 'r' | 'r+'): Promise<BodyFile>;
  /** Creation, renaming and removal of names in a folder become durable. */
  syncFolder(path: string): Promise<void>;
  unlink(path: string): Promise<void>;
  list(path: string): Promise<string[]>;
  makeFolder(path: string): Promise<void>;
  /** Octets free on the file system for an ordinary user. */
  free(path: string): Promise<number>;
};

type Done<T> = (error: NodeJS.ErrnoException | null, value: T) => void;

function call<T>(start: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => {
      if (error) reject(error);
      else resolve(value);
    });
  });
}

function fileOf(fd: number): BodyFile {
  return {
    writev: (buffers, position) => call((done) => fs.writev(fd, buffers as Uint8Array[], position, done)),
    read: (into, position) => call((done) => fs.read(fd, into, 0, into.length, position, done)),
    datasync: () => call<void>((done) => fs.fdatasync(fd, done as fs.NoParamCallback)),
    size: async () => (await call<fs.Stats>((done) => fs.fstat(fd, done))).size,
    close: () => call<void>((done) => fs.close(fd, done as fs.NoParamCallback)),
  };
}

export const realIo: BodyIo = {
  open: async (path, flags) => fileOf(await call((done) => fs.open(path, flags, 0o600, done))),
  async syncFolder(path) {
    const folder = await promises.open(path, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  },
  unlink: (path) => promises.unlink(path),
  list: (path) => promises.readdir(path),
  async makeFolder(path) {
    await promises.mkdir(path, { recursive: true, mode: 0o700 });
  },
  async free(path) {
    const status = await promises.statfs(path);
    return status.bavail * status.bsize;
  },
};

/** Linux takes at most 1024 buffers in one call. */
const MOST_BUFFERS = 1024;

/** Writes all of it, in as many calls as it needs. A call that writes nothing is taken as a full disk. */
export async function writeAll(file: BodyFile, buffers: readonly Uint8Array[], position: number): Promise<void> {
  let rest = buffers.filter((buffer) => buffer.length > 0);
  let at = position;
  while (rest.length > 0) {
    let written = await file.writev(rest.slice(0, MOST_BUFFERS), at);
    if (written === 0) throw Object.assign(new Error('nothing could be written'), { code: 'ENOSPC' });
    at += written;
    let whole = 0;
    while (whole < rest.length && written >= rest[whole]!.length) written -= rest[whole++]!.length;
    rest = rest.slice(whole);
    if (written > 0) rest[0] = rest[0]!.subarray(written);
  }
}

/** Fills `into`, or gives what there was before the end of the file. */
export async function readUpTo(file: BodyFile, into: Buffer, position: number): Promise<Buffer> {
  let filled = 0;
  while (filled < into.length) {
    const read = await file.read(into.subarray(filled), position + filled);
    if (read === 0) break;
    filled += read;
  }
  return into.subarray(0, filled);
}

const FULL = new Set(['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'ENOMEM']);

/** Space, descriptors or memory are out: what was being written is refused, what stands is sound. */
export function isFull(error: unknown): boolean {
  return FULL.has((error as NodeJS.ErrnoException).code ?? '');
}

export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

/** Code of a system error for messages: the error's own text may name a path. */
export function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'unknown error';
}
