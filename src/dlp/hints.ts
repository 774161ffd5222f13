// Where any of many short words stand in a text, in one pass over it (Aho and Corasick, 1975). A pattern that cannot match
// without one of its words is not tried on a text that has none, and one that begins with a word is only tried where it stands:
// most mail has hardly any.

import { type Units, unitsOf } from './units.ts';

/** Words of ASCII in lower case; case does not count in the text. */
export type Needs = readonly string[];

/** Places at which words begin, in order; one place may stand there twice. */
export type Places = readonly number[];

/** What stands in one text, asked for by the very list that `createHints` was given. */
export type Hints = {
  /** Whether one of its words stands there; true as well of an empty list, which needs nothing. */
  readonly met: (needs: Needs) => boolean;
  readonly places: (needs: Needs) => Places;
};

type Word = { readonly list: number; readonly length: number };

export function createHints(all: readonly Needs[]): (text: string, units?: Units) => Hints {
  const indexOf = new Map(all.map((needs, i) => [needs, i]));
  const classes = classesOf(all.flat().join(''));
  const width = Math.max(...classes) + 1;
  const { next, ends, words } = automatonOf(all, classes, width);
  return (text, units = unitsOf(text)) => {
    const { length } = text;
    const found = all.map((): number[] => []);
    let state = 0;
    for (let i = 0; i < length; i++) {
      const unit = units[i] as number;
      state = unit < CLASSED ? (next[state + (classes[unit] as number)] as number) : 0;
      if (ends[state] === 0) continue;
      for (const word of words[ends[state] as number] as readonly Word[]) {
        (found[word.list] as number[]).push(i + 1 - word.length);
      }
    }
    // A word that ends first may have begun later.
    for (const places of found)
      if (places.some((place, i) => place < (places[i - 1] ?? 0))) places.sort((a, b) => a - b);
    const places = (needs: Needs) => found[indexOf.get(needs) as number] as Places;
    return { places, met: (needs) => needs.length === 0 || places(needs).length > 0 };
  };
}

/** Beyond them no character has a lower case of ASCII that NFKC leaves. */
const CLASSED = 512;

/** Every character of a word has a class of its own, all others are 0; upper case has that of its lower case. */
function classesOf(characters: string): Uint8Array {
  const known = [...new Set(characters)];
  return Uint8Array.from({ length: CLASSED }, (_, unit) => {
    const [lower = ''] = String.fromCharCode(unit).toLowerCase();
    return known.indexOf(lower) + 1;
  });
}

/** States are offsets into `next`, which leads from a state and a class to a state; `ends` says which of `words` end there. */
function automatonOf(all: readonly Needs[], classes: Uint8Array, width: number) {
  const states = 1 + all.flat().reduce((sum, word) => sum + word.length, 0);
  const next = new Uint32Array(states * width);
  const ending = new Map<number, Word[]>();
  let last = 0;
  for (const [list, needs] of all.entries()) {
    for (const word of new Set(needs)) {
      let state = 0;
      for (let c = 0; c < word.length; c++) {
        const edge = state + (classes[word.charCodeAt(c)] as number);
        if (next[edge] === 0) {
          last += width;
          next[edge] = last;
        }
        state = next[edge] as number;
      }
      ending.set(state, [...(ending.get(state) ?? []), { list, length: word.length }]);
    }
  }
  // Breadth first: where a word does not go on, its longest end that begins another does.
  const fallback = new Uint32Array(states * width);
  const queue = [...next.subarray(0, width)].filter((state) => state > 0);
  for (const state of queue) {
    const shorter = fallback[state] as number;
    const both = [...(ending.get(state) ?? []), ...(ending.get(shorter) ?? [])];
    if (both.length > 0) ending.set(state, both);
    for (let c = 0; c < width; c++) {
      const target = next[state + c] as number;
      if (target === 0) next[state + c] = next[shorter + c] as number;
      else {
        fallback[target] = next[shorter + c] as number;
        queue.push(target);
      }
    }
  }
  const words: (readonly Word[])[] = [[]];
  const ends = new Uint16Array(states * width);
  for (const [state, both] of ending) ends[state] = words.push(both) - 1;
  return { next, ends, words };
}

/** True when one of the places is between the two, the first included. */
export function anyBetween(places: Places, from: number, to: number): boolean {
  let low = 0;
  let high = places.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((places[middle] as number) < from) low = middle + 1;
    else high = middle;
  }
  return low < places.length && (places[low] as number) < to;
}

/** Matches of a pattern with the flag y at these places: those of a search with the flag g, when each begins at one of them. */
export function* matchesAt(text: string, places: Places, pattern: RegExp): Generator<RegExpExecArray, void, void> {
  let from = 0;
  for (const place of places) {
    if (place < from) continue;
    pattern.lastIndex = place;
    const match = pattern.exec(text);
    if (match === null) continue;
    from = place + match[0].length;
    yield match;
  }
}
