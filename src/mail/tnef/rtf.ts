// RTF for inspection: compressed as mail programs carry it ([MS-OXRTFCP]), and as text, with HTML that was put into it
// ([MS-OXRTFEX]). It reads more than a reader shows: what stands in unknown destinations too, and what the RTF form alone
// has. Pictures and objects are told, not read. Pure; never throws for content, logs nothing.

import { isAscii } from 'node:buffer';
import type { UnreadReason } from '../../domain/types.ts';
import { charsetOf, hasAscii } from './codepage.ts';

type Say = (reason: UnreadReason) => void;

const LZFU = 0x75465a4c;
const MELA = 0x414c454d;
const HEAD = 16;
const WINDOW = 4_096;
/** Octets of the longest reference. */
const LONGEST = 17;
/** [MS-OXRTFCP] §2.1.2.1: what the window holds before the first octet. */
const START = Buffer.from(
  '{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor ' +
    'MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx',
  'latin1',
);

/** At most `max` octets come out. Checksums are not looked at: whoever reads such mail passes over them. */
export function decompressRtf(bytes: Buffer, max: number, say: Say): Buffer {
  if (bytes.length < HEAD) {
    say('malformed');
    return bytes.subarray(0, 0);
  }
  const end = Math.min(bytes.length, bytes.readUInt32LE(0) + 4);
  const rawSize = bytes.readUInt32LE(4);
  const kind = bytes.readUInt32LE(8);
  if (bytes.subarray(end).some((octet) => octet !== 0)) say('malformed');
  if (kind === LZFU) return decompress(bytes.subarray(HEAD, end), rawSize, max, say);
  const plain = bytes.subarray(HEAD, end);
  if (kind !== MELA) say('format');
  else if (plain.length !== rawSize) say('malformed');
  if (plain.length > max) say('too large');
  return plain.subarray(0, kind === MELA ? max : 0);
}

/** [MS-OXRTFCP] §3.1.2.1: eight tokens behind an octet of flags; a reference to the place of writing is the end. */
function decompress(input: Buffer, rawSize: number, max: number, say: Say): Buffer {
  // Of 17 octets come at most 8 references.
  const out = Buffer.allocUnsafe(Math.min(max, input.length * 9));
  const window = Buffer.alloc(WINDOW);
  let write = START.copy(window);
  let size = 0;
  let ended = false;
  const put = (octet: number) => {
    window[write] = octet;
    write = (write + 1) % WINDOW;
    out[size++] = octet;
  };
  for (let at = 0; at < input.length && !ended; ) {
    const flags = input[at++] as number;
    for (let bit = 0; bit < 8 && at < input.length; bit++) {
      if (size + LONGEST > max) {
        say('too large');
        return out.subarray(0, size);
      }
      if ((flags & (1 << bit)) === 0) {
        put(input[at++] as number);
        continue;
      }
      const token = ((input[at] as number) << 8) | (input[at + 1] ?? 0);
      const cut = at + 1 === input.length;
      at += 2;
      const from = token >> 4;
      ended = from === write || cut;
      if (ended) break;
      for (let i = 0; i < (token & 15) + 2; i++) put(window[(from + i) % WINDOW] as number);
    }
  }
  if (size !== rawSize) say('malformed');
  return out.subarray(0, size);
}

export type RtfText = {
  readonly text: string;
  /** The HTML that the RTF was made from, when it says so. */
  readonly html: string | null;
};

type Group = {
  readonly into: 'text' | 'tag' | 'fonts' | 'nothing';
  readonly page: number;
  /** Characters that stand for one of `\u`. */
  readonly fallback: number;
  /** Between `\htmlrtf` and `\htmlrtf0`: not of the HTML. */
  readonly rtfOnly: boolean;
};

const DEPTH_MAX = 1_000;
const WORD = /([a-z]{1,32})(-?\d{1,9})? ?/iy;
const PLAIN = /[^\\{}\r\n]+/y;
/** Destinations of names, numbers and hexadecimal that are no text. */
const NO_TEXT = new Set(
  'colortbl stylesheet themedata colorschememapping datastore latentstyles listtable listoverridetable rsidtbl generator xmlnstbl mmathpr blipuid panose'.split(
    ' ',
  ),
);
const UNREAD = new Set(['pict', 'objdata']);
const CHARACTERS: ReadonlyMap<string, string> = new Map([
  ...'par line page sect row nestrow column \r \n'.split(' ').map((word) => [word, '\n'] as const),
  ...'tab cell nestcell'.split(' ').map((word) => [word, '\t'] as const),
  ...'emspace enspace qmspace ~'.split(' ').map((word) => [word, ' '] as const),
  ...[['emdash', '\u2014'] as const, ['endash', '\u2013'] as const, ['_', '-'] as const, ['bullet', '\u2022'] as const],
  ...[['lquote', '\u2018'] as const, ['rquote', '\u2019'] as const],
  ...[['ldblquote', '\u201c'] as const, ['rdblquote', '\u201d'] as const],
]);
/** `\fcharset` → code page. */
const FONT_PAGES: Readonly<Record<number, number>> = {
  77: 10000,
  128: 932,
  129: 949,
  134: 936,
  136: 950,
  161: 1253,
  162: 1254,
  163: 1258,
  177: 1255,
  178: 1256,
  186: 1257,
  204: 1251,
  222: 874,
  238: 1250,
};

/** Text of an RTF document. */
export function rtfText(rtf: Buffer, say: Say): RtfText {
  if (!rtf.subarray(0, 5).equals(Buffer.from('{\\rtf'))) say('format');
  return new Reading(rtf, say).all();
}

class Reading {
  private readonly source: string;
  private readonly say: Say;
  private readonly decode: (bytes: Buffer, page: number) => string;
  /** Octets of text in a row: a character may have two, and either may be escaped. */
  private readonly run: Buffer;
  private runSize = 0;
  private text = '';
  private html: string | null = null;
  private readonly outer: Group[] = [];
  private group: Group = { into: 'text', page: 0, fallback: 1, rtfOnly: false };
  private readonly fonts = new Map<number, number>();
  private font = 0;
  private page = 1252;
  private standardFont = -1;
  /** Characters still to be passed over behind `\u`. */
  private skip = 0;

  constructor(rtf: Buffer, say: Say) {
    this.source = rtf.toString('latin1');
    this.run = Buffer.allocUnsafe(rtf.length);
    this.say = say;
    this.decode = pageDecoder(say);
  }

  all(): RtfText {
    const { source } = this;
    let at = 0;
    while (at < source.length && at >= 0) {
      const c = source[at] as string;
      if (c === '{' || c === '}') at = this.turn(c) ? at + 1 : -1;
      else if (c === '\\') at = this.escape(at + 1);
      else if (c === '\r' || c === '\n') at += 1;
      else {
        PLAIN.lastIndex = at;
        const plain = (PLAIN.exec(source) as RegExpExecArray)[0];
        at += plain.length;
        const shown = plain.slice(this.skip);
        this.skip = Math.max(0, this.skip - plain.length);
        if (this.takes()) this.runSize += this.run.write(shown, this.runSize, 'latin1');
      }
    }
    this.flush();
    return { text: this.text, html: this.html };
  }

  private takes(): boolean {
    return this.group.into === 'text' || this.group.into === 'tag';
  }

  private turn(brace: '{' | '}'): boolean {
    this.flush();
    this.skip = 0;
    if (brace === '}') {
      this.group = this.outer.pop() ?? this.group;
      return true;
    }
    if (this.outer.length === DEPTH_MAX) {
      this.say('too deep');
      return false;
    }
    this.outer.push(this.group);
    return true;
  }

  /** Behind a backslash; returns where to go on. */
  private escape(at: number): number {
    const c = this.source[at] ?? '';
    if (c === "'") {
      const octet = Number.parseInt(this.source.slice(at + 1, at + 3), 16);
      if (this.skip > 0) this.skip -= 1;
      else if (this.takes() && !Number.isNaN(octet)) this.run[this.runSize++] = octet;
      return at + 3;
    }
    if (c === '\\' || c === '{' || c === '}') {
      if (this.skip > 0) this.skip -= 1;
      else if (this.takes()) this.run[this.runSize++] = c.charCodeAt(0);
      return at + 1;
    }
    WORD.lastIndex = at;
    const found = WORD.exec(this.source);
    if (!found) {
      const character = CHARACTERS.get(c);
      if (character !== undefined) this.give(character);
      return at + 1;
    }
    const word = (found[1] as string).toLowerCase();
    const number = found[2] === undefined ? null : Number(found[2]);
    const next = at + found[0].length;
    const isBinary = word === 'bin' && number !== null && number > 0;
    if (isBinary) this.say('format');
    else this.word(word, number);
    return isBinary ? next + number : next;
  }

  private word(word: string, number: number | null): void {
    const character = CHARACTERS.get(word);
    if (character !== undefined) this.give(character);
    else if (word === 'u') {
      this.give(String.fromCharCode((number ?? 0) & 0xffff));
      this.skip = this.group.fallback;
    } else this.change(word, number);
  }

  /** A word that changes how what follows is read. */
  private change(word: string, number: number | null): void {
    const { group } = this;
    const set = (changed: Partial<Group>) => {
      this.flush();
      this.group = { ...this.group, ...changed };
    };
    if (UNREAD.has(word)) {
      this.say('format');
      set({ into: 'nothing' });
    } else if (NO_TEXT.has(word)) set({ into: 'nothing' });
    else if (word === 'fonttbl') set({ into: 'fonts' });
    else if (word === 'htmltag') set({ into: 'tag' });
    else if (word === 'htmlrtf') set({ rtfOnly: number !== 0 });
    else if (word === 'fromhtml' && number !== 0) this.html ??= '';
    else if (word === 'uc') set({ fallback: Math.max(0, Math.min(number ?? 1, 100)) });
    else if (word === 'ansicpg') this.page = number ?? this.page;
    else if (word === 'deff') this.standardFont = number ?? -1;
    else if (word === 'plain') set({ page: this.fonts.get(this.standardFont) ?? 0 });
    else if (word === 'f' && group.into === 'fonts') this.font = number ?? 0;
    else if (word === 'f') set({ page: this.fonts.get(number ?? 0) ?? 0 });
    else if (word === 'fcharset') this.fonts.set(this.font, FONT_PAGES[number ?? 0] ?? 0);
    else if (word === 'cpg') this.fonts.set(this.font, number ?? 0);
  }

  /** A character that is no octet of the source. */
  private give(character: string): void {
    this.flush();
    if (this.skip > 0) this.skip -= 1;
    else if (this.takes()) this.add(character);
  }

  private flush(): void {
    if (this.runSize === 0) return;
    const bytes = this.run.subarray(0, this.runSize);
    this.runSize = 0;
    this.add(this.decode(bytes, this.group.page || this.page));
  }

  private add(text: string): void {
    const isTag = this.group.into === 'tag';
    if (!isTag) this.text += text;
    if (this.html === null || this.group.rtfOnly) return;
    this.html += isTag ? text : text.replace(/[&<>]/g, (c) => ESCAPES[c] as string);
  }
}

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };

function pageDecoder(say: Say): (bytes: Buffer, page: number) => string {
  const decoders = new Map<number, InstanceType<typeof TextDecoder> | null>();
  const open = (page: number) => {
    try {
      return new TextDecoder(charsetOf(page));
    } catch {
      return null;
    }
  };
  return (bytes, page) => {
    if (hasAscii(page) && isAscii(bytes)) return bytes.toString('latin1');
    const decoder = decoders.has(page) ? (decoders.get(page) ?? null) : open(page);
    decoders.set(page, decoder);
    if (decoder === null) say('charset');
    return decoder === null ? bytes.toString('latin1') : decoder.decode(bytes);
  };
}
