// What is known of destinations while the process lives: how many connections each may have, how long one that does not
// answer is left in peace, and that those that hang never take all connections. A destination begins with one connection
// and gets one more with each answer; when no next hop of it can be reached, it is tried by one delivery at a time, and
// between two tries its deliveries are passed over without a connection. Who answers promptly never waits for who does not:
// all others share half of the connections (half.ts): one organization's thousand names that hang are waited for by its own
// new destinations only. For who answers promptly more is in hand than it has connections: what waits takes the next one that is
// free, while the outcome of what went before is stored. Whoever may go on waits once more while all connections are in use: what
// the queue gave out was judged a moment ago. One that hangs, whatever it did before, keeps one connection for as long as RFC 5321
// §4.5.3.2 asks for; its others are left after seconds when somebody wants them. Those on which the final dot was sent are not, since
// what they carry would be sent twice: they are set aside, as many as there may be connections, and count as none. After a restart
// all are new. Logs nothing.

import type { Duration, OrganizationName, Time } from '../domain/ids.ts';
import type { Clock } from '../domain/types.ts';
import { createHalf } from './half.ts';
import { createMemory, hasAnswered, hasFailed, type Known, narrow, restOf } from './known.ts';
import { type After, createPlaces } from './places.ts';

/** An attempt that takes longer is slow … */
const PROMPT: Duration = 2_000;
/** … but one that carries much may take a second more for so many octets. */
const OCTETS = 1 << 20;
/** After so long, as much more for what is large, it hangs. */
const HANGS: Duration = 15_000;
/** Then it is looked whether others want what it has. */
const AGAIN: Duration = 5_000;
/** When it waited in vain. */
const LATER: Duration = 30_000;
const SLOW = 'its destination is slow, and has all connections that it may have';

/** What came of an attempt: a next hop answered, none was reached, or it says nothing of the destination. */
export type Reached = 'answered' | 'nobody' | 'unknown';

export type Turn =
  | {
      readonly kind: 'go';
      /** Aborted when the destination hangs, other attempts at it are under way, and others want its connection. */
      readonly signal: AbortSignal;
      /** From now on the destination is waited for. Behind the dot it is not left, but does not count as a connection when it hangs. */
      readonly watch: (stage: 'before the dot' | 'behind the dot') => void;
      readonly leave: (reached: Reached) => void;
    }
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
  /** More, which only wait for the answer to the final dot. */
  let setAside = 0;
  const known = createMemory((width) => placesOf(() => Math.min(width(), bounds().perDestination)));
  const half = createHalf({ after, bounds });

  function begin(one: Known, size: number, organization: OrganizationName, counted: boolean): Turn {
    const begun = clock.now();
    const larger = Math.floor((size / OCTETS) * 1_000);
    const patience = PROMPT + larger;
    const stopping = new AbortController();
    let counts = counted;
    let apart = false;
    let unwatch = () => {};
    one.underWay += 1;
    // One that answered promptly may hang today.
    const cancel = after(patience, () => {
      if (!counts) half.count(organization);
      counts = true;
      one.prompt = false;
    });
    const stop = (): boolean => {
      if (one.underWay <= 1) return false;
      one.underWay -= 1;
      narrow(one);
      stopping.abort();
      return true;
    };
    const setApart = (): boolean => {
      if (setAside >= bounds().connections) return false;
      setAside += 1;
      apart = true;
      narrow(one);
      giveBack();
      freed();
      return true;
    };
    const giveBack = (): void => {
      if (counts) half.giveBack(organization, clock.now() - begun);
      counts = false;
      connections.give();
    };
    const watch = (stage: 'before the dot' | 'behind the dot'): void => {
      const yields = stage === 'before the dot' ? stop : setApart;
      const look = (): void => {
        if (half.hasRoom(organization) || !yields()) unwatch = after(AGAIN, look);
      };
      unwatch();
      unwatch = after(HANGS + larger, look);
    };
    const leave = (reached: Reached): void => {
      cancel();
      unwatch();
      if (!stopping.signal.aborted) one.underWay -= 1;
      if (reached === 'answered') hasAnswered(one, clock.now() - begun < patience);
      else if (reached === 'nobody') hasFailed(one, clock.now(), fraction);
      if (apart) setAside -= 1;
      else giveBack();
      one.places.give();
    };
    return { kind: 'go', signal: stopping.signal, watch, leave };
  }

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
      if (not === null) return begin(one, size, organization, counted);
      for (const giveBack of givesBack.reverse()) giveBack();
      return not;
    },
    waiting: () => half.waiting() + queued + setAside,
    tryAll: () => {
      for (const one of known.all()) one.rest = 0;
    },
  };
}
