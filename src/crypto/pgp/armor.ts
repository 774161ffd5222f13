// ASCII armor (RFC 9580 §6) at the speed of Buffer. The checksum is neither written nor looked at: it is optional, RFC 9580
// §6.1 tells readers to ignore it, and what has to be authentic is so by other means.

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
  const checksum = inner.lastIndexOf('\n=', undefined, 'latin1');
  if (checksum >= blank.index) end = checksum;
  return Buffer.from(inner.toString('latin1', blank.index + blank[0].length, end), 'base64');
}

/** The lines of an armored message with CR LF, none longer than 76 characters, as its octets come. */
export async function* armored(octets: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void, void> {
  yield Buffer.from(`${BEGIN}MESSAGE${DASHES}\r\n\r\n`);
  const encode = lineEncoder();
  for await (const chunk of octets) yield encode(chunk, false);
  yield encode(Buffer.alloc(0), true);
  yield Buffer.from(`-----END PGP MESSAGE${DASHES}\r\n`);
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
