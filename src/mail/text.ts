// Text of parts: which parts are text, their charset, HTML to plain text, and the normal form that detectors read. Works
// on streams with bounded memory: octets in, pieces of normalised text out, cut at fixed places of the decoded text so
// that no piece depends on how the octets came. What it cannot read it names; it never throws for content and logs nothing.

import { Tokenizer } from 'htmlparser2';
import type { UnreadReason } from '../domain/types.ts';
import { CHARSET_HEAD, type CharsetDecoder, charsetDecoder } from './charset.ts';
import { isTnef } from './tnef/stream.ts';
import type { Part } from './walk.ts';

/** How a part is read, and what is to be said of it at once. `opaque` parts are not read; `signature` has no text. */
export type Reading = { readonly as: 'plain' | 'html' | 'opaque' | 'signature'; readonly unread?: UnreadReason };

const TEXT_TYPES = new Set([
  'application/json',
  'application/xml',
  'application/csv',
  'application/ics',
  'application/x-ndjson',
  'application/yaml',
  'application/x-yaml',
  'application/sql',
  // Armour is text, and what stands around it is read by nobody else.
  'application/pgp-signature',
  'application/pgp-keys',
]);
const SIGNATURES = new Set(['application/pkcs7-signature', 'application/x-pkcs7-signature']);
const ENCRYPTED = new Set(['application/pgp-encrypted', 'application/pkcs7-mime', 'application/x-pkcs7-mime']);

/** By declared type alone; `textReader` looks at the first octets as well, because a Content-Type may lie. */
export function readingOf(part: Part): Reading {
  const { type } = part;
  if (type === 'multipart/encrypted') return { as: 'plain', unread: 'encrypted' };
  if (part.multipart || type === 'message/rfc822' || type === 'message/global' || isTnef(part)) return { as: 'plain' };
  if (type === 'text/html' || type === 'application/xhtml+xml') return { as: 'html' };
  if (type === 'text/rtf' || type === 'text/richtext' || type === 'text/enriched')
    return { as: 'plain', unread: 'format' };
  if (type === 'message/partial' || type === 'message/external-body') return { as: 'plain', unread: 'format' };
  if (type.startsWith('text/') || type.startsWith('message/') || TEXT_TYPES.has(type)) return { as: 'plain' };
  if (type.startsWith('application/') && /\+(?:json|xml)$/.test(type)) return { as: 'plain' };
  if (SIGNATURES.has(type)) return { as: 'signature' };
  if (ENCRYPTED.has(type)) {
    const signed = (part.parameters.get('smime-type') ?? '').toLowerCase().startsWith('signed');
    return { as: 'opaque', unread: signed ? 'format' : 'encrypted' };
  }
  return { as: 'opaque', unread: /\.(?:p7m|pgp|gpg|asc)$/i.test(part.fileName) ? 'encrypted' : 'format' };
}

/** True when the first octets are a ZIP whose first entry is encrypted. */
export function isEncryptedZip(bytes: Buffer): boolean {
  return bytes.length > 7 && bytes.readUInt32BE(0) === 0x504b0304 && ((bytes[6] as number) & 1) === 1;
}

export type TextReader = {
  readonly push: (bytes: Buffer) => void;
  /** Last pieces are given out. Why it was not text after all, if so. */
  readonly end: () => UnreadReason | undefined;
};

/** UTF-16 units of decoded text that are handled at once. */
const PIECE = 65_536;
/** HTML beyond this many units is not parsed further: no mail is that long, and one attribute could be. */
const HTML_MAX = 16_000_000;

const MAGIC = [
  '%PDF-',
  'PK\u0003\u0004',
  '\u00d0\u00cf\u0011\u00e0',
  '\u001f\u008b',
  '\u0089PNG',
  '\u00ff\u00d8\u00ff',
  'GIF8',
];
MAGIC.push('Rar!', '7z\u00bc\u00af', '{\\rtf', '\u007fELF', 'BZh');

/** A reader of one text part that hands normalised pieces to `give`, in order. */
export function textReader(
  part: { readonly type: string; readonly charset: string; readonly html: boolean },
  give: (text: string) => void,
): TextReader {
  let unread: UnreadReason | undefined;
  const say = (reason: UnreadReason) => {
    unread ??= reason;
  };
  const sink = part.html ? htmlText(give, say) : plainText(part.type, give, say);
  let decode: CharsetDecoder | null = null;
  let pending = '';

  const take = (text: string) => {
    pending = pending === '' ? text : pending + text;
    while (pending.length >= PIECE + 1) {
      const cut = isHighSurrogate(pending.charCodeAt(PIECE - 1)) ? PIECE + 1 : PIECE;
      sink.push(pending.slice(0, cut));
      pending = pending.slice(cut);
    }
  };
  let head: Buffer | null = null;
  const start = (bytes: Buffer) => {
    const found = charsetDecoder(part.charset, bytes);
    decode = found.decode;
    if (found.unknown) say('charset');
    const first = bytes.toString('latin1', 0, 8);
    if (MAGIC.some((magic) => first.startsWith(magic))) say('format');
    take(decode(bytes, false));
  };
  return {
    push: (bytes) => {
      if (decode) take(decode(bytes, false));
      else {
        if (head === null && bytes.length >= CHARSET_HEAD) return start(bytes);
        head = head ? Buffer.concat([head, bytes]) : Buffer.from(bytes);
        if (head.length >= CHARSET_HEAD) start(head);
      }
    },
    end: () => {
      if (!decode && head) start(head);
      if (decode) take(decode(EMPTY, true));
      sink.push(pending);
      pending = '';
      sink.end();
      return unread;
    },
  };
}

const EMPTY = Buffer.alloc(0);
type PieceSink = { readonly push: (text: string) => void; readonly end: () => void };

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00;
}

function plainText(type: string, give: (text: string) => void, say: (reason: UnreadReason) => void): PieceSink {
  // Calendars and cards fold long lines in the middle of a word (RFC 5545 §3.1).
  const folded = type === 'text/calendar' || type === 'text/vcard' || type === 'text/x-vcard';
  const watch = watchHidden(say);
  return {
    push: (text) => {
      if (text === '') return;
      watch(text);
      give(normalise(folded ? text.replace(/\r?\n[ \t]/g, '') : text));
    },
    end: () => {},
  };
}

/** Looks at a text in pieces; a mark that two pieces share is seen with the second. */
function watchHidden(say: (reason: UnreadReason) => void): (text: string) => void {
  let tail = '\n';
  return (text) => {
    // Put together they would be a copy of the whole.
    const seam = hiddenIn(tail + text.slice(0, MARK_MAX));
    const hidden = seam === 'encrypted' ? seam : (hiddenIn(text) ?? seam);
    if (hidden) say(hidden);
    tail = (tail + text.slice(-MARK_MAX)).slice(-MARK_MAX);
  };
}

/** Units of the longest mark, with the line end in front of it. */
const MARK_MAX = 40;

/** What in a text is not text: a UUencoded or yEnc block, an armoured ciphertext, binary. */
function hiddenIn(text: string): UnreadReason | null {
  if (text.includes('-----BEGIN P') && /-----BEGIN (?:PGP MESSAGE|PKCS7|CMS)-----/.test(text)) return 'encrypted';
  if (
    (text.includes('\nbegin') || text.includes('=ybegin ')) &&
    /\n(?:begin(?:-base64)? [0-7]{3,4} \S|=ybegin )/.test(text)
  )
    return 'format';
  return text.includes('\0') ? 'format' : null;
}

// ── normal form ───────────────────────────────────────────────────────────────────────────────────────────────────

const NOT_ASCII = /[\u0080-\uFFFF]/;
/** Letters of other scripts that look like ours, as copied numbers have them; Greek and Cyrillic words suffer nothing. */
const LOOK_ALIKES = new Map(
  [...'АВЕКМНОРСТУХΑΒΕΗΙΚΜΝΟΡΤΥΧΖ'].map((c, i) => [c, 'ABEKMHOPCTYXABEHIKMNOPTYXZ'[i] as string]),
);
const LOOK_ALIKE = new RegExp(`[${[...LOOK_ALIKES.keys()].join('')}]`, 'g');
const WEB_ADDRESS = /\bhttps?:\/\/[^\s"'<>]{1,4000}/gi;

/** NFKC, no zero-width characters, `-` for every dash, U+0020 for every space, addresses of the web without percent signs.
 *  Other ASCII comes back as it is. */
export function normalise(text: string): string {
  const plain = text.includes('%') && text.includes('://') ? text.replace(WEB_ADDRESS, withoutPercent) : text;
  if (!NOT_ASCII.test(plain)) return plain;
  return plain
    .normalize('NFKC')
    .replace(/[\u200B-\u200F\u202A-\u202E\u2060-\u2064\uFEFF\u00AD\u180E]+/g, '')
    .replace(/[\u2010-\u2015\u2212\uFE58\uFE63\uFF0D]/g, '-')
    .replace(/[\u2028\u2029\u0085]/g, '\n')
    .replace(/[\u2018\u2019]/g, "'")
    .replace(LOOK_ALIKE, (c) => LOOK_ALIKES.get(c) as string)
    .replace(/(?![\n\r\t\v\f])\s/g, ' ');
}

/** One level (RFC 3986 §2.1), printable ASCII only: a name or number in a query. */
function withoutPercent(address: string): string {
  return address.replace(/%([2-6][0-9a-f]|7[0-9a-e])/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

// ── HTML ──────────────────────────────────────────────────────────────────────────────────────────────────────────

// A script is never run, but what stands in it left the house: appointments in JSON-LD, for one.
const BLOCKS = new Set('br div li dd dt option address fieldset legend tr thead tbody script'.split(' '));
const PARAGRAPHS = new Set(
  'p table hr h1 h2 h3 h4 h5 h6 ul ol dl pre blockquote form section article title body'.split(' '),
);
const DROPPED = 'style';
const SHOWN_ATTRIBUTES = new Set([
  'alt',
  'title',
  'href',
  'value',
  'placeholder',
  'summary',
  'label',
  'content',
  'aria-label',
]);
/** Blanks that are not one space already. */
const BLANKS = / *[\t\r\n][ \t\r\n]*| {2,}/g;
/** RFC 2397: a picture or a file that stands in the HTML itself. */
const DATA_URL = /\bdata:[a-z]{1,20}\/[a-z0-9.+-]{1,80}[;,]/i;
const ASIDE_MAX = 1_048_576;
/** Units of the last piece that stay at hand for a name or an entity that goes on in the next one. */
const TAIL = 1_024;

/** By htmlparser2's tokenizer alone: its parser keeps a stack of open elements that costs minutes at a million of them. */
function htmlText(give: (text: string) => void, say: (reason: UnreadReason) => void): PieceSink {
  let out = '';
  let taken = 0;
  let source = '';
  let sourceStart = 0;
  /** Inside an element whose content is dropped: raw text, so the tokenizer finds its end. */
  let dropped = false;
  /** Comments: Outlook shows what stands in conditional ones. Read behind the rest, since they part no words; of one that
   *  is longer than a piece, its end. */
  let aside = '';
  let attributeShown = false;
  const watch = watchHidden(say);
  const slice = (start: number, end: number) => source.slice(Math.max(0, start - sourceStart), end - sourceStart);
  const separate = (name: string) => {
    if (PARAGRAPHS.has(name)) out += '\n\n';
    else if (BLOCKS.has(name)) out += '\n';
    else if (name === 'td' || name === 'th') out += '\t';
  };
  const add = (text: string) => {
    // Source line breaks are spaces in HTML; a paragraph of ours ends only where a block does.
    if (!dropped) out += text.includes('\n') ? text.replace(BLANKS, ' ') : text;
  };
  const nothing = () => {};
  const tokenizer = new Tokenizer(
    { decodeEntities: true },
    {
      onopentagname: (start, end) => {
        const name = slice(start, end).toLowerCase();
        if (name === DROPPED) dropped = true;
        else separate(name);
      },
      onclosetag: (start, end) => {
        const name = slice(start, end).toLowerCase();
        if (name === DROPPED) dropped = false;
        else separate(name);
      },
      onattribname: (start, end) => {
        attributeShown = SHOWN_ATTRIBUTES.has(slice(start, end).toLowerCase());
        if (attributeShown) out += ' ';
      },
      onattribdata: (start, end) => {
        if (attributeShown) out += slice(start, end);
      },
      onattribentity: (codepoint) => {
        if (attributeShown) out += String.fromCodePoint(codepoint);
      },
      onattribend: () => {
        if (attributeShown) out += ' ';
      },
      ontext: (start, end) => add(slice(start, end)),
      ontextentity: (codepoint) => add(String.fromCodePoint(codepoint)),
      oncdata: (start, end) => {
        if (start < sourceStart) say('malformed');
        add(slice(start, end));
      },
      oncomment: (start, end, delimiter) => {
        if (aside.length < ASIDE_MAX) aside += `\n${slice(start, end - delimiter)}`;
        else say('too large');
      },
      ondeclaration: nothing,
      onprocessinginstruction: nothing,
      // In SVG this is all of the element, and what follows is shown.
      onselfclosingtag: () => {
        dropped = false;
      },
      onopentagend: nothing,
      onend: nothing,
    },
  );
  const flush = () => {
    if (out === '') return;
    watch(out);
    give(normalise(out));
    out = '';
  };
  return {
    push: (text) => {
      if (text === '') return;
      taken += text.length;
      if (taken > HTML_MAX) return say('too large');
      const tail = source.slice(-TAIL);
      sourceStart = taken - text.length - tail.length;
      source = tail + text;
      if (DATA_URL.test(source)) say('format');
      tokenizer.write(text);
      flush();
    },
    end: () => {
      tokenizer.end();
      flush();
      if (aside !== '') give(normalise(`\n\n${aside}`));
    },
  };
}
