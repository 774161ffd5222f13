// What happens to state as it grows old: once a day what the sweeps destroyed is written into the audit; a month that is over
// goes into a segment; a segment whose term is over is destroyed, and with the last box under it the key of a month. Slowly, so
// that the line waits for none of it. Logs months and counts. What a legal hold covers stays, and is looked at again every hour.

import type { Duration, Time } from '../domain/ids.ts';
import { codeOf, type Line } from '../relay/line.ts';
import type { Archive, Step } from '../store/audit/archive-port.ts';

export type RetentionDeps = {
  readonly line: Pick<Line, 'clock' | 'log' | 'meter'>;
  readonly archive: Pick<Archive, 'closeNext' | 'prune' | 'recordDestroyed' | 'lastBefore'>;
  /** Destroys the keys of months that ended before then and under which nothing remains; how many keys, and how many of such
   *  months something keeps. */
  readonly destroyKeys: (before: Time, stop: AbortSignal) => Promise<{ readonly keys: number; readonly kept: number }>;
  /** Months that the audit is kept. */
  readonly months: () => number;
};

const EVERY: Duration = 60_000;
const HOUR: Duration = 3_600_000;
const DAY: Duration = 86_400_000;
/** Who was away for longer, or has a clock that is wrong since the start, destroys nothing for a day of rounds. */
const AWAY: Duration = 40 * DAY;
const DAY_OF_ROUNDS = DAY / EVERY;
/** Between two slices of a month that is moved. */
const PAUSE: Duration = 20;

/** The first moment of the oldest month that is kept. */
export function keptSince(now: Time, months: number): Time {
  const at = new Date(now);
  return Date.UTC(at.getUTCFullYear(), at.getUTCMonth() - months);
}

export function startRetention(deps: RetentionDeps & { readonly line: Pick<Line, 'outages'> }): {
  stop(): Promise<void>;
} {
  const { clock, log, meter, outages } = deps.line;
  const stopped = new AbortController();
  const once = makeRetention(deps, stopped.signal);
  const done = (async () => {
    while (!stopped.signal.aborted) {
      const round = outages.trustsClock() ? once() : Promise.resolve();
      await round.catch((error) => {
        if (stopped.signal.aborted) return;
        meter.alarm('stage failed');
        log.error({ stage: 'retention', code: codeOf(error) }, 'retention failed and is tried again in a minute');
      });
      await clock.sleep(EVERY, stopped.signal).catch(() => {});
    }
  })();
  return {
    async stop() {
      stopped.abort();
      await done;
    },
  };
}

/** One round; what failed is due again in the next. */
export function makeRetention(
  { line, archive, destroyKeys, months }: RetentionDeps,
  stop: AbortSignal,
): () => Promise<void> {
  const { clock, log } = line;
  let recorded = -1;
  let looked = Number.NEGATIVE_INFINITY;
  /** The day on which keys were looked at last: what keeps one may take a look at every row to find. */
  let keysLooked = -1;
  /** Rounds until what is over by this clock is believed to be over; null before the first. */
  let doubt: number | null = null;
  async function doubtAt(now: Time): Promise<number> {
    const last = await archive.lastBefore(now);
    if (last === null || now - last < AWAY) return 0;
    const days = Math.round((now - last) / DAY);
    log.warn(
      { days },
      'nothing came for so long, or the clock is wrong: for a day nothing of the audit is moved or destroyed',
    );
    return DAY_OF_ROUNDS;
  }

  /** Rejects when the gateway ends: what is left undone is gone on with after the start. */
  const slowly = (step: Step) => (step === 'some moved' ? clock.sleep(PAUSE, stop) : undefined);
  return async () => {
    const now = clock.now();
    doubt = doubt === null ? await doubtAt(now) : Math.max(0, doubt - 1);
    if (doubt > 0) return;
    const day = Math.floor(now / DAY);
    if (day !== recorded) {
      await archive.recordDestroyed();
      recorded = day;
    }
    // A clock that was set back must not let an hour become a year.
    if (Math.abs(now - looked) < HOUR) return;
    for (
      let one = await archive.closeNext(now, slowly, stop);
      one !== null;
      one = await archive.closeNext(now, slowly, stop)
    ) {
      const { month, first, last, messages } = one;
      log.info({ month, entries: last - first + 1, messages }, 'a month of the audit was closed');
    }
    const kept = months();
    const before = keptSince(now, kept);
    const pruned = await archive.prune(before, kept, undefined, stop);
    if (pruned > 0)
      log.info({ segments: pruned, months: kept }, 'months of the audit were destroyed, their term is over');
    if (pruned > 0 || day !== keysLooked) {
      const done = await destroyKeys(before, stop);
      if (done.keys > 0) log.info(done, 'keys of months were destroyed: nothing was under them any more');
      keysLooked = day;
    }
    looked = now;
  };
}
