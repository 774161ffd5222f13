import type { Address } from '../../../src/domain/ids.ts';
import type { Facts } from '../../../src/domain/types.ts';
import { answer } from '../../../src/policy/condition.ts';
import { CLEAN, facts, policyFrom } from './cases.ts';

const SSNS: Partial<Facts> = {
  findings: {
    phi: false,
    counts: [
      { type: 'SSN', confidence: 'low', distinct: 4 },
      { type: 'SSN', confidence: 'high', distinct: 2 },
    ],
    places: [],
  },
};
const LOCKED: Partial<Facts> = {
  coverage: { state: 'partial', parts: [{ part: 1, type: 'application/zip', size: 9, unread: 'encrypted' }] },
};
const UNKNOWN: Partial<Facts> = { findings: { unknown: 'findings' }, coverage: { unknown: 'coverage' } };
const from = (...sender: string[]) => ({ sender: sender as Address[] });
const to = (recipient: string) => ({ recipient: recipient as Address });

const lists = { 'partners.txt': '# ours\nLab.example # since 2020\r\n\n*.health.example\n' };

test.each<[string, Partial<Facts>, string]>([
  ['{}', {}, 'yes'],
  ['{ organization: Northside Clinic }', {}, 'yes'],
  ['{ organization: [A, B] }', {}, 'no'],
  ['{ sender: ANN@clinic.example }', {}, 'yes'],
  ['{ sender: "@clinic.example" }', from('x@clinic.example', 'y@Clinic.example'), 'yes'],
  ['{ sender: "@clinic.example" }', from('x@clinic.example', 'y@other.example'), 'no'],
  ['{ sender: "@clinic.example" }', from(), 'no'],
  ['{ sender: "@*.clinic.example" }', from('x@lab.clinic.example'), 'yes'],
  ['{ reverse_path: "<>" }', { reversePath: '' }, 'yes'],
  ['{ reverse_path: "<>" }', {}, 'no'],
  ['{ recipient: [x@example.org, Bob@Example.org] }', {}, 'yes'],
  ['{ recipient: "@example.org" }', to('"a@b"@example.org'), 'yes'],
  ['{ recipient_domain: example.org }', to('bob@EXAMPLE.org'), 'yes'],
  ['{ recipient_domain: example.org }', to('bob@sub.example.org'), 'no'],
  ['{ recipient_domain: "*.example.org" }', to('bob@a.sub.example.org'), 'yes'],
  ['{ recipient_domain: "*.example.org" }', to('bob@example.org'), 'no'],
  ['{ recipient_domain: { file: partners.txt } }', to('bob@lab.example'), 'yes'],
  ['{ recipient_domain: [example.org, { file: partners.txt }] }', to('bob@a.health.example'), 'yes'],
  ['{ recipient_domain: { file: partners.txt } }', {}, 'no'],
  ['{ subject_tag: [secure, other] }', { subjectTags: ['secure'] }, 'yes'],
  ['{ subject_tag: secure }', {}, 'no'],
  ['{ finding: { phi: true } }', { findings: { ...CLEAN, phi: true } }, 'yes'],
  ['{ finding: { phi: false } }', {}, 'yes'],
  ['{ finding: SSN }', SSNS, 'yes'],
  ['{ finding: MRN }', SSNS, 'no'],
  ['{ finding: [MRN, SSN] }', SSNS, 'yes'],
  ['{ finding: { all: [MRN, SSN] } }', SSNS, 'no'],
  ['{ finding: { type: SSN, distinct: 6 } }', SSNS, 'yes'],
  ['{ finding: { type: SSN, distinct: 7 } }', SSNS, 'no'],
  ['{ finding: { type: SSN, min: medium, distinct: 2 } }', SSNS, 'yes'],
  ['{ finding: { type: SSN, min: medium, distinct: 3 } }', SSNS, 'no'],
  ['{ coverage: full }', {}, 'yes'],
  ['{ coverage: [partial, unreadable] }', LOCKED, 'yes'],
  ['{ coverage: { reason: encrypted } }', LOCKED, 'yes'],
  ['{ coverage: { state: partial, reason: [format, time] } }', LOCKED, 'no'],
  ['{ size: { over: 10MB } }', { size: 10_485_761 }, 'yes'],
  ['{ size: { over: 10MB } }', { size: 10_485_760 }, 'no'],
  ['{ size: { over: 1kB, under: 2kB } }', { size: 1500 }, 'yes'],
  ['{ not: { recipient_domain: example.org } }', {}, 'no'],
  ['{ recipient_domain: example.org, subject_tag: secure }', {}, 'no'],
  ['{ any: [{ recipient_domain: example.org }, { subject_tag: secure }] }', {}, 'yes'],
  // Kleene
  ['{ finding: SSN }', UNKNOWN, 'unknown'],
  ['{ not: { coverage: full } }', UNKNOWN, 'unknown'],
  ['{ finding: SSN, recipient_domain: other.example }', UNKNOWN, 'no'],
  ['{ finding: SSN, recipient_domain: example.org }', UNKNOWN, 'unknown'],
  ['{ any: [{ finding: SSN }, { recipient_domain: example.org }] }', UNKNOWN, 'yes'],
  ['{ any: [{ finding: SSN }, { recipient_domain: other.example }] }', UNKNOWN, 'unknown'],
])('%s', (when, more, expected) => {
  const policy = policyFrom(`  - { name: a, when: ${when}, then: hold }\n`, lists);
  expect(answer(policy.rules[0]!.when, facts(more))).toBe(expected);
});
