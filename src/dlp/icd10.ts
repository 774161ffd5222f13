// ICD-10-CM diagnosis codes. The three-place category must exist (ranges below, facts of the CDC's public tabular list;
// external causes V to Y by their whole range), and a word of diagnosis must stand near: M25 and I10 are also a screw
// and a road. A bare category needs the word directly in front.

import { before, type Detector, near, standsAlone, upper, type Vector } from './detector.ts';
import { anyBetween, matchesAt, type Needs } from './hints.ts';

const CATEGORIES: Readonly<Record<string, string>> = {
  A: '00-09 15 17-28 30-44 46 48-60 63-71 74 75 77-96 98 99',
  B: '00-10 15-20 25-27 30 33-60 64-83 85-92 94-97 99',
  C: '00-26 30-34 37-41 43-58 60-86 88 90-96 4A 7A 7B',
  D: '00-07 09-53 55-78 80-84 86 89 3A',
  E: '00-11 13 15 16 20-36 40-46 50-56 58-61 63-68 70-72 74-80 83-89',
  F: '01-07 09-25 28-34 39-45 48 50-55 59 60 63-66 68-73 78-82 84 88-95 98 99',
  G: '00-14 20-26 30-32 35-37 40 43-47 50-65 70-73 80-83 89-99',
  H: '00-05 10 11 15-22 25-28 30-36 40 42-44 46-55 57 59-62 65-75 80-83 90-95',
  I: '00-02 05-13 15 16 20-28 30-52 60-63 65-89 95-97 99 1A 5A',
  J: '00-06 09-18 20-22 30-45 47 60-70 80-82 84-86 90-96 98 99 4A',
  K: '00-14 20-23 25-31 35-38 40-46 50-52 55-68 70-77 80-83 85-87 90-92 94 95',
  L: '00-05 08 10-14 20-30 40-45 49-60 62-68 70-76 80-95 97-99',
  M: '00-02 04-08 10-27 30-36 40-43 45-51 53 54 60-63 65-67 70-72 75-77 79-81 83-96 99 1A',
  N: '00-08 10-23 25-37 39-53 60-65 70-77 80-99',
  O: '00-04 07-16 20-26 28-36 40-48 60-77 80 82 85-92 94 98 99 9A',
  P: '00-05 07-15 19-29 35-39 50-61 70-72 74 76-78 80 81 83 84 90-96',
  Q: '00-07 10-18 20-28 30-45 50-56 60-87 89-93 95-99',
  R: '00 01 03-07 09-23 25-27 29-37 39-65 68-94 97 99',
  S: '00-17 19-99',
  T: '07 14-28 30-34 36-71 73-76 78-88',
  U: '07 09',
  V: '00-99',
  W: '00-99',
  X: '00-99',
  Y: '00-99',
  Z: '00-04 08 09 11-23 28 30-34 36-49 51-53 55-60 62-79 80-99 3A 1A',
};

const KNOWN = new Set<string>();
for (const [letter, ranges] of Object.entries(CATEGORIES)) {
  for (const range of ranges.split(' ')) {
    const [first = '', last = first] = range.split('-');
    if (/[AB]/.test(first)) KNOWN.add(letter + first);
    else for (let i = Number(first); i <= Number(last); i++) KNOWN.add(letter + String(i).padStart(2, '0'));
  }
}

/** True when the three-place category stands in ICD-10-CM. */
export function isCategory(category: string): boolean {
  return KNOWN.has(upper(category));
}

const DOTTED = /[A-Z]\d[0-9AB]\.[0-9A-TV-Z]{1,4}/gi;
const LABEL =
  /\bicd\b|\bicd-?10|\bdx\b|\bdiagnos|\bimpression\b|\bproblem list\b|\bcodes?\b.{0,20}\b(?:claim|billed|visit)|\bDG1\b|\bHI\*|\bassessment\b/i;
const LABEL_HERE = new RegExp(LABEL.source, 'iy');
const DIRECT =
  /\b(?:icd(?:-?10)?(?:-?cm)?|dx|diagnosis)(?: ?codes?)?(?: ?(?:is|:|=|#))?:? ?([A-Z]\d[0-9AB][0-9A-TV-Z]{0,4})\b(?!\.)/iy;
const OTHER =
  /\b(?:error|version|v|rev|release|build|cable|screw|bolt|model|part|sku|exit|gate|room|seat|socket|thread|firmware|figure|table|section)\b/i;

/** Every label begins with one of these, and one stands in every head. */
export const NEEDS: Needs = ['icd', 'dx', 'diagnos', 'impression', 'problem list', 'code', 'dg1', 'hi*', 'assessment'];

export const findIcd10: Detector = function* (page, hints) {
  const { text } = page;
  const places = hints.places(NEEDS);
  if (matchesAt(text, places, LABEL_HERE).next().done) return;
  for (const match of text.matchAll(DOTTED)) {
    const hit = { start: match.index, end: match.index + match[0].length };
    if (!isCategory(match[0].slice(0, 3)) || !standsAlone(text, hit.start, hit.end)) continue;
    if (OTHER.test(before(text, hit.start, 15))) continue;
    const value = upper(match[0]);
    if (anyBetween(places, hit.start - 80, hit.end + 60) && near(text, hit, 80, 60, LABEL))
      yield { ...hit, value, confidence: 'high' };
    else yield { ...hit, value, confidence: 'low' };
  }
  for (const match of matchesAt(text, places, DIRECT)) {
    const code = match[1] as string;
    if (!isCategory(code.slice(0, 3))) continue;
    const end = match.index + match[0].length;
    yield { start: end - code.length, end, value: upper(code), confidence: 'medium' };
  }
  for (const cell of page.columnCells(/\b(?:icd|dx|diagnosis)/i, places)) {
    const value = text.slice(cell.start, cell.end);
    if (/^[A-Z]\d[0-9AB][0-9A-TV-Z]{0,4}$/.test(value) && isCategory(value.slice(0, 3))) {
      yield { ...cell, value, confidence: 'high' };
    }
  }
};

export const VECTORS: readonly Vector[] = [
  { text: 'Dx: E11.9, I10', expect: ['E11.9 high'] },
  { text: 'dx I10', expect: ['I10 medium'] },
  { text: 'ICD-10 code F32.1', expect: ['F32.1 high'] },
  { text: 'diagnosis: J45.909 (asthma)', expect: ['J45.909 high'] },
  { text: 'id,dx\n1,E119\n', expect: ['E119 high'] },
  { text: 'HI*ABK:E11.9~', expect: ['E11.9 high'] },
  { text: 'seen for C50.911, per the assessment', expect: ['C50.911 high'] },
  {
    text: 'dx of the left knee, and far below, after eighty units of other text that says nothing at all about it: M25.561',
    expect: ['M25.561 low'],
  },
  { text: 'id,dx,x\n1,E119,1\n', expect: ['E119 high'] },
  { text: 'Error E11.1 on the diagnostic page', expect: [] },
  { text: 'dx J55.1', expect: [] },
  { text: 'M25.5 bolts', expect: [] },
  { text: 'vitamin B12, exit I10', expect: [] },
];
