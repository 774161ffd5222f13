// Looks for strings that must not stand in files: raw, base64 at its three alignments, base64url, quoted-printable, hex, UTF-16. The strings
// are long and random enough not to occur by chance. It does not look inside compressed or encrypted bytes: that is the point of it.

import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';

export type Leak = {
  readonly file: string;
  readonly offset: number;
  readonly canary: string;
  /** `raw`, `base64+1`, `quoted-printable`, `utf16le`, … */
  readonly form: string;
};

type Needle = { readonly canary: string; readonly form: string; readonly bytes: Buffer };

const CHUNK = 4 * 1024 * 1024;

/** Every place where a canary stands in one of the files, or in a file below one of the folders; upper and lower case are one. */
export function findCanaries(paths: readonly string[], canaries: readonly string[]): Leak[] {
  const needles = canaries.flatMap(formsOf);
  return paths.flatMap(filesBelow).flatMap((file) => leaksOf(file, needles));
}

/** The same for bytes in memory: a log, a page of metrics. `name` stands for the file. */
export function findCanariesIn(bytes: Uint8Array | string, canaries: readonly string[], name = '(memory)'): Leak[] {
  return search(Buffer.from(bytes as Uint8Array), 0, canaries.flatMap(formsOf), name);
}

/** All forms that are looked for; those of a canary shorter than 6 octets would match by chance and are refused. */
export function formsOf(canary: string): Needle[] {
  const bytes = Buffer.from(canary, 'utf8');
  if (bytes.length < 6) throw new Error(`canary too short: ${canary}`);
  const forms: [string, Buffer][] = [
    ['raw', bytes],
    ['hex', Buffer.from(bytes.toString('hex'))],
    ['quoted-printable', Buffer.from(quoted(bytes, /[=\x80-\xff]/g), 'latin1')],
    // RFC 2047 "Q": a blank is an underscore, and more is encoded.
    ['encoded-word q', Buffer.from(quoted(bytes, /[^A-Za-z0-9 ]/g).replaceAll(' ', '_'), 'latin1')],
    ['percent', Buffer.from(encodeURIComponent(canary))],
    ['json', Buffer.from(JSON.stringify(canary).slice(1, -1))],
    ['utf16le', Buffer.from(canary, 'utf16le')],
    ['utf16be', Buffer.from(canary, 'utf16le').swap16()],
    ...alignments(bytes, 'base64'),
    ...alignments(bytes, 'base64url'),
  ];
  const seen = new Set<string>();
  return forms
    .filter(([, form]) => !seen.has(form.toString('latin1')) && seen.add(form.toString('latin1')))
    .map(([form, needle]) => ({ canary, form, bytes: needle }));
}

// Base64 of a string depends on how many octets stand before it (modulo 3); the characters at both ends also on its neighbours.
function alignments(bytes: Buffer, encoding: 'base64' | 'base64url'): [string, Buffer][] {
  return [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before), bytes])
      .toString(encoding)
      .replace(/=+$/, '');
    const first = before === 0 ? 0 : before + 1;
    const last = Math.floor(((before + bytes.length) * 8) / 6);
    return [`${encoding}+${before}`, Buffer.from(text.slice(first, last))];
  });
}

function quoted(bytes: Buffer, unsafe: RegExp): string {
  return bytes
    .toString('latin1')
    .replace(unsafe, (one) => `=${one.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}

function filesBelow(path: string): string[] {
  if (!statSync(path, { throwIfNoEntry: false })) return [];
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isFile() || entry.isDirectory())
    .flatMap((entry) => filesBelow(join(path, entry.name)));
}

function leaksOf(file: string, needles: readonly Needle[]): Leak[] {
  const longest = Math.max(0, ...needles.map(({ bytes }) => bytes.length));
  const buffer = Buffer.alloc(CHUNK);
  const leaks: Leak[] = [];
  const handle = openSync(file, 'r');
  try {
    // Chunks overlap by one octet less than the longest needle.
    for (let at = 0, read = readSync(handle, buffer, 0, CHUNK, 0); read > 0; ) {
      const found = search(buffer.subarray(0, read), at, needles, file);
      leaks.push(...found.filter((leak) => !leaks.some((known) => same(known, leak))));
      if (read < CHUNK) break;
      at += CHUNK - longest + 1;
      read = readSync(handle, buffer, 0, CHUNK, at);
    }
  } finally {
    closeSync(handle);
  }
  return leaks;
}

function search(bytes: Buffer, base: number, needles: readonly Needle[], file: string): Leak[] {
  const folded = fold(bytes);
  // Encoded text is broken into lines: the offset of a match that is found only when joined is near, not exact.
  const joined = Buffer.from(bytes.toString('latin1').replace(/=?\r?\n/g, ''), 'latin1');
  const foldedJoined = fold(joined);
  return needles.flatMap(({ canary, form, bytes: needle }) => {
    const isCaseless = !form.startsWith('base64');
    const want = isCaseless ? fold(needle) : needle;
    const plain = offsetsOf(isCaseless ? folded : bytes, want);
    const offsets = plain.length > 0 ? plain : offsetsOf(isCaseless ? foldedJoined : joined, want);
    return offsets.map((offset) => ({ file, offset: base + offset, canary, form }));
  });
}

function offsetsOf(hay: Buffer, needle: Buffer): number[] {
  const offsets: number[] = [];
  for (let i = hay.indexOf(needle); i >= 0; i = hay.indexOf(needle, i + 1)) offsets.push(i);
  return offsets;
}

function same(a: Leak, b: Leak): boolean {
  return a.offset === b.offset && a.canary === b.canary && a.form === b.form;
}

// ASCII only, so that offsets stay.
function fold(bytes: Buffer): Buffer {
  const folded = Buffer.from(bytes);
  for (let i = 0; i < folded.length; i++) if (folded[i]! >= 65 && folded[i]! <= 90) folded[i]! += 32;
  return folded;
}
