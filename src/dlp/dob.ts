// Birth dates: a real date beside a word of birth. A date alone is no birth date, whatever its year.

import { before, type Detector, type Hit, isDigit, LINK, type Vector, WORD_START } from './detector.ts';
import { matchesAt, type Needs } from './hints.ts';

const LABEL = new RegExp(
  `${WORD_START}(?:dob|d\\.o\\.b\\.?|date[ _-]?of[ _-]?birth|birth[ _-]?date|birthday|born(?: on)?|fecha de nacimiento|f\\. ?nac\\.?|nacid[oa] el|DMG\\*D8\\*)(?![a-z])(?: ?\\([a-z/ -]{2,12}\\))?${LINK}`,
  'iy',
);
const AFTER = /^ ?[(,]? ?(?:dob|d\.o\.b\.?|date of birth)\b/i;
const WORD = /\bd\.?o\.?b\b|date of birth/i;
/** A date ends with a digit: what stands in front of a label behind one, and how long that is at most. */
const DATE_BEFORE = /\d ?[(,]? ?$/;
const BEFORE_MAX = 4;
const HEAD = /^(?:(?:patient |pt |member )?(?:dob|d\.o\.b\.?|date of birth|birth ?date)|fecha de nacimiento)$/i;
const MONTHS = 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ');
const MONTH = '(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\\.?';
const NUMERIC = /\d{1,2}([/.-])\d{1,2}\1(?:\d{4}|\d{2})/y;
const DATE = new RegExp(
  `(\\d{4})-(\\d{1,2})-(\\d{1,2})|((?:19|20)\\d{2})(\\d{2})(\\d{2})|(\\d{1,2})(?:st|nd|rd|th)?[ -]${MONTH}[ ,-]{1,2}(\\d{4}|\\d{2})|${MONTH} (\\d{1,2})(?:st|nd|rd|th)?,? (\\d{4})`,
  'iy',
);

/** Every label begins with one of these, and one stands in every head. */
export const NEEDS: Needs = [
  'dob',
  'd.o.b',
  'date of',
  'date_of',
  'date-of',
  'dateof',
  'birth',
  'born',
  'fecha de nac',
  'f.nac',
  'f. nac',
  'nacid',
  'nacimiento',
  'dmg*d8*',
];

export const findDob: Detector = (page, hints) => {
  const { text } = page;
  const places = hints.places(NEEDS);
  // Asked for each time: a process lives over New Year.
  const thisYear = new Date().getUTCFullYear();
  const hits: Hit[] = [];
  for (const match of matchesAt(text, places, LABEL)) {
    const start = match.index + match[0].length;
    const date = dateAt(text, start, thisYear);
    if (date) hits.push({ start, ...date, confidence: /^(?:birthday|born)/i.test(match[0]) ? 'medium' : 'high' });
  }
  if (places.some((place) => DATE_BEFORE.test(before(text, place, BEFORE_MAX))) && WORD.test(text)) {
    for (const hit of labelBehind(text, thisYear)) hits.push(hit);
  }
  for (const { start, end } of page.columnCells(HEAD, places)) {
    const date = dateAt(text, start, thisYear);
    if (date && date.end <= end) hits.push({ start, ...date, confidence: 'high' });
  }
  return hits;
};

function* labelBehind(text: string, thisYear: number) {
  for (const match of text.matchAll(/\d[\d/.-]{5,9}/g)) {
    const date = dateAt(text, match.index, thisYear);
    if (date && AFTER.test(text.slice(date.end, date.end + 20))) {
      yield { start: match.index, end: date.end, value: date.value, confidence: 'high' as const };
    }
  }
}

type DayAt = { readonly value: string; readonly end: number };

/** A date that begins at `start`, as `yyyy-mm-dd`; null when none does or there is no such day. */
function dateAt(text: string, start: number, thisYear: number): DayAt | null {
  NUMERIC.lastIndex = start;
  if (NUMERIC.test(text)) return numericAt(text, start, NUMERIC.lastIndex, thisYear);
  DATE.lastIndex = start;
  const m = DATE.exec(text);
  const end = DATE.lastIndex;
  if (!m || isDigit(text.charCodeAt(end))) return null;
  const name = (month: string | undefined) => 1 + MONTHS.indexOf((month ?? '').slice(0, 3).toLowerCase());
  let value: string | null;
  if (m[1]) value = dayOf(m[1], Number(m[2]), Number(m[3]), thisYear);
  else if (m[4]) value = dayOf(m[4], Number(m[5]), Number(m[6]), thisYear);
  else if (m[7]) value = dayOf(m[9], name(m[8]), Number(m[7]), thisYear);
  else value = dayOf(m[12], name(m[10]), Number(m[11]), thisYear);
  return value === null ? null : { value, end };
}

/** A match of NUMERIC, taken apart by hand: tables are full of them, and each group of a pattern is a string of its own. */
function numericAt(text: string, start: number, end: number, thisYear: number): DayAt | null {
  if (isDigit(text.charCodeAt(end))) return null;
  const second = start + (isDigit(text.charCodeAt(start + 1)) ? 3 : 2);
  const third = second + (isDigit(text.charCodeAt(second + 1)) ? 3 : 2);
  const a = Number(text.slice(start, second - 1));
  const b = Number(text.slice(second, third - 1));
  const year = text.slice(third, end);
  // Both orders are in use; the first that is a day wins.
  const value = dayOf(year, a, b, thisYear) ?? dayOf(year, b, a, thisYear);
  return value === null ? null : { value, end };
}

function dayOf(year: string | undefined, month: number, day: number, thisYear: number): string | null {
  let y = Number(year);
  if (year?.length === 2) y += 2000 + y > thisYear ? 1900 : 2000;
  // A birth lies in the past.
  if (y < 1900 || y > thisYear || month < 1 || month > 12 || day < 1) return null;
  if (day > (month === 2 && isLeap(y) ? 29 : (DAYS[month - 1] as number))) return null;
  return `${y}-${TWO_DIGITS[month]}-${TWO_DIGITS[day]}`;
}

const TWO_DIGITS = Array.from({ length: 32 }, (_, i) => String(i).padStart(2, '0'));
const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function isLeap(year: number): boolean {
  return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
}

export const VECTORS: readonly Vector[] = [
  { text: 'DOB: 03/04/1961', expect: ['1961-03-04 high'] },
  { text: 'DOB 3/4/61', expect: ['1961-03-04 high'] },
  { text: 'date of birth: 1961-03-04', expect: ['1961-03-04 high'] },
  { text: 'D.O.B. 04-Mar-1961', expect: ['1961-03-04 high'] },
  { text: 'birthdate March 4, 1961', expect: ['1961-03-04 high'] },
  { text: 'born on 4 March 1961', expect: ['1961-03-04 medium'] },
  { text: 'Jane (03/04/1961 DOB)', expect: ['1961-03-04 high'] },
  { text: 'fecha de nacimiento: 25/12/1970', expect: ['1970-12-25 high'] },
  { text: 'DOB: 19610304', expect: ['1961-03-04 high'] },
  { text: 'name\tdob\tx\nJ\t3/4/1961\t1\n', expect: ['1961-03-04 high'] },
  { text: '{"birthDate": "1961-03-04"}', expect: ['1961-03-04 high'] },
  { text: 'memberDob: 03/04/1961', expect: ['1961-03-04 high'] },
  { text: 'patient_dob=03/04/1961', expect: ['1961-03-04 high'] },
  { text: 'DOB (mm/dd/yyyy): 03/04/1961', expect: ['1961-03-04 high'] },
  { text: 'Date of Birth\t\t03/04/1961\t', expect: ['1961-03-04 high'] },
  { text: 'DMG*D8*19610304*F~', expect: ['1961-03-04 high'] },
  { text: 'DOB 3.4.61', expect: ['1961-03-04 high'] },
  { text: 'DOB: 29/02/1960', expect: ['1960-02-29 high'] },
  { text: 'DOB: 29/02/1961', expect: [] },
  { text: 'DOB: 01/01/2098', expect: [] },
  { text: 'DOB: 1961-13-04', expect: [] },
  { text: 'birthday lunch on 03/04/2026', expect: [] },
  { text: 'stubborn on 03/04/2020', expect: [] },
  { text: 'DOB: MM/DD/YYYY', expect: [] },
  { text: 'DOB: 02/30/1961', expect: [] },
  { text: 'due 03/04/2026', expect: [] },
  { text: 'The DOB field is required by 03/04/2026', expect: [] },
];
