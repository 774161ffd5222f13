// What is known of destinations while the process lives: how many connections each may have, how long one that does not
// answer is left in peace, and that those that hang never take all connections. A destination begins with one connection
// and gets one more with each answer; when no next hop of it can be reached, it is tried by one delivery at a time, and
// between two tries its deliveries are passed over without a connection. Who answers promptly never waits for who does not:
// all others share half of the connections (half.ts): one organization's thousand names that hang are waited for by its own
// new destinations only. For who answers promptly more is in hand than it has connections: what waits takes the next one that
// is free, while the outcome of what went before is stored. Whoever may go on waits once more while all connections are in use:
// what the queue gave out was judged a moment ago. What becomes of one that hangs: under-way.ts. After a restart all are new.
// Logs nothing.

import type { Duration, OrganizationName, Time } from '../../domain/ids.ts';
import type { Clock } from '../../domain/types.ts';
import { createHalf } from './half.ts';
import { createMemory, type Known, restOf } from './known.ts';
import { type After, createPlaces } from './places.ts';
import { type Attempt, createUnderWay } from './under-way.ts';

/** When it waited in vain. */
const LATER: Duration = 30_000;
const SLOW = 'its destination is slow, and has all connections that it may have';

export type Turn =
  | Attempt
  /** Nothing is tried now: why, and from when on it may be. */
  | { readonly kind: 'later'; readonly reason: string; readonly notBefore: Time };

export type Destinations = {
  /** Transactions that may be in hand for it: each has one of its connections, or waits for one. */
  inHand(destination: string): number;
  /** Before a connection is made for a message of `size` octets of that organization. */
  enter(destination: string, size: number, organization: OrganizationName): Promise<Turn>;
  /** Attempts that take no connection: they wait in `enter`, or were set aside. */
  waiting(): number;
  /** Who does not answer may be tried at once: a person asks for it. */
  tryAll(): void;
};

export type DestinationsDeps = {
  readonly clock: Pick<Clock, 'now'>;
  readonly fraction: () => number;
  readonly after: After;
  /** One more may have a connection. */
  readonly freed: () => void;
  /** Bounds of connections, in all and of one destination, and of leased transactions. */
  readonly bounds: () => {
    readonly connections: number;
    readonly perDestination: number;
    readonly deliveriesInFlight: number;
  };
};

export function createDestinations({ clock, fraction, after, freed, bounds }: DestinationsDeps): Destinations {
  let queued = 0;
  const placesOf = (most: () => number) =>
    createPlaces(after, most, (by) => {
      queued += by;
    });
  /** To all destinations. */
  const connections = placesOf(() => bounds().connections);
  const known = createMemory((width) => placesOf(() => Math.min(width(), bounds().perDestination)));
  const half = createHalf({ after, bounds });
  const underWay = createUnderWay({ clock, fraction, after, freed, bounds, half, connections });

  const widthOf = ({ width }: Known) => Math.min(width, bounds().perDestination);

  /** Why it may not be tried now. */
  function notNow(one: Known): Turn | null {
    const rest = restOf(one, clock.now());
    if (rest !== null) return later('its destination did not answer before', rest);
    // It hangs: those that are under way are all that it may have.
    return one.places.taken() > widthOf(one) ? later(SLOW) : null;
  }

  function later(why: string, notBefore = clock.now() + LATER): Turn {
    return { kind: 'later', reason: `not tried: ${why}`, notBefore };
  }

  return {
    inHand(destination) {
      const one = known.get(destination);
      if (one === undefined) return 1;
      return one.prompt ? 2 * widthOf(one) : widthOf(one);
    },
    async enter(destination, size, organization) {
      const one = known.of(destination);
      let counted = false;
      const takeOfHalf = () => {
        counted = !one.prompt;
        return !counted || half.enter(organization, one.failures > 0);
      };
      const giveHalfBack = () => {
        if (counted) half.giveBack(organization, 0);
      };
      const steps = [
        [one.places.take, one.places.give, SLOW],
        [takeOfHalf, giveHalfBack, 'too many destinations that do not answer are tried at once'],
        [connections.take, connections.give, 'all connections were in use'],
      ] as const;
      const givesBack: (() => void)[] = [];
      let not = notNow(one);
      for (const [take, giveBack, why] of steps) {
        if (not !== null) break;
        const has = take();
        if (has === true || (await has)) {
          givesBack.push(giveBack);
          // While it waited another may have found that nobody answers, or that it hangs.
          not = notNow(one);
        } else not = later(why);
      }
      if (not === null) return underWay.begin(one, size, organization, counted);
      for (const giveBack of givesBack.reverse()) giveBack();
      return not;
    },
    waiting: () => half.waiting() + queued + underWay.setAside(),
    tryAll: () => {
      for (const one of known.all()) one.rest = 0;
    },
  };
}
