// What a trial of `npm run load` is, and how its figures are judged and printed.

export type Figure = {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** It must be at most this; absent: printed only. */
  readonly atMost?: number;
};
export type Trial = {
  readonly name: string;
  /** What is promised, in one sentence. */
  readonly promise: string;
  /** `rows`: how many messages "100 k" are. */
  readonly run: (rows: number) => Promise<readonly Figure[]>;
};

/** One line for people; whether its bound holds. */
export function judge({ what, value, unit, atMost }: Figure): { readonly line: string; readonly holds: boolean } {
  const holds = atMost === undefined || value <= atMost;
  const shown = value >= 100 ? value.toFixed(0) : value.toFixed(2);
  const bound = atMost === undefined ? '' : `at most ${atMost} ${unit}  ${holds ? 'ok' : 'MISSED'}`;
  return { line: `  ${what.padEnd(62)} ${`${shown} ${unit}`.padStart(14)}  ${bound}`.trimEnd(), holds };
}

/** `fraction` 0.95: the value that so many are at most. */
export function percentile(values: readonly number[], fraction: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * fraction) - 1)] ?? Number.NaN;
}

/** Until it is true; rejects after `ms` with what was waited for. */
export async function until(is: () => boolean | Promise<boolean>, what: string, ms = 120_000): Promise<void> {
  for (const end = Date.now() + ms; !(await is()); await pause(10)) {
    if (Date.now() > end) throw new Error(`waited ${ms / 1000} s in vain for ${what}`);
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((wake) => setTimeout(wake, ms));
}
