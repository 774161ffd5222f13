// The hash of a body (RFC 6376 §3.4.3, §3.4.4) while it streams in: no octet is looked at by itself where there is nothing to change, and
// blank lines at the end, of which there may be megabytes, are held as a number. Line ends are CR LF here: the listener sees to that.

import { createHash, type Hash } from 'node:crypto';

export type Canonicalization = 'simple' | 'relaxed';

const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;
const MANY = '\r\n'.repeat(1_024);

export class BodyHash {
  readonly #kind: Canonicalization;
  readonly #hash: Hash = createHash('sha256');
  /** Line ends behind what was hashed: of the last line, and of blank ones, which count only where something follows. */
  #ends = 0;
  #any = false;
  /** What the next chunk may change: of a run of blanks (relaxed), of a CR. */
  #heldSpace = false;
  #heldCr = false;

  constructor(kind: Canonicalization) {
    this.#kind = kind;
  }

  /** Does not keep or change the chunk. */
  update(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    const held = `${this.#heldSpace ? ' ' : ''}${this.#heldCr ? '\r' : ''}`;
    this.#heldSpace = false;
    this.#heldCr = false;
    let octets = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    if (held !== '') octets = Buffer.concat([Buffer.from(held), octets]);
    let size = octets.length;
    if (octets[size - 1] === CR) {
      this.#heldCr = true;
      size--;
    }
    if (this.#kind === 'relaxed') {
      const before = size;
      while (size > 0 && isBlank(octets[size - 1])) size--;
      this.#heldSpace = size < before;
      octets = reduced(octets.subarray(0, size));
    } else octets = octets.subarray(0, size);
    this.#take(octets);
  }

  /** Once, at the end. */
  digest(): Buffer {
    // Blanks at the end of a last line that has no line end are at the end of a line too.
    if (this.#heldCr) this.#take(Buffer.from(this.#heldSpace ? ' \r' : '\r'));
    if (this.#any || this.#kind === 'simple') this.#hash.update('\r\n');
    return this.#hash.digest();
  }

  #take(octets: Buffer): void {
    let size = octets.length;
    let ends = 0;
    while (size >= 2 && octets[size - 1] === LF && octets[size - 2] === CR) {
      size -= 2;
      ends++;
    }
    if (size > 0) {
      this.#writeEnds();
      this.#hash.update(octets.subarray(0, size));
      this.#any = true;
    }
    this.#ends += ends;
  }

  #writeEnds(): void {
    for (; this.#ends >= 1_024; this.#ends -= 1_024) this.#hash.update(MANY);
    if (this.#ends > 0) this.#hash.update('\r\n'.repeat(this.#ends));
    this.#ends = 0;
  }
}

function isBlank(octet: number | undefined): boolean {
  return octet === SPACE || octet === TAB;
}

/** Runs of blanks become one space, none before a line end; what needs no change is given back as it is. */
function reduced(octets: Buffer): Buffer {
  if (!octets.includes(TAB) && !octets.includes('  ') && !octets.includes(' \r\n')) return octets;
  const text = octets.toString('latin1').replace(/[ \t]{2,}|\t/g, ' ');
  return Buffer.from(text.replaceAll(' \r\n', '\r\n'), 'latin1');
}
