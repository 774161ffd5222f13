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
import { createHalf, PATIENCE } from './half.ts';

/** After the first attempt that reached nobody; doubled after each further one. */
const REST: Duration = 15_000;
const LONGEST_REST: Duration = 600_000;
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
const REMEMBERED = 10_000;

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
  /** Calls it after so long; gives what keeps it from that. */
  readonly after: (wait: Duration, call: () => void) => () => void;
  /** One more may have a connection. */
  readonly freed: () => void;
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
  /** Connections that it may have, and has or will have in a moment. */
  width: number;
  taken: number;
  /** Attempts under way that were not stopped. */
  underWay: number;
  /** Who waits for one of them. */
  readonly queue: Queue;
  failures: number;
  rest: Time;
  prompt: boolean;
};

export function createDestinations({ clock, fraction, after, freed, bounds }: DestinationsDeps): Destinations {
  /** Connections to all destinations, and who waits for one of them. */
  let open = 0;
  /** More, which only wait for the answer to the final dot. */
  let setAside = 0;
  const crowd: Queue = new Set();
  let queued = 0;
  /** The one used last stands last. */
  const known = new Map<string, Known>();
  const half = createHalf({ after, bounds });

  const of = (destination: string): Known => {
    const one = known.get(destination) ?? newcomer();
    known.delete(destination);
    known.set(destination, one);
    for (const [name, { taken, queue }] of known) {
      if (known.size <= REMEMBERED) break;
      // Who has connections, or waits for one, would have them uncounted.
      if (taken === 0 && queue.size === 0 && name !== destination) known.delete(name);
    }
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

  /** It has one connection from now on, and nobody waits for it. */
  function narrow(one: Known): void {
    one.width = 1;
    for (const wake of [...one.queue]) wake(false);
  }

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
      close();
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
      if (apart) setAside -= 1;
      else giveBack();
      give(one);
    };
    return { kind: 'go', signal: stopping.signal, watch, leave };
  }

  const later = (why: string): Turn => ({
    kind: 'later',
    reason: `not tried: ${why}`,
    notBefore: clock.now() + LATER,
  });

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
          // While it waited another may have found that nobody answers, or that it hangs.
          not = resting(one, clock.now()) ?? (one.taken > widthOf(one) ? later(steps[0][2]) : null);
        } else not = later(why);
      }
      if (not === null) return begin(one, size, organization, counted);
      for (const giveBack of givesBack.reverse()) giveBack();
      return not;
    },
    waiting: () => half.waiting() + queued + setAside,
    tryAll: () => {
      for (const one of known.values()) one.rest = 0;
    },
  };
}

function newcomer(): Known {
  return { width: 1, taken: 0, underWay: 0, queue: new Set(), failures: 0, rest: 0, prompt: false };
}

/** Null: it may be tried now. */
function resting({ failures, rest }: Known, now: Time): Turn | null {
  if (failures === 0 || now >= rest) return null;
  return { kind: 'later', reason: 'not tried: its destination did not answer before', notBefore: rest };
}
