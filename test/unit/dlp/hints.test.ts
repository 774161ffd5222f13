import * as dea from '../../../src/dlp/dea.ts';
import type { Vector } from '../../../src/dlp/detector.ts';
import * as dob from '../../../src/dlp/dob.ts';
import { createHints, type Needs } from '../../../src/dlp/hints.ts';
import * as icd10 from '../../../src/dlp/icd10.ts';
import * as mbi from '../../../src/dlp/mbi.ts';
import * as mrn from '../../../src/dlp/mrn.ts';
import * as npi from '../../../src/dlp/npi.ts';
import { findPersons, SIGNS } from '../../../src/dlp/person.ts';
import * as planid from '../../../src/dlp/planid.ts';

const met = (needs: readonly Needs[], text: string) => {
  const hints = createHints(needs)(text);
  return needs.map((one) => hints.met(one));
};

test.each<[string, readonly boolean[]]>([
  ['', [false, false, true]],
  ['nothing of it', [false, false, true]],
  ['the SSN', [true, false, true]],
  ['Assn', [true, false, true]],
  ['M.R.N', [false, true, true]],
  ['mmm.r.nn', [false, true, true]],
  ['m.r.ssn', [true, false, true]],
  ['ss\u00e9n', [false, false, true]],
  ['m.\u017fr.n', [false, false, true]],
  ['ssm.r.n', [false, true, true]],
])('%s', (text, expected) => {
  expect(met([['ssn', 'soc'], ['m.r.n', 'mrn'], []], text)).toEqual(expected);
});

test('a word in another, and one that ends another', () => {
  expect(met([['birth date'], ['birth'], ['date'], ['at']], 'birth dat')).toEqual([false, true, false, true]);
  expect(met([['abcd'], ['bc'], ['c']], 'abce')).toEqual([false, true, true]);
});

test('as naive as can be, the same comes out', () => {
  const letters = 'ab. ';
  let seed = 7;
  const draw = (most: number) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * most);
  };
  const word = (most: number) => Array.from({ length: 1 + draw(most) }, () => letters[draw(letters.length)]).join('');
  for (let i = 0; i < 500; i++) {
    const needs = Array.from({ length: 6 }, () => Array.from({ length: draw(4) }, () => word(4)));
    const text = word(30).toUpperCase();
    const naive = needs.map((words) => words.length === 0 || words.some((one) => text.toLowerCase().includes(one)));
    expect({ text, needs, met: met(needs, text) }).toEqual({ text, needs, met: naive });
    const hints = createHints(needs)(text);
    const placesOf = (words: readonly string[]) =>
      [...text].flatMap((_, at) => (words.some((one) => text.toLowerCase().startsWith(one, at)) ? [at] : []));
    expect(needs.map((words) => [...new Set(hints.places(words))])).toEqual(needs.map(placesOf));
  }
});

test.each<[string, Needs, readonly Vector[]]>([
  ['DEA', dea.NEEDS, dea.VECTORS],
  ['DOB', dob.NEEDS, dob.VECTORS],
  ['ICD10', icd10.NEEDS, icd10.VECTORS],
  ['MBI', mbi.NEEDS, mbi.VECTORS],
  ['MRN', mrn.NEEDS, mrn.VECTORS],
  ['NPI', npi.NEEDS, npi.VECTORS],
  ['HEALTH_PLAN_ID', planid.NEEDS, planid.VECTORS],
])('%s: what is found stands in a text that has what is needed', (_, needs, vectors) => {
  const hidden = vectors.filter((one) => one.expect.length > 0 && !met([needs], one.text)[0]);
  expect(hidden).toEqual([]);
});

test.each([
  'Patient: Ana Diaz',
  'Mrs. Lopez called',
  'Sra. Lopez',
  'Ana Diaz was seen',
  'DOE^JOHN',
  'her son',
  'their Daughter',
  '44-year old',
  '44 yo',
  '44y/o',
  '61M',
  '61 F',
  '7 años',
  'your results',
  'sus resultados',
])('a sign of a person is looked for: %s', (text) => {
  const hints = createHints(SIGNS.map(({ needs }) => needs))(text);
  const starts = SIGNS.flatMap(({ kind, pattern: { source, flags } }) =>
    [...text.matchAll(new RegExp(source, flags.replace(/[gy]/, 'g')))].map(({ index }) => ({ start: index, kind })),
  );
  expect(starts.length).toBeGreaterThan(0);
  expect(findPersons(text, hints)).toEqual(starts);
});
