// The master key file: `srk1 <id> <base64url of 32 octets>`, a line per key; the first wraps, all unwrap (src/README.md,
// "Keys"). Key bytes go from file to KeyObject without ever being a string. Every error is a MasterKeyError whose message
// a person can act on and which holds nothing of a key. It cannot tell a wrong master key from the right one: the ring
// does, when it unwraps.

import { closeSync, fchmodSync, fstatSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { type BoxKey, boxKey } from '../crypto/box.ts';
import type { Random } from '../domain/types.ts';

/** First wraps, all unwrap; never empty. */
export type MasterKeys = readonly [BoxKey, ...BoxKey[]];

/** The `next` where nothing better is known. */
export const NEXT = 'sealrelay keys master check says how things stand';

/** `next`: what to do about it. */
export class MasterKeyError extends Error {
  readonly next: string;
  constructor(message: string, next = NEXT) {
    super(message);
    this.next = next;
  }
}

const ALPHABET = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_');
/** Characters of 32 octets in base64url. */
const KEY_CHARACTERS = 43;
const LINE_START = Buffer.from('srk1 ');
const LINE_LENGTH = LINE_START.length + 8 + 1 + KEY_CHARACTERS;

/** Makes a key file, mode 0600, synced with its folder; never overwrites one. `comment`: a line behind the key, without its
 *  `#`. Gives the key's id (8 hex). */
export function createMasterFile(path: string, random: Random, comment?: string): string {
  const bytes = Buffer.from(random.bytes(32));
  try {
    return writeMasterFile(path, bytes, comment);
  } finally {
    bytes.fill(0);
  }
}

/** As `createMasterFile`, of a key that is there: 32 octets, which the caller overwrites. */
export function writeMasterFile(path: string, bytes: Uint8Array, comment?: string): string {
  const { id, line } = masterLine(bytes);
  const content = Buffer.concat([line, Buffer.from(comment === undefined ? '' : `# ${comment}\n`)]);
  try {
    writeNew(path, content);
  } catch (error) {
    const next = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'make its folder first' : NEXT;
    throw new MasterKeyError(`cannot create master key file ${path}: ${inWords(error)}`, next);
  } finally {
    line.fill(0);
    content.fill(0);
  }
  return id;
}

/** The line of a key, with its end, and the key's id. The caller overwrites it. */
export function masterLine(bytes: Uint8Array): { readonly id: string; readonly line: Buffer } {
  const id = boxKey(bytes).id.toString('hex');
  return { id, line: Buffer.concat([LINE_START, Buffer.from(`${id} `), encodeKey(bytes), Buffer.from('\n')]) };
}

/** A file that is not there yet, mode 0600, durable with its name. Throws what the system says. */
export function writeNew(path: string, content: Uint8Array): void {
  const file = openSync(path, 'wx', 0o600);
  try {
    fchmodSync(file, 0o600);
    writeSync(file, content);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  syncFolderOf(path);
}

export function syncFolderOf(path: string): void {
  const folder = openSync(dirname(path), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** Reads the file, as `parseMaster`; refuses one that others than its owner can read. systemd shows its credentials as 0440, where the group
 *  bits are the mask of an ACL for the service user alone: files below `credentials` may be that. */
export function readMasterFile(path: string, credentials?: string): MasterKeys {
  const content = readChecked(path, credentials);
  try {
    return parseMaster(content, path);
  } finally {
    content.fill(0);
  }
}

/** The octets of the file, which the caller overwrites. Throws MasterKeyError. */
export function readChecked(path: string, credentials?: string): Buffer {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    throw new MasterKeyError(`cannot read master key file ${path}: ${inWords(error)}`);
  }
  try {
    const status = fstatSync(file);
    if (!status.isFile()) throw new MasterKeyError(`master key file ${path} is not a regular file`);
    const allowed = credentials && path.startsWith(`${credentials}/`) ? 0o740 : 0o700;
    if ((status.mode & 0o777 & ~allowed) !== 0) {
      const mode = (status.mode & 0o777).toString(8).padStart(4, '0');
      throw new MasterKeyError(
        `master key file ${path} has mode ${mode}, others may use it; run: chmod 600 ${path}`,
        'that, then the same again',
      );
    }
    if (status.size > 1 << 16) throw new MasterKeyError(`master key file ${path} is too long to be one`);
    return readFileSync(file);
  } finally {
    closeSync(file);
  }
}

/** Lines of a master key file; empty ones and such that begin with `#` are skipped. `name` is for messages. */
export function parseMaster(content: Buffer, name: string): MasterKeys {
  const keys: BoxKey[] = [];
  let start = 0;
  for (let number = 1; start < content.length; number++) {
    let end = content.indexOf(10, start);
    if (end < 0) end = content.length;
    const line = content.subarray(start, content[end - 1] === 13 && end > start ? end - 1 : end);
    start = end + 1;
    if (line.length === 0 || line[0] === 35) continue;
    const key = parseLine(line, `${name}:${number}`);
    if (keys.some((other) => other.id.equals(key.id))) {
      throw new MasterKeyError(`${name}:${number}: this key stands in the file twice`);
    }
    keys.push(key);
  }
  const [first, ...others] = keys;
  if (!first) throw new MasterKeyError(`${name} holds no key; make one with: sealrelay keys master create --file FILE`);
  return [first, ...others];
}

function parseLine(line: Buffer, where: string): BoxKey {
  if (!line.subarray(0, LINE_START.length).equals(LINE_START)) {
    throw new MasterKeyError(`${where}: a line must begin with "srk1 "`);
  }
  if (line.length !== LINE_LENGTH || line[13] !== 32) {
    throw new MasterKeyError(`${where}: a line must be "srk1", 8 hex digits and ${KEY_CHARACTERS} characters of key`);
  }
  const id = line.toString('latin1', 5, 13);
  if (!/^[0-9a-f]{8}$/.test(id)) throw new MasterKeyError(`${where}: the id must be 8 lower-case hex digits`);
  const bytes = decodeKey(line.subarray(14));
  if (!bytes) throw new MasterKeyError(`${where}: the key is not base64url of 32 octets`);
  const key = boxKey(bytes);
  bytes.fill(0);
  if (key.id.toString('hex') !== id) {
    throw new MasterKeyError(
      `${where}: the key does not fit its id ${id}: it was mistyped or cut, take it from a copy`,
    );
  }
  return key;
}

/** Octets to base64url without a string in between: strings cannot be overwritten. */
function encodeKey(bytes: Uint8Array): Buffer {
  const out = Buffer.alloc(KEY_CHARACTERS);
  for (let i = 0; i < KEY_CHARACTERS; i++) {
    const bit = i * 6;
    const word = (bytes[bit >> 3]! << 8) | (bytes[(bit >> 3) + 1] ?? 0);
    out[i] = ALPHABET[(word >> (10 - (bit & 7))) & 63]!;
  }
  return out;
}

/** Null when a character is foreign or the two bits behind the key are not zero. */
function decodeKey(text: Uint8Array): Buffer | null {
  const out = Buffer.alloc(32);
  let bits = 0;
  let held = 0;
  let at = 0;
  for (const character of text) {
    const value = ALPHABET.indexOf(character);
    if (value < 0) return null;
    held = ((held << 6) | value) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out[at++] = (held >> bits) & 0xff;
  }
  return (held & 3) === 0 ? out : null;
}

export function inWords(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return 'there is no such file or folder';
  if (code === 'EACCES' || code === 'EPERM') return 'this user may not';
  if (code === 'EEXIST') return 'it exists already, and is never overwritten';
  if (code === 'EISDIR') return 'it is a folder';
  if (code === 'EROFS') return 'it is on a file system that cannot be written';
  if (code === 'ENOSPC') return 'the disk is full';
  return code ?? 'unknown error';
}
