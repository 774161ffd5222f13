// Health plan numbers: a word of membership in front, with a payer or care near when the word is one that clubs use too.

import { before, type Detector, near, type Vector } from './detector.ts';

const LABEL =
  /\b(?:subscriber|enrollee|medicaid|member|insurance|policy|plan|hicn?|health insurance claim)(?: ?(?:id|identification))? ?(?:no|num|number|id|#)\.? ?(?:is|:|=|#)?:? ?/gi;
const VALUE = /[A-Z]{0,4}-?\d[A-Z0-9-]{5,14}/iy;
const PAYER =
  /medicaid|medicare|\bhmo\b|\bppo\b|blue ?cross|\bbcbs\b|aetna|cigna|humana|united ?health|\buhc\b|kaiser|anthem|tricare|molina|health plan|insurance|payer|copay|eligib|prior auth|subscriber|enrollee|claim|dependent|\brx ?bin\b/i;
const OTHER = /\b(?:gym|club|library|car|auto|vehicle|home ?owner|loyalty|rewards|airline|union|costco)\b/i;

export const findPlanId: Detector = function* (text) {
  for (const match of text.matchAll(LABEL)) {
    VALUE.lastIndex = match.index + match[0].length;
    const value = VALUE.exec(text);
    if (!value || (value[0].match(/\d/g) ?? []).length < 4) continue;
    const hit = { start: value.index, end: VALUE.lastIndex };
    if (/[0-9A-Za-z]/.test(text[hit.end] ?? ' ') || OTHER.test(before(text, match.index, 60))) continue;
    const strong = /^(?:subscriber|enrollee|medicaid|hic)/i.test(match[0]);
    const known = strong || near(text, { start: match.index, end: hit.end }, 120, 120, PAYER);
    yield { ...hit, value: value[0].toUpperCase(), confidence: known ? 'high' : 'low' };
  }
};

export const VECTORS: readonly Vector[] = [
  { text: 'Aetna member ID W123456789', expect: ['W123456789 high'] },
  { text: 'Medicaid ID: AB12345C', expect: ['AB12345C high'] },
  { text: 'Medicaid ID: 12345678', expect: ['12345678 high'] },
  { text: 'subscriber # XYZ123456789', expect: ['XYZ123456789 high'] },
  { text: 'gym member number 1234567', expect: [] },
  { text: 'Member ID required', expect: [] },
];
