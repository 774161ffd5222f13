// The order in which mail exchangers are tried. Pure; logs nothing.

import type { Random } from '../domain/types.ts';
import type { MxRecord } from '../net/resolver.ts';

/**
 * RFC 5321 §5.1: by preference, equal ones in random order. When one of them is ourselves, it and all that are no better
 * are dropped, or mail would circle; an empty list then means a loop.
 */
export function orderMx(records: readonly MxRecord[], isOurs: (host: string) => boolean, random: Random): string[] {
  const own = Math.min(...records.filter((mx) => isOurs(mx.exchange)).map((mx) => mx.preference));
  const better = records.filter((mx) => mx.preference < own);
  return [
    ...new Set(
      shuffle(better, random)
        .sort((a, b) => a.preference - b.preference)
        .map((mx) => mx.exchange),
    ),
  ];
}

/** A new list in random order (Fisher-Yates). */
export function shuffle<T>(list: readonly T[], random: Random): T[] {
  const out = [...list];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(random.fraction() * (i + 1));
    const here = out[i] as T;
    out[i] = out[j] as T;
    out[j] = here;
  }
  return out;
}

/** First of `a`, first of `b`, second of `a` …: a family that does not work costs one try, not all of them. */
export function interleave<T>(a: readonly T[], b: readonly T[]): T[] {
  const out: T[] = [];
  for (let i = 0; i < Math.max(a.length, b.length); i++) out.push(...a.slice(i, i + 1), ...b.slice(i, i + 1));
  return out;
}
