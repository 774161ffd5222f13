// Content transfer encodings (RFC 2045 §6) as streams: octets in, octets out, a few octets of state. Never throws; what
// is no base64 is passed over and told by `bad`. Quoted-printable that is not exact is left as it stands, as all do.

export type Decoder = {
  /** The result is only good until the next call. */
  readonly push: (bytes: Buffer) => Buffer;
  readonly end: () => Buffer;
  /** True when the text was not what its encoding allows. */
  readonly bad: () => boolean;
};

const NOTHING = Buffer.alloc(0);

/** `null` for 7bit, 8bit and binary, `undefined` for an encoding that nobody knows. */
export function decoderFor(encoding: string): Decoder | null | undefined {
  switch (encoding) {
    case '':
    case '7bit':
    case '8bit':
    case 'binary':
      return null;
    case 'base64':
      return base64Decoder();
    case 'quoted-printable':
      return quotedPrintableDecoder();
    default:
      return undefined;
  }
}

const SPACE = 64;
const PAD = 65;
const BAD = 66;
const VALUES = new Uint8Array(256).fill(BAD);
for (const c of ' \t\r\n') VALUES[c.charCodeAt(0)] = SPACE;
for (const [i, c] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'].entries()) {
  VALUES[c.charCodeAt(0)] = i;
}
VALUES['='.charCodeAt(0)] = PAD;

function base64Decoder(): Decoder {
  let quad = 0;
  let held = 0;
  let padded = false;
  let bad = false;

  const slow = (bytes: Buffer, from: number, to: number, out: Buffer, start: number): number => {
    let at = start;
    for (let i = from; i < to; i++) {
      const value = VALUES[bytes[i] as number] as number;
      if (value < SPACE) {
        if (padded) bad = true;
        quad = (quad << 6) | value;
        if (++held < 4) continue;
        out[at++] = quad >> 16;
        out[at++] = quad >> 8;
        out[at++] = quad;
        quad = held = 0;
      } else if (value === PAD) {
        at = flush(out, at);
        padded = true;
      } else if (value === BAD) bad = true;
    }
    return at;
  };
  const flush = (out: Buffer, start: number): number => {
    let at = start;
    if (held === 1 || (held === 0 && !padded)) bad = true;
    if (held >= 2) out[at++] = quad >> (held === 2 ? 4 : 10);
    if (held === 3) out[at++] = quad >> 2;
    quad = held = 0;
    return at;
  };

  const push = (bytes: Buffer): Buffer => {
    const out = Buffer.allocUnsafe(Math.ceil((bytes.length * 3) / 4) + 3);
    let from = 0;
    let at = 0;
    while (from < bytes.length) {
      const block = held === 0 && !padded ? evenLines(bytes, from) : 0;
      const decoded = block > 0 ? fast(bytes, from, block) : null;
      if (decoded) {
        at += decoded.copy(out, at);
        from += block;
        continue;
      }
      const lineFeed = block > 0 ? -1 : bytes.indexOf(10, from);
      const to = lineFeed < 0 ? bytes.length : lineFeed + 1;
      at = slow(bytes, from, to, out, at);
      from = to;
    }
    return out.subarray(0, at);
  };
  const end = (): Buffer => {
    if (held === 0) return NOTHING;
    const out = Buffer.allocUnsafe(3);
    bad = true;
    return out.subarray(0, flush(out, 0));
  };
  return { push, end, bad: () => bad };
}

/** Octets of a run of lines of one length, a multiple of four, CR LF included; 0 when there are not at least four. */
function evenLines(bytes: Buffer, from: number): number {
  const first = bytes.indexOf(13, from) - from;
  if (first <= 0 || first > 998 || first % 4 !== 0) return 0;
  const line = first + 2;
  let at = from;
  while (bytes[at + first] === 13 && bytes[at + first + 1] === 10) at += line;
  return at - from >= 4 * line ? at - from : 0;
}

/** Such a run by Node's decoder, which is many times faster; null when something in it was no base64. */
function fast(bytes: Buffer, from: number, length: number): Buffer | null {
  const first = bytes.indexOf(13, from) - from;
  const run = bytes.subarray(from, from + length);
  // Node takes the alphabet of RFC 4648 §5 too; a reader of mail passes over these two and sees other octets behind them.
  if (run.includes(45) || run.includes(95)) return null;
  const decoded = Buffer.from(run.toString('latin1'), 'base64');
  return decoded.length === ((length / (first + 2)) * first * 3) / 4 ? decoded : null;
}

function quotedPrintableDecoder(): Decoder {
  let held = '';

  const push = (bytes: Buffer): Buffer => {
    const data = held === '' ? bytes : Buffer.concat([Buffer.from(held, 'latin1'), bytes]);
    held = '';
    const out = Buffer.allocUnsafe(data.length);
    let at = 0;
    for (let i = 0; i < data.length; i++) {
      const octet = data[i] as number;
      if (octet !== 61) {
        out[at++] = octet;
        continue;
      }
      const blanks = blanksAt(data, i + 1);
      const rest = data.length - blanks;
      if (rest < 1 || (rest < 2 && data[blanks] !== 10)) {
        held = data.toString('latin1', i);
        break;
      }
      const next = data[blanks] as number;
      if (next === 10) i = blanks;
      else if (next === 13 && data[blanks + 1] === 10) i = blanks + 1;
      else {
        const value = (HEX[data[i + 1] as number] as number) * 16 + (HEX[data[i + 2] as number] as number);
        if (value < 256) {
          out[at++] = value;
          i += 2;
        } else out[at++] = octet;
      }
    }
    return out.subarray(0, at);
  };
  const end = (): Buffer => {
    const rest = /^=[ \t]*\r?$/.test(held) ? '' : held;
    held = '';
    return Buffer.from(rest, 'latin1');
  };
  return { push, end, bad: () => false };
}

/** RFC 2045 §6.7 (3): blanks at the end of a line were added on the way; a line has at most 76 characters. */
function blanksAt(data: Buffer, from: number): number {
  let at = from;
  while (at < data.length && at - from < 76 && (data[at] === 32 || data[at] === 9)) at++;
  return at;
}

const HEX = new Uint16Array(256).fill(256);
for (let i = 0; i < 16; i++) {
  HEX[i.toString(16).charCodeAt(0)] = i;
  HEX[i.toString(16).toUpperCase().charCodeAt(0)] = i;
}
