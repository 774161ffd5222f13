// Mail data → the same mail data in 7 bits (RFC 6152 §3), for a next hop without 8BITMIME. Streams line by line; keeps at
// most the header section of one part and 256 kB of its body. Text parts become quoted-printable, others base64; what is
// 7-bit already stays as it is, octet by octet. Refuses (ConversionError) what cannot be converted without breaking it:
// 8-bit inside multipart/signed, in header sections, in parts encoded already. Logs nothing.

import { Base64Lines, quotedPrintable } from './encodings.ts';

/** The mail data cannot be put into 7 bits; `message` in words, without data. */
export class ConversionError extends Error {}

const MAX_LINE = 1_048_576;
const MAX_HEADER = 1_048_576;
const PROBE = 262_144;
const LF = 10;
const CR = 13;
const NOT_ASCII = /[\x80-\xff]/g;

type Frame = { readonly boundary: string; readonly digest: boolean };
/** What is done with body lines of the part at hand. */
type Mode = 'header' | 'outside' | 'strict' | 'probe' | 'quoted-printable' | 'base64';

/** Chunks may be cut anywhere, lines end with CR LF. Throws ConversionError while it is read. */
export async function* toSevenBit(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const converter = new Converter();
  for await (const chunk of source) {
    const out = converter.push(chunk);
    if (out.length > 0) yield out;
  }
  yield converter.end();
}

class Converter {
  #rest: Buffer = Buffer.alloc(0);
  #out: string[] = [];
  #mode: Mode = 'header';
  readonly #frames: Frame[] = [];
  #header: string[] = [];
  #held: string[] = [];
  #heldSize = 0;
  #isText = false;
  #declared8 = false;
  #isTop = true;
  #base64 = new Base64Lines();

  push(chunk: Uint8Array): Buffer {
    const bytes = this.#rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#rest, chunk]);
    let start = 0;
    for (let end = bytes.indexOf(LF); end >= 0; end = bytes.indexOf(LF, start)) {
      const stop = end > start && bytes[end - 1] === CR ? end - 1 : end;
      this.#line(bytes.toString('latin1', start, stop));
      start = end + 1;
    }
    this.#rest = bytes.subarray(start);
    if (this.#rest.length > MAX_LINE) throw new ConversionError('line too long to convert');
    return this.#flush();
  }

  end(): Buffer {
    if (this.#rest.length > 0) this.#line(this.#rest.toString('latin1'));
    if (this.#mode === 'header') for (const line of this.#header) this.#emit(line);
    else this.#endPart(true);
    return this.#flush();
  }

  #flush(): Buffer {
    const out = Buffer.from(this.#out.join(''), 'latin1');
    this.#out = [];
    return out;
  }

  #emit(line: string): void {
    this.#out.push(line, '\r\n');
  }

  #line(line: string): void {
    if (this.#frames.length > 0 && line.startsWith('--') && this.#atBoundary(line)) return;
    switch (this.#mode) {
      case 'header':
        this.#headerLine(line);
        break;
      case 'outside':
        // Preamble and epilogue are shown to nobody.
        this.#emit(line.replace(NOT_ASCII, '?'));
        break;
      case 'probe':
        this.#probe(line);
        break;
      default:
        this.#bodyLine(this.#mode, line);
    }
  }

  #bodyLine(mode: 'strict' | 'quoted-printable' | 'base64', line: string): void {
    if (mode === 'strict' && isEightBit(line)) throw new ConversionError('8-bit text where no encoding is allowed');
    if (mode === 'base64') this.#out.push(this.#base64.line(line));
    else this.#emit(mode === 'quoted-printable' ? quotedPrintable(line) : line);
  }

  /** RFC 2046 §5.1.1: the innermost frame that fits; a delimiter of an outer one ends the inner ones too. */
  #atBoundary(line: string): boolean {
    for (let i = this.#frames.length - 1; i >= 0; i--) {
      const delimiter = `--${this.#frames[i]?.boundary}`;
      if (!line.startsWith(delimiter)) continue;
      const tail = line.slice(delimiter.length);
      const closes = /^--[ \t]*$/.test(tail);
      if (!closes && !/^[ \t]*$/.test(tail)) continue;
      if (this.#mode === 'header') for (const field of this.#header) this.#emit(field);
      else this.#endPart(false);
      this.#frames.length = closes ? i : i + 1;
      this.#header = [];
      this.#mode = closes ? 'outside' : 'header';
      this.#emit(line);
      return true;
    }
    return false;
  }

  #headerLine(line: string): void {
    if (isEightBit(line)) throw new ConversionError('8-bit header field');
    if (line !== '') {
      this.#heldSize += line.length;
      if (this.#heldSize > MAX_HEADER) throw new ConversionError('header section too long to convert');
      this.#header.push(line);
      return;
    }
    this.#heldSize = 0;
    this.#beginBody();
  }

  #beginBody(): void {
    const type = contentType(fieldOf(this.#header, 'content-type'), this.#frames.at(-1)?.digest ?? false);
    const encoding = (fieldOf(this.#header, 'content-transfer-encoding') ?? '7bit')
      .replace(/\([^)]*\)|[;\s]/g, '')
      .toLowerCase();
    this.#declared8 = encoding === '8bit' || encoding === 'binary';
    const identity = this.#declared8 || encoding === '7bit';
    this.#isText = type.media.startsWith('text/');
    const nested = type.media === 'message/rfc822' || type.media === 'message/global';
    const multipart = type.media.startsWith('multipart/');
    const down = this.#declared8 ? '7bit' : null;
    if (multipart && type.media !== 'multipart/signed' && identity && type.boundary !== null) {
      this.#emitHeader(down, 'outside');
      this.#frames.push({ boundary: type.boundary, digest: type.media === 'multipart/digest' });
    } else if (nested && identity) {
      this.#emitHeader(down, 'header');
    } else if (multipart || type.media.startsWith('message/') || !identity) {
      this.#emitHeader(null, 'strict');
    } else {
      this.#mode = 'probe';
    }
  }

  /** Writes the header section, with this Content-Transfer-Encoding when one is given, and goes on in `mode`. */
  #emitHeader(encoding: string | null, mode: Mode): void {
    const fields = encoding === null ? this.#header : withEncoding(this.#header, encoding, this.#isTop);
    for (const line of fields) this.#emit(line);
    this.#emit('');
    this.#header = [];
    this.#isTop = false;
    this.#mode = mode;
  }

  /** Holds lines back until it is known whether the part needs an encoding. */
  #probe(line: string): void {
    const eightBit = isEightBit(line);
    this.#held.push(line);
    this.#heldSize += line.length + 2;
    if (eightBit || (this.#heldSize > PROBE && this.#declared8)) this.#encodeHeld();
    else if (this.#heldSize > PROBE) this.#passHeld();
  }

  #encodeHeld(): void {
    const encoding = this.#isText ? 'quoted-printable' : 'base64';
    this.#emitHeader(encoding, encoding);
    this.#base64 = new Base64Lines();
    this.#replay();
  }

  #passHeld(): void {
    this.#emitHeader(null, 'strict');
    this.#replay();
  }

  #replay(): void {
    const held = this.#held;
    this.#held = [];
    this.#heldSize = 0;
    const mode = this.#mode;
    if (mode !== 'strict' && mode !== 'quoted-printable' && mode !== 'base64') return;
    for (const line of held) this.#bodyLine(mode, line);
  }

  /** `last`: the message ends here, so the end of the last line is data; before a delimiter it is the delimiter's. */
  #endPart(last: boolean): void {
    if (this.#mode === 'probe') this.#passHeld();
    if (this.#mode === 'base64') this.#out.push(this.#base64.end(last));
  }
}

function isEightBit(line: string): boolean {
  return line.search(NOT_ASCII) >= 0;
}

/** Value of a field, unfolded; null when there is none. `name` in lower case. */
function fieldOf(lines: readonly string[], name: string): string | null {
  const at = lines.findIndex((line) => line.toLowerCase().startsWith(`${name}:`));
  if (at < 0) return null;
  let value = lines[at]?.slice(name.length + 1) ?? '';
  for (let i = at + 1; /^[ \t]/.test(lines[i] ?? ''); i++) value += lines[i];
  return value.trim();
}

function contentType(value: string | null, digest: boolean): { media: string; boundary: string | null } {
  // RFC 2046 §5.1.5: parts of a digest are messages unless they say otherwise.
  if (value === null) return { media: digest ? 'message/rfc822' : 'text/plain', boundary: null };
  const media = /^[^\s;()]+/.exec(value)?.[0].toLowerCase() ?? 'text/plain';
  const found = /;\s*boundary\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;()]+))/i.exec(value);
  const boundary = found?.[1]?.replace(/\\(.)/g, '$1') ?? found?.[2] ?? null;
  return { media, boundary: boundary === '' ? null : boundary };
}

function withEncoding(lines: readonly string[], encoding: string, top: boolean): string[] {
  const out: string[] = [];
  let dropping = false;
  for (const line of lines) {
    if (!/^[ \t]/.test(line)) dropping = /^content-transfer-encoding:/i.test(line);
    if (!dropping) out.push(line);
  }
  if (top && fieldOf(out, 'mime-version') === null) out.push('MIME-Version: 1.0');
  // RFC 1428 §3: what was 8-bit without a word about its charset.
  if (top && fieldOf(out, 'content-type') === null) out.push('Content-Type: text/plain; charset=unknown-8bit');
  out.push(`Content-Transfer-Encoding: ${encoding}`);
  return out;
}
