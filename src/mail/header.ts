// The header section as bytes and as fields (RFC 5322 §2.2), and the few edits that we make to what leaves. A field keeps
// its raw octets, because a signature covers them; its value is unfolded, never trusted to be ASCII. Nothing here throws
// for content or logs. It cannot repair: a faulty section says so in `fault`, and coverage carries that on to policy.

import { isAscii, isUtf8 } from 'node:buffer';
import libmime from 'libmime';
import type { Address, QueueId, Time } from '../domain/ids.ts';
import type { Trace } from '../domain/types.ts';

export const HEADER_MAX = 1_048_576;
export const FIELDS_MAX = 1_000;

export type Field = {
  /** Lower case. */
  readonly name: string;
  /** With its line end and folding, as it stands in the message. */
  readonly raw: Buffer;
  /** Unfolded, trimmed; UTF-8 where the octets are that, else Latin-1. Encoded words stand undecoded. */
  readonly value: string;
};
export type HeaderSection = {
  readonly fields: readonly Field[];
  /** Octets, the blank line included when there is one. */
  readonly size: number;
  /** `malformed`: a line that is no field, or a name with a space before its colon. */
  readonly fault: 'too large' | 'malformed' | null;
};

/** Offset behind the blank line that ends a header section at the start of `bytes`, or -1 when it is not there yet.
 *  `searched`: octets in which it was not found before. */
export function headerEnd(bytes: Buffer, searched = 0): number {
  if (bytes[0] === 10) return 1;
  if (bytes[0] === 13 && bytes[1] === 10) return 2;
  for (let at = bytes.indexOf(10, Math.max(0, searched - 2)); at >= 0; at = bytes.indexOf(10, at + 1)) {
    if (bytes[at + 1] === 10) return at + 2;
    if (bytes[at + 1] === 13 && bytes[at + 2] === 10) return at + 3;
  }
  return -1;
}

/** Fields of a header section that begins at `bytes[0]`; stops at the blank line. Bare LF is taken as a line end. */
export function parseHeader(bytes: Buffer): HeaderSection {
  const fields: Field[] = [];
  let fault: HeaderSection['fault'] = null;
  const text = bytes.toString('latin1', 0, Math.min(bytes.length, HEADER_MAX));
  let at = 0;
  while (at < text.length) {
    const end = fieldEnd(text, at);
    if (text[at] === '\n' || text.startsWith('\r\n', at)) {
      at = text.indexOf('\n', at) + 1;
      return { fields, size: at, fault };
    }
    if (fields.length === FIELDS_MAX) return { fields, size: at, fault: 'too large' };
    const colon = text.indexOf(':', at);
    const name = colon < 0 || colon >= end ? '' : text.slice(at, colon);
    if (/^[!-9;-~]+[ \t]*$/.test(name)) {
      const trimmed = name.trimEnd();
      if (trimmed.length !== name.length) fault ??= 'malformed';
      const raw = bytes.subarray(at, end);
      fields.push({
        name: trimmed.toLowerCase(),
        raw,
        value: unfold(text.slice(colon + 1, end), raw, colon + 1 - at),
      });
    } else fault ??= 'malformed';
    at = end;
  }
  return { fields, size: at, fault: bytes.length > HEADER_MAX ? 'too large' : fault };
}

function fieldEnd(text: string, from: number): number {
  let end = text.indexOf('\n', from) + 1;
  while (end > 0 && (text[end] === ' ' || text[end] === '\t')) end = text.indexOf('\n', end) + 1;
  return end === 0 ? text.length : end;
}

function unfold(latin1: string, raw: Buffer, skip: number): string {
  const text = isAscii(raw) || !isUtf8(raw) ? latin1 : raw.toString('utf8', skip);
  return (text.indexOf('\n') === text.length - 1 ? text : text.replace(/\r?\n(?=[ \t])/g, '')).trim();
}

/** Value of the first field of that (lower-case) name. */
export function fieldValue(header: HeaderSection, name: string): string | undefined {
  return header.fields.find((field) => field.name === name)?.value;
}

/** RFC 2047 encoded words decoded; never throws, control characters become spaces. */
export function decodeWords(value: string): string {
  if (!value.includes('=?')) return clean(value);
  try {
    return clean(libmime.decodeWords(value));
  } catch {
    return clean(value);
  }
}

/** True when an encoded word names a charset that nobody here knows (UTF-7 is one): what it shows a reader is not known. */
export function hasUnknownCharset(value: string): boolean {
  if (!value.includes('=?')) return false;
  for (const match of value.matchAll(/=\?([^?*\s]{1,40})(?:\*[\w-]{0,20})?\?[bq]\?/gi)) {
    try {
      new TextDecoder(match[1]);
    } catch {
      return true;
    }
  }
  return false;
}

function clean(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ');
}

/** How many Received fields there are (RFC 5321 §6.3: loops). */
export function countReceived(header: HeaderSection): number {
  return header.fields.filter((field) => field.name === 'received').length;
}

// ── subject tags ──────────────────────────────────────────────────────────────────────────────────────────────────

function tagPattern(tag: string): RegExp {
  // Blanks are only looked at from their first one on: a subject may hold a megabyte of them.
  return new RegExp(`(?<!\\s)\\s*\\[\\s*${tag.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')}\\s*\\]\\s*`, 'giu');
}

/** Which of `tags` (lower case, no brackets) stand in brackets anywhere in a decoded subject. */
export function subjectTagsIn(subject: string, tags: readonly string[]): string[] {
  if (!subject.includes('[')) return [];
  return tags.filter((tag) => tagPattern(tag).test(subject));
}

/**
 * The header section without those subject tags, or null when there is none to take. Every other octet stays. A subject
 * that had one is written anew, as encoded words where it is not ASCII.
 */
export function stripSubjectTags(section: Buffer, tags: readonly string[]): Buffer | null {
  if (tags.length === 0) return null;
  const pieces: Buffer[] = [];
  let changed = false;
  let at = 0;
  for (const field of parseHeader(section).fields) {
    const start = field.raw.byteOffset - section.byteOffset;
    pieces.push(section.subarray(at, start));
    at = start + field.raw.length;
    const subject = field.name === 'subject' ? decodeWords(field.value) : '';
    const without = withoutTags(subject, tags);
    if (without === subject) pieces.push(field.raw);
    else {
      changed = true;
      pieces.push(unstructured(field.raw.toString('latin1', 0, 7), without));
    }
  }
  pieces.push(section.subarray(at));
  return changed ? Buffer.concat(pieces) : null;
}

/** How deep a tag may stand inside another. */
const NESTED_MAX = 10;

function withoutTags(subject: string, tags: readonly string[]): string {
  let text = subject;
  // Again until nothing goes: `[ [secure] secure]` must not leave a tag behind. Deeper ones lose all brackets at once.
  for (let round = 0; subjectTagsIn(text, tags).length > 0; round++) {
    if (round === NESTED_MAX) text = text.replace(/[[\]]+/g, ' ');
    for (const tag of tags) text = text.replace(tagPattern(tag), ' ');
  }
  return text === subject ? subject : text.trim();
}

const WORD_MAX = 400;

/** A field `name: given` with its line end, folded at 78; encoded words in UTF-8 base64 when that is not plain ASCII, or is
 *  longer than a line may be. Of hundreds of blanks one is left. */
export function unstructured(name: string, given: string): Buffer {
  const text = given.replace(/ {400,}/g, ' ');
  const pieces = text.split(/(?<=\S)(?= )/);
  // What has no place to be folded at could make a line of more than 998 (RFC 5322 §2.1.1).
  const plain = /^[\x20-\x7E]*$/.test(text) && !text.includes('=?') && pieces.every(({ length }) => length < WORD_MAX);
  const words = plain ? pieces : encodedWords(text).map((word, i) => (i === 0 ? word : ` ${word}`));
  return Buffer.from(`${fold(`${name}:`, words.length === 0 ? [''] : [` ${words[0]}`, ...words.slice(1)])}\r\n`);
}

function encodedWords(text: string): string[] {
  const words: string[] = [];
  let run = '';
  for (const character of text) {
    // RFC 2047 §2: 75 characters a word; 45 octets make 60 of base64 and 12 of frame.
    if (Buffer.byteLength(run) + Buffer.byteLength(character) > 45) {
      words.push(run);
      run = '';
    }
    run += character;
  }
  if (run !== '') words.push(run);
  return words.map((word) => `=?UTF-8?B?${Buffer.from(word.toWellFormed()).toString('base64')}?=`);
}

/** Pieces that begin with a space may go to a new line; lines stay within 78 where a piece does. */
function fold(start: string, pieces: readonly string[]): string {
  let lines = '';
  let line = start;
  for (const piece of pieces) {
    if (line.length + piece.length > 78 && piece.startsWith(' ') && piece.trim() !== '' && line.trim() !== '') {
      lines += `${line}\r\n`;
      line = piece;
    } else line += piece;
  }
  return lines + line;
}

// ── trace ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** `Tue, 24 Nov 2026 08:42:00 +0000` (RFC 5322 §3.3). */
export function mailDate(at: Time): string {
  return new Date(at).toUTCString().replace('GMT', '+0000');
}

/**
 * Our Received field (RFC 5321 §4.4), line end included. `recipient` only when the message has a single one: a `for` with
 * one of several would show it to the others.
 */
export function receivedLine(given: {
  readonly trace: Trace;
  readonly hostname: string;
  readonly queueId: QueueId;
  readonly at: Time;
  readonly recipient?: Address;
}): Buffer {
  const { trace, hostname, queueId, at, recipient } = given;
  const helo = /^[A-Za-z0-9.:[\]_-]{1,255}$/.test(trace.helo) ? trace.helo : 'unknown';
  const literal = trace.ip.includes(':') ? `[IPv6:${trace.ip}]` : `[${trace.ip}]`;
  const token = (text: string) => text.replace(/[^A-Za-z0-9._-]/g, '');
  const pieces = [' from', ` ${helo}`, ` (${literal})`, ' by', ` ${hostname}`];
  if (trace.tls) pieces.push(` (${token(trace.tls.version)}`, ` ${token(trace.tls.cipher)})`);
  pieces.push(` with ${token(trace.with)}`, ` id ${queueId}`);
  if (recipient !== undefined) pieces.push(` for <${recipient}>`);
  return Buffer.from(`${fold('Received:', [...withSemicolon(pieces), ` ${mailDate(at)}`])}\r\n`);
}

function withSemicolon(pieces: readonly string[]): string[] {
  return pieces.map((piece, i) => (i === pieces.length - 1 ? `${piece};` : piece));
}
