// What stands in a TNEF stream as MIME entities, so that whoever walks a message walks it too. Pure; never throws for
// content, logs nothing.

import { isAscii } from 'node:buffer';
import type { UnreadReason } from '../../domain/types.ts';
import { parseHeader } from '../header.ts';
import { charsetOf, hasAscii } from './codepage.ts';
import { decompressRtf, rtfText } from './rtf.ts';
import { readTnef, type Tnef, type TnefFile, type TnefText } from './stream.ts';

export type TnefPart = {
  /** Header section, blank line included. */
  readonly header: Buffer;
  readonly body: Buffer;
  /** A file or a message that was attached; else of the message itself. */
  readonly isAttached: boolean;
};

type Say = (reason: UnreadReason) => void;

/** Octets that all compressed texts of one stream may become. */
const RTF_MAX = 8_388_608;
/** What is put into one part; of fields the walk takes 1,000 and a megabyte. */
const SECTION = { lines: 500, octets: 524_288 };
/** Octets of a text that is put together with others. */
const LINE_MAX = 65_536;
/** Characters of a line that is looked for among those before it: many stand there twice, subjects and addresses. */
const TWICE_MAX = 1_000;

/** Texts first, then files in their order. */
export function* tnefParts(bytes: Buffer, say: Say): Generator<TnefPart, void, void> {
  const tnef = readTnef(bytes, say);
  const plain = (one: TnefText) => textPart('text/plain', charset(one, tnef), withoutNul(one));
  const names = tnef.files.map((file) => decoded(file.names[0] ?? NO_NAME, tnef, say));
  for (const lines of sections(fieldsOf(tnef, say))) {
    yield { header: headerOf(['Content-Type: text/plain', ...lines]), body: EMPTY, isAttached: false };
  }
  for (const lines of sections(notesOf(tnef, say))) {
    yield textPart('text/plain', 'utf-8', Buffer.from(lines.join('\n\n')));
  }
  const others = [...tnef.subjects, ...tnef.headers, ...tnef.fields, ...tnef.notes, ...otherNames(tnef)];
  for (const one of [...others.filter(isLong), ...tnef.bodies]) yield plain(one);
  for (const html of tnef.htmls) yield textPart('text/html', charset(html, tnef), withoutNul(html));
  yield* rtfParts(tnef.rtfs, say);
  for (const [i, file] of tnef.files.entries()) yield filePart(file, names[i] as string);
}

function* rtfParts(rtfs: readonly Buffer[], say: Say): Generator<TnefPart, void, void> {
  let room = RTF_MAX;
  for (const packed of rtfs) {
    const rtf = withoutNul({ octets: decompressRtf(packed, room, say), coding: 'ansi' });
    room -= rtf.length;
    const { text, html } = rtfText(rtf, say);
    yield textPart('text/plain', 'utf-8', Buffer.from(text));
    if (html !== null) yield textPart('text/html', 'utf-8', Buffer.from(html));
  }
}

// ── what stands beside the text ───────────────────────────────────────────────────────────────────────────────────

function* sections(lines: Iterable<string>): Generator<string[], void, void> {
  const seen = new Set<string>();
  let section: string[] = [];
  let octets = 0;
  for (const line of lines) {
    if (line === '' || seen.has(line)) continue;
    if (line.length <= TWICE_MAX) seen.add(line);
    const size = Buffer.byteLength(line);
    if (section.length > 0 && (section.length === SECTION.lines || octets + size > SECTION.octets)) {
      yield section;
      section = [];
      octets = 0;
    }
    section.push(line);
    octets += size;
  }
  if (section.length > 0) yield section;
}

function* fieldsOf(tnef: Tnef, say: Say): Generator<string, void, void> {
  const text = (one: TnefText) => decoded(one, tnef, say);
  for (const one of tnef.subjects) if (!isLong(one)) yield `Subject: ${oneLine(text(one))}`;
  for (const one of tnef.headers) if (!isLong(one)) yield* headerLines(one, text(one));
  for (const one of [...tnef.fields, ...otherNames(tnef)]) {
    const value = isLong(one) ? '' : text(one);
    if (value !== '') yield `Property: ${oneLine(value)}`;
  }
}

function* notesOf(tnef: Tnef, say: Say): Generator<string, void, void> {
  for (const one of tnef.notes) {
    if (!isLong(one))
      yield one.label === undefined ? decoded(one, tnef, say) : `${one.label}: ${decoded(one, tnef, say)}`;
  }
}

function otherNames({ files }: Tnef): TnefText[] {
  return files.flatMap(({ names }) => names.slice(1));
}

function isLong({ octets }: TnefText): boolean {
  return octets.length > LINE_MAX;
}

/** Fields as they were; those that would say how this part is to be read, as what they say. */
function headerLines({ label }: TnefText, text: string): string[] {
  if (label !== undefined) return [free(`${/^[\w-]{1,100}$/.test(label) ? label : 'Property'}: ${oneLine(text)}`)];
  const { fields, fault } = parseHeader(Buffer.from(text));
  const lines = fields.map(({ name, value }) => free(`${name}: ${oneLine(value)}`));
  // A line that is no field stands in none of them.
  return fault === null ? lines : [...lines, `Property: ${oneLine(text)}`];
}

function free(line: string): string {
  return /^(?:content-|mime-version:)/i.test(line) ? `Property: ${line}` : line;
}

function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they would end the field.
  return text.replace(/[\x00-\x1f\x7f]+/g, ' ');
}

// ── texts ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const EMPTY = Buffer.alloc(0);
const NO_NAME: TnefText = { octets: EMPTY, coding: 'utf-8' };

function charset({ coding, octets }: TnefText, { pages }: Tnef): string {
  if (coding === 'utf-16le' || coding === 'utf-8') return coding;
  const page = coding === 'html' ? pages.html : pages.ansi;
  return hasAscii(page) && isAscii(octets) ? 'us-ascii' : charsetOf(page);
}

/** Strings end in a NUL, which may be missing or stand there often. */
function withoutNul({ octets, coding }: TnefText): Buffer {
  const width = coding === 'utf-16le' ? 2 : 1;
  let end = octets.length - (octets.length % width);
  while (end > 0 && octets[end - 1] === 0 && (width === 1 || octets[end - 2] === 0)) end -= width;
  return octets.subarray(0, end);
}

function decoded(text: TnefText, tnef: Tnef, say: Say): string {
  const octets = withoutNul(text);
  const label = charset(text, tnef);
  if (label === 'us-ascii') return octets.toString('latin1');
  try {
    return new TextDecoder(label).decode(octets);
  } catch {
    say('charset');
    return octets.toString('latin1');
  }
}

function headerOf(lines: readonly string[]): Buffer {
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`);
}

function textPart(type: string, label: string, body: Buffer): TnefPart {
  return { header: headerOf([`Content-Type: ${type}; charset=${label}`]), body, isAttached: false };
}

// ── files ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** By their ending, files that are read although nothing tells what they are. */
const TYPES: ReadonlyMap<string, string> = new Map([
  ...['txt', 'log', 'md', 'hl7', 'edi'].map((ending) => [ending, 'text/plain'] as const),
  ...['htm', 'html', 'xhtml'].map((ending) => [ending, 'text/html'] as const),
  ...[['csv', 'text/csv'] as const, ['tsv', 'text/tab-separated-values'] as const],
  ...[['json', 'application/json'] as const, ['xml', 'application/xml'] as const],
  ...[['ics', 'text/calendar'] as const, ['vcf', 'text/vcard'] as const],
  ...[['eml', 'message/rfc822'] as const, ['rtf', 'text/rtf'] as const],
]);

function filePart({ type, data, isMessage }: TnefFile, name: string): TnefPart {
  const told = /^[a-z0-9!#$&^_.+-]{1,80}\/[a-z0-9!#$&^_.+-]{1,80}$/i.test(type) ? type.toLowerCase() : OCTETS;
  const ending = /\.(\w{1,10})$/.exec(name)?.[1]?.toLowerCase() ?? '';
  // Octets without boundaries are no multipart.
  const known = told === OCTETS || told.startsWith('multipart/') ? (TYPES.get(ending) ?? OCTETS) : told;
  const lines = [`Content-Type: ${isMessage ? 'application/ms-tnef' : known}`, 'Content-Disposition: attachment'];
  if (name !== '') lines[1] += `; filename*=utf-8''${percent(name)}`;
  return { header: headerOf(lines), body: data, isAttached: true };
}

const OCTETS = 'application/octet-stream';

/** RFC 5987 §3.2.1; a parenthesis would begin a comment. */
function percent(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16)}`);
}
