// Copies files of a backup, a slice at a time, and says what their octets hash to. Synchronous: for a thread or a command
// of its own. Logs nothing.

import { createHash } from 'node:crypto';
import {
  closeSync,
  type Dirent,
  fstatSync,
  fsyncSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { isMissing } from '../bodies/io.ts';
import type { BackupFile } from './manifest.ts';

/** Octets between two looks at anything else. */
export const SLICE = 8 << 20;
const PIECE = 1 << 20;

/** Reads `from` up to `size` octets (all there are by default), and writes them to the new file `to`, synced and mode 0600;
 *  null: only hashes. Yields after each slice with the octets of it. Throws what the system says. */
export function* copying(
  from: string,
  to: string | null,
  size = Number.POSITIVE_INFINITY,
): Generator<number, Omit<BackupFile, 'path'>, void> {
  const piece = Buffer.allocUnsafe(PIECE);
  const sum = createHash('sha256');
  const source = openSync(from, 'r');
  let target: number | null = null;
  try {
    if (to !== null) {
      mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
      target = openSync(to, 'wx', 0o600);
    }
    const end = Math.min(size, fstatSync(source).size);
    let at = 0;
    let slice = 0;
    while (at < end) {
      const read = readSync(source, piece, 0, Math.min(PIECE, end - at), at);
      if (read === 0) break;
      const octets = piece.subarray(0, read);
      sum.update(octets);
      if (target !== null) writeWhole(target, octets);
      at += read;
      slice += read;
      if (slice < SLICE) continue;
      yield slice;
      slice = 0;
    }
    if (target !== null) fsyncSync(target);
    if (slice > 0) yield slice;
    return { size: at, sha256: sum.digest('hex') };
  } finally {
    if (target !== null) closeSync(target);
    closeSync(source);
  }
}

function writeWhole(file: number, octets: Uint8Array): void {
  for (let at = 0; at < octets.length; ) at += writeSync(file, octets, at);
}

/** All files below `folder` as paths with `/`, in order, and apart what is neither file nor folder. What `skip` says of a
 *  path (of a folder with `/` at its end) is not looked at; what goes meanwhile is not there. */
export function filesBelow(
  folder: string,
  skip: (path: string) => boolean = () => false,
  below = '',
): { files: string[]; others: string[] } {
  const found = { files: [] as string[], others: [] as string[] };
  for (const entry of entriesOf(join(folder, below))) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    if (skip(entry.isDirectory() ? `${path}/` : path)) continue;
    if (entry.isFile()) found.files.push(path);
    else if (!entry.isDirectory()) found.others.push(path);
    else {
      const deeper = filesBelow(folder, skip, path);
      found.files.push(...deeper.files);
      found.others.push(...deeper.others);
    }
  }
  found.files.sort();
  return found;
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** Size of a file; 0 when it is gone. */
export function sizeOf(path: string): number {
  return lstatSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** What was made or renamed in the folder is durable. */
export function syncPath(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** The folder and all folders below it. */
export function syncFolders(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) syncFolders(join(folder, entry.name));
  }
  syncPath(folder);
}

/** An operator runs this as root; the service has a user of its own: what lies in the folder becomes its owner's. Links are not
 *  followed: that user could have put one there that leads elsewhere. */
export function ownAll(folder: string): void {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = statSync(folder);
  const own = (below: string): void => {
    for (const entry of readdirSync(below, { withFileTypes: true })) {
      const path = join(below, entry.name);
      lchownSync(path, uid, gid);
      if (entry.isDirectory()) own(path);
    }
  };
  own(folder);
}
