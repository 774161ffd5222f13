// What is known of destinations, of 10,000 at most, while the process lives: what their answers make of it. Logs nothing.

import type { Duration, Time } from '../../domain/ids.ts';
import type { Places } from './places.ts';

/** After the first attempt that reached nobody; doubled after each further one. */
const REST: Duration = 15_000;
const LONGEST_REST: Duration = 600_000;
const REMEMBERED = 10_000;

export type Known = {
  /** Connections that it may have. */
  width: number;
  /** Those that it has, or will have in a moment. */
  readonly places: Places;
  /** Attempts under way that were not stopped. */
  underWay: number;
  failures: number;
  rest: Time;
  prompt: boolean;
};

export type Memory = {
  /** A newcomer when it is not known. */
  of(destination: string): Known;
  get(destination: string): Known | undefined;
  all(): Iterable<Known>;
};

/** `placesOf`: as many as its width, now. */
export function createMemory(placesOf: (width: () => number) => Places): Memory {
  /** The one used last stands last. */
  const known = new Map<string, Known>();

  function newcomer(): Known {
    const one: Known = {
      ...{ width: 1, underWay: 0, failures: 0, rest: 0, prompt: false },
      places: placesOf(() => one.width),
    };
    return one;
  }

  return {
    of(destination) {
      const one = known.get(destination) ?? newcomer();
      known.delete(destination);
      known.set(destination, one);
      for (const [name, { places }] of known) {
        if (known.size <= REMEMBERED) break;
        // Who has connections, or waits for one, would have them uncounted.
        if (places.taken() === 0 && places.waiting() === 0 && name !== destination) known.delete(name);
      }
      return one;
    },
    get: (destination) => known.get(destination),
    all: () => known.values(),
  };
}

export function hasAnswered(one: Known, promptly: boolean): void {
  one.prompt = promptly;
  one.width += 1;
  one.failures = 0;
}

/** No next hop of it was reached. */
export function hasFailed(one: Known, now: Time, fraction: () => number): void {
  one.prompt = false;
  one.width = 1;
  // Of those that began together the first one counts.
  if (now < one.rest) return;
  one.failures += 1;
  const rest = Math.min(REST * 2 ** Math.min(one.failures - 1, 10), LONGEST_REST);
  one.rest = now + Math.round(rest * (0.8 + 0.4 * fraction()));
}

/** It has one connection from now on, and nobody waits for another. */
export function narrow(one: Known): void {
  one.width = 1;
  one.places.sendAway();
}

/** Null: it may be tried now; else when. */
export function restOf({ failures, rest }: Known, now: Time): Time | null {
  return failures === 0 || now >= rest ? null : rest;
}
