// Ages and sizes as people read them.

import type { Duration } from '../domain/ids.ts';

const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
] as const;

/** `3 days`, `1 hour`, `40 seconds`; in the largest unit of which there are two. */
export function ageOf(duration: Duration): string {
  const positive = Math.max(0, duration);
  const [unit, ms] = UNITS.find(([, size]) => positive >= 2 * size) ?? ['second', 1_000];
  const count = Math.floor(positive / ms);
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}

/** `12.4 GB`, `640 kB`. */
export function octetsOf(octets: number): string {
  if (octets >= 1_073_741_824) return `${(octets / 1_073_741_824).toFixed(1)} GB`;
  if (octets >= 1_048_576) return `${(octets / 1_048_576).toFixed(0)} MB`;
  return `${Math.ceil(octets / 1024)} kB`;
}
