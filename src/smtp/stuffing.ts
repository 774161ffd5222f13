// The last look at mail data before the wire: dots stuffed (RFC 5321 §4.5.2), and proof that nothing leaves which a
// lenient server could read as an end of data or a command. Whatever made the body, a bare CR, bare LF or NUL stops the
// transmission here. Logs nothing.

import { lineCheck } from '../mail/lines.ts';

/** `message` in words, without data. */
export class ContentError extends Error {}

const LF = 10;
const DOT = 46;
const LF_DOT = Buffer.from('\n.');
const DOT_BYTES = Uint8Array.of(DOT);
const CRLF = Uint8Array.of(13, LF);

/** Written after what `end` says. */
export const FINAL_DOT = Uint8Array.of(DOT, 13, LF);

export class Stuffer {
  readonly #sevenBit: boolean;
  readonly #check = lineCheck();
  // As if a line had just ended: a dot that opens the mail data is stuffed too.
  #atLineStart = true;

  /** `sevenBit`: the peer cannot take octets ≥ 0x80. */
  constructor(options: { readonly sevenBit: boolean }) {
    this.#sevenBit = options.sevenBit;
  }

  /** Pieces to be written in order, views into `chunk` (which may be cut anywhere). Throws ContentError. */
  push(chunk: Uint8Array): Uint8Array[] {
    if (chunk.length === 0) return [];
    const fault = this.#check.push(chunk);
    if (fault !== null) throw new ContentError(`${fault} in mail data`);
    if (this.#sevenBit && chunk.some((byte) => byte > 0x7f)) throw new ContentError('8-bit octet for a 7-bit peer');
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const pieces: Uint8Array[] = [];
    if (this.#atLineStart && bytes[0] === DOT) pieces.push(DOT_BYTES);
    let from = 0;
    for (let at = bytes.indexOf(LF_DOT); at >= 0; at = bytes.indexOf(LF_DOT, at + 1)) {
      pieces.push(bytes.subarray(from, at + 1), DOT_BYTES);
      from = at + 1;
    }
    pieces.push(from === 0 ? bytes : bytes.subarray(from));
    this.#atLineStart = bytes[bytes.length - 1] === LF;
    return pieces;
  }

  /** What must still be written before the final dot: the missing end of the last line, or nothing. Throws ContentError. */
  end(): Uint8Array[] {
    const fault = this.#check.end();
    if (fault !== null) throw new ContentError(`${fault} in mail data`);
    return this.#atLineStart ? [] : [CRLF];
  }
}
