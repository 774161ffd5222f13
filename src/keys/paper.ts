// The recovery copy of a master key: what a person keeps on paper and types in again. Four lines of 16 characters in
// groups of four; of each, 13 are 8 octets of the key and three a check of the line and its number, so that a mistyped
// line is named, and lines that changed places are seen. The alphabet is Crockford's base 32: no I, L, O and U; read, I
// and L are 1 and O is 0. For a QR code the same stands in one line. Key octets are never a string here; pure; logs nothing.

import { createHash } from 'node:crypto';
import { boxKey } from '../crypto/box.ts';
import { join } from '../crypto/derive.ts';

const ALPHABET = Buffer.from('0123456789ABCDEFGHJKMNPQRSTVWXYZ');
const LINES = 4;
/** Octets of the key in a line, their characters, and those of the check. */
const OCTETS = 8;
const DATA = 13;
const CHECK = 3;
const WIDTH = DATA + CHECK;
const GROUP = 4;
const QR_START = Buffer.from('SRK1 ');

/** As it is printed: `key` and its id, then a line for each number. The caller overwrites it and `secret`, 32 octets. */
export function paperText(secret: Uint8Array): Buffer {
  const id = boxKey(secret).id.toString('hex').toUpperCase();
  const parts: Buffer[] = [Buffer.from(`key  ${id}\n`)];
  for (let no = 1; no <= LINES; no++) {
    const line = lineOf(secret, no);
    parts.push(Buffer.from(`${no}    `));
    for (let at = 0; at < WIDTH; at += GROUP) {
      parts.push(line.subarray(at, at + GROUP), Buffer.from(at + GROUP === WIDTH ? '\n' : ' '));
    }
  }
  const text = Buffer.concat(parts);
  for (const part of parts) part.fill(0);
  return text;
}

/** `SRK1 <id> <the four lines>`, in characters that a QR code holds tightly. The caller overwrites it. */
export function paperQr(secret: Uint8Array): Buffer {
  const id = boxKey(secret).id.toString('hex').toUpperCase();
  const lines = Array.from({ length: LINES }, (_, i) => lineOf(secret, i + 1));
  const text = Buffer.concat([QR_START, Buffer.from(`${id} `), ...lines]);
  for (const line of lines) line.fill(0);
  return text;
}

export type ReadPaper =
  /** The caller overwrites `secret`. */
  | { readonly ok: true; readonly id: string; readonly secret: Buffer }
  /** Each in words, naming its line; nothing of the key. */
  | { readonly ok: false; readonly wrong: readonly string[] };

/** What was typed, or came out of a QR code. Other text between the lines is passed over. */
export function readPaper(text: Buffer): ReadPaper {
  const { id, lines, wrong } = collect(text);
  const secret = Buffer.alloc(LINES * OCTETS);
  for (let no = 1; no <= LINES; no++) {
    const line = lines.get(no);
    if (line === undefined) wrong.push(`line ${no} is missing`);
    else {
      const problem = readLine(line, no, secret.subarray((no - 1) * OCTETS, no * OCTETS));
      if (problem !== null) wrong.push(`line ${no} ${problem}`);
      line.fill(0);
    }
  }
  if (wrong.length === 0) {
    const made = boxKey(secret).id.toString('hex');
    if (id === null || id === made) return { ok: true, id: made, secret };
    wrong.push(
      `the lines fit, and are key ${made}, but the id says ${id}: the id is mistyped, or lines of two copies are mixed`,
    );
  }
  secret.fill(0);
  return { ok: false, wrong };
}

type Collected = { id: string | null; readonly lines: Map<number, Buffer>; readonly wrong: string[] };

function collect(text: Buffer): Collected {
  const found: Collected = { id: null, lines: new Map(), wrong: [] };
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf(10, start) < 0 ? text.length : text.indexOf(10, start);
    const line = text.subarray(start, end);
    start = end + 1;
    takeQr(line, found) || takeId(line, found) || takeLine(line, found);
  }
  return found;
}

function takeQr(line: Buffer, found: Collected): boolean {
  const packed = pack(line);
  const [start, rest] = [pack(QR_START), packed.subarray(4)];
  if (!packed.subarray(0, 4).equals(start) || rest.length !== 8 + LINES * WIDTH) return false;
  found.id = rest.toString('latin1', 0, 8).toLowerCase();
  for (let no = 1; no <= LINES; no++) put(found, no, rest.subarray(8 + (no - 1) * WIDTH, 8 + no * WIDTH));
  return true;
}

/** `key 1A2B3C4D`. */
function takeId(line: Buffer, found: Collected): boolean {
  const named = /^\s*key\s+(\S+)\s*$/i.exec(line.toString('latin1', 0, 40))?.[1];
  if (named === undefined) return false;
  if (/^[0-9a-f]{8}$/i.test(named)) found.id = named.toLowerCase();
  else found.wrong.push('the line "key" has not eight hex digits');
  return true;
}

/** `2  ABCD …`, also `2: …` and `2. …`. */
function takeLine(line: Buffer, found: Collected): void {
  let at = 0;
  while (line[at] === 32 || line[at] === 9) at += 1;
  const no = (line[at] ?? 0) - 48;
  if (no < 1 || no > LINES || !' \t.:)'.includes(String.fromCharCode(line[at + 1] ?? 0))) return;
  put(found, no, pack(line.subarray(at + 2)));
}

function put({ lines, wrong }: Collected, no: number, line: Buffer): void {
  const before = lines.get(no);
  if (before !== undefined && !before.equals(line)) wrong.push(`line ${no} stands here twice, and they differ`);
  lines.set(no, line);
}

/** Without blanks and signs between groups, upper case, and with the digits that I, L and O are. */
function pack(line: Uint8Array): Buffer<ArrayBuffer> {
  const out = Buffer.alloc(line.length);
  let length = 0;
  for (const octet of line) {
    if (' \t\r.:)-'.includes(String.fromCharCode(octet))) continue;
    const upper = octet >= 97 && octet <= 122 ? octet - 32 : octet;
    out[length++] = upper === 73 || upper === 76 ? 49 : upper === 79 ? 48 : upper;
  }
  return out.subarray(0, length);
}

function lineOf(secret: Uint8Array, no: number): Buffer {
  const octets = secret.subarray((no - 1) * OCTETS, no * OCTETS);
  return Buffer.concat([encode(octets, DATA), encode(checkOf(octets, no), CHECK)]);
}

/** Null: the octets are in `into`. */
function readLine(line: Buffer, no: number, into: Uint8Array): string | null {
  if (line.length !== WIDTH) return `has ${line.length} characters: ${WIDTH} are wanted`;
  const values = Array.from(line, (character) => ALPHABET.indexOf(character));
  const foreign = values.indexOf(-1);
  if (foreign >= 0)
    return `holds a character that these lines do not have, in group ${Math.floor(foreign / GROUP) + 1}`;
  const octets = decode(values.slice(0, DATA));
  const isRight = octets !== null && encode(checkOf(octets, no), CHECK).equals(line.subarray(DATA));
  if (octets) into.set(octets);
  octets?.fill(0);
  return isRight ? null : 'is mistyped: its check does not fit';
}

function checkOf(octets: Uint8Array, no: number): Buffer {
  return createHash('sha256')
    .update(join('sealrelay/1 paper', String(no), octets))
    .digest();
}

/** The first bits, five a character; behind the last octet zeros. */
function encode(octets: Uint8Array, characters: number): Buffer {
  return Buffer.from(
    Array.from({ length: characters }, (_, i) => {
      const bit = i * 5;
      const word = ((octets[bit >> 3] ?? 0) << 8) | (octets[(bit >> 3) + 1] ?? 0);
      return ALPHABET[(word >> (11 - (bit & 7))) & 31]!;
    }),
  );
}

/** Null when the bit behind the last octet is not zero. */
function decode(values: readonly number[]): Buffer | null {
  const out = Buffer.alloc(OCTETS);
  let [held, bits, at] = [0, 0, 0];
  for (const value of values) {
    held = ((held << 5) | value) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    out[at++] = (held >> bits) & 0xff;
  }
  return (held & ((1 << bits) - 1)) === 0 ? out : null;
}
