// Whether the resolver can be believed when it says that there is nothing: a captive portal, or a resolver cut off from the
// world, may say so of every name, and each would bounce. It is believed when a name that it knew before is there now, asked
// anew; while none is known, when the top of the name itself is, or where that is denied too (mistyped) a top that surely is,
// and a name that cannot be is not: a captive portal is there under each name. Who lies about some names only is not seen. In
// memory only; logs nothing.

import type { Resolver } from '../net/resolver.ts';

/** Destinations remembered: one of them may end for good. */
const REMEMBERED = 3;
/** RFC 6761 §6.4: it does not exist. */
const NEVER = 'invalid';
/** In the root zone for as long as that of any destination. */
const ALWAYS = 'com';

export type Witness = {
  /** It has mail exchangers that have addresses. */
  saw(destination: string): void;
  /** Whether something else than the destination is there now. */
  sees(destination: string): Promise<boolean>;
};

/** Whether the resolver sees the world now: a top that surely is, is there, and a name that cannot be is not. Never throws. */
export async function seesWorld(resolver: Pick<Resolver, 'mx'>, top = ALWAYS): Promise<boolean> {
  return (await isThere(resolver, top)) && !(await isThere(resolver, NEVER));
}

async function isThere({ mx }: Pick<Resolver, 'mx'>, name: string): Promise<boolean> {
  return ['found', 'none'].includes((await mx(name, 'anew')).kind);
}

export function createWitness(resolver: Pick<Resolver, 'mx'>): Witness {
  /** The one seen last stands last. */
  const seen = new Set<string>();
  return {
    saw(destination) {
      seen.delete(destination);
      seen.add(destination);
      if (seen.size > REMEMBERED) seen.delete(seen.values().next().value as string);
    },
    async sees(destination) {
      const others = [...seen].filter((one) => one !== destination);
      for (const one of others.reverse()) if ((await resolver.mx(one, 'anew')).kind === 'found') return true;
      if (others.length > 0) return false;
      const top = destination.slice(destination.lastIndexOf('.') + 1);
      return (await seesWorld(resolver, top)) || seesWorld(resolver);
    },
  };
}
