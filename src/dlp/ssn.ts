// Social Security numbers (42 CFR; random since 25 June 2011, so only impossible ones can be told by the number itself).
// A form alone is never more than low: parcels and dockets have it too. Words on either side, a column head or a second
// number lift it; words of other things drop it. Nine digits without a word are no SSN.

import {
  anyWithin,
  before,
  type Detector,
  type Hit,
  type Matches,
  matchesOf,
  near,
  standsAlone,
  type Vector,
  WORD_START,
} from './detector.ts';

/** Behind a hyphen a line may end, in a quotation too. */
const FORM = /\d{3}(?: ?-[\s>]{0,4}\d{2} ?-[\s>]{0,4}|\.\d{2}\.| \d{2} )\d{4}/g;
const BARE = /\d{9}/g;
const LABEL = new RegExp(
  `${WORD_START}ss[n#]|${WORD_START}ss ?(?:no|num)|\\bssid\\b|${WORD_START}soc(?:ial)?\\.?[ _-]?sec|\\bssa number|\\bsocials?\\b(?! (?:media|work|distanc))|seguro social|\\bsocial (?:is|was|number)`,
  'i',
);
/** A quick look for anything that could be a label. */
const MAY_LABEL = /ss[n#]|ss ?(?:no|num)|ssid|soc|ssa number|seguro social/gi;
/** A label that joins: `SSN-536-22-1847`. */
const GLUED = /ss[n#]?[-_/]$/i;
const OTHER =
  /\b(?:order|parcel|award|invoice|docket|tracking|track|shipment|ticket|part|sku|lot|serial|model|bates|extension|ext|po|case|confirmation|conf|warranty|fedex|ups|zip|phone|fax|tel|call|item|catalog|policy form|permit|asset|rma|build|version|isbn)\b/i;
const SUPPORT =
  /\b(?:dob|d\.o\.b|date of birth|born|birth ?date|patient|pt|member|medicare|medicaid|spouse|dependent|deceased|w-?[249]|payroll)\b/i;
/** A quick look for anything that could be one of these. */
const MAY_SUPPORT =
  /dob|d\.o\.b|date of birth|born|birth|patient|pt|member|medicare|medicaid|spouse|dependent|deceased|w-?[249]|payroll/gi;
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

export const findSsn: Detector = function* (page) {
  const { text } = page;
  const labels = matchesOf(text, MAY_LABEL);
  const labelled = labels.starts.length > 0;
  let supports: Matches | undefined;
  const maySupport = ({ start, end }: { start: number; end: number }) => {
    supports ??= matchesOf(text, MAY_SUPPORT);
    return anyWithin(supports, start - 150, end + 100);
  };
  const weak: Pick<Hit, 'start' | 'end' | 'value'>[] = [];
  let support = false;
  for (const match of text.matchAll(FORM)) {
    const hit = { start: match.index, end: match.index + match[0].length };
    const value = digitsOf(match[0]);
    const glued = '-_/'.includes(text[hit.start - 1] ?? ' ')
      ? (GLUED.exec(before(text, hit.start, 5))?.[0].length ?? 0)
      : 0;
    if (!standsAlone(text, hit.start - glued, hit.end) || !isPossible(value)) continue;
    const mayBeLabelled = anyWithin(labels, hit.start - 60, hit.end + 40);
    if (mayBeLabelled && near(text, hit, 60, 40, LABEL)) yield { ...hit, value, confidence: 'high' };
    else if (OTHER.test(before(text, hit.start, 40))) continue;
    else if (!match[0].includes('-')) continue;
    else if (maySupport(hit) && near(text, hit, 150, 100, SUPPORT)) {
      support = true;
      yield { ...hit, value, confidence: 'medium' };
    } else weak.push({ start: hit.start, end: hit.end, value });
  }
  // Two numbers of a kind support each other.
  const lifted = support || new Set(weak.map((hit) => hit.value)).size > 1;
  const confidence = lifted ? 'medium' : 'low';
  for (const { start, end, value } of weak) yield { start, end, value, confidence };
  if (!labelled) return;
  for (const cell of page.columnCells(LABEL)) {
    const value = cell.text.replace(/[-. ]/g, '');
    if (/^\d{9}$/.test(value) && isPossible(value)) {
      yield { start: cell.start, end: cell.end, value, confidence: 'high' };
    }
  }
  for (const match of text.matchAll(BARE)) {
    const hit = { start: match.index, end: match.index + 9 };
    if (!anyWithin(labels, hit.start - 30, hit.end + 12)) continue;
    if (!standsAlone(text, hit.start, hit.end) || !isPossible(match[0])) continue;
    const lead = before(text, hit.start, 30);
    if (LABEL.test(lead) && !/\d{4}/.test(lead)) yield { ...hit, value: match[0], confidence: 'high' };
    else if (LABEL.test(text.slice(hit.end, hit.end + 12))) yield { ...hit, value: match[0], confidence: 'medium' };
  }
};

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
