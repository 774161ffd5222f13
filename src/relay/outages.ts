// Keeps the outages of this gateway (outage.ts) and watches for the next: what came of attempts, and whether the clock jumped. What
// must outlive a restart stands in the store, each change with an entry of the audit. Logs numbers only.

import type { Duration, Time } from '../domain/ids.ts';
import type { Outage } from '../domain/types.ts';
import { type Queue, verbId } from '../store/queue/port.ts';
import { codeOf, type Line, type Settings } from './line.ts';
import {
  ASKED,
  afterJump,
  createAnswerers,
  createSpells,
  createTally,
  DESTINATIONS,
  endOf,
  LASTS,
  type Outages,
  PROBES,
  slowStart,
  stoodStill,
  waitThrough,
} from './outage.ts';

const MINUTE = 60_000;
/** Of the clock, against one that only runs. */
const JUMP = 60 * MINUTE;
/** Older ones concern no message. */
const KEPT = 50;
/** The clock is in doubt for so long after it jumped. */
const DOUBT = 24 * 60 * MINUTE;
/** After an attempt that failed none is begun for so long. */
const PAUSE = 10_000;

export type OutageDeps = Pick<Line, 'settings' | 'random' | 'clock' | 'log' | 'meter' | 'wake'> & {
  readonly queue: Pick<Queue, 'outages' | 'keepOutages' | 'retryNow'>;
  /** Milliseconds of a clock that only runs. */
  readonly running: () => number;
  /** Whether a next hop of the destination says anything. */
  readonly reaches: (destination: string) => Promise<boolean>;
  /** Whether the resolver sees the world. */
  readonly online: () => Promise<boolean>;
};

/** Goes on with an outage that lasted when the last process ended. `stop`: what was asked of others is not waited for, and their
 *  answers say nothing any more. */
export async function openOutages(deps: OutageDeps): Promise<Outages & { stop(): void }> {
  const { settings, clock, log, meter } = deps;
  // Times of rows are whole.
  const running = () => Math.round(deps.running());
  const tally = createTally();
  const answerers = createAnswerers();
  const spells = createSpells();
  let outages = await deps.queue.outages();
  let failedAt = Number.NEGATIVE_INFINITY;
  let endedAt = Number.NEGATIVE_INFINITY;
  let jumpedAt = Number.NEGATIVE_INFINITY;
  let askedAt = Number.NEGATIVE_INFINITY;
  let seen = { now: clock.now(), running: running() };
  let stopped = false;

  const away = (): boolean => outages.at(-1)?.until === null;
  // How long it lasted before nobody knows by this clock.
  if (away()) spells.began(seen.running);

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
    jumpedAt = at.running;
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
    spells.began(running() - age);
    meter.alarm('own outage');
    log.error(
      { minutes: Math.round(age / MINUTE) },
      'no destination can be reached: the uplink, the resolver or the smart host is away; no clock of a message runs',
    );
  }

  function end(now: Time, why = 'destinations can be reached again'): void {
    const last = outages.at(-1) as Outage;
    endedAt = running();
    keep([...outages.slice(0, -1), { from: last.from, until: endOf(last, now) }], 'outage.ended');
    spells.ended(endedAt);
    log.warn({ minutes: Math.round((now - last.from) / MINUTE) }, why);
  }

  function gotAnswer(destination: string, now: Time): void {
    answerers.answered(destination);
    tally.answered(destination);
    if (away()) end(now);
  }

  /** Whoever ought to answer is asked, now and then: does one, the fault is not ours. */
  async function ask(): Promise<void> {
    if (running() - askedAt < LASTS) return;
    askedAt = running();
    const ours = settings().organizations.flatMap(({ returnHost, domains }) => (returnHost === null ? domains : []));
    const names = [...new Set([...answerers.best(), ...ours.slice(0, ASKED)])];
    const online = deps.online().catch(() => false);
    const answered = await Promise.all(names.map((name) => deps.reaches(name).catch(() => false)));
    const byStrangers = await online;
    if (stopped) return;
    const one = names.find((_, i) => answered[i]);
    const now = look();
    if (one !== undefined) return gotAnswer(one, now);
    const spent = byStrangers && spells.areSpent(running());
    if (away() && spent) {
      end(now, 'names are resolved but no destination is reached, for hours: clocks of messages run again');
    }
    const age = away() || spent ? null : tally.age(running(), DESTINATIONS);
    if (age !== null) begin(age, now);
  }

  return {
    look,
    tried(destination, answered) {
      const now = look();
      const needed = neededOf(settings(), destination);
      if (needed === null) return;
      if (answered) return gotAnswer(destination, now);
      failedAt = running();
      tally.failed(destination, failedAt);
      const age = tally.age(failedAt, needed);
      // The smart host is the only way out.
      if (needed === 1 && age !== null && !away()) begin(age, now);
      if (needed > 1 && (age !== null || away())) void ask();
    },
    stood(from) {
      const now = look();
      return stoodStill(outages, from, now);
    },
    trustsClock() {
      look();
      return running() - jumpedAt >= DOUBT;
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
    stop() {
      stopped = true;
    },
  };
}

/** How many must fail for it to be our fault; null: this destination says nothing of it. A smart host is ours, and all that
 *  goes out goes there; the way back to staff is another one. */
function neededOf({ smartHost, organizations }: Settings, destination: string): number | null {
  if (smartHost !== null) return destination === smartHost ? 1 : null;
  return organizations.some(({ returnHost }) => returnHost === destination) ? null : DESTINATIONS;
}
