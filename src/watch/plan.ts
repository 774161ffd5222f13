// Which alerts are to be told now. Pure. One mail a cause and hour at most; what stands is said again once a day, and when it
// is over.

import type { Duration, Time } from '../domain/ids.ts';
import type { AlarmName } from '../relay/line.ts';
import type { ToldAlert } from '../store/watch/port.ts';

/** Something that needs a person. `of` tells causes of one name apart: an organization, a certificate. */
export type Cause = {
  readonly name: AlarmName;
  readonly of?: string;
  /** Counts, ages, sizes: what is so now, without a person's name. */
  readonly value: string;
};
export type Plan = {
  readonly events: readonly Cause[];
  readonly standing: readonly Cause[];
  /** Keys of causes. */
  readonly over: readonly string[];
};

const HOUR: Duration = 3_600_000;
const AGAIN: Duration = 24 * HOUR;

export function keyOf({ name, of }: Pick<Cause, 'name' | 'of'>): string {
  return of === undefined ? name : `${name} (${of})`;
}

export function plan(
  now: Time,
  events: readonly Cause[],
  standing: readonly Cause[],
  told: readonly ToldAlert[],
): Plan {
  const before = new Map(told.map((one) => [one.cause, one]));
  // The clock may have been set back.
  const age = (one: ToldAlert) => Math.abs(now - one.at);
  const isQuiet = (cause: Cause) => {
    const last = before.get(keyOf(cause));
    return last === undefined || age(last) >= HOUR;
  };
  const isAgain = (cause: Cause) => {
    const last = before.get(keyOf(cause));
    return last?.state === 'standing' ? age(last) >= AGAIN : isQuiet(cause);
  };
  const stands = new Set(standing.map(keyOf));
  const over = told.filter((one) => one.state === 'standing' && !stands.has(one.cause) && age(one) >= HOUR);
  return {
    events: events.filter(isQuiet),
    standing: standing.filter(isAgain),
    over: over.map(({ cause }) => cause),
  };
}
