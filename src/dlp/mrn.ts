// Medical record numbers. Every site has its own form, so the word in front decides: a strong one (MRN, medical record) or
// a weak one with "no." or "#". A table of the site's own numbers is the cure, and comes with the PHI engine.

import { columnCells, type Detector, type Vector } from './detector.ts';

const STRONG =
  /\b(?:mrn|m\.r\.n\.?|med(?:ical)?\.? rec(?:ord)?s?|mr ?#|(?:patient|pt\.?) ?(?:id|identifier|number|no|#)|n[uú]mero de expediente|historia cl[ií]nica|expediente)(?: ?(?:no|num|number|id|#))?\.? ?(?:is|was|of|:|=|#|-)?:? ?/gi;
const WEAK = /\b(?:chart|hospital|unit|record|encounter) ?(?:no|num|number|id|#)\.? ?(?:is|:|=|#)?:? ?/gi;
const VALUE = /(?:[A-Z]{0,3}-?\d{5,10}|\d{2,3}-\d{2}-\d{2,3})/iy;
const HEAD =
  /^(?:mrn|med(?:ical)?[ _]?rec(?:ord)?(?:[ _]?(?:no|num|number|id|#))?|patient[ _]?(?:id|number|no)|chart[ _]?(?:no|number|#)|pt[ _]?id)\.?$/i;

export const findMrn: Detector = function* (text) {
  yield* labelled(text, STRONG, 'high');
  yield* labelled(text, WEAK, 'medium');
  for (const cell of columnCells(text, HEAD)) {
    if (/^[A-Z]{0,3}-?\d{5,10}$/i.test(cell.text))
      yield { ...cell, value: cell.text.toUpperCase(), confidence: 'high' };
  }
};

function* labelled(text: string, label: RegExp, confidence: 'high' | 'medium') {
  for (const match of text.matchAll(label)) {
    VALUE.lastIndex = match.index + match[0].length;
    const value = VALUE.exec(text);
    if (!value) continue;
    const end = VALUE.lastIndex;
    if (/[0-9A-Za-z]/.test(text[end] ?? ' ')) continue;
    yield { start: value.index, end, value: value[0].toUpperCase(), confidence };
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
  { text: 'order E1234567', expect: [] },
  { text: 'MRN: ____', expect: [] },
  { text: 'MRN column from 8 to 10 places', expect: [] },
  { text: 'chart 4 shows revenue of 12345', expect: [] },
  { text: 'JIRA MRNA-12345', expect: [] },
];
