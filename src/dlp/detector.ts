// What a detector is, and the few ways in which all of them look around a candidate. A detector is a pure function of a
// page: a text in normal form (mail/text.ts); it never sees a message. Its regular expressions are bounded: no repetition inside
// a repetition, every run with an upper count. Nothing here logs, and a hit's value stays in memory.

import type { Confidence } from '../domain/types.ts';
import type { Page } from './page.ts';

/** `start` and `end` count UTF-16 units; `value` is the normalised match, by which the same value twice is one. */
export type Hit = {
  readonly start: number;
  readonly end: number;
  readonly value: string;
  readonly confidence: Confidence;
};

export type Detector = (page: Page) => Iterable<Hit>;

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
