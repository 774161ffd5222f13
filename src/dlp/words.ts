// Finds the terms of the vocabulary in one pass over a text. A word is hashed while it is read and looked up in a table of
// numbers, so that the cost is one pass whatever the length of the list; phrases go on from word to word. A hash that
// matches is compared in full. Case does not count, accents do.

import { type Units, unitsOf } from './units.ts';
import { type Term, VOCABULARY } from './vocabulary.ts';

export type TermHit = { readonly start: number; readonly end: number; readonly term: Term };

const SLOTS = 16_384;
const MASK = SLOTS - 1;
/** Per slot: the full hash (0 is empty), the term + 1 that ends here, and whether a longer one goes on from here. */
const HASHES = new Int32Array(SLOTS);
const ENDS = new Int16Array(SLOTS);
const GOES_ON = new Uint8Array(SLOTS);
const SEED = 0x811c9dc5 | 0;
const PRIME = 0x01000193;
/** Units between two words of one phrase: a space, a hyphen, a wrapped line. */
const GAP_MAX = 3;

function spread(hash: number): number {
  return (hash ^ (hash >>> 15)) & MASK;
}

function slotOf(hash: number): number {
  let slot = spread(hash);
  while (HASHES[slot] !== 0 && HASHES[slot] !== hash) slot = (slot + 1) & MASK;
  return slot;
}

/** Letters and digits of a word, case folded; 0 for what stands between words. */
const FOLD = new Uint16Array(65_536);
for (let c = 0; c < FOLD.length; c++) {
  const letter = String.fromCharCode(c);
  if (c < 128 ? /[0-9A-Za-z]/.test(letter) : /[\p{L}\p{N}]/u.test(letter)) {
    const lower = letter.toLowerCase();
    FOLD[c] = lower.length === 1 ? lower.charCodeAt(0) : c;
  }
}

/** Order counts: `claim denied` is not `denied claim`. */
function together(phrase: number, word: number): number {
  return Math.imul(Math.imul(phrase, PRIME) ^ word, PRIME);
}

function hashWords(words: readonly string[]): number {
  let hash = SEED;
  for (const [i, word] of words.entries()) {
    let own = SEED;
    for (let c = 0; c < word.length; c++) own = Math.imul(own ^ (FOLD[word.charCodeAt(c)] as number), PRIME);
    hash = i === 0 ? own : together(hash, own);
  }
  return hash === 0 ? 1 : hash;
}

function wordsOf(text: string): string[] {
  return text.split(/[^\p{L}\p{N}]+/u).filter((word) => word !== '');
}

for (const [i, term] of VOCABULARY.entries()) {
  const words = wordsOf(term.text);
  for (let n = 1; n <= words.length; n++) {
    const slot = slotOf(hashWords(words.slice(0, n)));
    HASHES[slot] = hashWords(words.slice(0, n));
    if (n === words.length) ENDS[slot] = i + 1;
    else GOES_ON[slot] = 1;
  }
}
const CANONICAL = VOCABULARY.map((term) => wordsOf(term.text).join(' '));

/** Terms in order; where two overlap, the longer. */
export function findTerms(text: string, units: Units = unitsOf(text)): TermHit[] {
  const hits: TermHit[] = [];
  /** Phrases under way: their hash so far and where they began. Two are enough for three words. */
  let open: { hash: number; start: number }[] = [];
  let lastEnd = -GAP_MAX - 1;
  const length = text.length;
  let at = 0;
  while (at < length) {
    let folded = FOLD[units[at] as number] as number;
    if (folded === 0) {
      at++;
      continue;
    }
    const start = at;
    let hash = SEED;
    let shorter = SEED;
    let last = 0;
    do {
      shorter = hash;
      last = folded;
      hash = Math.imul(hash ^ folded, PRIME);
      folded = ++at < length ? (FOLD[units[at] as number] as number) : 0;
    } while (folded !== 0);
    if (open.length > 0) {
      open = start - lastEnd <= GAP_MAX ? goOn(text, hits, open, hash, last === 115 ? shorter : 0, at) : [];
    }
    lastEnd = at;
    if (HASHES[spread(hash)] === 0 && (last !== 115 || HASHES[spread(shorter)] === 0)) continue;
    if (look(text, hits, hash, start, at)) open.push({ hash, start });
    else if (last === 115 && at - start > 3) look(text, hits, shorter, start, at);
  }
  return hits;
}

/** `found` as it stands in the text, with whatever is between its words: mostly as in the list. */
function isTerm(found: string, canonical: string): boolean {
  if (found.toLowerCase() === canonical) return true;
  const words = wordsOf(found).join(' ').toLowerCase();
  return words === canonical || words === `${canonical}s`;
}

/** Takes each open phrase a word further. */
function goOn(
  text: string,
  hits: TermHit[],
  open: { hash: number; start: number }[],
  hash: number,
  shorter: number,
  end: number,
) {
  const next: { hash: number; start: number }[] = [];
  for (const phrase of open) {
    const longer = together(phrase.hash, hash);
    if (look(text, hits, longer, phrase.start, end)) next.push({ hash: longer, start: phrase.start });
    else if (shorter !== 0) look(text, hits, together(phrase.hash, shorter), phrase.start, end);
  }
  return next;
}

/** Adds the term that ends here, if one does; true when a longer one may follow. */
function look(text: string, hits: TermHit[], hash: number, start: number, end: number): boolean {
  const slot = slotOf(hash);
  if (HASHES[slot] !== hash) return false;
  const index = (ENDS[slot] as number) - 1;
  if (index >= 0) {
    const term = VOCABULARY[index] as Term;
    if (isTerm(text.slice(start, end), CANONICAL[index] as string)) {
      const before = hits.at(-1);
      if (!before || start >= before.end) hits.push({ start, end, term });
      else if (end - start > before.end - before.start) hits[hits.length - 1] = { start, end, term };
    }
  }
  return GOES_ON[slot] === 1;
}
