// National provider identifiers: ten digits, Luhn over 80840 + number (45 CFR 162.406). One random number in ten passes,
// so a word must stand by. A provider's number is not a patient's: policy decides what it means alone.

import { type Detector, near, standsAlone, type Vector, WORD_START } from './detector.ts';
import type { Needs } from './hints.ts';

const FORM = /(?:80840)?[12]\d{9}/g;
const LABEL = new RegExp(
  `${WORD_START}npi\\b|national provider|(?:rendering|referring|billing|ordering|attending) (?:provider|physician)|\\bprovider (?:id|no|number|#)|17b|24j|33a|\\bXX\\*`,
  'i',
);
const HEAD = /\bnpi\b/i;

function passes(number: string): boolean {
  let sum = 24;
  for (let i = 0; i < 10; i++) {
    const digit = number.charCodeAt(9 - i) - 48;
    const doubled = i % 2 === 1 ? digit * 2 : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

/** One of these stands in every label, head and word that it looks for. */
export const NEEDS: Needs = ['npi', 'provider', 'physician', '17b', '24j', '33a', 'xx*'];

export const findNpi: Detector = function* (page, hints) {
  const { text } = page;
  if (!LABEL.test(text)) return;
  for (const match of text.matchAll(FORM)) {
    const hit = { start: match.index, end: match.index + match[0].length };
    const value = match[0].slice(-10);
    if (!standsAlone(text, hit.start, hit.end) || !passes(value)) continue;
    if (near(text, hit, 60, 30, LABEL)) yield { ...hit, value, confidence: 'high' };
  }
  for (const cell of page.columnCells(HEAD, hints.places(NEEDS))) {
    const value = text.slice(cell.start, cell.end);
    if (/^[12]\d{9}$/.test(value) && passes(value)) yield { ...cell, value, confidence: 'high' };
  }
};

export const VECTORS: readonly Vector[] = [
  { text: 'NPI 1234567893', expect: ['1234567893 high'] },
  { text: 'NPI: 808401234567893', expect: ['1234567893 high'] },
  { text: 'Rendering provider 1234567893', expect: ['1234567893 high'] },
  { text: '{"billingNpi":"1234567893"}', expect: ['1234567893 high'] },
  { text: 'npi=1234567893', expect: ['1234567893 high'] },
  { text: '1234567893 (NPI)', expect: ['1234567893 high'] },
  { text: 'NM1*82*1*DOE*ANN****XX*1234567893~', expect: ['1234567893 high'] },
  { text: 'name,BillingNPI\nA,1234567893\n', expect: ['1234567893 high'] },
  { text: 'NPI 1234567890', expect: [] },
  { text: 'NPI 3234567893', expect: [] },
  { text: 'NPI 12345678931', expect: [] },
  { text: 'customer 1234567893', expect: [] },
  { text: 'call 2125551234', expect: [] },
];
