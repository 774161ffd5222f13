// TNEF (`winmail.dat`, [MS-OXTNEF]): what a message of Outlook or Exchange holds that does not stand in the MIME message around
// it: texts, properties, files, messages inside. Over one buffer; whatever is given out is a view of it. What is cut, too much
// or contradicts itself is said, and what stood before it is still given. Checksums are not compared: whoever shows such mail
// passes over them. Pure; never throws for content, logs nothing.

import type { UnreadReason } from '../../domain/types.ts';
import {
  BINARY,
  Cursor,
  isText,
  LONG,
  NAMED,
  numberIn,
  OBJECT,
  type Property,
  readProperties,
  UNICODE,
  withoutNuls,
} from './properties.ts';

export type TnefText = {
  readonly octets: Buffer;
  /** `ansi`, `html`: in the code page that `pages` has for these. */
  readonly coding: 'utf-16le' | 'utf-8' | 'ansi' | 'html';
  /** Name of the property where it has one of its own. */
  readonly label?: string;
};

export type TnefFile = {
  /** All that it is called, best first. */
  readonly names: readonly TnefText[];
  /** Media type as told; '' when none is. */
  readonly type: string;
  readonly data: Buffer;
  /** The data are TNEF: a message inside this one. */
  readonly isMessage: boolean;
};

export type Tnef = {
  /** Numbers of code pages; 0 where none is told. */
  readonly pages: { readonly ansi: number; readonly html: number };
  readonly subjects: readonly TnefText[];
  readonly bodies: readonly TnefText[];
  readonly htmls: readonly TnefText[];
  /** As [MS-OXRTFCP] compresses it. */
  readonly rtfs: readonly Buffer[];
  /** Header fields that the message came with: whole sections, and single ones by their label. */
  readonly headers: readonly TnefText[];
  /** Texts of properties that are not among those of every message: fields of forms, places of meetings. */
  readonly notes: readonly TnefText[];
  /** Texts of all other properties, and what is readable in octets that nothing here knows. */
  readonly fields: readonly TnefText[];
  readonly files: readonly TnefFile[];
};

/** True of a part that is read as TNEF. */
export function isTnef({ type, fileName }: { readonly type: string; readonly fileName: string }): boolean {
  if (type === 'application/ms-tnef' || type === 'application/vnd.ms-tnef') return true;
  return type === 'application/octet-stream' && fileName.toLowerCase() === 'winmail.dat';
}

const SIGNATURE = 0x223e9f78;
/** Bounds of one TNEF stream. */
const FILES_MAX = 1_000;
/** Names and data of files among them. */
const TEXTS_MAX = 100_000;
/** Octets of unknown meaning that are looked through. */
const UNKNOWN_MAX = 4_194_304;

/** [MS-OXTNEF] §2.1.3.2, without the type in the upper half. */
const ATTRIBUTE = {
  subject: 0x8004,
  messageId: 0x8009,
  body: 0x800c,
  fileData: 0x800f,
  fileTitle: 0x8010,
  filePath: 0x9001,
  file: 0x9002,
  properties: 0x9003,
  recipients: 0x9004,
  fileProperties: 0x9005,
  codePage: 0x9007,
} as const;
/** [MS-OXPROPS]. */
const PROPERTY = {
  subject: 0x0037,
  topic: 0x0070,
  headers: 0x007d,
  plainSubject: 0x0e1d,
  body: 0x1000,
  rtf: 0x1009,
  html: 0x1013,
  displayName: 0x3001,
  data: 0x3701,
  shortName: 0x3704,
  longName: 0x3707,
  mediaType: 0x370e,
  internetCodePage: 0x3fde,
  codePage: 0x3ffd,
} as const;
/** Identifiers that programs made. */
const MACHINE_PROPERTIES: ReadonlySet<number> = new Set([0x001a, 0x1035, 0x1039, 0x1042]);

const I_MESSAGE = Buffer.from('0703020000000000c000000000000046', 'hex');
/** PS_INTERNET_HEADERS. */
const HEADERS = Buffer.from('8603020000000000c000000000000046', 'hex');

/** Reads a TNEF stream, up to where it makes no sense; `say` is told why it was not read whole, maybe more than once. */
export function readTnef(bytes: Buffer, say: (reason: UnreadReason) => void): Tnef {
  const cursor = new Cursor(bytes);
  const found = new Found(say);
  if (cursor.number(4) !== SIGNATURE) say('format');
  else {
    cursor.take(2);
    while (!cursor.isDone() && !cursor.failed) readAttribute(cursor, found);
    if (cursor.failed) say('malformed');
  }
  return found.all();
}

/** [MS-OXTNEF] §2.1.3: level, id, length, octets, checksum. */
function readAttribute(cursor: Cursor, found: Found): void {
  const level = cursor.number(1);
  const id = cursor.number(4) & 0xffff;
  const octets = cursor.take(cursor.number(4));
  // Some writers leave out the last checksum.
  if (!cursor.failed) cursor.at = Math.min(cursor.bytes.length, cursor.at + 2);
  if (level !== 1 && level !== 2) cursor.failed = true;
  if (cursor.failed) return;
  if (level === 1) found.message(id, octets);
  else found.attached(id, octets);
}

type Attached = {
  readonly names: { readonly rank: number; readonly name: TnefText }[];
  readonly data: { readonly octets: Buffer; readonly isMessage: boolean }[];
  type: string;
};

/** What is gathered until code pages and names are known. */
class Found {
  private readonly say: (reason: UnreadReason) => void;
  private readonly pages = { oem: 0, message: 0, internet: 0 };
  private readonly subjects: TnefText[] = [];
  private readonly bodies: TnefText[] = [];
  private readonly htmls: TnefText[] = [];
  private readonly rtfs: Buffer[] = [];
  private readonly headers: TnefText[] = [];
  private readonly notes: TnefText[] = [];
  private readonly fields: TnefText[] = [];
  private readonly files: Attached[] = [];
  private isFull = false;
  private texts = 0;
  private unknown = 0;

  constructor(say: (reason: UnreadReason) => void) {
    this.say = say;
  }

  message(id: number, octets: Buffer): void {
    const text: TnefText = { octets, coding: 'ansi' };
    if (id === ATTRIBUTE.subject) this.add(this.subjects, text);
    else if (id === ATTRIBUTE.body) this.add(this.bodies, text);
    else if (id === ATTRIBUTE.codePage) this.pages.oem = numberIn(octets);
    else if (id === ATTRIBUTE.properties) this.list(octets, (property) => this.property(property));
    else if (id === ATTRIBUTE.recipients) {
      this.rows(octets, (property) => {
        if (isText(property)) this.other(property);
      });
    } else if (id !== ATTRIBUTE.messageId) this.readable(octets);
  }

  attached(id: number, octets: Buffer): void {
    if (id === ATTRIBUTE.file || this.files.length === 0) this.files.push({ names: [], data: [], type: '' });
    if (this.files.length > FILES_MAX) {
      this.say('too many parts');
      this.files.pop();
      this.isFull = true;
    }
    if (this.isFull) return;
    const file = this.files.at(-1) as Attached;
    const name: TnefText = { octets, coding: 'ansi' };
    if (id === ATTRIBUTE.fileData) this.data(file, octets, false);
    else if (id === ATTRIBUTE.fileTitle) this.name(file, 1, name);
    else if (id === ATTRIBUTE.filePath) this.name(file, 4, name);
    else if (id === ATTRIBUTE.fileProperties) this.list(octets, (property) => this.fileProperty(file, property));
    else if (id !== ATTRIBUTE.file) this.readable(octets);
  }

  all(): Tnef {
    const { pages, subjects, bodies, htmls, rtfs, headers, notes, fields } = this;
    const files = this.files.flatMap(({ names, data, type }): TnefFile[] => {
      // By reference: it is elsewhere.
      if (data.length === 0) this.say('format');
      const sorted = [...names].sort((a, b) => a.rank - b.rank).map(({ name }) => name);
      return data.map(({ octets, isMessage }) => ({ names: sorted, type, data: octets, isMessage }));
    });
    const ansi = pages.oem || pages.message || pages.internet;
    const html = pages.internet || pages.message || pages.oem;
    return { pages: { ansi, html }, subjects, bodies, htmls, rtfs, headers, notes, fields, files };
  }

  private property(property: Property): void {
    const { id, type, octets } = property;
    if (id === PROPERTY.internetCodePage && type === LONG) this.pages.internet = numberIn(octets);
    else if (id === PROPERTY.codePage && type === LONG) this.pages.message = numberIn(octets);
    else if (id === PROPERTY.rtf && type === BINARY) this.rtf(octets);
    else if (id === PROPERTY.html && type === BINARY) this.add(this.htmls, { octets, coding: 'html' });
    else if (!isText(property)) this.binary(property);
    else if (id === PROPERTY.html) this.add(this.htmls, textOf(property));
    else if (id === PROPERTY.body) this.add(this.bodies, textOf(property));
    else if (SUBJECTS.has(id)) this.add(this.subjects, textOf(property));
    else this.other(property);
  }

  private fileProperty(file: Attached, property: Property): void {
    const { id, type, octets } = property;
    const rank = NAMES.indexOf(id);
    if (id === PROPERTY.data && type === BINARY) this.data(file, octets, false);
    else if (id === PROPERTY.data && type === OBJECT) {
      this.data(file, octets.subarray(16), octets.subarray(0, 16).equals(I_MESSAGE));
    } else if (!isText(property)) this.binary(property);
    else if (id === PROPERTY.mediaType) file.type = asciiOf(property);
    else if (rank >= 0) this.name(file, rank, textOf(property));
    else this.other(property);
  }

  private other(property: Property): void {
    const { id, space, label } = property;
    const text = textOf(property);
    if (id === PROPERTY.headers || (label !== '' && space.equals(HEADERS))) this.add(this.headers, text);
    else if (id >= NAMED) this.add(this.notes, text);
    else if (!MACHINE_PROPERTIES.has(id)) this.add(this.fields, text);
  }

  private binary({ type, octets }: Property): void {
    if (type === BINARY || type === OBJECT) this.readable(octets);
  }

  /** Octets of which nothing is known but that a program wrote them: the texts that stand in them. */
  private readable(octets: Buffer): void {
    this.unknown += octets.length;
    if (this.unknown > UNKNOWN_MAX) {
      this.say('too large');
      return;
    }
    const text = octets.toString('latin1');
    const runs = [...(text.match(/[\x20-\x7e]{6,}/g) ?? []), ...(text.match(/(?:[\x20-\x7e]\0){6,}/g) ?? [])];
    const joined = runs.map((run) => run.replaceAll('\0', '')).join('; ');
    this.add(this.fields, { octets: Buffer.from(joined), coding: 'utf-8' });
  }

  private list(octets: Buffer, give: (property: Property) => void): void {
    const cursor = new Cursor(octets);
    readProperties(cursor, give);
    if (!cursor.isDone()) this.say('malformed');
  }

  private rows(octets: Buffer, give: (property: Property) => void): void {
    const cursor = new Cursor(octets);
    for (let left = cursor.number(4); left > 0 && !cursor.failed; left--) readProperties(cursor, give);
    if (!cursor.isDone()) this.say('malformed');
  }

  private add(list: TnefText[], text: TnefText): void {
    if (text.octets.length > 0 && this.counts()) list.push(text);
  }

  private rtf(octets: Buffer): void {
    if (this.counts()) this.rtfs.push(octets);
  }

  private name(file: Attached, rank: number, name: TnefText): void {
    if (this.counts()) file.names.push({ rank, name });
  }

  private data(file: Attached, octets: Buffer, isMessage: boolean): void {
    if (this.counts()) file.data.push({ octets, isMessage });
  }

  private counts(): boolean {
    this.texts += 1;
    if (this.texts > TEXTS_MAX) this.say('too large');
    return this.texts <= TEXTS_MAX;
  }
}

const SUBJECTS: ReadonlySet<number> = new Set([PROPERTY.subject, PROPERTY.topic, PROPERTY.plainSubject]);
/** Best first; the title of the attribute stands between the first two. */
const NAMES: readonly number[] = [PROPERTY.longName, -1, PROPERTY.displayName, PROPERTY.shortName];

function textOf({ id, type, octets, label }: Property): TnefText {
  const coding = type === UNICODE ? 'utf-16le' : id === PROPERTY.html ? 'html' : 'ansi';
  return { octets, coding, ...(label === '' ? {} : { label }) };
}

function asciiOf({ type, octets }: Property): string {
  return withoutNuls(octets.toString(type === UNICODE ? 'utf16le' : 'latin1'));
}
