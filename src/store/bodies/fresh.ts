// Sealed bytes of small bodies that were written just now: most messages leave within the second, and need not be read
// back. Bounded; what is pushed out is read from its segment. Holds nothing plain.

import type { BodyRef } from '../../domain/types.ts';

/** Sealed octets of all that is kept, and of one body. */
const BOUND = 16 << 20;
const LARGEST = 256 << 10;

export class Fresh {
  /** Oldest first. */
  readonly #kept = new Map<string, Buffer>();
  #octets = 0;

  put(ref: BodyRef, pieces: readonly Uint8Array[]): void {
    if (ref.length > LARGEST) return;
    this.#kept.set(keyOf(ref), Buffer.concat(pieces, ref.length));
    this.#octets += ref.length;
    for (const oldest of this.#kept.keys()) {
      if (this.#octets <= BOUND) return;
      this.#drop(oldest);
    }
  }

  get(ref: BodyRef): Buffer | undefined {
    return this.#kept.get(keyOf(ref));
  }

  delete(ref: BodyRef): void {
    this.#drop(keyOf(ref));
  }

  #drop(key: string): void {
    const sealed = this.#kept.get(key);
    if (sealed === undefined) return;
    this.#kept.delete(key);
    this.#octets -= sealed.length;
  }
}

/** All that a reference says but the key: one that names something else finds nothing here. */
function keyOf({ object, file, offset, length }: BodyRef): string {
  return `${object} ${file} ${offset} ${length}`;
}
