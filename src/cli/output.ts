// What commands print. Values come from mail and from peers, so nothing reaches a terminal that could steer it: control
// characters are shown as `?` in text and escaped in JSON.

import { styleText } from 'node:util';

/** C0, DEL and C1; in text, not in our own line ends. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

export function plain(text: string): string {
  return text.replace(CONTROL, '?');
}

/** Resolves when stdout can take more. */
export function print(text: string): Promise<void> {
  if (process.stdout.write(`${text}\n`)) return Promise.resolve();
  return new Promise((resolve) => process.stdout.once('drain', resolve));
}

/** For people who wait: progress, hints. Not data. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

export function jsonText(value: unknown): string {
  // JSON.stringify leaves C1 and bidirectional controls as they are.
  return JSON.stringify(value).replace(CONTROL, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

export function printJson(value: unknown): Promise<void> {
  return print(jsonText(value));
}

type Style = Parameters<typeof styleText>[0];

/** Colour where stdout is a terminal and NO_COLOR is not set. */
export function styled(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout });
}

export function mark(state: 'ok' | 'warning' | 'problem'): string {
  if (state === 'ok') return styled('green', '✓');
  return state === 'warning' ? styled('yellow', '!') : styled('red', '✗');
}

export type Column<Row> = {
  readonly title: string;
  readonly value: (row: Row) => string | number | null;
  readonly right?: boolean;
};

/** Prints rows in columns as pages come; the first page settles the widths, later cells may stand out. */
export function tablePrinter<Row>(columns: readonly Column<Row>[]): (rows: readonly Row[]) => Promise<void> {
  let widths: number[] | undefined;
  return async (rows) => {
    if (rows.length === 0) return;
    const cells = rows.map((row) => columns.map((column) => plain(String(column.value(row) ?? '-'))));
    if (widths === undefined) {
      widths = columns.map((column, i) => Math.max(column.title.length, ...cells.map((line) => line[i]?.length ?? 0)));
      const title = line(
        columns,
        widths,
        columns.map((column) => column.title),
      );
      await print(styled('bold', title));
    }
    const sized = widths;
    await print(cells.map((one) => line(columns, sized, one)).join('\n'));
  };
}

function line<Row>(columns: readonly Column<Row>[], widths: readonly number[], cells: readonly string[]): string {
  return columns
    .map((column, i) => {
      const width = widths[i] ?? 0;
      return column.right ? (cells[i] ?? '').padStart(width) : (cells[i] ?? '').padEnd(width);
    })
    .join('  ')
    .trimEnd();
}

/** `name   value` lines. */
export async function printPairs(pairs: readonly (readonly [string, string])[]): Promise<void> {
  const width = Math.max(...pairs.map(([name]) => name.length));
  for (const [name, value] of pairs) await print(`${styled('bold', name.padEnd(width))}  ${plain(value)}`);
}

/** `2026-11-24 09:15:02Z` of an ISO time. */
export function timeText(iso: string | null): string {
  return iso === null ? '-' : iso.replace('T', ' ').replace(/\.\d+Z$/, 'Z');
}

/** `2h`, `3d`, `40s` between two ISO times. */
export function ageText(iso: string | null, now: number): string {
  if (iso === null) return '-';
  const seconds = Math.max(0, Math.round((now - Date.parse(iso)) / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)}m`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)}h` : `${Math.round(seconds / 86400)}d`;
}

export function sizeText(octets: number): string {
  if (octets < 1024) return `${octets} B`;
  return octets < 1048576 ? `${(octets / 1024).toFixed(1)} kB` : `${(octets / 1048576).toFixed(1)} MB`;
}
