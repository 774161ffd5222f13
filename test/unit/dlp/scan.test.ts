import { createScanner } from '../../../src/dlp/scan.ts';
import type { Findings, Zone } from '../../../src/domain/types.ts';

/** Texts as `zone part: text`; each is one source. */
function scan(...texts: readonly (readonly [Zone, number, string])[]): Findings {
  const scanner = createScanner();
  for (const [zone, part, text] of texts) scanner.add(zone, part, text);
  return scanner.findings();
}
const body = (text: string) => scan(['body', 0, text]).phi;

describe('a person and health make PHI, a number of a patient does alone', () => {
  test.each<[string, boolean]>([
    ['Patient Maria Lopez has lymphoma.', true],
    ['Mr. Boone: chest pain, wants a refill', true],
    ['Mr. Boone called about chest pain', false],
    ['Maria Lopez was admitted with sepsis', true],
    ['her daughter is pregnant', true],
    ['LOPEZ^MARIA has lymphoma', true],
    ['81 yo F with CHF and edema', true],
    ['81 yo F with CHF', false],
    ['your mammogram results are in', true],
    ['Your prescription is ready for pick-up', true],
    ['Lymphoma, sepsis, chemotherapy.', false],
    ['Patient Maria Lopez called back.', false],
    ['Dr. Maria Lopez was right about lymphoma', false],
    ['MRN: 00482913', true],
    ['SSN: 536-22-1847', true],
    ['536-22-1847', false],
    ['MBI 3FA7-KM2-RT84', true],
    ['Medicaid ID: AB12345C', true],
    ['DOB: 03/04/1961', false],
    ['Maria Lopez (DOB 03/04/1961) has an account', true],
    ['DOB: 03/04/1961, asthma', true],
    ['NPI 1234567893', false],
    ['NPI 1234567893, asthma', false],
    ['NPI 1234567893, Mrs. Lopez, asthma', true],
    ['Mrs. Lopez, dx E11.9', true],
    ['error E11.9 for Mrs. Lopez', false],
  ])('%s', (text, phi) => {
    expect(body(text)).toBe(phi);
  });

  test('within a text the paragraph or a short way decides', () => {
    const far = 'x '.repeat(150);
    expect(body(`Mrs. Lopez wrote.\n\nLymphoma is a disease.`)).toBe(true);
    expect(body(`Mrs. Lopez wrote.\n\n${far}\n\nLymphoma is a disease.`)).toBe(false);
    expect(body(`Mrs. Lopez wrote. ${far} It is lymphoma.`)).toBe(true);
  });

  test('subject, body and attachments are one pool', () => {
    const person = 'Patient Maria Lopez';
    const health = 'lymphoma, stage 2';
    expect(scan(['subject', 0, person], ['body', 0, health]).phi).toBe(true);
    expect(scan(['subject', 0, health], ['body', 1, person]).phi).toBe(true);
    expect(scan(['body', 1, person], ['attachment', 2, health]).phi).toBe(true);
    expect(scan(['body', 1, 'nothing'], ['file_name', 2, 'Patient Maria Lopez lymphoma.docx']).phi).toBe(true);
    expect(scan(['body', 1, person], ['attachment', 2, 'chest pain']).phi).toBe(false);
    expect(scan(['header', 0, 'to: Mrs. Lopez'], ['body', 1, health]).phi).toBe(false);
  });

  test('a person is found however far down, and without a health word near', () => {
    const text = `${'lorem ipsum '.repeat(30_000)} Patient Maria Lopez`;
    expect(scan(['body', 1, text], ['attachment', 2, 'lymphoma']).phi).toBe(true);
  });

  test('alternatives of one body are one text, in which the paragraph decides', () => {
    const text = `Mrs. Lopez wrote.\n\n${'x '.repeat(150)}\n\nLymphoma is a disease.`;
    expect(scan(['body', 1, text], ['body', 2, text]).phi).toBe(false);
  });
});

describe('words about nobody', () => {
  test.each<[string, boolean]>([
    ['Our newsletter for Mrs. Lopez: lymphoma research', true],
    ['Our newsletter: lymphoma research and your appointment', false],
    ['Patient Maria Lopez has lymphoma.\nConfidentiality notice: intended only for the addressee.', true],
    [
      'Mrs. Lopez called.\nThis may hold protected health information on diagnosis and treatment, intended only for you.',
      false,
    ],
    ['Confidentiality notice.\nPatient Maria Lopez has lymphoma.', true],
    ['Newsletter\n\nMRN 00482913', true],
    ['Maria Lopez is off metformin', true],
  ])('%s', (text, phi) => {
    expect(body(text)).toBe(phi);
  });
});

describe('windows', () => {
  const WINDOW = 262_144;

  test('a number at a seam is found once, wherever the seam falls', () => {
    const seams = [WINDOW - 1_024, WINDOW - 512, WINDOW];
    const places = seams.flatMap((seam) => Array.from({ length: 17 }, (_, n) => seam - 40 + 5 * n));
    for (const at of places) {
      const text = `${'a '.repeat(at >> 1)}${at % 2 === 1 ? ' ' : ''}SSN: 536-22-1847 ${'b '.repeat(20_000)}`;
      const said = scan(['body', 0, text]);
      expect(said.counts).toEqual([{ type: 'SSN', confidence: 'high', distinct: 1 }]);
      expect(said.places).toEqual([{ type: 'SSN', confidence: 'high', zone: 'body', part: 0, offset: at + 5 }]);
    }
  });

  test('a text says the same in one piece and in many', () => {
    const line = (n: number) => `Row ${n}: MRN: ${100_000 + n}, Mrs. Lopez, lymphoma, DOB 03/04/19${10 + (n % 80)}\n`;
    const text = Array.from({ length: 9_000 }, (_, n) => line(n)).join('');
    const pieces = createScanner();
    const open = pieces.open('body', 3);
    for (let at = 0; at < text.length; at += 10_007) open.push(text.slice(at, at + 10_007));
    open.end();
    const whole = scan(['body', 3, text]);
    expect(pieces.findings()).toEqual(whole);
    expect(whole.counts).toContainEqual({ type: 'MRN', confidence: 'high', distinct: 9_000 });
    expect(whole.places).toHaveLength(50);
  });
});

test('the same value twice is one, at its highest confidence', () => {
  expect(scan(['subject', 0, '536-22-1847'], ['body', 1, 'SSN 536 22 1847; ssn 536221847']).counts).toEqual([
    { type: 'SSN', confidence: 'high', distinct: 1 },
  ]);
});

test('findings hold no matched text', () => {
  const findings = scan(['body', 0, 'Patient Maria Lopez, SSN 536-22-1847, MRN 00482913, lymphoma']);
  expect(JSON.stringify(findings)).not.toMatch(/Lopez|1847|482913|lymphoma/i);
});
