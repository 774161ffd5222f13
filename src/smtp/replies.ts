// Bytes of a peer → SMTP replies (RFC 5321 §4.2), strict in form and bounded in size. A peer can say anything here, so
// what it says is cut, cleaned of control characters and handed on as text that nobody logs. Logs nothing.

import type { Reply } from '../domain/types.ts';

/** A whole reply; `lines` without code, in order, at least one. */
export type RawReply = { readonly code: number; readonly lines: readonly string[] };

/** The peer does not speak SMTP. The message names the fault, never the bytes. */
export class ReplyError extends Error {}

const MAX_LINE = 4096;
const MAX_REPLY = 65_536;
const MAX_LINES = 512;
const MAX_TEXT = 1000;
const LF = 10;
const CR = 13;

export class ReplyParser {
  #rest: Uint8Array = new Uint8Array(0);
  #code = 0;
  #lines: string[] = [];
  #size = 0;

  /** True while part of a reply has come and its end has not. */
  get pending(): boolean {
    return this.#rest.length > 0 || this.#lines.length > 0;
  }

  /** Replies that `chunk` completes. Throws ReplyError; the parser is of no more use then. */
  push(chunk: Uint8Array): RawReply[] {
    const replies: RawReply[] = [];
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let start = 0;
    for (let end = bytes.indexOf(LF); end >= 0; end = bytes.indexOf(LF, start)) {
      // A lone LF is taken as an end of line: old servers send it, and nothing can be smuggled towards us with it.
      const stop = end > start && bytes[end - 1] === CR ? end - 1 : end;
      const reply = this.#line(Buffer.from(bytes.buffer, bytes.byteOffset + start, stop - start));
      if (reply !== null) replies.push(reply);
      start = end + 1;
    }
    this.#rest = bytes.subarray(start);
    if (this.#rest.length > MAX_LINE) throw new ReplyError('line of a reply too long');
    return replies;
  }

  #line(bytes: Buffer): RawReply | null {
    this.#size += bytes.length;
    if (bytes.length > MAX_LINE || this.#size > MAX_REPLY || this.#lines.length >= MAX_LINES) {
      throw new ReplyError('reply too long');
    }
    const line = bytes.toString('utf8');
    if (!/^[2-5][0-5][0-9](?:[ -]|$)/.test(line)) throw new ReplyError('not a reply of SMTP');
    const code = Number(line.slice(0, 3));
    if (this.#lines.length > 0 && code !== this.#code) throw new ReplyError('codes of one reply differ');
    this.#code = code;
    this.#lines.push(line.slice(4));
    if (line[3] === '-') return null;
    const reply = { code, lines: this.#lines };
    this.#lines = [];
    this.#size = 0;
    return reply;
  }
}

const ENHANCED = /^([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:\s+|$)/;

/** The reply as it is kept: enhanced code parsed or derived (RFC 3463), text in one printable line of ≤ 1000 characters. */
export function toReply(raw: RawReply): Reply {
  const first = ENHANCED.exec(raw.lines[0] ?? '')?.[1];
  const matches = first !== undefined && Number(first[0]) === Math.floor(raw.code / 100);
  const enhanced = matches ? first : `${Math.floor(raw.code / 100)}.0.0`;
  const text = raw.lines
    .map((line) => (matches ? line.replace(ENHANCED, '') : line))
    .join(' ')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is removed.
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ')
    .trim();
  return { code: raw.code, enhanced, text: text.slice(0, MAX_TEXT) };
}

/** Extensions of an EHLO reply that the client uses. */
export type Features = {
  readonly startTls: boolean;
  readonly pipelining: boolean;
  readonly eightBitMime: boolean;
  readonly smtpUtf8: boolean;
  readonly dsn: boolean;
  /** The SIZE extension, with or without a limit. */
  readonly size: boolean;
  /** Largest message in octets; null when not said or without limit. */
  readonly maxSize: number | null;
};

export const NO_FEATURES: Features = {
  startTls: false,
  pipelining: false,
  eightBitMime: false,
  smtpUtf8: false,
  dsn: false,
  size: false,
  maxSize: null,
};

/** Reads the lines after the first one (which greets). */
export function featuresOf(raw: RawReply): Features {
  const words = new Map(
    raw.lines.slice(1).map((line) => {
      const [keyword = '', ...rest] = line.trim().split(/\s+/);
      return [keyword.toUpperCase(), rest] as const;
    }),
  );
  const size = Number(words.get('SIZE')?.[0] ?? 0);
  return {
    startTls: words.has('STARTTLS'),
    pipelining: words.has('PIPELINING'),
    eightBitMime: words.has('8BITMIME'),
    smtpUtf8: words.has('SMTPUTF8'),
    dsn: words.has('DSN'),
    size: words.has('SIZE'),
    maxSize: Number.isSafeInteger(size) && size > 0 ? size : null,
  };
}
