// Durations and sizes as people write them: `4 hours`, `30s`, `150MB`. A number without a unit is refused, since nobody
// remembers which unit a bare number had.

import { nearest } from './problem.ts';

/** A value, or what is wrong with it, in words that follow the key. */
export type Reading<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly wrong: string; readonly hint?: string };

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: SECOND,
  second: SECOND,
  seconds: SECOND,
  min: MINUTE,
  minute: MINUTE,
  minutes: MINUTE,
  h: HOUR,
  hour: HOUR,
  hours: HOUR,
  d: DAY,
  day: DAY,
  days: DAY,
  week: 7 * DAY,
  weeks: 7 * DAY,
};

const SIZE_UNITS: Readonly<Record<string, number>> = { B: 1, kB: 1024, KB: 1024, MB: 1_048_576, GB: 1_073_741_824 };

/** One year: longer waits than this are typing errors, and timers overflow far above. */
const LONGEST = 366 * DAY;

function quantity(value: unknown, what: string, example: string): Reading<{ count: number; unit: string }> {
  if (value === null || value === undefined)
    return { ok: false, wrong: `is empty; ${what} such as ${example} is wanted` };
  if (typeof value === 'number') {
    return { ok: false, wrong: `${value} has no unit; write ${what} such as ${example}` };
  }
  if (typeof value !== 'string') return { ok: false, wrong: `must be ${what} such as ${example}` };
  const match = /^(\d{1,15})\s*([A-Za-z]+)$/.exec(value.trim());
  if (match) return { ok: true, value: { count: Number(match[1]), unit: match[2]! } };
  if (/^\d+$/.test(value.trim())) {
    return { ok: false, wrong: `"${value}" has no unit; write ${what} such as ${example}` };
  }
  return { ok: false, wrong: `"${value}" is not ${what}; write a whole number and a unit, such as ${example}` };
}

const LONGEST_TERM = 1200;

/** Months of a term of years: `6 years`, `73 months`, `6 years 1 month`. */
export function parseTerm(value: unknown): Reading<number> {
  const example = 'whole years or months, such as 6 years, 73 months or 6 years 1 month';
  const match =
    typeof value === 'string' ? /^(?:(\d{1,3}) years?(?:$| (?=\d)))?(?:(\d{1,4}) months?)?$/.exec(value.trim()) : null;
  if (!match || match[0] === '') return { ok: false, wrong: `must be ${example}` };
  const months = Number(match[1] ?? 0) * 12 + Number(match[2] ?? 0);
  if (months < 1 || months > LONGEST_TERM) return { ok: false, wrong: 'must be from 1 month to 100 years' };
  return { ok: true, value: months };
}

/** As `parseTerm` reads it. */
export function termText(months: number): string {
  const count = (n: number, unit: string) => (n === 0 ? [] : [`${n} ${unit}${n === 1 ? '' : 's'}`]);
  return [...count(Math.floor(months / 12), 'year'), ...count(months % 12, 'month')].join(' ');
}

/** Milliseconds of a duration in words: `30s`, `15 minutes`, `4 hours`, `5 days`. */
export function parseDuration(value: unknown): Reading<number> {
  const read = quantity(value, 'a duration', '30s, 15 minutes, 4 hours or 5 days');
  if (!read.ok) return read;
  const factor = Object.hasOwn(DURATION_UNITS, read.value.unit) ? DURATION_UNITS[read.value.unit] : undefined;
  if (factor === undefined) {
    const unit =
      read.value.unit === 'm' ? 'minutes' : nearest(read.value.unit, ['seconds', 'minutes', 'hours', 'days', 'weeks']);
    const hint = unit === null ? {} : { hint: `${read.value.count} ${unit}` };
    return {
      ok: false,
      wrong: `unknown unit "${read.value.unit}"; durations end in s, minutes, hours or days`,
      ...hint,
    };
  }
  const ms = read.value.count * factor;
  return ms > LONGEST ? { ok: false, wrong: 'is longer than a year' } : { ok: true, value: ms };
}

/** Octets of a size: `150MB`, `64 kB`. 1 kB = 1,024, 1 MB = 1,048,576, 1 GB = 1,073,741,824. */
export function parseSize(value: unknown): Reading<number> {
  const read = quantity(value, 'a size', '64kB, 150MB or 2GB');
  if (!read.ok) return read;
  const { count, unit } = read.value;
  const factor = Object.hasOwn(SIZE_UNITS, unit) ? SIZE_UNITS[unit] : undefined;
  if (factor === undefined) {
    const known = Object.keys(SIZE_UNITS).find((name) => name[0]!.toLowerCase() === unit[0]!.toLowerCase());
    const hint = known === undefined ? {} : { hint: `${count}${known}` };
    return { ok: false, wrong: `unknown unit "${unit}"; sizes end in B, kB, MB or GB`, ...hint };
  }
  const octets = count * factor;
  return Number.isSafeInteger(octets) ? { ok: true, value: octets } : { ok: false, wrong: 'is too large' };
}

const RATE_UNITS: Readonly<Record<string, number>> = { s: SECOND, minute: MINUTE, hour: HOUR };

/** Milliseconds between two of a rate: `5/s` is 200, `30/minute` 2,000. */
export function parseRate(value: unknown): Reading<number> {
  const wanted = 'must be a number for a time, such as 5/s, 300/minute or 1000/hour';
  const match = typeof value === 'string' ? /^(\d{1,6})\s*\/\s*(s|minute|hour)$/.exec(value.trim()) : null;
  const count = Number(match?.[1] ?? 0);
  if (match === null || count === 0) return { ok: false, wrong: wanted };
  return { ok: true, value: RATE_UNITS[match[2] as string]! / count };
}

/** A rate of so many milliseconds between two: 200 → `5/s`, 2000 → `30/minute`. */
export function rateText(ms: number): string {
  const [name, unit] = Object.entries(RATE_UNITS).find(([, each]) => Number.isInteger(round(each / ms))) ?? [
    'hour',
    HOUR,
  ];
  return `${round(unit / ms)}/${name}`;
}

/** What a division left behind the ninth place is none of the number. */
function round(value: number): number {
  return Number(value.toFixed(9));
}

/** The shortest exact writing, in words: 14400000 → `4 hours`. */
export function durationText(ms: number): string {
  const units: readonly (readonly [string, number])[] = [
    ['day', DAY],
    ['hour', HOUR],
    ['minute', MINUTE],
    ['second', SECOND],
  ];
  for (const [name, factor] of units) {
    if (ms >= factor && ms % factor === 0) return `${ms / factor} ${name}${ms === factor ? '' : 's'}`;
  }
  return `${ms} ms`;
}

/** The shortest exact writing: 157286400 → `150MB`. */
export function sizeText(octets: number): string {
  const units: readonly (readonly [string, number])[] = [
    ['GB', 1_073_741_824],
    ['MB', 1_048_576],
    ['kB', 1024],
  ];
  for (const [name, factor] of units) {
    if (octets >= factor && octets % factor === 0) return `${octets / factor}${name}`;
  }
  return `${octets}B`;
}
