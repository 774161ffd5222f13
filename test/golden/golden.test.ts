// Invented messages, one a folder, with what the examiner must say of each. `findings` reads `TYPE: 2 high, 1 low`.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { examine } from '../../src/dlp/examine.ts';
import type { Coverage, Examination, Findings } from '../../src/domain/types.ts';

type Expected = {
  readonly why: string;
  readonly phi: boolean;
  readonly findings: Readonly<Record<string, string>>;
  readonly coverage: string;
};

const folders = readdirSync(import.meta.dirname, { withFileTypes: true }).filter((one) => one.isDirectory());
const cases = folders.map(({ name }) => {
  const read = (file: string) => readFileSync(join(import.meta.dirname, name, file), 'utf8');
  // Git may keep other line ends; on the wire there is one.
  const message = Buffer.from(read('message.eml').replace(/\r?\n/g, '\r\n'));
  return { name, message, expected: parse(read('expect.yaml')) as Expected };
});

function findingsText({ counts }: Findings): Record<string, string> {
  const byType: Record<string, string> = {};
  for (const { type, confidence, distinct } of counts) {
    const before = byType[type];
    byType[type] = `${before === undefined ? '' : `${before}, `}${distinct} ${confidence}`;
  }
  return byType;
}

/** `full`, `partial (2 application/zip encrypted)`. */
function coverageText({ state, parts }: Coverage): string {
  const unread = parts.flatMap(({ part, type, unread }) => (unread === undefined ? [] : [`${part} ${type} ${unread}`]));
  return unread.length === 0 ? state : `${state} (${unread.join('; ')})`;
}

function said({ findings, coverage }: Examination): Omit<Expected, 'why'> {
  return { phi: findings.phi, findings: findingsText(findings), coverage: coverageText(coverage) };
}

test.each(cases)('$name: $expected.why', ({ message, expected }) => {
  const { why: _, ...rest } = expected;
  expect(said(examine([message], { subjectTags: [] }))).toEqual(rest);
});

test('the same is said however the octets come', () => {
  for (const { message } of cases) {
    const whole = examine([message], { subjectTags: [] });
    const single = [...message].map((octet) => Buffer.of(octet));
    expect(examine(single, { subjectTags: [] })).toEqual(whole);
    const sevens = Array.from({ length: Math.ceil(message.length / 7) }, (_, i) => message.subarray(7 * i, 7 * i + 7));
    expect(examine(sevens, { subjectTags: [] })).toEqual(whole);
  }
});

test('places name type, zone and offset, and nothing of what stands there', () => {
  for (const { message } of cases) {
    for (const place of examine([message], { subjectTags: [] }).findings.places) {
      expect(Object.keys(place).sort()).toEqual(['confidence', 'offset', 'part', 'type', 'zone']);
    }
  }
});

afterAll(() => {
  const lines = cases.map(({ name, message }) => {
    const { phi, findings, coverage } = said(examine([message], { subjectTags: [] }));
    const types = Object.entries(findings).map(([type, counts]) => `${type} ${counts}`);
    return `  ${phi ? 'PHI  ' : '-    '} ${name}: ${types.join('; ') || 'nothing'}; ${coverage}`;
  });
  process.stdout.write(`${lines.join('\n')}\n`);
});
