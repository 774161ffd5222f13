// Social Security numbers (42 CFR; random since 25 June 2011, so only impossible ones can be told by the number itself).
// A form alone is never more than low: parcels and dockets have it too. Words on either side, a column head or a second
// number lift it; words of other things drop it. Nine digits without a word are no SSN.

import { before, type Detector, type Hit, near, standsAlone, type Vector, WORD_START } from './detector.ts';
import { anyBetween, type Needs, type Places } from './hints.ts';

/** Behind a hyphen a line may end, in a quotation too. */
const FORM = /\d{3}(?: ?-[\s>]{0,4}\d{2} ?-[\s>]{0,4}|\.\d{2}\.| \d{2} )\d{4}/g;
const LABEL = new RegExp(
  `${WORD_START}ss[n#]|${WORD_START}ss ?(?:no|num)|\\bssid\\b|${WORD_START}soc(?:ial)?\\.?[ _-]?sec|\\bssa number|\\bsocials?\\b(?! (?:media|work|distanc))|seguro social|\\bsocial (?:is|was|number)`,
  'i',
);
/** A label that joins: `SSN-536-22-1847`. */
const GLUED = /ss[n#]?[-_/]$/i;
const OTHER =
  /\b(?:order|parcel|award|invoice|docket|tracking|track|shipment|ticket|part|sku|lot|serial|model|bates|extension|ext|po|case|confirmation|conf|warranty|fedex|ups|zip|phone|fax|tel|call|item|catalog|policy form|permit|asset|rma|build|version|isbn)\b/i;
const SUPPORT =
  /\b(?:dob|d\.o\.b|date of birth|born|birth ?date|patient|pt|member|medicare|medicaid|spouse|dependent|deceased|w-?[249]|payroll)\b/i;
const DENIED = new Set(['123456789', '078051120', '219099999', '457555462', '987654321', '111223333']);
for (const digit of '0123456789') DENIED.add(digit.repeat(9));

function isPossible(digits: string): boolean {
  if (digits.startsWith('000') || digits.startsWith('666') || digits.startsWith('9')) return false;
  if (digits.startsWith('00', 3) || digits.startsWith('0000', 5)) return false;
  return !DENIED.has(digits);
}

/** Most have one separator of one unit at each place. */
function digitsOf(form: string): string {
  return form.length === 11 ? form.slice(0, 3) + form.slice(4, 6) + form.slice(7) : form.replace(/\D/g, '');
}

/** One of these stands in every label. */
export const LABELS: Needs = ['ssn', 'ss#', 'ss no', 'ss num', 'ssid', 'soc', 'ssa number'];
/** And in a head one of them or of these, which a text without a label does not make a head. */
export const HEADS: Needs = [...LABELS, 'ss_no', 'ss_num', 'ssanumber', 'ssa_number'];
/** One of these stands in all that supports. */
export const SUPPORTS: Needs =
  'dob d.o.b born birth patient pt member medicare medicaid spouse dependent deceased w2 w4 w9 w-2 w-4 w-9 payroll'.split(
    ' ',
  );

export const findSsn: Detector = (page, hints) => {
  const { text } = page;
  const hits: Hit[] = [];
  const labels = hints.places(LABELS);
  const supports = hints.places(SUPPORTS);
  const weak: Pick<Hit, 'start' | 'end' | 'value'>[] = [];
  let lifted = false;
  for (const match of text.matchAll(FORM)) {
    const hit = { start: match.index, end: match.index + match[0].length };
    const value = digitsOf(match[0]);
    const glued = '-_/'.includes(text[hit.start - 1] ?? ' ')
      ? (GLUED.exec(before(text, hit.start, 5))?.[0].length ?? 0)
      : 0;
    if (!standsAlone(text, hit.start - glued, hit.end) || !isPossible(value)) continue;
    const mayBeLabelled = anyBetween(labels, hit.start - 60, hit.end + 40);
    if (mayBeLabelled && near(text, hit, 60, 40, LABEL)) hits.push({ ...hit, value, confidence: 'high' });
    else if (OTHER.test(before(text, hit.start, 40))) continue;
    else if (!match[0].includes('-')) continue;
    else if (anyBetween(supports, hit.start - 150, hit.end + 100) && near(text, hit, 150, 100, SUPPORT)) {
      lifted = true;
      hits.push({ ...hit, value, confidence: 'medium' });
    } else weak.push({ ...hit, value });
  }
  // Two numbers of a kind support each other.
  lifted ||= weak.some(({ value }) => value !== weak[0]?.value);
  const confidence = lifted ? 'medium' : 'low';
  for (const hit of weak) hits.push({ ...hit, confidence });
  if (labels.length === 0) return hits;
  const known = new Set(hits.map(({ start }) => start));
  for (const { start, end } of page.columnCells(LABEL, hints.places(HEADS))) {
    if (known.has(start)) continue;
    const value = text.slice(start, end).replace(/[-. ]/g, '');
    if (/^\d{9}$/.test(value) && isPossible(value)) hits.push({ start, end, value, confidence: 'high' });
  }
  for (const hit of bareOnes(text, labels)) hits.push(hit);
  return hits;
};

/** Nine digits directly behind a label, or in front of one. */
function* bareOnes(text: string, labels: Places): Generator<Hit, void, void> {
  let done = 0;
  for (const label of labels) {
    const from = Math.max(0, label - BEFORE_LABEL);
    for (const { 0: value, index } of text.slice(from, label + BEHIND_LABEL).matchAll(/\d{9}/g)) {
      const start = from + index;
      const end = start + 9;
      if (start < done || !standsAlone(text, start, end) || !isPossible(value)) continue;
      done = end;
      const lead = before(text, start, 30);
      if (LABEL.test(lead) && !/\d{4}/.test(lead)) yield { start, end, value, confidence: 'high' };
      else if (LABEL.test(text.slice(end, end + 12))) yield { start, end, value, confidence: 'medium' };
    }
  }
}

/** Units in which such a number stands whole. */
const BEFORE_LABEL = 9 + 12;
const BEHIND_LABEL = 30 + 9;

export const VECTORS: readonly Vector[] = [
  { text: 'SSN: 536-22-1847', expect: ['536221847 high'] },
  { text: '536-22-1847 (SSN)', expect: ['536221847 high'] },
  { text: 'Social security number is 536 22 1847.', expect: ['536221847 high'] },
  { text: 'ssn 536221847', expect: ['536221847 high'] },
  { text: 'seguro social 536-22-1847', expect: ['536221847 high'] },
  { text: 'patient Jane, 536-22-1847', expect: ['536221847 medium'] },
  { text: '536-22-1847', expect: ['536221847 low'] },
  { text: 'Jane 536-22-1847, John 212-45-9981', expect: ['536221847 medium', '212459981 medium'] },
  { text: 'name,ssn,dob\nA,536221847,1/2/1980\n', expect: ['536221847 high'] },
  { text: 'SSN-536-22-1847', expect: ['536221847 high'] },
  { text: 'ssn=536-22-1847&dob=1', expect: ['536221847 high'] },
  { text: '{"social_security_number":"536221847"}', expect: ['536221847 high'] },
  { text: '{"patientSsn": "536221847"}', expect: ['536221847 high'] },
  { text: 'Soc. Sec. No. 536221847', expect: ['536221847 high'] },
  { text: 'SSN\t\t536221847\t', expect: ['536221847 high'] },
  { text: 'EmployeeSSN\tName\n536221847\tJane\n', expect: ['536221847 high'] },
  { text: 'SSN 536 - 22 - 1847', expect: ['536221847 high'] },
  { text: '> SSN: 536-22-\r\n> 1847', expect: ['536221847 high'] },
  { text: 'SSN 536.22.1847', expect: ['536221847 high'] },
  { text: '*536-22-1847* is his SSN', expect: ['536221847 high'] },
  { text: 'order 536-22-1847', expect: [] },
  { text: 'Bates 536-22-1847, docket 212-45-9981', expect: [] },
  { text: '536.22.1847 and 536 22 1847', expect: [] },
  { text: 'ssn 078-05-1120, ssn 219-09-9999, ssn 457-55-5462, ssn 111-11-1111', expect: [] },
  { text: 'the assn 536221847', expect: [] },
  { text: 'SSN on file; call 5362218470', expect: [] },
  { text: 'ZIP 45274-4471 and 536221847', expect: [] },
  { text: 'ssn 666-12-3456, ssn 000-12-3456, ssn 912-12-3456, ssn 123-45-6789', expect: [] },
  { text: 'ssn 536-00-1847 ssn 536-22-0000', expect: [] },
  { text: 'SSN 536-22.1847', expect: [] },
  { text: 'part A536-22-1847-B', expect: [] },
  { text: 'SSN: ___-__-____ (last 4: 1847)', expect: [] },
];
