// The watch: looks at the gateway once a minute, judges what it measures, raises alarms and has them told. What does not begin
// at once (a busy disk or loop may be so for a moment) must be so three times. Each part of a look may fail or hang by itself: the
// others go on, what stood stands on until it is measured again, and the next look comes. Logs names of alarms, counts and codes.

import type { Duration, Time } from '../domain/ids.ts';
import { DeadlineError } from '../net/deadline.ts';
import { type AlarmName, codeOf, type Line } from '../relay/line.ts';
import { STANDING } from './alarms.ts';
import { type AlertDeps, tell } from './alerts.ts';
import { type Bounds, judge, type Measured, type Watched } from './figures.ts';
import { type HeldDeps, lookAtHeld } from './held.ts';
import type { Measure } from './measure.ts';
import { type Cause, keyOf } from './plan.ts';

export type Raised = { readonly name: string; readonly count: number; readonly at: Time };

export type WatchDeps = AlertDeps &
  Pick<HeldDeps, 'settings'> & {
    readonly line: Line;
    readonly store: AlertDeps['store'] & HeldDeps['store'];
    readonly measure: Measure;
    readonly bounds: () => Bounds;
    /** Alarms since the start. */
    readonly raised: () => readonly Raised[];
    /** Names of what stands now. */
    readonly stands: (names: ReadonlySet<string>) => void;
    /** For metrics. */
    readonly measured: (measured: Measured, figures: readonly Watched[]) => void;
  };

export type Watch = {
  /** The figures of this moment. */
  figures(): Promise<readonly Watched[]>;
  stop(): Promise<void>;
};

const MINUTE: Duration = 60_000;
const PERSISTENT: ReadonlySet<AlarmName> = new Set<AlarmName>(['slow disk', 'slow loop', 'long read', 'stage late']);
const TIMES = 3;

export function startWatch(deps: WatchDeps): Watch {
  const { line, measure, bounds, measured } = deps;
  const stopped = new AbortController();
  const see = makeSeer(deps);
  let looking: Promise<readonly Watched[]> = Promise.resolve([]);

  async function look(): Promise<readonly Watched[]> {
    const values = await measure.now();
    const figures = judge(values, bounds());
    measured(values, figures);
    return figures;
  }
  /** One at a time: two would share the time since the last look. */
  function figures(): Promise<readonly Watched[]> {
    looking = looking.catch(() => []).then(look);
    return looking;
  }

  function failed(error: unknown): void {
    const late = error instanceof DeadlineError;
    line.meter.alarm(late ? 'long read' : 'stage failed');
    const fields = { stage: 'watch', code: codeOf(error), ...(late && { part: error.what }) };
    line.log.error(
      fields,
      late ? 'a look at the store has taken a minute and goes on' : 'the watch failed and looks again in a minute',
    );
  }

  const held = oneAtATime(line, 'held mail', () => lookAtHeld(deps));
  const measuring = oneAtATime(line, 'figures', figures);
  // Who hangs with the store's reader can send no mail: the metric and the log say so.
  const telling = oneAtATime(line, 'alerts', see.tell);

  async function once(): Promise<void> {
    // When held mail cannot be looked at, or nothing can be measured, people must be told all the more.
    if (line.outages.trustsClock()) await held().catch(failed);
    const measured = await measuring().catch(failed);
    if (measured !== undefined) see.raise(measured);
    if (!stopped.signal.aborted) await telling().catch(failed);
  }

  const done = (async () => {
    while (!stopped.signal.aborted) {
      await once().catch(failed);
      await line.clock.sleep(MINUTE, stopped.signal).catch(() => {});
    }
  })();

  return {
    figures,
    async stop() {
      stopped.abort();
      await done;
      await measure.close();
    },
  };
}

/** Waits for `part` a minute at most, then rejects with DeadlineError. One that goes on is not begun anew: it is waited for. */
function oneAtATime<T>({ clock }: Pick<Line, 'clock'>, what: string, part: () => Promise<T>): () => Promise<T> {
  let underWay: Promise<T> | null = null;
  return async () => {
    underWay ??= part().finally(() => {
      underWay = null;
    });
    const ended = new AbortController();
    const late = clock.sleep(MINUTE, ended.signal).then(() => {
      throw new DeadlineError(what);
    });
    try {
      return await Promise.race([underWay, late]);
    } finally {
      ended.abort();
    }
  };
}

/** From look to look: what stands, and which events were told. */
function makeSeer({ line, store, to, raised, stands }: WatchDeps) {
  const inARow = new Map<string, number>();
  const told = new Map<string, number>();
  let causes: readonly Cause[] = [];
  let standing: ReadonlySet<string> = new Set();

  function standingNow(figures: readonly Watched[]): Cause[] {
    const now: Cause[] = [];
    for (const { alarm, of, light, value } of figures) {
      const cause: Cause = { name: alarm, value, ...(of !== undefined && { of }) };
      const key = keyOf(cause);
      inARow.set(key, light === 'green' ? 0 : (inARow.get(key) ?? 0) + 1);
      const times = PERSISTENT.has(alarm) && !standing.has(key) ? TIMES : 1;
      if (light !== 'green' && inARow.get(key)! >= times) now.push(cause);
    }
    return now;
  }

  function events(): Cause[] {
    return raised().flatMap(({ name, count, at }) => {
      const more = count - (told.get(name) ?? 0);
      if (STANDING.has(name as AlarmName) || more <= 0) return [];
      const value = `${more} ${more === 1 ? 'time' : 'times'}, last ${new Date(at).toISOString().slice(0, 16)}Z`;
      return [{ name: name as AlarmName, value }];
    });
  }

  return {
    raise(figures: readonly Watched[]): void {
      causes = standingNow(figures);
      for (const cause of causes) {
        if (standing.has(keyOf(cause))) continue;
        line.meter.alarm(cause.name);
        line.log.warn({ alarm: cause.name }, 'a person is needed: sealrelay doctor');
      }
      standing = new Set(causes.map(keyOf));
      stands(new Set(causes.map(({ name }) => name)));
    },
    async tell(): Promise<void> {
      const counts = new Map(raised().map(({ name, count }) => [name, count]));
      for (const key of await tell({ line, store, to }, events(), causes)) told.set(key, counts.get(key) ?? 0);
    },
  };
}
