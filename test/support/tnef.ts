// TNEF as Outlook and Exchange write it ([MS-OXTNEF]), with compressed RTF ([MS-OXRTFCP]). An encoder of our own, since the
// samples that are about are other people's mail.

export type TnefProperty = readonly [id: number, value: string | Buffer | number | Embedded, options?: PropertyOptions];
type PropertyOptions = {
  /** PT_STRING8 in that coding instead of PT_UNICODE. */
  readonly ansi?: BufferEncoding;
  /** A named property: its namespace is PS_PUBLIC_STRINGS unless given. */
  readonly name?: string | number;
  readonly space?: string;
  /** The value stands there so often. */
  readonly times?: number;
};
export type Embedded = { readonly message?: Buffer; readonly storage?: Buffer };
export type TnefAttachment = {
  /** `attAttachTitle`. */
  readonly title?: string;
  /** `attAttachData`. */
  readonly data?: Buffer;
  readonly properties?: readonly TnefProperty[];
  readonly metafile?: Buffer;
};
export type TnefMessage = {
  readonly subject?: string;
  /** `attBody`. */
  readonly body?: Buffer | string;
  readonly codePage?: number;
  readonly properties?: readonly TnefProperty[];
  readonly recipients?: readonly (readonly TnefProperty[])[];
  readonly attachments?: readonly TnefAttachment[];
};

export const PR = {
  subject: 0x0037,
  headers: 0x007d,
  body: 0x1000,
  rtf: 0x1009,
  html: 0x1013,
  displayName: 0x3001,
  attachData: 0x3701,
  attachName: 0x3704,
  attachMethod: 0x3705,
  attachLongName: 0x3707,
  attachType: 0x370e,
  internetCodePage: 0x3fde,
} as const;

export function tnef(message: TnefMessage): Buffer {
  const nul = (text: string) => Buffer.from(`${text}\0`, 'latin1');
  const parts = [
    u32(0x223e9f78),
    u16(0x0001),
    attribute(1, 0x00089006, u32(0x10000)),
    attribute(1, 0x00069007, Buffer.concat([u32(message.codePage ?? 1252), u32(0)])),
    attribute(1, 0x00078008, nul('IPM.Microsoft Mail.Note')),
  ];
  const { subject, body, properties, recipients } = message;
  if (subject !== undefined) parts.push(attribute(1, 0x00018004, nul(subject)));
  if (body !== undefined) parts.push(attribute(1, 0x0002800c, typeof body === 'string' ? nul(body) : body));
  if (recipients) {
    parts.push(attribute(1, 0x00069004, Buffer.concat([u32(recipients.length), ...recipients.map(listOf)])));
  }
  if (properties) parts.push(attribute(1, 0x00069003, listOf(properties)));
  for (const one of message.attachments ?? []) {
    const rendering = Buffer.alloc(14);
    rendering.writeUInt16LE(1);
    parts.push(attribute(2, 0x00069002, rendering));
    if (one.data) parts.push(attribute(2, 0x0006800f, one.data));
    if (one.title !== undefined) parts.push(attribute(2, 0x00018010, nul(one.title)));
    if (one.metafile) parts.push(attribute(2, 0x00068011, one.metafile));
    if (one.properties) parts.push(attribute(2, 0x00069005, listOf(one.properties)));
  }
  return Buffer.concat(parts);
}

export function attribute(level: number, id: number, data: Buffer): Buffer {
  let sum = 0;
  for (const octet of data) sum = (sum + octet) & 0xffff;
  return Buffer.concat([Buffer.from([level]), u32(id), u32(data.length), data, u16(sum)]);
}

export function listOf(properties: readonly TnefProperty[]): Buffer {
  return Buffer.concat([u32(properties.length), ...properties.map(propertyOf)]);
}

function propertyOf([id, value, { ansi, name, space, times } = {}]: TnefProperty): Buffer {
  const type = typeOf(value, ansi);
  const many = times === undefined ? 0 : 0x1000;
  const head = [u16(type | many), u16(id)];
  if (name !== undefined) {
    head.push(Buffer.from(space ?? '2903020000000000c000000000000046', 'hex'));
    if (typeof name === 'number') head.push(u32(0), u32(name));
    else head.push(u32(1), sized(Buffer.from(`${name}\0`, 'utf16le')));
  }
  const one = typeof value === 'number' ? u32(value) : sized(octetsOf(value, ansi));
  const count = typeof value === 'number' && times === undefined ? [] : [u32(times ?? 1)];
  return Buffer.concat([...head, ...count, ...Array<Buffer>(times ?? 1).fill(one)]);
}

function typeOf(value: TnefProperty[1], ansi?: BufferEncoding): number {
  if (typeof value === 'number') return 0x0003;
  if (typeof value === 'string') return ansi ? 0x001e : 0x001f;
  return Buffer.isBuffer(value) ? 0x0102 : 0x000d;
}

function octetsOf(value: string | Buffer | Embedded, ansi?: BufferEncoding): Buffer {
  if (typeof value === 'string') return Buffer.from(`${value}\0`, ansi ?? 'utf16le');
  if (Buffer.isBuffer(value)) return value;
  // IID_IMessage, IID_IStorage.
  const id = value.message ? '0703020000000000c000000000000046' : '0b00000000000000c000000000000046';
  return Buffer.concat([Buffer.from(id, 'hex'), value.message ?? value.storage ?? Buffer.alloc(0)]);
}

const u16 = (n: number): Buffer => Buffer.from([n & 255, n >> 8]);
export function u32(n: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(n);
  return out;
}
function sized(data: Buffer): Buffer {
  return Buffer.concat([u32(data.length), data, Buffer.alloc(-data.length & 3)]);
}

// ── compressed RTF ────────────────────────────────────────────────────────────────────────────────────────────────

const START =
  '{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx';

/** LZFu, by the longest match in the window (the writer of [MS-OXRTFCP] §3.2, slow). */
export function compressRtf(rtf: string | Buffer): Buffer {
  const input = typeof rtf === 'string' ? Buffer.from(rtf, 'latin1') : rtf;
  const window = Buffer.alloc(4_096);
  let write = window.write(START, 'latin1');
  let filled = write;
  const out: Buffer[] = [];
  let flags = 0;
  let tokens: Buffer[] = [];
  const token = (bytes: Buffer, isReference: boolean) => {
    if (isReference) flags |= 1 << tokens.length;
    tokens.push(bytes);
    if (tokens.length < 8) return;
    out.push(Buffer.from([flags]), ...tokens);
    flags = 0;
    tokens = [];
  };
  for (let at = 0; at < input.length; ) {
    const { from, length } = longest(window.subarray(0, filled), write, input, at);
    const reference = (from << 4) | (length - 2);
    if (length >= 2) token(Buffer.from([reference >> 8, reference & 255]), true);
    else token(input.subarray(at, at + 1), false);
    for (let i = 0; i < Math.max(1, length); i++) {
      window[write] = input[at++] as number;
      write = (write + 1) % 4_096;
      filled = Math.max(filled, write);
    }
  }
  token(Buffer.from([write >> 4, (write << 4) & 255]), true);
  if (tokens.length > 0) out.push(Buffer.from([flags]), ...tokens);
  return framed('LZFu', Buffer.concat(out), input.length);
}

/** So many octets out of an eighth as many. */
export function rtfBomb(octets: number): Buffer {
  const groups = Buffer.alloc(Math.ceil(octets / 136) * 17, 0xff);
  let write = START.length;
  for (let at = 0; at < groups.length; at += 17) {
    for (let token = 0; token < 8; token++) {
      // A reference to the place of writing would be the end.
      groups.writeUInt16BE(write === 0 ? 0x001f : 0x000f, at + 1 + token * 2);
      write = (write + 17) % 4_096;
    }
  }
  return framed('LZFu', groups, (groups.length / 17) * 136);
}

/** The uncompressed form. */
export function plainRtf(rtf: string): Buffer {
  return framed('MELA', Buffer.from(rtf, 'latin1'), rtf.length);
}

function framed(kind: 'LZFu' | 'MELA', data: Buffer, size: number): Buffer {
  const sum = kind === 'LZFu' ? crc(data) : 0;
  return Buffer.concat([u32(data.length + 12), u32(size), Buffer.from(kind), u32(sum), data]);
}

function longest(window: Buffer, write: number, input: Buffer, at: number): { from: number; length: number } {
  for (let length = Math.min(17, input.length - at); length >= 2; length--) {
    // Not over the place of writing, where old octets end.
    const wanted = input.subarray(at, at + length);
    for (let from = window.indexOf(wanted); from >= 0; from = window.indexOf(wanted, from + 1)) {
      if (from !== write && (from + length <= write || from > write)) return { from, length };
    }
  }
  return { from: 0, length: 0 };
}

/** [MS-OXRTFCP] §2.1.3.2: that of ZIP without the complements. */
function crc(data: Buffer): number {
  let value = 0;
  for (const octet of data) {
    value ^= octet;
    for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? 0xedb88320 : 0);
  }
  return value >>> 0;
}
