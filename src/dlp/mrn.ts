// Medical record numbers. Every site has its own form, so the word in front decides: a strong one (MRN, medical record) or
// a weak one with "no." or "#". A table of the site's own numbers is the cure, and comes with the PHI engine.

import {
  before,
  type Detector,
  type Hit,
  LINK,
  NUMBER_WORD,
  near,
  upper,
  type Vector,
  WORD_START,
} from './detector.ts';
import { matchesAt, type Needs, type Places } from './hints.ts';

const STRONG = new RegExp(
  `${WORD_START}(?:mrns?|m\\.r\\.n\\.?|med(?:ical)?\\.?[ _-]?rec(?:ord)?s?|mr ?(?=#)|(?:patient|pt\\.?)(?=${NUMBER_WORD})|historia cl[ií]nica|expediente)(?![a-z])${NUMBER_WORD}?\\.?${LINK}`,
  'iy',
);
const WEAK = new RegExp(`${WORD_START}(?:chart|hospital|unit|record|encounter)${NUMBER_WORD}\\.?${LINK}`, 'iy');
/** Units, records and encounters are of many kinds. */
const CARE = /patient|\bpt\b|hospital|clinic|chart|admi(?:t|ss)|discharge|visit|medical|health/i;
const BEHIND = /^ ?[(,]? ?(?:mrn|medical record)\b/i;
const WORD = /\bmrn\b|medical record/i;
/** What stands in front of a label behind a number, and how long that is at most. */
const NUMBER_BEFORE = /\d ?[(,]? ?$/;
const BEFORE_MAX = 4;
const VALUE = /(?:[A-Z]{0,3}-?\d{5,10}|\d{2,3}-\d{2}-\d{2,3})/iy;
const HEAD =
  /^(?:(?:patient )?mrn|med(?:ical)? ?rec(?:ord)?(?: ?(?:no|num|number|id|#))?|patient ?(?:id|identifier|number|no|#)|chart ?(?:no|number|#)|pt ?id)\.?$/i;

/** Every label begins with one of these, and one stands in every head. */
export const NEEDS: Needs = [
  'mrn',
  'm.r.n',
  'med',
  'rec',
  'mr#',
  'mr #',
  'patient',
  'pt',
  'expediente',
  'historia',
  'chart',
  'hospital',
  'unit',
  'encounter',
];

export const findMrn: Detector = (page, hints) => {
  const { text } = page;
  const places = hints.places(NEEDS);
  const hits: Hit[] = [];
  for (const hit of labelled(text, places, STRONG)) hits.push({ ...hit, confidence: 'high' });
  for (const hit of labelled(text, places, WEAK)) {
    const known = /^(?:chart|hospital)/i.test(hit.label) || near(text, hit, 80, 60, CARE);
    hits.push({ ...hit, confidence: known ? 'medium' : 'low' });
  }
  if (places.some((place) => NUMBER_BEFORE.test(before(text, place, BEFORE_MAX))) && WORD.test(text)) {
    for (const hit of labelBehind(text)) hits.push(hit);
  }
  for (const { start, end } of page.columnCells(HEAD, places)) {
    const value = text.slice(start, end);
    if (/^[A-Z]{0,3}-?\d{5,10}$/i.test(value)) hits.push({ start, end, value: upper(value), confidence: 'high' });
  }
  return hits;
};

function* labelled(text: string, places: Places, label: RegExp) {
  for (const match of matchesAt(text, places, label)) {
    VALUE.lastIndex = match.index + match[0].length;
    const value = VALUE.exec(text);
    if (!value) continue;
    const end = VALUE.lastIndex;
    if (/[0-9A-Za-z]/.test(text[end] ?? ' ')) continue;
    yield { start: value.index, end, value: upper(value[0]), label: match[0] };
  }
}

function* labelBehind(text: string) {
  for (const match of text.matchAll(/(?<![0-9A-Za-z-])[A-Z]{0,3}\d{5,10}(?![0-9A-Za-z])/g)) {
    const end = match.index + match[0].length;
    if (BEHIND.test(text.slice(end, end + 20))) {
      yield { start: match.index, end, value: match[0], confidence: 'high' as const };
    }
  }
}

export const VECTORS: readonly Vector[] = [
  { text: 'MRN: 00482913', expect: ['00482913 high'] },
  { text: 'mrn E1234567 afib', expect: ['E1234567 high'] },
  { text: 'Medical record number is 482913.', expect: ['482913 high'] },
  { text: 'Med Rec # 12-34-56', expect: ['12-34-56 high'] },
  { text: 'Patient ID 7719203', expect: ['7719203 high'] },
  { text: 'chart # 482913', expect: ['482913 medium'] },
  { text: 'mrn,name\n482913,Jane\n', expect: ['482913 high'] },
  { text: '{"patient_mrn": "00482913"}', expect: ['00482913 high'] },
  { text: '{"patientMrn":"00482913"}', expect: ['00482913 high'] },
  { text: 'mrn=00482913&x=1', expect: ['00482913 high'] },
  { text: 'MRN\t\t00482913\t', expect: ['00482913 high'] },
  { text: 'MRN:\n00482913', expect: ['00482913 high'] },
  { text: 'Medical Record Number (MRN): 482913', expect: ['482913 high'] },
  { text: 'Jane (482913, MRN)', expect: ['482913 high'] },
  { text: 'PatientMRN,Name\n482913,Jane\n', expect: ['482913 high'] },
  { text: 'número de expediente: 4829131', expect: ['4829131 high'] },
  { text: 'patient number 482913', expect: ['482913 high'] },
  { text: 'unit no. 482913, admitted today', expect: ['482913 medium'] },
  { text: 'storage unit no. 482913', expect: ['482913 low'] },
  { text: 'inpatient idle for 12345 s', expect: [] },
  { text: 'the mrnas 12345', expect: [] },
  { text: 'order E1234567', expect: [] },
  { text: 'MRN: ____', expect: [] },
  { text: 'MRN: 12345678901234', expect: [] },
  { text: 'MRN column from 8 to 10 places', expect: [] },
  { text: 'chart 4 shows revenue of 12345', expect: [] },
  { text: 'JIRA MRNA-12345', expect: [] },
];
