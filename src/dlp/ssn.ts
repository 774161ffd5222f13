// Social Security numbers (42 CFR; random since 25 June 2011, so only impossible ones can be told by the number itself).
// A form alone is never more than low: parcels and dockets have it too. Words on either side, a column head or a second
// number lift it; words of other things drop it. Nine digits without a word are no SSN.

import { before, type Detector, type Hit, near, standsAlone, type Vector, WORD_START } from './detector.ts';

/** Behind a hyphen a line may end, in a quotation too. */
const FORM = /\d{3}(?: ?-[\s>]{0,4}\d{2} ?-[\s>]{0,4}|\.\d{2}\.| \d{2} )\d{4}/g;
const BARE = /\d{9}/g;
const LABEL = new RegExp(
  `${WORD_START}ss[n#]|${WORD_START}ss ?(?:no|num)|\\bssid\\b|${WORD_START}soc(?:ial)?\\.?[ _-]?sec|\\bssa number|\\bsocials?\\b(?! (?:media|work|distanc))|seguro social|\\bsocial (?:is|was|number)`,
  'i',
);
/** A quick look for anything that could be a label. */
const MAY_LABEL = /ss[n#]|ss ?(?:no|num)|ssid|soc|ssa number|seguro social/i;
/** A label that joins: `SSN-536-22-1847`. */
const GLUED = /ss[n#]?[-_/]$/i;
const OTHER =
  /\b(?:order|parcel|award|invoice|docket|tracking|track|shipment|ticket|part|sku|lot|serial|model|bates|extension|ext|po|case|confirmation|conf|warranty|fedex|ups|zip|phone|fax|tel|call|item|catalog|policy form|permit|asset|rma|build|version|isbn)\b/i;
const SUPPORT =
  /\b(?:dob|d\.o\.b|date of birth|born|birth ?date|patient|pt|member|medicare|medicaid|spouse|dependent|deceased|w-?[249]|payroll)\b/i;
const DENIED = new Set(['123456789', '078051120', '219099999', '457555462', '987654321', '111223333']);

function isPossible(digits: string): boolean {
  const area = Number(digits.slice(0, 3));
  if (area === 0 || area === 666 || area >= 900) return false;
  if (digits.slice(3, 5) === '00' || digits.slice(5) === '0000') return false;
  return !/^(\d)\1{8}$/.test(digits) && !DENIED.has(digits);
}

export const findSsn: Detector = function* (page) {
  const { text } = page;
  const labelled = MAY_LABEL.test(text);
  const weak: Hit[] = [];
  let support = false;
  for (const match of text.matchAll(FORM)) {
    const hit = { start: match.index, end: match.index + match[0].length };
    const value = match[0].replace(/\D/g, '');
    const glued = GLUED.exec(before(text, hit.start, 5))?.[0].length ?? 0;
    if (!standsAlone(text, hit.start - glued, hit.end) || !isPossible(value)) continue;
    if (labelled && near(text, hit, 60, 40, LABEL)) yield { ...hit, value, confidence: 'high' };
    else if (OTHER.test(before(text, hit.start, 40))) continue;
    else if (!match[0].includes('-')) continue;
    else if (near(text, hit, 150, 100, SUPPORT)) {
      support = true;
      yield { ...hit, value, confidence: 'medium' };
    } else weak.push({ ...hit, value, confidence: 'low' });
  }
  // Two numbers of a kind support each other.
  const lifted = support || new Set(weak.map((hit) => hit.value)).size > 1;
  for (const hit of weak) yield lifted ? { ...hit, confidence: 'medium' } : hit;
  if (!labelled) return;
  for (const cell of page.columnCells(LABEL)) {
    const value = cell.text.replace(/[-. ]/g, '');
    if (/^\d{9}$/.test(value) && isPossible(value)) yield { ...cell, value, confidence: 'high' };
  }
  for (const match of text.matchAll(BARE)) {
    const hit = { start: match.index, end: match.index + 9 };
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
