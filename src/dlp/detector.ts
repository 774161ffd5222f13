// What a detector is, and the few ways in which all of them look around a candidate. A detector is a pure function of a
// text in normal form (mail/text.ts); it never sees a message. Its regular expressions are bounded: no repetition inside
// a repetition, every run with an upper count. Nothing here logs, and a hit's value stays in memory.

import type { Confidence } from '../domain/types.ts';

/** `start` and `end` count UTF-16 units; `value` is the normalised match, by which the same value twice is one. */
export type Hit = {
  readonly start: number;
  readonly end: number;
  readonly value: string;
  readonly confidence: Confidence;
};

export type Detector = (text: string) => Iterable<Hit>;

/** A row of a detector's own table of cases: what it must find in `text`, as `value` or `value confidence`. */
export type Vector = { readonly text: string; readonly expect: readonly string[] };

/** True when `words` match within so many units before or after the place. */
export function near(
  text: string,
  hit: { start: number; end: number },
  before: number,
  after: number,
  words: RegExp,
): boolean {
  return (
    words.test(text.slice(Math.max(0, hit.start - before), hit.start)) ||
    (after > 0 && words.test(text.slice(hit.end, hit.end + after)))
  );
}

export function before(text: string, start: number, reach: number): string {
  return text.slice(Math.max(0, start - reach), start);
}

/** No letter or digit stands at either side, neither directly nor behind a mark that joins, as in `A-1`, `1/2`, `1.2`. */
export function standsAlone(text: string, start: number, end: number): boolean {
  return (
    !JOINED_BEFORE.test(text.slice(Math.max(0, start - 2), start)) && !JOINED_BEHIND.test(text.slice(end, end + 2))
  );
}

const JOINED_BEFORE = /[0-9A-Za-z][-_/\\+%@]?$/;
const JOINED_BEHIND = /^[-_/\\+%@.]?[0-9A-Za-z]/;

/** Pattern source: no letter in front, or the border of two glued words as in `patientMrn`; for patterns with the flag i. */
export const WORD_START = '(?:(?<![a-z])|(?-i:(?<=[a-z])(?=[A-Z])))';
/** Pattern source: the word for a number behind the name of one, as in `member id`, `MRN #`. */
export const NUMBER_WORD = '(?:[ _-]?(?:numbers?|numero|número|num|no|nbr|identifier|id|#)(?![a-z]))';
/** Pattern source: what may stand between a label and its value: `is`, a colon, quotes of JSON, the border of a cell. */
export const LINK = `[\\])"']{0,2}\\s{0,3}(?:is\\b|was\\b|of\\b|es\\b|[:=#-])?:?\\s{0,4}[("'#]?`;

/** Cells of table columns whose head matches `label`: a line with a tab, bar, semicolon or comma.
 *  A head reads as its words do: `patient_ssn` and `PatientSSN` as `patient ssn`. */
export function* columnCells(text: string, label: RegExp): Generator<{ start: number; end: number; text: string }> {
  let separator = '';
  let columns: number[] = [];
  let cells = 0;
  let line = 0;
  while (line < text.length) {
    const lineFeed = text.indexOf('\n', line);
    const end = lineFeed < 0 ? text.length : lineFeed;
    if (columns.length > 0) {
      const row = cellsOf(text, line, end, separator);
      if (row.length === cells) {
        for (const column of columns) {
          const cell = row[column] as { start: number; end: number };
          yield { ...cell, text: text.slice(cell.start, cell.end) };
        }
      } else if (end - line > 1) columns = [];
    }
    if (columns.length === 0 && end - line > 4 && end - line < 4_000) {
      separator = separatorOf(text, line, end);
      const row = separator === '' ? [] : cellsOf(text, line, end, separator);
      cells = row.length;
      columns = row.flatMap((cell, i) => {
        const head = text.slice(cell.start, cell.end);
        return head.length < 40 && !/\d{4}/.test(head) && label.test(headWords(head)) ? [i] : [];
      });
    }
    line = end + 1;
  }
}

function separatorOf(text: string, start: number, end: number): string {
  const line = text.slice(start, end);
  return ['\t', '|', ';', ','].find((separator) => line.includes(separator)) ?? '';
}

function headWords(head: string): string {
  return head
    .replace(/_/g, ' ')
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase();
}

function cellsOf(text: string, start: number, end: number, separator: string): { start: number; end: number }[] {
  const cells: { start: number; end: number }[] = [];
  let at = start;
  while (at <= end && cells.length < 500) {
    // A quoted cell may hold separators (RFC 4180); quotes inside it are rare enough to be left alone.
    const quoted = text[at] === '"' ? text.indexOf('"', at + 1) : -1;
    const from = quoted > at && quoted < end ? quoted : at;
    const found = text.indexOf(separator, from);
    const to = found < 0 || found > end ? end : found;
    cells.push(trimmed(text, at, to));
    at = to + 1;
  }
  return cells;
}

function trimmed(text: string, start: number, end: number): { start: number; end: number } {
  let from = start;
  let to = end;
  while (from < to && /[\s"]/.test(text[from] as string)) from++;
  while (to > from && /[\s"]/.test(text[to - 1] as string)) to--;
  return { start: from, end: to };
}
