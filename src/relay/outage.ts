// Whose fault it is when nothing gets through. Destinations that fail while others answer are their own fault; when all fail
// at once it is ours: the uplink, the resolver, or the one smart host. Then no clock of a message runs (lifetime, step, delay
// of which the sender is told), a few attempts go on to see when it is over, and afterwards deliveries begin slowly. A clock
// that jumps ahead, as after a machine was suspended, is the same: that time nobody had. outages.ts keeps and watches.
//
// Three destinations that fail while nothing else is tried may simply be dead. So before it is called ours, and every few
// minutes while it lasts, what ought to answer is asked: destinations that answered last or most often, and the organizations'
// own domains, unless their way back is configured (that may be next door). A greeting of one of them, or any answer of a next
// hop, proves resolver and uplink: then all that fail are blamed themselves, and an outage ends. With nothing to ask that ever
// answered, three are believed. They are strangers, and so may be all that ever answered: while the resolver sees the world
// clocks stand still by their word alone for eight hours in a week. (Not for none: where the own firewall bars mail, names are
// still resolved.)
//
// It cannot see an outage on the way to one destination alone, nor one of a gateway that tries fewer than three destinations
// and has no smart host: there nobody can tell whose fault it is, and senders are told as ever.

import type { Duration, Time } from '../domain/ids.ts';
import type { Outage } from '../domain/types.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** Destinations that must fail, with no answer of any in between. */
export const DESTINATIONS = 3;
/** For so long; between two times that others are asked too. */
export const LASTS = 5 * MINUTE;
/** A failure longer ago says nothing of now; longer than the longest wait between two attempts. */
const FRESH = 90 * MINUTE;
/** In one outage clocks stand still no longer: by then people must be told. */
const MOST = 24 * HOUR;
/** In a week, while the resolver sees the world. */
const BY_STRANGERS = 8 * HOUR;
const WEEK = 7 * 24 * HOUR;
/** Destinations that answered last, those that answered most often, and domains of ours, that are asked. */
export const ASKED = 3;
/** Attempts at once in an outage. */
export const PROBES = 2;
/** After an outage twice as many deliveries are begun each time this has passed. */
const DOUBLES = 10_000;
const REMEMBERED = 10_000;
const ANSWERERS = 1_000;

/** What became of the last attempts, by destination; times are of a clock that only runs. */
export function createTally() {
  const failing = new Map<string, { readonly first: number; last: number }>();
  /** Failed while others answered, and have not answered since. */
  const blamed = new Set<string>();
  return {
    answered(destination: string): void {
      for (const one of failing.keys()) blamed.add(one);
      failing.clear();
      blamed.delete(destination);
      for (const oldest of blamed) {
        if (blamed.size <= REMEMBERED) break;
        blamed.delete(oldest);
      }
    },
    failed(destination: string, at: number): void {
      const known = failing.get(destination);
      if (known !== undefined) known.last = at;
      else if (!blamed.has(destination)) failing.set(destination, { first: at, last: at });
    },
    /** How long all have failed; null when that is too short, or are too few, to be our fault. */
    age(at: number, needed: number): Duration | null {
      let count = 0;
      let first = at;
      for (const one of failing.values()) {
        if (at - one.last > FRESH) continue;
        count += 1;
        first = Math.min(first, one.first);
      }
      return count >= needed && at - first >= LASTS ? at - first : null;
    },
  };
}

/** How often destinations answered. */
export function createAnswerers() {
  /** The one that did last stands last. */
  const times = new Map<string, number>();
  return {
    answered(destination: string): void {
      const before = times.get(destination) ?? 0;
      times.delete(destination);
      times.set(destination, before + 1);
      if (times.size > ANSWERERS) times.delete(times.keys().next().value as string);
    },
    /** Those that did last, then those that did most often; one may be both. */
    best(): readonly string[] {
      const last = [...times].reverse();
      const often = last.toSorted(([, a], [, b]) => b - a);
      return [...last.slice(0, ASKED), ...often.slice(0, ASKED)].map(([name]) => name);
    },
  };
}

/** How long clocks stood still, as one process saw it; times are of a clock that only runs. */
export function createSpells() {
  let spells: { readonly from: number; readonly until: number | null }[] = [];
  return {
    began(at: number): void {
      spells.push({ from: at, until: null });
    },
    ended(at: number): void {
      spells = spells.map(({ from, until }) => ({ from, until: until ?? at }));
    },
    /** In the last week as long as they may by the word of strangers. */
    areSpent(at: number): boolean {
      spells = spells.filter(({ until }) => (until ?? at) > at - WEEK);
      const sum = spells.reduce((all, { from, until }) => all + (until ?? at) - Math.max(from, at - WEEK), 0);
      return sum >= BY_STRANGERS;
    },
  };
}

/** Of the time from `from` to `now`: how long clocks stood still. Outages do not overlap. */
export function stoodStill(outages: readonly Outage[], from: Time, now: Time): Duration {
  let sum = 0;
  for (const one of outages) sum += Math.max(0, Math.min(endOf(one, now), now) - Math.max(one.from, from));
  return sum;
}

/** How long ago the clock of what came in must have begun to have run for `wait`. */
export function waitThrough(outages: readonly Outage[], wait: Duration, now: Time): Duration {
  let left = wait;
  let at = now;
  for (const one of outages.toReversed()) {
    const end = Math.min(endOf(one, now), at);
    if (at - end >= left) break;
    left -= at - end;
    at = Math.min(one.from, at);
  }
  return now - (at - left);
}

/** When its clocks go on, as far as is known now. */
export function endOf({ from, until }: Outage, now: Time): Time {
  return until ?? Math.min(now, from + MOST);
}

/** Deliveries that may be under way so long after an outage. */
export function slowStart(most: number, since: Duration): number {
  const doubled = Math.floor(since / DOUBLES);
  return doubled > 16 ? most : Math.min(most, PROBES * 2 ** doubled);
}

/** The list after the clock jumped to `now`, `by` milliseconds ahead or (negative) back. */
export function afterJump(outages: readonly Outage[], by: Duration, now: Time): readonly Outage[] {
  const before = by > 0 ? now - by : now;
  const past = outages
    .filter((one) => one.from < before)
    .map((one) => ({ from: one.from, until: Math.min(endOf(one, before), before) }));
  const lasting = outages.some(({ until }) => until === null) ? [{ from: now, until: null }] : [];
  return by > 0 ? [...past, { from: before, until: now }, ...lasting] : [...past, ...lasting];
}

export type Outages = {
  /** Looks whether the clock jumped; every other question does too. */
  look(): void;
  /** What came of an attempt: a next hop of the destination answered, or none was reached. */
  tried(destination: string, answered: boolean): void;
  /** Since `from`: how long clocks stood still. */
  stood(from: Time): Duration;
  /** False for a day after the clock jumped: what ends or is destroyed by its age waits until people had time to look. */
  trustsClock(): boolean;
  /** An outage lasts. */
  away(): boolean;
  /** How old a message must be now for its sender to be told that it is delayed. */
  warnAfter(): Duration;
  /** Deliveries that may be under way now, of at most `most`. */
  room(most: number): number;
};
