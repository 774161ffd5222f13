// Health plan numbers: a word of membership in front, with a payer or care near when the word is one that clubs use too.

import { before, type Detector, LINK, NUMBER_WORD, near, upper, type Vector, WORD_START } from './detector.ts';
import { matchesAt, type Needs } from './hints.ts';

const LABEL = new RegExp(
  `${WORD_START}(?:subscriber|enrollee|medicaid|member|insurance|policy|plan|hicn?|health insurance claim)(?:[ _-]?(?:id|identification))?${NUMBER_WORD}\\.?${LINK}`,
  'iy',
);
const HEAD = /^(?:subscriber|enrollee|medicaid|member|insurance|policy|plan)(?: ?(?:number|no|id|#)){1,2}\.?$/i;
/** A payer that a table tells of is named in its heads or above it. */
const HEAD_REACH = 4_000;
const VALUE = /[A-Z]{0,4}-?\d[A-Z0-9-]{5,14}/iy;
const PAYER =
  /medicaid|medicare|\bhmo\b|\bppo\b|blue ?cross|\bbcbs\b|aetna|cigna|humana|united ?health|\buhc\b|kaiser|anthem|tricare|molina|health plan|insurance|payer|copay|eligib|prior auth|subscriber|enrollee|claim|dependent|\brx ?bin\b/i;
const OTHER = /\b(?:gym|club|library|car|auto|vehicle|home ?owner|loyalty|rewards|airline|union|costco)\b/i;

/** Every label begins with one of these, and one stands in every head. */
export const NEEDS: Needs = [
  'subscriber',
  'enrollee',
  'medicaid',
  'member',
  'insurance',
  'policy',
  'plan',
  'hic',
  'health insurance claim',
];

export const findPlanId: Detector = function* (page, hints) {
  const { text } = page;
  const places = hints.places(NEEDS);
  for (const match of matchesAt(text, places, LABEL)) {
    VALUE.lastIndex = match.index + match[0].length;
    const value = VALUE.exec(text);
    if (!value || (value[0].match(/\d/g) ?? []).length < 4) continue;
    const hit = { start: value.index, end: VALUE.lastIndex };
    if (/[0-9A-Za-z]/.test(text[hit.end] ?? ' ') || OTHER.test(before(text, match.index, 60))) continue;
    const strong = /^(?:subscriber|enrollee|medicaid|hic)/i.test(match[0]);
    const known = strong || near(text, { start: match.index, end: hit.end }, 120, 120, PAYER);
    yield { ...hit, value: upper(value[0]), confidence: known ? 'high' : 'low' };
  }
  const cells = page.columnCells(HEAD, places);
  const known = cells.length > 0 && PAYER.test(text.slice(0, HEAD_REACH));
  for (const cell of cells) {
    const value = text.slice(cell.start, cell.end);
    if (/^[A-Z]{0,4}-?\d[A-Z0-9-]{5,14}$/i.test(value) && (value.match(/\d/g) ?? []).length >= 4) {
      yield { ...cell, value: upper(value), confidence: known ? 'high' : 'low' };
    }
  }
};

export const VECTORS: readonly Vector[] = [
  { text: 'Aetna member ID W123456789', expect: ['W123456789 high'] },
  { text: 'Medicaid ID: AB12345C', expect: ['AB12345C high'] },
  { text: 'Medicaid ID: 12345678', expect: ['12345678 high'] },
  { text: 'subscriber # XYZ123456789', expect: ['XYZ123456789 high'] },
  { text: 'member number: 12345678, Cigna PPO', expect: ['12345678 high'] },
  { text: '{"memberId": "W123456789", "payer": "Aetna"}', expect: ['W123456789 high'] },
  { text: '{"member_id": "W123456789", "payer": "Aetna"}', expect: ['W123456789 high'] },
  { text: 'payer,member_id\nAetna,W123456789\n', expect: ['W123456789 high'] },
  { text: 'member id 1234567', expect: ['1234567 low'] },
  { text: 'gym member number 1234567', expect: [] },
  { text: 'car insurance policy number 12345678', expect: [] },
  { text: 'Medicaid ID: ABCDEFGH', expect: [] },
  { text: 'Member ID required', expect: [] },
];
