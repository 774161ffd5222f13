// What a detector is, and the few ways in which all of them look around a candidate. A detector is a pure function of a
// page: a text in normal form (mail/text.ts); it never sees a message. Its regular expressions are bounded: no repetition inside
// a repetition, every run with an upper count. Nothing here logs, and a hit's value stays in memory.

import type { Confidence } from '../domain/types.ts';
import type { Hints } from './hints.ts';
import type { Page } from './page.ts';

/** `start` and `end` count UTF-16 units; `value` is the normalised match, by which the same value twice is one. */
export type Hit = {
  readonly start: number;
  readonly end: number;
  readonly value: string;
  readonly confidence: Confidence;
};

/** `hints` is of the same text, made of lists that hold the detector's own. */
export type Detector = (page: Page, hints: Hints) => Iterable<Hit>;

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

/** ASCII in capitals; most values are that already, and need no copy. */
export function upper(value: string): string {
  return /[a-z]/.test(value) ? value.toUpperCase() : value;
}

/** No letter or digit stands at either side, neither directly nor behind a mark that joins, as in `A-1`, `1/2`, `1.2`. */
export function standsAlone(text: string, start: number, end: number): boolean {
  const before = text.charCodeAt(start - 1);
  if (isLetterOrDigit(before) || (joins(before) && isLetterOrDigit(text.charCodeAt(start - 2)))) return false;
  const behind = text.charCodeAt(end);
  return !(isLetterOrDigit(behind) || ((behind === DOT || joins(behind)) && isLetterOrDigit(text.charCodeAt(end + 1))));
}

const DOT = 46;

/** `-_/\+%@` */
function joins(unit: number): boolean {
  return unit === 45 || unit === 95 || unit === 47 || unit === 92 || unit === 43 || unit === 37 || unit === 64;
}

export function isDigit(unit: number): boolean {
  return unit > 47 && unit < 58;
}

/** Of ASCII; false beyond the text, where the unit is no number. */
function isLetterOrDigit(unit: number): boolean {
  return isDigit(unit) || (unit > 64 && unit < 91) || (unit > 96 && unit < 123);
}

/** Pattern source: no letter in front, or the border of two glued words as in `patientMrn`; for patterns with the flag i. */
export const WORD_START = '(?:(?<![a-z])|(?-i:(?<=[a-z])(?=[A-Z])))';
/** Pattern source: the word for a number behind the name of one, as in `member id`, `MRN #`. */
export const NUMBER_WORD = '(?:[ _-]?(?:numbers?|numero|número|num|no|nbr|identifier|id|#)(?![a-z]))';
/** Pattern source: what may stand between a label and its value: `is`, a colon, quotes of JSON, the border of a cell. */
export const LINK = `[\\])"']{0,2}\\s{0,3}(?:is\\b|was\\b|of\\b|es\\b|[:=#-])?:?\\s{0,4}[("'#]?`;
