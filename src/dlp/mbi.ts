// Medicare beneficiary identifiers (CMS, eleven places, letters without S L O I B Z). The form is strict enough to stand
// alone at medium, unless words of licences or racks stand by; the samples that CMS prints are nobody's.

import { before, type Detector, near, standsAlone, type Vector } from './detector.ts';
import { matchesAt, type Needs } from './hints.ts';

const FORM =
  /[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d([- ]?)[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d\1[AC-HJKMNP-RT-Y]{2}\d\d/iy;
const LABEL = /\bmbi\b|medicare|beneficiary|\bhets\b|red,? white,? and blue/i;
const OTHER =
  /\b(?:licen[cs]e|product|activation|key|rack|shelf|bin|label|serial|s\/n|sku|part|model|asset|slot|voucher|coupon|gate)\b/i;
const DENIED = new Set(['1EG4TE5MK72', '1EG4TE5MK73']);

/** How every one begins. */
export const NEEDS: Needs = [...'123456789'].flatMap((digit) => [...'acdefghjkmnpqrtuvwxy'].map((b) => digit + b));

export const findMbi: Detector = function* ({ text }, hints) {
  for (const match of matchesAt(text, hints.places(NEEDS), FORM)) {
    const hit = { start: match.index, end: match.index + match[0].length };
    const value = match[0].replace(/[- ]/g, '').toUpperCase();
    if (DENIED.has(value) || !standsAlone(text, hit.start, hit.end)) continue;
    if (near(text, hit, 80, 40, LABEL)) yield { ...hit, value, confidence: 'high' };
    else if (OTHER.test(before(text, hit.start, 50))) continue;
    else
      yield { ...hit, value, confidence: match[0] === match[0].toUpperCase() && match[1] !== ' ' ? 'medium' : 'low' };
  }
};

export const VECTORS: readonly Vector[] = [
  { text: 'MBI 3FA7-KM2-RT84', expect: ['3FA7KM2RT84 high'] },
  { text: 'Medicare number: 3FA7KM2RT84', expect: ['3FA7KM2RT84 high'] },
  { text: '3fa7km2rt84 is her mbi', expect: ['3FA7KM2RT84 high'] },
  { text: 'see 3FA7-KM2-RT84 please', expect: ['3FA7KM2RT84 medium'] },
  { text: 'MBI: 3FA7 KM2 RT84', expect: ['3FA7KM2RT84 high'] },
  { text: 'mbi=3FA7KM2RT84', expect: ['3FA7KM2RT84 high'] },
  { text: 'MBI 1EG4-TE5-MK72', expect: [] },
  { text: 'MBI 0FA7-KM2-RT84', expect: [] },
  { text: 'MBI 3FA7-KM2RT84', expect: [] },
  { text: 'MBI 3FA7KM2RT845', expect: [] },
  { text: 'MBI: ____-___-____', expect: [] },
  { text: 'rack label 1A10-AA1-AA48', expect: [] },
  { text: 'license key 3FA7-KM2-RT84-XXXX', expect: [] },
  { text: 'MBI 3SA7-KM2-RT84', expect: [] },
];
