// Whose fault it is when nothing gets through. Destinations that fail while others answer are their own fault; when all fail
// at once it is ours: the uplink, the resolver, or the one smart host. Then no clock of a message runs (lifetime, step, delay
// of which the sender is told), a few attempts go on to see when it is over, and afterwards deliveries begin slowly. A clock
// that jumps ahead, as after a machine was suspended, is the same: that time nobody had. Logs numbers only.
//
// Any answer of a next hop ends an outage: it proves resolver and uplink. It cannot see an outage on the way to one
// destination alone, nor one of a gateway that has fewer than three destinations and no smart host: there nobody can tell
// whose fault it is, and senders are told as ever.

import type { Duration, Time } from '../domain/ids.ts';
import type { Outage } from '../domain/types.ts';
import type { Queue } from '../store/queue/port.ts';
import { codeOf, type Line, type Settings, verbId } from './line.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** Destinations that must fail, with no answer of any in between. */
const DESTINATIONS = 3;
/** For so long. */
const LASTS = 5 * MINUTE;
/** A failure longer ago says nothing of now; longer than the longest wait between two attempts. */
const FRESH = 90 * MINUTE;
/** In one outage clocks stand still no longer: by then people must be told. */
const MOST = 24 * HOUR;
/** Of the clock, against one that only runs. */
const JUMP = HOUR;
/** Older ones concern no message. */
const KEPT = 50;
/** Attempts at once in an outage, and no new one so soon after one that failed. */
const PROBES = 2;
const PAUSE = 10_000;
/** After an outage twice as many deliveries are begun each time this has passed. */
const DOUBLES = 10_000;
const REMEMBERED = 10_000;

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

function endOf({ from, until }: Outage, now: Time): Time {
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
  /** An outage lasts. */
  away(): boolean;
  /** How old a message must be now for its sender to be told that it is delayed. */
  warnAfter(): Duration;
  /** Deliveries that may be under way now, of at most `most`. */
  room(most: number): number;
};

export type OutageDeps = Pick<Line, 'settings' | 'random' | 'clock' | 'log' | 'meter' | 'wake'> & {
  readonly queue: Pick<Queue, 'outages' | 'keepOutages' | 'retryNow'>;
  /** Milliseconds of a clock that only runs. */
  readonly running: () => number;
};

/** Goes on with an outage that lasted when the last process ended. */
export async function openOutages(deps: OutageDeps): Promise<Outages> {
  const { settings, clock, running, log, meter } = deps;
  const tally = createTally();
  let outages = await deps.queue.outages();
  let failedAt = Number.NEGATIVE_INFINITY;
  let endedAt = Number.NEGATIVE_INFINITY;
  let seen = { now: clock.now(), running: running() };

  const away = (): boolean => outages.at(-1)?.until === null;

  function keep(next: readonly Outage[], event: 'outage.began' | 'outage.ended' | 'clock.jumped'): void {
    outages = next.slice(-KEPT);
    deps.queue.keepOutages(verbId(deps), outages, event).catch((error) => {
      log.error({ code: codeOf(error) }, 'an outage could not be recorded; a restart would forget it');
    });
  }

  /** Looks at the clock; asked before anything is said by it. */
  function look(): Time {
    const at = { now: clock.now(), running: running() };
    const by = at.now - seen.now - (at.running - seen.running);
    seen = at;
    if (Math.abs(by) < JUMP) return at.now;
    meter.alarm('clock jumped');
    log.warn({ minutes: Math.round(by / MINUTE) }, 'the clock jumped; clocks of messages do not count that time');
    keep(afterJump(outages, by, at.now), 'clock.jumped');
    if (by < 0) retryAll();
    return at.now;
  }

  /** What was put off by a clock that was ahead would wait until that time comes again. */
  function retryAll(): void {
    endedAt = running();
    const op = { verb: verbId(deps), actor: 'gateway', reason: 'the clock was set back' };
    deps.queue.retryNow(op, { states: ['ready'] }).then(
      () => deps.wake('deliver'),
      (error) =>
        log.error({ code: codeOf(error) }, 'what waits could not be made due; sealrelay queue retry --all does it'),
    );
  }

  function begin(age: Duration, now: Time): void {
    const last = outages.at(-1)?.until ?? 0;
    keep([...outages, { from: Math.max(now - age, last), until: null }], 'outage.began');
    meter.alarm('own outage');
    log.error(
      { minutes: Math.round(age / MINUTE) },
      'no destination can be reached: the uplink, the resolver or the smart host is away; no clock of a message runs',
    );
  }

  function end(now: Time): void {
    const last = outages.at(-1) as Outage;
    endedAt = running();
    keep([...outages.slice(0, -1), { from: last.from, until: endOf(last, now) }], 'outage.ended');
    log.warn({ minutes: Math.round((now - last.from) / MINUTE) }, 'destinations can be reached again');
  }

  return {
    look,
    tried(destination, answered) {
      const now = look();
      const needed = neededOf(settings(), destination);
      if (needed === null) return;
      if (answered) {
        tally.answered(destination);
        if (away()) end(now);
        return;
      }
      failedAt = running();
      tally.failed(destination, failedAt);
      const age = away() ? null : tally.age(failedAt, needed);
      if (age !== null) begin(age, now);
    },
    stood(from) {
      const now = look();
      return stoodStill(outages, from, now);
    },
    away,
    warnAfter() {
      const now = look();
      const wait = waitThrough(outages, settings().warnAfter, now);
      // Nothing comes due while clocks stand: it is asked again in a minute, not at once.
      return away() ? wait + MINUTE : wait;
    },
    room(most) {
      look();
      if (!away()) return slowStart(most, running() - endedAt);
      return running() - failedAt < PAUSE ? 0 : Math.min(most, PROBES);
    },
  };
}

/** How many must fail for it to be our fault; null: this destination says nothing of it. A smart host is ours, and all that
 *  goes out goes there; the way back to staff is another one. */
function neededOf({ smartHost, organizations }: Settings, destination: string): number | null {
  if (smartHost !== null) return destination === smartHost ? 1 : null;
  return organizations.some(({ returnHost }) => returnHost === destination) ? null : DESTINATIONS;
}
