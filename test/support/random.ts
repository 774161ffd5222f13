// A Random whose sequence is fixed by its seed, so that a shuffle can be repeated.

import type { Random } from '../../src/domain/types.ts';

export function seeded(seed: number): Random {
  let state = seed >>> 0;
  // mulberry32
  const fraction = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  return { fraction, bytes: (n) => Uint8Array.from({ length: n }, () => Math.floor(fraction() * 256)) };
}
