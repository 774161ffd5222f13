// What encrypts messages themselves, put together: keys looked up and judged, variants made for them.

import type { Clock, Delivery } from '../domain/types.ts';
import type { KeyBook } from '../keys/book-port.ts';
import { createJudge, createLookup, type Judge, type Lookup } from '../keys/lookup.ts';
import { createChain } from '../keys/roots.ts';
import { createSigner } from '../keys/signer.ts';
import { type Prospects, prospectsOf } from '../policy/trace.ts';
import type { Made } from '../store/bodies/made.ts';
import type { Bodies } from '../store/bodies/port.ts';
import type { Pool } from '../work/pool.ts';
import type { Line, Settings } from './line.ts';
import { keyName } from './outgoing.ts';
import { createVariants } from './variants.ts';

export type WaysDeps = {
  readonly book: KeyBook;
  readonly bodies: Bodies;
  readonly made: Made;
  /** Workers that may write into the folder of `made`. */
  readonly makers: Pool;
  /** DER of the authorities whose certificates may be encrypted to. */
  readonly roots: () => readonly Uint8Array[];
  readonly settings: () => Settings;
  readonly clock: Clock;
};

export type Ways = { readonly judge: Judge; readonly lookUp: Lookup; readonly variant: Line['variant'] };

export function createWays(deps: WaysDeps): Ways {
  const { book, clock, settings } = deps;
  const judge = createJudge({ chain: createChain(deps.roots), clock });
  const signer = createSigner({ book, judge });
  return {
    judge,
    lookUp: createLookup({ book, judge }),
    variant: createVariants({ ...deps, signer, settings, now: clock.now }),
  };
}

/** What could be used for a delivery now, for `explain`: keys are looked up, hops are not asked. */
export async function prospectsFor(line: Pick<Line, 'settings' | 'lookUpKey'>, delivery: Delivery): Promise<Prospects> {
  const { organization, recipient } = delivery;
  const general = prospectsOf(line.settings().built);
  const pgp = await line.lookUpKey(organization, recipient, 'pgp');
  const smime = await line.lookUpKey(organization, recipient, 'smime');
  return (protection) => {
    const { name } = protection;
    const answer = name === 'pgp' ? pgp : name === 'smime' ? smime : null;
    if (answer === null || !line.settings().built.includes(name)) return general(protection);
    return answer.kind === 'found'
      ? { possible: true, why: keyName(answer.key) }
      : { possible: false, why: answer.why };
  };
}
