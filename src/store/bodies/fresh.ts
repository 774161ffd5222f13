// Sealed bytes of small bodies that were written just now: most messages leave within the second, and need not be read
// back. Bounded: while there is no room, what comes is not kept, since what came first leaves first; what stays too long
// makes room. What is not here is read from its segment. Holds nothing plain.

import type { BodyRef } from '../../domain/types.ts';

/** Sealed octets of all that is kept, and of one body. */
const BOUND = 16 << 20;
const LARGEST = 256 << 10;
/** Milliseconds. */
const LONGEST = 10_000;

type Kept = { readonly pieces: readonly Uint8Array[]; readonly octets: number; readonly since: number };

export class Fresh {
  /** Oldest first. */
  readonly #kept = new Map<string, Kept>();
  #octets = 0;

  /** Keeps the pieces themselves: nobody may change them. */
  put(ref: BodyRef, pieces: readonly Uint8Array[]): void {
    if (ref.length > LARGEST) return;
    const now = performance.now();
    for (const [oldest, { since }] of this.#kept) {
      if (now - since < LONGEST) break;
      this.#drop(oldest);
    }
    if (this.#octets + ref.length > BOUND) return;
    this.#kept.set(keyOf(ref), { pieces, octets: ref.length, since: now });
    this.#octets += ref.length;
  }

  /** As the Sealer gave them. */
  get(ref: BodyRef): readonly Uint8Array[] | undefined {
    return this.#kept.get(keyOf(ref))?.pieces;
  }

  delete(ref: BodyRef): void {
    this.#drop(keyOf(ref));
  }

  #drop(key: string): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    this.#kept.delete(key);
    this.#octets -= kept.octets;
  }
}

/** All that a reference says but the key: one that names something else finds nothing here. */
function keyOf({ object, file, offset, length }: BodyRef): string {
  return `${object} ${file} ${offset} ${length}`;
}
