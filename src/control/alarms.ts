// Alarms since the start, latest time of each: what `status` shows until alerts are sent.

import type { Time } from '../domain/ids.ts';

export type Alarm = { readonly name: string; readonly count: number; readonly at: Time };
export type Alarms = { raise(name: string, at: Time): void; list(): readonly Alarm[] };

export function createAlarms(): Alarms {
  const raised = new Map<string, Alarm>();
  return {
    raise: (name, at) => raised.set(name, { name, at, count: (raised.get(name)?.count ?? 0) + 1 }),
    list: () => [...raised.values()],
  };
}
