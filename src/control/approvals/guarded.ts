// What a request touches that may take another operator. Pure.

import type { FourEyes } from '../../config/values.ts';

/** What a request touches; `four_eyes` is the list itself, which is always guarded. `of`: what the arguments do not say, such as
 *  a digest of the files that are read; what was confirmed must be the same. */
export type Guard = { readonly kinds: readonly (FourEyes | 'four_eyes')[]; readonly of: string };

export const UNGUARDED: Guard = { kinds: [], of: '' };

/** Those of `kinds` that take another operator. Who could make a second operator alone would be both. */
export function needed(fourEyes: readonly FourEyes[], { kinds }: Guard): string[] {
  if (fourEyes.length === 0) return [];
  return kinds.filter((kind) => kind === 'four_eyes' || kind === 'operators' || fourEyes.includes(kind));
}
