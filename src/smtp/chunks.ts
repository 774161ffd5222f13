// Mail data that BDAT counts (RFC 3030): no dot means anything here, and only the count says where a chunk ends. A bare LF
// becomes CRLF, since that is what CHUNKING is used for; a bare CR and NUL are refused as in DATA. Pure; logs nothing.
//
// What `push` is given is the last that anybody sees of the octets as they were sent: a DKIM signature over bare LFs could be
// verified there only.

import type { Reply } from '../domain/types.ts';
import { Controls } from '../mail/lines.ts';
import { REPLIES } from './answers.ts';
import type { Step } from './data.ts';

const NUL = 0;
const LF = 10;
const CR = 13;
const NOTHING = new Uint8Array(0);
const CRLF = Uint8Array.of(CR, LF);

/** Reads the chunks of one message, which may be cut anywhere, also between CR and LF. */
export class ChunkReader {
  /** Set at the first bare CR or NUL; content after it is not given any more, the chunks are still counted. */
  fault: Reply | null;
  /** Octets that the present chunk still has. */
  #left = 0;
  /** The octet before the next one. A message begins as if a line had just ended. */
  #before = LF;

  /** `fault`: why nothing of it is taken, known before it comes. */
  constructor(fault: Reply | null = null) {
    this.fault = fault;
  }

  /** The next chunk has so many octets, at least one. */
  expect(size: number): void {
    this.#left = size;
  }

  /** Takes octets of the present chunk, `ended` where that one ends. */
  push(octets: Uint8Array): Step {
    const used = Math.min(this.#left, octets.length);
    this.#left -= used;
    const content = this.fault ? NOTHING : this.#canonical(octets.subarray(0, used));
    return { used, content: this.fault ? NOTHING : content, ended: this.#left === 0 };
  }

  /** After the last chunk: what completes the last line, as DATA could not be without it. */
  end(): Step {
    if (this.#before === CR) this.fault ??= REPLIES.bareCrInChunk;
    return { used: 0, content: this.fault || this.#before === LF ? NOTHING : CRLF, ended: true };
  }

  #canonical(octets: Uint8Array): Uint8Array {
    const n = octets.length;
    const bare: number[] = [];
    if (this.#before === CR && octets[0] !== LF) this.fault = REPLIES.bareCrInChunk;
    const controls = new Controls(octets);
    for (let i = controls.from(0); i < n; i = controls.from(i + 1)) {
      const octet = octets[i];
      if (octet === LF && (i === 0 ? this.#before : octets[i - 1]) !== CR) bare.push(i);
      else if (octet === CR && i + 1 < n && octets[i + 1] !== LF) this.fault ??= REPLIES.bareCrInChunk;
      else if (octet === NUL) this.fault ??= REPLIES.nulInData;
    }
    this.#before = octets[n - 1]!;
    return bare.length === 0 ? octets : withCr(octets, bare);
  }
}

/** A copy with a CR before each LF at the places given. */
function withCr(octets: Uint8Array, places: readonly number[]): Uint8Array {
  const out = new Uint8Array(octets.length + places.length);
  let from = 0;
  let at = 0;
  for (const place of places) {
    out.set(octets.subarray(from, place), at);
    at += place - from;
    out[at++] = CR;
    from = place;
  }
  out.set(octets.subarray(from), at);
  return out;
}
