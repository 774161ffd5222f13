// What is known of destinations while the process lives: how many connections each may have, how long one that does not
// answer is left in peace, and that those that hang never take all connections. A destination begins with one connection
// and gets one more with each answer; when no next hop of it can be reached, it is tried by one delivery at a time, and
// between two tries its deliveries are passed over without a connection. Who answers promptly never waits for who does not:
// all others share half of the connections, and who has not failed yet comes before who has. After a restart all are new.
// Logs nothing.

import type { Duration, Time } from '../domain/ids.ts';
import type { Clock } from '../domain/types.ts';

/** After the first attempt that reached nobody; doubled after each further one. */
const REST: Duration = 15_000;
const LONGEST_REST: Duration = 600_000;
/** An attempt that takes longer is slow … */
const PROMPT: Duration = 2_000;
/** … but one that carries much may take a second more for so many octets. */
const OCTETS = 1 << 20;
/** How long a slow or new destination waits for one of its half. */
const PATIENCE: Duration = 10_000;
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
  /** Connections that it may have now, of at most `most`. */
  width(destination: string, most: number): number;
  /** Before a connection is made for a message of `size` octets. */
  enter(destination: string, size: number): Promise<Turn>;
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
  /** Bounds of connections and of leased transactions. */
  readonly bounds: () => { readonly connections: number; readonly deliveriesInFlight: number };
};

type Known = { width: number; failures: number; rest: Time; prompt: boolean };

export function createDestinations({ clock, fraction, after, bounds }: DestinationsDeps): Destinations {
  /** The one used last stands last. */
  const known = new Map<string, Known>();
  /** Whoever waits for one of the half: those that have not failed since they answered or were new, and those that have. */
  const fresh = new Set<(go: boolean) => void>();
  const failed = new Set<(go: boolean) => void>();
  const waiting = () => fresh.size + failed.size;
  /** Attempts under way to destinations that are slow, new or do not answer. */
  let tardy = 0;

  const of = (destination: string): Known => {
    const one = known.get(destination) ?? { width: 1, failures: 0, rest: 0, prompt: false };
    known.delete(destination);
    known.set(destination, one);
    if (known.size > REMEMBERED) known.delete(known.keys().next().value as string);
    return one;
  };
  const share = () => Math.max(1, Math.floor(bounds().connections / 2));

  function next(): void {
    const [first] = fresh.size > 0 ? fresh : failed;
    if (first !== undefined && tardy < share()) first(true);
  }

  /** Whether there is room to wait: who has not failed takes that of the last one that has. */
  function makesRoom(queue: typeof fresh): boolean {
    if (waiting() < bounds().deliveriesInFlight / 2) return true;
    const last = queue === fresh ? [...failed].at(-1) : undefined;
    last?.(false);
    return last !== undefined;
  }

  /** Whether one of the half became free in time; then it is taken. */
  async function oneOfHalf(queue: typeof fresh): Promise<boolean> {
    if (tardy < share() && fresh.size === 0 && (queue === fresh || failed.size === 0)) {
      tardy += 1;
      return true;
    }
    if (!makesRoom(queue)) return false;
    return new Promise((resolve) => {
      const end = (go: boolean): void => {
        cancel();
        queue.delete(end);
        if (go) tardy += 1;
        resolve(go);
      };
      const cancel = after(PATIENCE, () => end(false));
      queue.add(end);
    });
  }

  function begin(one: Known, size: number, counted: boolean): (reached: Reached) => void {
    const begun = clock.now();
    const patience = PROMPT + (size / OCTETS) * 1_000;
    let counts = counted;
    // One that answered promptly may hang today.
    const cancel = after(patience, () => {
      if (!counts) tardy += 1;
      counts = true;
      one.prompt = false;
    });
    return (reached) => {
      cancel();
      if (counts) tardy -= 1;
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
      next();
    };
  }

  return {
    width: (destination, most) => Math.min(most, known.get(destination)?.width ?? 1),
    async enter(destination, size) {
      const one = of(destination);
      if (one.failures > 0 && clock.now() < one.rest) {
        return { kind: 'later', reason: 'not tried: its destination did not answer before', notBefore: one.rest };
      }
      if (one.prompt) return { kind: 'go', leave: begin(one, size, false) };
      if (await oneOfHalf(one.failures > 0 ? failed : fresh)) return { kind: 'go', leave: begin(one, size, true) };
      const reason = 'not tried: too many destinations that do not answer are tried at once';
      return { kind: 'later', reason, notBefore: clock.now() + LATER };
    },
    waiting,
    tryAll: () => {
      for (const one of known.values()) one.rest = 0;
    },
  };
}
