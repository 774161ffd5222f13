// Invented messages, one a folder, with what the examiner must say of each and what the shipped policy makes of it.
// `findings` reads `TYPE: 2 high, 1 low`.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { examine } from '../../src/dlp/examine.ts';
import type { Address } from '../../src/domain/ids.ts';
import type { Coverage, Examination, Findings } from '../../src/domain/types.ts';
import { decide, isUndecided } from '../../src/policy/decide.ts';
import { parsePolicy } from '../../src/policy/parse.ts';
import { NO_FLOORS } from '../../src/policy/rule.ts';

type Expected = {
  readonly why: string;
  readonly phi: boolean;
  readonly findings: Readonly<Record<string, string>>;
  readonly coverage: string;
  /** The rule of the shipped policy that decides. */
  readonly rule: string;
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

const shipped = parsePolicy([
  { name: 'policy.yaml', text: readFileSync(join(import.meta.dirname, '../../policies/default.yaml'), 'utf8') },
]);

function ruleFor({ findings, coverage }: Examination, size: number): string {
  if (!shipped.ok) throw new Error('the shipped policy does not load');
  const ann = 'ann.keller@clinic.example' as Address;
  const recipient = 'office@partner.example' as Address;
  const envelope = { organization: 'Clinic', sender: [ann], reversePath: ann, recipient, subjectTags: [], size };
  const decided = decide(shipped.policy, NO_FLOORS, { ...envelope, findings, coverage });
  return isUndecided(decided) ? 'undecided' : decided.rule;
}

function said(message: Buffer): Omit<Expected, 'why'> {
  const examination = examine([message], { subjectTags: [] });
  const { findings, coverage } = examination;
  const rule = ruleFor(examination, message.length);
  return { phi: findings.phi, findings: findingsText(findings), coverage: coverageText(coverage), rule };
}

test.each(cases)('$name: $expected.why', ({ message, expected }) => {
  const { why: _, ...rest } = expected;
  expect(said(message)).toEqual(rest);
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
    const { phi, findings, coverage, rule } = said(message);
    const types = Object.entries(findings).map(([type, counts]) => `${type} ${counts}`);
    return `  ${phi ? 'PHI  ' : '-    '} ${name}: ${types.join('; ') || 'nothing'}; ${coverage} → ${rule}`;
  });
  process.stdout.write(`${lines.join('\n')}\n`);
});
