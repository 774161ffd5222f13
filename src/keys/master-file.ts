// Lines of a master key file, added and removed: written beside it, synced, and renamed into its place, so that a crash
// leaves the one or the other. What stands in the file besides (comments, other keys) stays as it is. The octets of the
// file that was replaced are overwritten where they stood; a copy-on-write disk keeps them, which cannot be seen from here.
// Logs nothing; no key is ever a string.

import {
  closeSync,
  constants,
  fchownSync,
  fstatSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import type { Random } from '../domain/types.ts';
import {
  inWords,
  MasterKeyError,
  type MasterKeys,
  masterLine,
  parseMaster,
  readChecked,
  syncFolderOf,
  writeNew,
} from './master.ts';

/** What to do where the gateway cannot write the file. */
export const TWO_STEPS =
  "sealrelay keys master rotate --file NEW, then put NEW in the place where the gateway's key comes from, and start the gateway again: it goes on by itself";

/** Puts a new key in front: it wraps from now on. Gives all keys of the file. Throws MasterKeyError. */
export function addMasterLine(path: string, random: Random): MasterKeys {
  const bytes = Buffer.from(random.bytes(32));
  const { line } = masterLine(bytes);
  bytes.fill(0);
  try {
    return rewrite(path, (content) => Buffer.concat([line, content]));
  } finally {
    line.fill(0);
  }
}

/** Takes the lines of these keys (8 hex each) away; the first line always stays. Gives the keys that are left. */
export function removeMasterLines(path: string, ids: readonly string[]): MasterKeys {
  return rewrite(path, (content, [first]) => {
    const gone = ids.filter((id) => id !== first.id.toString('hex')).map((id) => Buffer.from(`srk1 ${id} `));
    const lines = linesOf(content).filter(
      (line) => !gone.some((start) => line.subarray(0, start.length).equals(start)),
    );
    return Buffer.concat(lines);
  });
}

/** A copy of the file with a new key in front, at `path`, which must not exist. Throws MasterKeyError. */
export function copyWithNewLine(content: Buffer, path: string, random: Random): MasterKeys {
  const bytes = Buffer.from(random.bytes(32));
  const { line } = masterLine(bytes);
  bytes.fill(0);
  const whole = Buffer.concat([line, content]);
  line.fill(0);
  try {
    writeNew(path, whole);
    return parseMaster(whole, path);
  } catch (error) {
    if (error instanceof MasterKeyError) throw error;
    throw new MasterKeyError(`cannot create master key file ${path}: ${inWords(error)}`);
  } finally {
    whole.fill(0);
  }
}

/** Each with its end. */
function linesOf(content: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let start = 0; start < content.length; ) {
    const end = content.indexOf(10, start);
    const next = end < 0 ? content.length : end + 1;
    lines.push(content.subarray(start, next));
    start = next;
  }
  return lines;
}

function rewrite(named: string, change: (content: Buffer, keys: MasterKeys) => Buffer): MasterKeys {
  const content = readChecked(named);
  let made: Buffer | null = null;
  try {
    made = change(content, parseMaster(content, named));
    const keys = parseMaster(made, named);
    if (!made.equals(content)) replace(named, made);
    return keys;
  } finally {
    content.fill(0);
    made?.fill(0);
  }
}

function replace(named: string, content: Buffer): void {
  try {
    // A link leads to the file: its name stays, its target is replaced.
    const path = realpathSync(named);
    const beside = `${path}.new`;
    rmSync(beside, { force: true });
    const old = openSync(path, constants.O_RDWR);
    try {
      writeNew(beside, content);
      keepOwner(old, beside);
      renameSync(beside, path);
      syncFolderOf(path);
      overwrite(old);
    } finally {
      closeSync(old);
    }
  } catch (error) {
    throw new MasterKeyError(`cannot change master key file ${named}: ${inWords(error)}`, TWO_STEPS);
  }
}

/** Only root can give a file away, and only then is there a difference. */
function keepOwner(old: number, beside: string): void {
  const { uid, gid } = fstatSync(old);
  if (process.getuid?.() !== 0) return;
  const file = openSync(beside, 'r');
  try {
    fchownSync(file, uid, gid);
  } finally {
    closeSync(file);
  }
}

/** Another name of the same file is a copy that somebody keeps: it is left alone. */
function overwrite(file: number): void {
  const { nlink, size } = fstatSync(file);
  if (nlink > 0 || size === 0) return;
  writeSync(file, Buffer.alloc(size), 0, size, 0);
  fsyncSync(file);
}
