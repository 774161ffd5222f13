// The engine's own verdict: does this mail tie a person to health, care or payment for care? Rules R1, R2, R3, R5 and R6
// of the design's facts in a first form. Words that are about nobody, and disclaimers, silence the health words of their
// paragraph only, never a number, and not where the paragraph names a person. Keeps counts and short term names in memory, nothing of a person.

import type { Confidence, FindingType } from '../domain/types.ts';
import type { PersonSign } from './person.ts';
import type { TermHit } from './words.ts';

/** What one stretch of text holds. Offsets count in that text. */
export type Evidence = {
  readonly text: string;
  /** Which of the places count; those outside are seen with another stretch. */
  readonly from: number;
  readonly to: number;
  readonly terms: readonly TermHit[];
  /** Asked for only when they can make a difference: to look for them costs as much as all the numbers do. */
  readonly persons: () => readonly PersonSign[];
  /** Whether one of them is of the kind `person`. */
  readonly namesPerson: () => boolean;
  readonly numbers: readonly { readonly start: number; readonly type: FindingType; readonly confidence: Confidence }[];
};

export type Judge = {
  /** `source` is what a reader takes for one text: the subject, the body, an attachment. */
  readonly hear: (source: string, evidence: Evidence) => void;
  readonly phi: () => boolean;
};

/** Units within which a person and a health word belong together, besides the paragraph. */
const REACH = 200;
const PATIENT_NUMBERS: ReadonlySet<FindingType> = new Set(['SSN', 'MBI', 'MRN', 'HEALTH_PLAN_ID']);
/** Health terms that are counted a message: two are enough. */
const TERMS_MAX = 64;

type Health = { readonly start: number; readonly text: string; readonly strong: boolean; readonly paragraph: number };

export function createJudge(): Judge {
  let phi = false;
  let birthDate = false;
  let provider = false;
  const personSources = new Set<string>();
  const healthSources = new Set<string>();
  const terms = new Set<string>();
  let strong = false;

  const hear = (source: string, evidence: Evidence): void => {
    if (phi) return;
    for (const { type, confidence } of evidence.numbers) {
      if (confidence === 'low') continue;
      if (PATIENT_NUMBERS.has(type)) {
        phi = true;
        return;
      }
      if (type === 'DOB') birthDate = true;
      else if (type === 'NPI' || type === 'DEA') provider = true;
    }
    if (!mayTellOfHealth(evidence)) {
      if (!personSources.has(source) && evidence.namesPerson()) personSources.add(source);
      return;
    }
    const persons = evidence.persons();
    const found = healthOf(evidence, persons);
    if (together(persons, found)) phi = true;
    if (persons.some((sign) => sign.kind === 'person')) personSources.add(source);
    for (const term of found.health) {
      healthSources.add(source);
      if (terms.size < TERMS_MAX) terms.add(term.text);
      strong ||= term.strong;
    }
  };

  const verdict = (): boolean => {
    const person = personSources.size > 0;
    if (phi || (birthDate && (person || terms.size > 0)) || (provider && person && terms.size > 0)) return true;
    // One evidence pool for the whole mail, but within a source the paragraph decides.
    const apart = [...personSources].some((one) => [...healthSources].some((other) => other !== one));
    return apart && (strong || terms.size >= 2);
  };
  return { hear, phi: verdict };
}

/** Offsets at which paragraphs begin: behind a blank line, and where a disclaimer begins below what was written. */
function paragraphsOf({ text, terms }: Evidence): number[] {
  const starts = [0];
  for (const match of text.matchAll(/\n[ \t\r]{0,20}\n/g)) starts.push(match.index + match[0].length);
  const within = new Map<number, number>();
  for (const { start, term } of terms) {
    const paragraph = paragraphAt(starts, start);
    if (term.kind === 'disclaimer' && !within.has(paragraph)) within.set(paragraph, sentenceStart(text, start));
  }
  return [...new Set([...starts, ...within.values()])].sort((a, b) => a - b);
}

function sentenceStart(text: string, place: number): number {
  const lead = text.slice(Math.max(0, place - 500), place);
  const found = Math.max(lead.lastIndexOf('\n'), lead.lastIndexOf('. '));
  return found < 0 ? place - lead.length : place - lead.length + found + 1;
}

function paragraphAt(starts: readonly number[], place: number): number {
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((starts[middle] as number) <= place) low = middle;
    else high = middle - 1;
  }
  return low;
}

type Found = { readonly health: readonly Health[]; readonly paragraphs: readonly number[] };

function mayTellOfHealth({ terms, numbers }: Evidence): boolean {
  return terms.length > 0 || numbers.some(({ type }) => type === 'ICD10');
}

/** Health words and codes of the stretch that are not silenced by their paragraph. */
function healthOf(evidence: Evidence, persons: readonly PersonSign[]): Found {
  const paragraphs = paragraphsOf(evidence);
  const silent = new Set<number>();
  for (const { start, term } of evidence.terms) {
    if (term.kind === 'general' || term.kind === 'disclaimer') silent.add(paragraphAt(paragraphs, start));
  }
  for (const { start, kind } of persons) if (kind === 'person') silent.delete(paragraphAt(paragraphs, start));
  const health: Health[] = [];
  for (const { start, term } of evidence.terms) {
    if (term.kind === 'general' || term.kind === 'disclaimer' || start < evidence.from || start >= evidence.to)
      continue;
    const paragraph = paragraphAt(paragraphs, start);
    if (!silent.has(paragraph)) health.push({ start, text: term.text, strong: term.strong, paragraph });
  }
  for (const { start, type, confidence } of evidence.numbers) {
    if (type !== 'ICD10' || confidence === 'low') continue;
    health.push({ start, text: 'icd', strong: true, paragraph: paragraphAt(paragraphs, start) });
  }
  return { health: health.sort((a, b) => a.start - b.start), paragraphs };
}

/** Of the health words of a stretch what the verdict asks for: a strong one, two different ones. */
type Beside = { readonly texts: Set<string>; strong: boolean };

function add(beside: Beside, { text, strong }: Health): void {
  if (beside.texts.size < 2) beside.texts.add(text);
  beside.strong ||= strong;
}

/** R3 and R6: a person or an age near two different health words or a strong one. */
function together(persons: readonly PersonSign[], { health, paragraphs }: Found): boolean {
  if (health.length === 0) return false;
  const byParagraph = new Map<number, Beside>();
  for (const one of health) {
    const known = byParagraph.get(one.paragraph) ?? { texts: new Set(), strong: false };
    add(known, one);
    byParagraph.set(one.paragraph, known);
  }
  const signs = [...persons].sort((a, b) => a.start - b.start);
  let first = 0;
  for (const sign of signs) {
    const own = byParagraph.get(paragraphAt(paragraphs, sign.start));
    const beside: Beside = { texts: new Set(own?.texts), strong: own?.strong ?? false };
    while (first < health.length && (health[first] as Health).start < sign.start - REACH) first++;
    for (let i = first; i < health.length && (health[i] as Health).start <= sign.start + REACH; i++) {
      add(beside, health[i] as Health);
    }
    if (beside.texts.size >= 2 || (sign.kind !== 'age' && beside.strong)) return true;
  }
  return false;
}
