// What is known of destinations while the process lives: how many connections each may have, how long one that does not
// answer is left in peace, and that those that hang never take all connections. A destination begins with one connection
// and gets one more with each answer; when no next hop of it can be reached, it is tried by one delivery at a time, and
// between two tries its deliveries are passed over without a connection. Who answers promptly never waits for who does not:
// all others share half of the connections (half.ts): one organization's thousand names that hang are waited for by its own
// new destinations only. For who answers promptly more is in hand than it has connections: what waits takes the next one that is
// free, while the outcome of what went before is stored. Whoever may go on waits once more while all connections are in use: what
// the queue gave out was judged a moment ago. After a restart all are new. Logs nothing.

import type { Duration, OrganizationName, Time } from '../domain/ids.ts';
import type { Clock } from '../domain/types.ts';
import { createHalf, PATIENCE } from './half.ts';

/** After the first attempt that reached nobody; doubled after each further one. */
const REST: Duration = 15_000;
const LONGEST_REST: Duration = 600_000;
/** An attempt that takes longer is slow … */
const PROMPT: Duration = 2_000;
/** … but one that carries much may take a second more for so many octets. */
const OCTETS = 1 << 20;
/** When it waited in vain. */
const LATER: Duration = 30_000;
const REMEMBERED = 10_000;

/** What came of an attempt: a next hop answered, none was reached, or it says nothing of the destination. */
export type Reached = 'answered' | 'nobody' | 'unknown';

export type Turn =
  | { readonly kind: 'go'; readonly leave: (reached: Reached) => void }
  /** Nothing is tried now: why, and from when on it may be. */
  | { readonly kind: 'later'; readonly reason: string; readonly notBefore: Time };

export type Destinations = {
  /** Transactions that may be in hand for it: each has one of its connections, or waits for one. */
  inHand(destination: string): number;
  /** Before a connection is made for a message of `size` octets of that organization. */
  enter(destination: string, size: number, organization: OrganizationName): Promise<Turn>;
  /** Attempts that wait in `enter`. */
  waiting(): number;
  /** Who does not answer may be tried at once: a person asks for it. */
  tryAll(): void;
};

export type DestinationsDeps = {
  readonly clock: Pick<Clock, 'now'>;
  readonly fraction: () => number;
  /** Calls it after so long; gives what keeps it from that. */
  readonly after: (wait: Duration, call: () => void) => () => void;
  /** Bounds of connections, in all and of one destination, and of leased transactions. */
  readonly bounds: () => {
    readonly connections: number;
    readonly perDestination: number;
    readonly deliveriesInFlight: number;
  };
};

/** In order of arrival; each is told whether it has what it waits for. */
type Queue = Set<(has: boolean) => void>;

type Known = {
  /** Connections that it may have, and has. */
  width: number;
  taken: number;
  /** Who waits for one of them. */
  readonly queue: Queue;
  failures: number;
  rest: Time;
  prompt: boolean;
};

export function createDestinations({ clock, fraction, after, bounds }: DestinationsDeps): Destinations {
  /** Connections to all destinations, and who waits for one of them. */
  let open = 0;
  const crowd: Queue = new Set();
  let queued = 0;
  /** The one used last stands last. */
  const known = new Map<string, Known>();
  const half = createHalf({ after, bounds });

  const of = (destination: string): Known => {
    const one = known.get(destination) ?? { width: 1, taken: 0, queue: new Set(), failures: 0, rest: 0, prompt: false };
    known.delete(destination);
    known.set(destination, one);
    if (known.size > REMEMBERED) known.delete(known.keys().next().value as string);
    return one;
  };
  const widthOf = ({ width }: Known) => Math.min(width, bounds().perDestination);

  /** Whether it has what `take` takes, in time. */
  function wait(queue: Queue, take: () => void): Promise<boolean> {
    return new Promise((resolve) => {
      const wake = (has: boolean): void => {
        cancel();
        queue.delete(wake);
        queued -= 1;
        if (has) take();
        resolve(has);
      };
      const cancel = after(PATIENCE, () => wake(false));
      queue.add(wake);
      queued += 1;
    });
  }

  function slot(one: Known): boolean | Promise<boolean> {
    const take = () => {
      one.taken += 1;
    };
    if (one.taken >= widthOf(one)) return wait(one.queue, take);
    take();
    return true;
  }

  /** What one leaves the next one has. */
  function give(one: Known): void {
    one.taken -= 1;
    for (const wake of one.queue) {
      if (one.taken >= widthOf(one)) break;
      wake(true);
    }
  }

  function connection(): boolean | Promise<boolean> {
    const take = () => {
      open += 1;
    };
    if (open >= bounds().connections) return wait(crowd, take);
    take();
    return true;
  }

  function close(): void {
    open -= 1;
    for (const wake of crowd) {
      if (open >= bounds().connections) break;
      wake(true);
    }
  }

  function begin(
    one: Known,
    size: number,
    organization: OrganizationName,
    counted: boolean,
  ): (reached: Reached) => void {
    const begun = clock.now();
    const patience = PROMPT + (size / OCTETS) * 1_000;
    let counts = counted;
    // One that answered promptly may hang today.
    const cancel = after(patience, () => {
      if (!counts) half.count(organization);
      counts = true;
      one.prompt = false;
    });
    return (reached) => {
      cancel();
      if (reached === 'answered') {
        one.prompt = clock.now() - begun < patience;
        one.width += 1;
        one.failures = 0;
      } else if (reached === 'nobody') {
        one.prompt = false;
        one.width = 1;
        // Of those that began together the first one counts.
        if (clock.now() >= one.rest) {
          one.failures += 1;
          const rest = Math.min(REST * 2 ** Math.min(one.failures - 1, 10), LONGEST_REST);
          one.rest = clock.now() + Math.round(rest * (0.8 + 0.4 * fraction()));
        }
      }
      close();
      give(one);
      if (counts) half.giveBack(organization, clock.now() - begun);
    };
  }

  return {
    inHand(destination) {
      const one = known.get(destination);
      if (one === undefined) return 1;
      return one.prompt ? 2 * widthOf(one) : widthOf(one);
    },
    async enter(destination, size, organization) {
      const one = of(destination);
      let counted = false;
      const takeOfHalf = () => {
        counted = !one.prompt;
        return !counted || half.enter(organization, one.failures > 0);
      };
      const giveHalfBack = () => {
        if (counted) half.giveBack(organization, 0);
      };
      const steps = [
        [() => slot(one), () => give(one), 'its destination is slow, and has all connections that it may have'],
        [takeOfHalf, giveHalfBack, 'too many destinations that do not answer are tried at once'],
        [connection, close, 'all connections were in use'],
      ] as const;
      const givesBack: (() => void)[] = [];
      let not = resting(one, clock.now());
      for (const [take, giveBack, why] of steps) {
        if (not !== null) break;
        const has = take();
        if (has === true || (await has)) {
          givesBack.push(giveBack);
          // While it waited another may have found that nobody answers.
          not = resting(one, clock.now());
        } else not = { kind: 'later', reason: `not tried: ${why}`, notBefore: clock.now() + LATER };
      }
      if (not === null) return { kind: 'go', leave: begin(one, size, organization, counted) };
      for (const giveBack of givesBack.reverse()) giveBack();
      return not;
    },
    waiting: () => half.waiting() + queued,
    tryAll: () => {
      for (const one of known.values()) one.rest = 0;
    },
  };
}

/** Null: it may be tried now. */
function resting({ failures, rest }: Known, now: Time): Turn | null {
  if (failures === 0 || now >= rest) return null;
  return { kind: 'later', reason: 'not tried: its destination did not answer before', notBefore: rest };
}
