// DEA registration numbers: two letters (the second may be 9), seven digits, the last a checksum (21 CFR 1301). One in ten
// random ones passes: with a word it is high, with a prescription near it is medium, alone it is nothing.

import { type Detector, near, standsAlone, type Vector } from './detector.ts';
import type { Needs } from './hints.ts';

const FORM = /[ABCDEFGHJKLMPRSTUX][A-Z9]\d{7}/gi;
const LABEL = /\bdea\b/i;
const DRUG =
  /prescri|\brx\b|\brefills?\b|controlled substance|oxycodone|hydrocodone|adderall|alprazolam|fentanyl|morphine|suboxone/i;

function passes(value: string): boolean {
  const d = [...value.slice(2)].map(Number) as [number, number, number, number, number, number, number];
  return (d[0] + d[2] + d[4] + 2 * (d[1] + d[3] + d[5])) % 10 === d[6];
}

/** One of these stands in every label, head and word that it looks for. */
export const NEEDS: Needs = [
  'dea',
  'prescri',
  'rx',
  'refill',
  'controlled substance',
  'oxycodone',
  'hydrocodone',
  'adderall',
  'alprazolam',
  'fentanyl',
  'morphine',
  'suboxone',
];

export const findDea: Detector = function* (page) {
  const { text } = page;
  for (const match of text.matchAll(FORM)) {
    const hit = { start: match.index, end: match.index + 9 };
    const value = match[0].toUpperCase();
    const suffix = /^-[A-Z0-9]{1,8}\b/.exec(text.slice(hit.end, hit.end + 10));
    if (!standsAlone(text, hit.start, suffix ? hit.end + suffix[0].length : hit.end) || !passes(value)) continue;
    if (near(text, hit, 40, 20, LABEL)) yield { ...hit, value, confidence: 'high' };
    else if (value === match[0] && near(text, hit, 100, 100, DRUG)) yield { ...hit, value, confidence: 'medium' };
  }
};

export const VECTORS: readonly Vector[] = [
  { text: 'DEA# AB1234563', expect: ['AB1234563 high'] },
  { text: 'AB1234563 (DEA)', expect: ['AB1234563 high'] },
  { text: 'oxycodone, prescriber AB1234563', expect: ['AB1234563 medium'] },
  { text: 'dea: ab1234563', expect: ['AB1234563 high'] },
  { text: 'DEA AB1234563-A12', expect: ['AB1234563 high'] },
  { text: 'DEA F91234563', expect: ['F91234563 high'] },
  { text: 'DEA AB1234564', expect: [] },
  { text: 'DEA NB1234563', expect: [] },
  { text: 'DEA AB12345630', expect: [] },
  { text: 'oxycodone, lot ab1234563', expect: [] },
  { text: 'valve kit AB1234563', expect: [] },
];
