// Which of many short words stand anywhere in a text, in one pass over it (Aho and Corasick, 1975). A pattern that cannot
// match without one of its words is not tried on a text that has none: most mail has hardly any.

import { type Units, unitsOf } from './units.ts';

/** Words of ASCII in lower case, of which a pattern needs at least one; case does not count in the text. */
export type Needs = readonly string[];

/** Which of the given needs are met by a text: bit i for the i-th, set as well where nothing is needed. At most 30. */
export type Hints = (text: string, units?: Units) => number;

const MOST = 30;

export function createHints(all: readonly Needs[]): Hints {
  if (all.length > MOST) throw new Error(`more than ${MOST} needs`);
  const classes = classesOf(all.flat().join(''));
  const width = Math.max(...classes) + 1;
  const { next, found } = automatonOf(all, classes, width);
  const every = (1 << all.length) - 1;
  const unneeding = all.reduce((mask, needs, i) => (needs.length === 0 ? mask | (1 << i) : mask), 0);
  return (text, units = unitsOf(text)) => {
    const { length } = text;
    let mask = unneeding;
    let state = 0;
    for (let i = 0; i < length; i++) {
      const unit = units[i] as number;
      state = unit < 128 ? (next[state + (classes[unit] as number)] as number) : 0;
      const met = found[state] as number;
      if (met !== 0) {
        mask |= met;
        if (mask === every) break;
      }
    }
    return mask;
  };
}

/** Every character of a word has a class of its own, all others are 0; upper case has that of its lower case. */
function classesOf(characters: string): Uint8Array {
  const classes = new Uint8Array(128);
  let last = 0;
  for (const character of new Set(characters)) {
    last += 1;
    classes[character.charCodeAt(0)] = last;
    classes[character.toUpperCase().charCodeAt(0)] = last;
  }
  return classes;
}

/** States are offsets into `next`, which leads from a state and a class to a state; `found` has the bits of the words that end there. */
function automatonOf(all: readonly Needs[], classes: Uint8Array, width: number) {
  const states = 1 + all.flat().reduce((sum, word) => sum + word.length, 0);
  const next = new Uint32Array(states * width);
  const found = new Uint32Array(states * width);
  let last = 0;
  for (const [i, needs] of all.entries()) {
    for (const word of needs) {
      let state = 0;
      for (let c = 0; c < word.length; c++) {
        const edge = state + (classes[word.charCodeAt(c)] as number);
        if (next[edge] === 0) {
          last += width;
          next[edge] = last;
        }
        state = next[edge] as number;
      }
      found[state] = (found[state] as number) | (1 << i);
    }
  }
  // Breadth first: where a word does not go on, its longest end that begins another does.
  const fallback = new Uint32Array(states * width);
  const queue = [...next.subarray(0, width)].filter((state) => state > 0);
  for (let state = queue.shift(); state !== undefined; state = queue.shift()) {
    const shorter = fallback[state] as number;
    found[state] = (found[state] as number) | (found[shorter] as number);
    for (let c = 0; c < width; c++) {
      const target = next[state + c] as number;
      if (target === 0) next[state + c] = next[shorter + c] as number;
      else {
        fallback[target] = next[shorter + c] as number;
        queue.push(target);
      }
    }
  }
  return { next, found };
}
