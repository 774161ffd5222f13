// Months of keys, of usage and of the audit, in UTC.

import type { Time } from './ids.ts';

/** The month asked for last: it is asked of each row and each box. */
let known = { from: 0, until: 0, month: '' };

/** `2026-11` */
export function monthOf(at: Time): string {
  if (at >= known.from && at < known.until) return known.month;
  const date = new Date(at);
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
  known = { from: Date.UTC(year, month), until: Date.UTC(year, month + 1), month: date.toISOString().slice(0, 7) };
  return known.month;
}

/** The first moment of the month YYYY-MM. */
export function monthStart(month: string): Time {
  const [year, number] = month.split('-').map(Number);
  return Date.UTC(year!, number! - 1);
}

/** The first moment after the month YYYY-MM. */
export function monthEnd(month: string): Time {
  const [year, number] = month.split('-').map(Number);
  return Date.UTC(year!, number!);
}
