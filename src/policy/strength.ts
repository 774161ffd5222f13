// How two outcomes compare. Protections are a partial order (domain/protection.ts); hold and bounce let nothing out and
// stand above every delivery. A list is a preference: any of its items may be what happens.

import { atLeast } from '../domain/protection.ts';
import type { Action } from '../domain/types.ts';

/** `at least`: nothing that `a` may do protects less than what `b` may do. `weaker`: something in `a` is strictly below
 *  `b`. `beside`: neither, as portal and {tls: verify}, of which one protects the content and one the hop more. */
export type Strength = 'at least' | 'weaker' | 'beside';

export function compareActions(a: Action, b: Action): Strength {
  if (a.kind !== 'deliver') return 'at least';
  if (b.kind !== 'deliver') return 'weaker';
  const short = a.protections.filter((one) => !b.protections.some((other) => atLeast(one, other)));
  if (short.length === 0) return 'at least';
  return short.some((one) => b.protections.some((other) => atLeast(other, one))) ? 'weaker' : 'beside';
}
