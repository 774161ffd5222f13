// Random octets that are no secrets (nonces, object ids), drawn many at once: a draw of twelve octets costs as much as one
// of thousands. Keys are drawn one by one. Logs nothing.

import type { Random } from '../domain/types.ts';

const AT_ONCE = 256;

/** A function that gives `octets` fresh random octets at each call; they belong to the caller. */
export function nonces(random: Random, octets: number): () => Uint8Array {
  let drawn: Uint8Array = new Uint8Array(0);
  let at = 0;
  return () => {
    if (at === drawn.length) {
      drawn = random.bytes(octets * AT_ONCE);
      at = 0;
    }
    at += octets;
    return drawn.subarray(at - octets, at);
  };
}
