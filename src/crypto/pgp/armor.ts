// ASCII armor (RFC 9580 §6) at the speed of Buffer. The checksum is written, optional as it is: where the last line needs no
// padding and no checksum follows, GnuPG 2.2 reads the line behind it as base64 too, and finds the message manipulated. It
// is not looked at (RFC 9580 §6.1): what has to be authentic is so by other means.

export type Block = {
  /** `PGP MESSAGE`, `PGP PUBLIC KEY BLOCK`. */
  readonly label: string;
  /** Null when the block is cut off or has no blank line behind its headers. */
  readonly octets: Buffer | null;
};

const BEGIN = '-----BEGIN PGP ';
const DASHES = '-----';
/** Octets that make a line of 76 characters, the most that RFC 2045 §6.8 has. */
const LINE_OCTETS = 57;
const LINE_CHARACTERS = 76;

/** Every armored block of a text, in order; what stands between them is passed over. */
export function blocksIn(text: Buffer): Block[] {
  const blocks: Block[] = [];
  let at = lineStarting(text, BEGIN, 0);
  while (at >= 0) {
    const labelEnd = text.indexOf(DASHES, at + BEGIN.length);
    if (labelEnd < 0 || labelEnd - at > 80) return [...blocks, { label: '', octets: null }];
    const label = text.toString('latin1', at + DASHES.length + 'BEGIN '.length, labelEnd);
    const end = lineStarting(text, `-----END ${label}${DASHES}`, labelEnd);
    if (end < 0) return [...blocks, { label, octets: null }];
    blocks.push({ label, octets: octetsOf(text.subarray(labelEnd + DASHES.length, end)) });
    at = lineStarting(text, BEGIN, end);
  }
  return blocks;
}

function lineStarting(text: Buffer, words: string, from: number): number {
  let at = text.indexOf(words, from, 'latin1');
  while (at > 0 && text[at - 1] !== 10) at = text.indexOf(words, at + 1, 'latin1');
  return at;
}

function octetsOf(inner: Buffer): Buffer | null {
  const blank = /\n[ \t]*\r?\n/.exec(inner.toString('latin1', 0, 4_096));
  if (!blank) return null;
  let end = inner.length;
  // A checksum stands alone on the last line.
  const last = inner.lastIndexOf('\n=', undefined, 'latin1');
  if (last >= blank.index) end = last;
  return Buffer.from(inner.toString('latin1', blank.index + blank[0].length, end), 'base64');
}

/** The lines of an armored message with CR LF, none longer than 76 characters, as its octets come. */
export async function* armored(octets: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void, void> {
  yield Buffer.from(`${BEGIN}MESSAGE${DASHES}\r\n\r\n`);
  const encode = lineEncoder();
  const sum = checksum();
  for await (const chunk of octets) {
    sum.push(chunk);
    yield encode(chunk, false);
  }
  yield encode(Buffer.alloc(0), true);
  yield Buffer.from(`=${sum.end().toString('base64')}\r\n-----END PGP MESSAGE${DASHES}\r\n`);
}

/** Octets to whole lines of base64; what makes no line yet is kept for the next call, and given with the last one. */
function lineEncoder(): (chunk: Uint8Array, last: boolean) => Buffer {
  let rest: Buffer = Buffer.alloc(0);
  // One for all chunks: what is thrown away for each of them is what the process grows by.
  let text: Buffer = Buffer.alloc(0);
  return (chunk, last) => {
    const missing = rest.length === 0 ? 0 : Math.min(LINE_OCTETS - rest.length, chunk.length);
    const first = Buffer.concat([rest, chunk.subarray(0, missing)]);
    const body = asBuffer(chunk).subarray(missing);
    if (!last && first.length + body.length < LINE_OCTETS) {
      rest = Buffer.concat([first, body]);
      return Buffer.alloc(0);
    }
    const whole = last ? body.length : body.length - (body.length % LINE_OCTETS);
    rest = Buffer.from(body.subarray(whole));
    const encoded = first.toString('base64') + body.toString('base64', 0, whole);
    if (text.length < encoded.length) text = Buffer.allocUnsafe(encoded.length);
    return inLines(text.subarray(0, text.write(encoded, 'latin1')));
  };
}

function asBuffer(octets: Uint8Array): Buffer {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
}

function inLines(text: Buffer): Buffer {
  const out = Buffer.allocUnsafeSlow(text.length + 2 * Math.ceil(text.length / LINE_CHARACTERS));
  let to = 0;
  for (let from = 0; from < text.length; from += LINE_CHARACTERS) {
    to += text.copy(out, to, from, from + LINE_CHARACTERS);
    out[to++] = 13;
    out[to++] = 10;
  }
  return out;
}

// ── CRC-24 (RFC 9580 §6.1.1) ──

const CRC_INIT = 0xb704ce;
const CRC_POLYNOMIAL = 0x1864cfb;
/** What an octet does to the sum when no, one and two others follow: three octets make the whole of it new. */
const [LAST, SECOND, FIRST] = crcTables() as [Int32Array, Int32Array, Int32Array];

function crcTables(): Int32Array[] {
  const shifted = (value: number) => {
    let crc = value << 16;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x800000 ? (crc << 1) ^ CRC_POLYNOMIAL : crc << 1;
    return crc;
  };
  const last = Int32Array.from({ length: 256 }, (_, octet) => shifted(octet));
  const after = (crc: number) => ((crc << 8) & 0xffffff) ^ (last[crc >> 16] as number);
  const second = last.map(after);
  return [last, second, second.map(after)];
}

function checksum(): { readonly push: (octets: Uint8Array) => void; readonly end: () => Buffer } {
  let crc = CRC_INIT;
  const push = (octets: Uint8Array): void => {
    let at = 0;
    let sum = crc;
    for (const whole = octets.length - 2; at < whole; at += 3) {
      sum =
        (FIRST[(sum >> 16) ^ (octets[at] as number)] as number) ^
        (SECOND[((sum >> 8) & 0xff) ^ (octets[at + 1] as number)] as number) ^
        (LAST[(sum & 0xff) ^ (octets[at + 2] as number)] as number);
    }
    for (; at < octets.length; at++) {
      sum = ((sum << 8) & 0xffffff) ^ (LAST[(sum >> 16) ^ (octets[at] as number)] as number);
    }
    crc = sum;
  };
  const end = (): Buffer => Buffer.from([crc >> 16, (crc >> 8) & 0xff, crc & 0xff]);
  return { push, end };
}
