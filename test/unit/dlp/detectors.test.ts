// Each detector's own table of cases, which stands beside it.

import * as dea from '../../../src/dlp/dea.ts';
import type { Detector, Vector } from '../../../src/dlp/detector.ts';
import * as dob from '../../../src/dlp/dob.ts';
import * as icd10 from '../../../src/dlp/icd10.ts';
import * as mbi from '../../../src/dlp/mbi.ts';
import * as mrn from '../../../src/dlp/mrn.ts';
import * as npi from '../../../src/dlp/npi.ts';
import { Page } from '../../../src/dlp/page.ts';
import * as planid from '../../../src/dlp/planid.ts';
import { hintsOf } from '../../../src/dlp/scan.ts';
import * as ssn from '../../../src/dlp/ssn.ts';

/** As the scanner takes them: at one place the first hit counts. */
function found(find: Detector, text: string): string[] {
  const places = new Map<number, string>();
  for (const hit of find(new Page(text), hintsOf(text))) {
    if (!places.has(hit.start)) places.set(hit.start, `${hit.value} ${hit.confidence}`);
  }
  return [...new Set(places.values())];
}

describe.each<[string, Detector, readonly Vector[]]>([
  ['SSN', ssn.findSsn, ssn.VECTORS],
  ['MBI', mbi.findMbi, mbi.VECTORS],
  ['MRN', mrn.findMrn, mrn.VECTORS],
  ['DOB', dob.findDob, dob.VECTORS],
  ['NPI', npi.findNpi, npi.VECTORS],
  ['DEA', dea.findDea, dea.VECTORS],
  ['ICD10', icd10.findIcd10, icd10.VECTORS],
  ['HEALTH_PLAN_ID', planid.findPlanId, planid.VECTORS],
])('%s', (_, find, vectors) => {
  test.each(vectors)('$text', ({ text, expect: expected }) => {
    expect(found(find, text).sort()).toEqual([...expected].sort());
  });

  test('a hit is what stands in the text, and nothing is found in nothing', () => {
    for (const { text } of vectors) {
      for (const hit of find(new Page(text), hintsOf(text)))
        expect(text.slice(hit.start, hit.end)).toMatch(/^\w.*[\w]$/s);
    }
    expect(found(find, '')).toEqual([]);
  });
});

test('the year of birth may be the present one, also of a process that lives over New Year', () => {
  const RealDate = Date;
  const text = 'DOB: 01/02/2098';
  expect(found(dob.findDob, text)).toEqual([]);
  try {
    globalThis.Date = class extends RealDate {
      constructor(...given: number[]) {
        super(given[0] ?? RealDate.UTC(2098, 0, 3));
      }
    } as DateConstructor;
    expect(found(dob.findDob, text)).toEqual(['2098-01-02 high']);
    expect(found(dob.findDob, 'DOB: 01/02/2099')).toEqual([]);
  } finally {
    globalThis.Date = RealDate;
  }
});
