// What the gateway is to reach as a ratio to its peers in the same rounds.

import type { Shape } from './messages.ts';
import type { Name } from './systems.ts';

export type Setting = 'in clear' | 'STARTTLS' | 'slow syncs';
export type Bound = { readonly goal: number; readonly floor: number };
type Bounds = Partial<Record<Shape, Bound>>;

const PLAIN: Bounds = { a: { goal: 3, floor: 1.5 }, b: { goal: 2.5, floor: 1.4 }, c: { goal: 1.4, floor: 0.95 } };
const FILTERED: Bounds = { a: { goal: 6, floor: 3 }, b: { goal: 4, floor: 2.5 }, c: { goal: 3.4, floor: 2.2 } };
const SLOW: Bounds = { a: { goal: 2, floor: 1.1 }, b: { goal: 1.8, floor: 1.0 }, c: { goal: 1.3, floor: 0.85 } };

/** Null: printed only. */
export function boundsOf(setting: Setting, shape: Shape, theirs: Name): Bound | null {
  if (setting === 'slow syncs') return theirs === 'postfix' ? (SLOW[shape] ?? null) : null;
  if (theirs === 'postfix') return PLAIN[shape] ?? null;
  return theirs === 'postfix+filter' ? (FILTERED[shape] ?? null) : null;
}
