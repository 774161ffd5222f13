// What every part is given, and the few things of which there is one: the clock, chance, what is said when the start fails.

import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { LoadDeps } from '../config/load.ts';
import type { Secrets } from '../config/secrets.ts';
import type { Alarms } from '../control/alarms.ts';
import type { InForce } from '../control/in-force.ts';
import type { Time } from '../domain/ids.ts';
import type { Clock, Random } from '../domain/types.ts';
import type { Meter } from '../relay/line.ts';
import type { Metrics } from '../web/metrics.ts';

/** Why the gateway cannot start, in words for the operator; each line is one problem. */
export class StartError extends Error {}

/** What is in hand has so long to end when the gateway stops. */
export const DRAIN_MS = 10_000;
export const clock: Clock = {
  now: Date.now,
  sleep: (ms, signal) => sleep(ms, undefined, signal === undefined ? {} : { signal }),
};
export const random: Random = { bytes: (n) => randomBytes(n), fraction: Math.random };

/** What every part is given: the living configuration, and where it hands in how it is closed. */
export type Base = {
  readonly inForce: { current: InForce };
  readonly load: LoadDeps & { readonly secrets: Secrets };
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly alarms: Alarms;
  readonly startedAt: Time;
  readonly closers: (() => unknown)[];
};

export function meterOf({ metrics, alarms }: Base): Meter {
  return {
    ...metrics,
    alarm: (name) => {
      metrics.alarm(name);
      alarms.raise(name, clock.now());
    },
  };
}
