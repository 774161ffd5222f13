// Months of the audit, in UTC.

import type { Time } from '../../domain/ids.ts';

/** YYYY-MM */
export function monthOf(at: Time): string {
  return new Date(at).toISOString().slice(0, 7);
}

/** The first moment after the month YYYY-MM. */
export function monthEnd(month: string): Time {
  const [year, number] = month.split('-').map(Number);
  return Date.UTC(year!, number!);
}
