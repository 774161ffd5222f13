// Runs every detector over the texts of one message and keeps what policy may know: counts, places, the verdict. Text is
// read in windows that overlap, so memory is bounded whatever a part's length, and a match at a seam is found once.
// Values live in a set until the message is done and are never given out. Logs nothing.

import type { Confidence, Finding, FindingCount, Findings, FindingType, Zone } from '../domain/types.ts';
import { NEEDS as DEA_NEEDS, findDea } from './dea.ts';
import type { Detector } from './detector.ts';
import { NEEDS as DOB_NEEDS, findDob } from './dob.ts';
import { createHints, type Needs } from './hints.ts';
import { findIcd10, NEEDS as ICD10_NEEDS } from './icd10.ts';
import { createJudge } from './judge.ts';
import { findMbi, NEEDS as MBI_NEEDS } from './mbi.ts';
import { findMrn, NEEDS as MRN_NEEDS } from './mrn.ts';
import { findNpi, NEEDS as NPI_NEEDS } from './npi.ts';
import { Page } from './page.ts';
import { findPersons, namesPerson, SIGNS } from './person.ts';
import { findPlanId, NEEDS as PLANID_NEEDS } from './planid.ts';
import { findSsn, HEADS, LABELS, SUPPORTS } from './ssn.ts';
import { findTerms, type TermHit } from './words.ts';

/** Name and version of the engine, as decisions carry it; raise it when a verdict may change. */
export const ENGINE_VERSION = 'phi 1';

/** `needs`: without one of these words it finds nothing. */
const DETECTORS: readonly { readonly type: FindingType; readonly find: Detector; readonly needs: Needs }[] = [
  { type: 'SSN', find: findSsn, needs: [] },
  { type: 'MBI', find: findMbi, needs: MBI_NEEDS },
  { type: 'MRN', find: findMrn, needs: MRN_NEEDS },
  { type: 'DOB', find: findDob, needs: DOB_NEEDS },
  { type: 'NPI', find: findNpi, needs: NPI_NEEDS },
  { type: 'DEA', find: findDea, needs: DEA_NEEDS },
  { type: 'ICD10', find: findIcd10, needs: ICD10_NEEDS },
  { type: 'HEALTH_PLAN_ID', find: findPlanId, needs: PLANID_NEEDS },
];
/** What stands in a text of the words that detectors and signs of persons ask for. */
export const hintsOf = createHints([...[...DETECTORS, ...SIGNS].map(({ needs }) => needs), LABELS, HEADS, SUPPORTS]);
const WORD_TYPES = {
  condition: 'DIAGNOSIS',
  drug: 'DRUG',
  lab: 'MEDICAL_TERM',
  visit: 'MEDICAL_TERM',
  payer: 'MEDICAL_TERM',
} as const;

/** UTF-16 units of a window, and how much of it is seen again with the next; half of that is context at a seam. */
const WINDOW = 262_144;
const OVERLAP = 1_024;
const PLACES_MAX = 50;
/** Distinct values that are told apart for each type; a roll of more than this is counted as this many. */
const DISTINCT_MAX = 50_000;

export type TextScan = { readonly push: (text: string) => void; readonly end: () => void };
export type Scanner = {
  /** A text that comes in pieces. */
  readonly open: (zone: Zone, part: number) => TextScan;
  readonly add: (zone: Zone, part: number, text: string) => void;
  readonly findings: () => Findings;
};

const RANK: Record<Confidence, number> = { low: 0, medium: 1, high: 2 };

/** A scanner for one message; texts must be in the normal form of mail/text.ts. */
export function createScanner(): Scanner {
  const judge = createJudge();
  const values = new Map<FindingType, Map<string, Confidence>>();
  const numberPlaces: Finding[] = [];
  const wordPlaces: Finding[] = [];

  const count = (type: FindingType, value: string, confidence: Confidence) => {
    let known = values.get(type);
    if (known === undefined) {
      known = new Map();
      values.set(type, known);
    }
    const before = known.get(value);
    if (before === undefined ? known.size < DISTINCT_MAX : RANK[confidence] > RANK[before])
      known.set(value, confidence);
  };

  const scan = (zone: Zone, part: number, text: string, offset: number, from: number, to: number) => {
    const counts = (start: number) => start >= from && start < to;
    const numbers: { start: number; type: FindingType; confidence: Confidence }[] = [];
    const page = new Page(text);
    const hints = hintsOf(text, page.units);
    const terms = findTerms(text, page.units);
    for (const { type, find, needs } of /\d/.test(text) ? DETECTORS : []) {
      if (!hints.met(needs)) continue;
      const first = numbers.length;
      let last = -1;
      // At one place the first hit counts. Most come in order.
      let seen: Set<number> | null = null;
      for (const hit of find(page, hints)) {
        if (!counts(hit.start)) continue;
        if (hit.start <= last) seen ??= new Set(numbers.slice(first).map(({ start }) => start));
        if (seen?.has(hit.start)) continue;
        seen?.add(hit.start);
        last = hit.start;
        count(type, hit.value, hit.confidence);
        numbers.push({ start: hit.start, type, confidence: hit.confidence });
        if (numberPlaces.length < PLACES_MAX) {
          numberPlaces.push({ type, confidence: hit.confidence, zone, part, offset: offset + hit.start });
        }
      }
    }
    for (const hit of terms) if (counts(hit.start)) noteWord(hit, zone, part, offset);
    // A name in an address line is no patient.
    const mayName = zone !== 'header';
    judge.hear(sourceOf(zone, part), {
      text,
      from,
      to,
      terms,
      persons: () => (mayName ? findPersons(text, hints).filter((sign) => counts(sign.start)) : []),
      namesPerson: () => mayName && namesPerson(text, hints, from, to),
      numbers,
    });
  };

  const noteWord = ({ start, term }: TermHit, zone: Zone, part: number, offset: number) => {
    if (term.kind === 'general' || term.kind === 'disclaimer') return;
    const type = WORD_TYPES[term.kind];
    const confidence = term.strong ? 'high' : 'medium';
    count(type, term.text, confidence);
    if (wordPlaces.length < PLACES_MAX) wordPlaces.push({ type, confidence, zone, part, offset: offset + start });
  };

  const open = (zone: Zone, part: number): TextScan => {
    let text = '';
    let offset = 0;
    let first = true;
    return {
      push: (piece) => {
        text = text === '' ? piece : text + piece;
        while (text.length > WINDOW) {
          const window = text.slice(0, WINDOW);
          scan(zone, part, window, offset, first ? 0 : OVERLAP / 2, WINDOW - OVERLAP / 2);
          first = false;
          text = text.slice(WINDOW - OVERLAP);
          offset += WINDOW - OVERLAP;
        }
      },
      end: () => {
        if (/\S/.test(text)) scan(zone, part, text, offset, first ? 0 : OVERLAP / 2, text.length);
        text = '';
      },
    };
  };

  return {
    open,
    add: (zone, part, text) => {
      const one = open(zone, part);
      one.push(text);
      one.end();
    },
    findings: () => ({
      phi: judge.phi(),
      counts: countsOf(values),
      places: [...numberPlaces, ...wordPlaces].slice(0, PLACES_MAX),
    }),
  };
}

/** The alternatives of a body say the same, so that all of them are one source. */
function sourceOf(zone: Zone, part: number): string {
  return zone === 'attachment' || zone === 'file_name' ? `${zone} ${part}` : zone;
}

function countsOf(values: ReadonlyMap<FindingType, ReadonlyMap<string, Confidence>>): FindingCount[] {
  const counts: FindingCount[] = [];
  for (const [type, known] of values) {
    for (const confidence of ['high', 'medium', 'low'] as const) {
      let distinct = 0;
      for (const c of known.values()) if (c === confidence) distinct++;
      if (distinct > 0) counts.push({ type, confidence, distinct });
    }
  }
  return counts;
}
