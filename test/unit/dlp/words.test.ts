import { VOCABULARY } from '../../../src/dlp/vocabulary.ts';
import { findTerms } from '../../../src/dlp/words.ts';

function found(text: string): string[] {
  return findTerms(text).map((hit) => hit.term.text);
}

test('every term of the list is found where it stands alone, in capitals and as a plural', () => {
  for (const { text } of VOCABULARY) {
    expect(found(text)).toContain(text);
    expect(found(`on ${text.toUpperCase()}.`)).toContain(text);
    const plural = found(`(${text}s)`);
    if (text.length > 2 && !VOCABULARY.some((one) => one.text === `${text}s`)) expect(plural).toContain(text);
  }
});

test('no term begins or ends with a mark, of which nothing would be left to find', () => {
  for (const { text } of VOCABULARY) expect(text).toMatch(/^[\p{L}\p{N}](?:[\p{L}\p{N} '&/-]*[\p{L}\p{N}])?$/u);
});

test.each<[string, string[]]>([
  ['She has type 2 diabetes.', ['type 2 diabetes']],
  ['type 2\r\n diabetes', ['type 2 diabetes']],
  ['Type-2 Diabetes', ['type 2 diabetes']],
  ['heart rate and heart attack', ['heart rate', 'heart attack']],
  ['congestive heart failure', ['congestive heart failure']],
  ['Alzheimer’s', ["alzheimer's"]],
  ["Alzheimer's", ["alzheimer's"]],
  ['prediabetes', []],
  ['diabetes2', []],
  ['hivernal', []],
  ['a1c 9.4', ['a1c']],
  ['depresión y ansiedad', ['depresión', 'ansiedad']],
  ['the price is 20 % off', []],
  ['', []],
])('%s', (text, terms) => {
  expect(found(text)).toEqual(terms);
});

test('a hit is where the words stand', () => {
  const text = 'x\n\tStarted on METFORMIN; type 2  diabetes';
  expect(findTerms(text).map(({ start, end }) => text.slice(start, end))).toEqual(['METFORMIN', 'type 2  diabetes']);
});
