import type { Action } from '../../../src/domain/types.ts';
import { decide } from '../../../src/policy/decide.ts';
import { loadPolicy, type PolicyOptions } from '../../../src/policy/load.ts';
import { listsOf, parsePolicy } from '../../../src/policy/parse.ts';
import type { Condition, Policy } from '../../../src/policy/rule.ts';
import { NO_FLOORS } from '../../../src/policy/rule.ts';
import { facts, policyFrom } from './cases.ts';

function rule(when: string): Condition {
  return policyFrom(`  - { name: a, when: ${when}, then: hold }\n`).rules[0]!.when;
}

/** `line path: message` of every problem. */
function problemsOf(text: string, known = {}): string[] {
  const parsed = parsePolicy([{ name: 'p.yaml', text }], known);
  return parsed.ok ? [] : parsed.problems.map((one) => `${one.line} ${one.path}: ${one.message}`);
}

test.each<[string, Condition]>([
  [
    '{ sender: [Ann@Clinic.example, "@LAB.example"] }',
    { kind: 'sender', patterns: ['ann@clinic.example', '@lab.example'] },
  ],
  ['{ reverse_path: "<>" }', { kind: 'reverse_path', patterns: ['<>'] }],
  ['{ recipient: "@*.example.org" }', { kind: 'recipient', patterns: ['@*.example.org'] }],
  ['{ recipient_domain: münchen.example }', { kind: 'recipient_domain', patterns: ['xn--mnchen-3ya.example'] }],
  ['{ finding: SSN }', { kind: 'finding', want: { type: 'SSN', min: 'low', distinct: 1 } }],
  [
    '{ finding: { type: MRN, min: high, distinct: 10 } }',
    { kind: 'finding', want: { type: 'MRN', min: 'high', distinct: 10 } },
  ],
  ['{ finding: { phi: true } }', { kind: 'phi', is: true }],
  [
    '{ coverage: { reason: encrypted } }',
    { kind: 'coverage', states: ['partial', 'unreadable'], reasons: ['encrypted'] },
  ],
  ['{ size: { over: 10MB, under: 20MB } }', { kind: 'size', over: 10_485_760, under: 20_971_520 }],
  [
    '{ organization: A, not: { subject_tag: x } }',
    {
      kind: 'all',
      of: [
        { kind: 'organization', names: ['A'] },
        { kind: 'not', of: { kind: 'subject_tag', tags: ['x'] } },
      ],
    },
  ],
])('when: %s', (text, expected) => {
  expect(rule(text)).toEqual(expected);
});

test.each<[string, Action]>([
  ['hold', { kind: 'hold' }],
  ['bounce', { kind: 'bounce' }],
  ['{ deliver: tls }', { kind: 'deliver', protections: [{ name: 'tls', level: 'verify' }] }],
  [
    '{ deliver: [{ tls: dane }, { pgp: verify }, portal, portal+] }',
    {
      kind: 'deliver',
      protections: [
        { name: 'tls', level: 'dane' },
        { name: 'pgp', level: 'verify' },
        { name: 'portal', level: 'encrypt' },
        { name: 'portal+', level: 'encrypt' },
      ],
    },
  ],
  ['{ deliver: [{ tls: may }] }', { kind: 'deliver', protections: [{ name: 'tls', level: 'may' }] }],
])('then: %s', (text, expected) => {
  expect(policyFrom(`  - { name: a, then: ${text} }\n`).rules[0]!.then).toEqual(expected);
});

test('every problem is told at once, each at its place', () => {
  const text = `version: 1
rules:
  - name: a
    when: { recipient: [[x@y.example]], finding: SNN }
    then: { deliver: [] }
  - name: a
    whn: {}
    then: hold
`;
  expect(problemsOf(text)).toEqual([
    '4 rules[0].when.recipient[0]: must not be a list inside a list',
    '4 rules[0].when.finding: unknown finding "SNN", did you mean "SSN"?',
    '5 rules[0].then.deliver: must not be empty; write hold to deliver nothing',
    '6 rules[1].name: rules[0] has the same name',
    '7 rules[1].whn: unknown key, did you mean "when"?',
  ]);
});

test('names that gateway.yaml does not have could never match', () => {
  const text = 'version: 1\nrules:\n  - { name: a, when: { subject_tag: secur, organization: B }, then: hold }\n';
  expect(problemsOf(text)).toEqual([]);
  expect(problemsOf(text, { tags: ['secure'], organizations: ['A'] })).toEqual([
    expect.stringContaining('unknown tag "secur", did you mean "secure"?'),
    expect.stringContaining('unknown organization "B"'),
  ]);
});

test.each(['(none)', 'a"b', 'ann@clinic.example', 'x'.repeat(65), 'a\\nb'])('%s is no name of a rule', (name) => {
  expect(problemsOf(`version: 1\nrules:\n  - { name: "${name.replaceAll('"', '\\"')}", then: hold }\n`)).toEqual([
    expect.stringContaining('rules[0].name: must be at most 64'),
  ]);
});

test('a condition that is nested without end is refused', () => {
  const when = `${'{ not: '.repeat(30)}{ subject_tag: x }${' }'.repeat(30)}`;
  expect(problemsOf(`version: 1\nrules:\n  - { name: a, when: ${when}, then: hold }\n`)).toEqual([
    expect.stringContaining('is nested too deeply'),
  ]);
});

test('lists that a policy names', () => {
  const text =
    'rules:\n  - when: { any: [{ recipient: { file: a.txt } }, { sender: [{ file: b.txt }, { file: a.txt }] }] }\n';
  expect(listsOf({ name: 'p', text })).toEqual(['a.txt', 'b.txt']);
  expect(listsOf({ name: 'p', text: 'rules: [' })).toEqual([]);
});

describe('tests in the file', () => {
  const given = (text: string) =>
    (policyFrom(`  - { name: a, then: hold }\ntests:\n  - { name: t, given: ${text}, expect: hold }\n`) as Policy)
      .tests[0]!.given;

  test('give facts in the words of conditions', () => {
    expect(given('{}')).toEqual({
      organization: 'Example',
      sender: ['staff@clinic.example'],
      reversePath: 'staff@clinic.example',
      recipient: 'someone@example.org',
      subjectTags: [],
      findings: { phi: false, counts: [], places: [] },
      coverage: { state: 'full', parts: [] },
      size: 10_240,
    });
    expect(given('{ reverse_path: "<>", subject_tag: [x, y], size: 3MB }')).toMatchObject({
      reversePath: '',
      subjectTags: ['x', 'y'],
      size: 3_145_728,
    });
    expect(given('{ finding: [{ phi: true }, SSN, { type: MRN, confidence: low, distinct: 4 }] }').findings).toEqual({
      phi: true,
      counts: [
        { type: 'SSN', confidence: 'high', distinct: 1 },
        { type: 'MRN', confidence: 'low', distinct: 4 },
      ],
      places: [],
    });
    expect(given('{ coverage: { reason: encrypted } }').coverage).toEqual({
      state: 'partial',
      parts: [{ part: 0, type: 'application/octet-stream', size: 0, unread: 'encrypted' }],
    });
    expect(given('{ unknown: [finding, coverage] }')).toMatchObject({
      findings: { unknown: 'finding' },
      coverage: { unknown: 'coverage' },
    });
  });
});

describe('loading', () => {
  const options: PolicyOptions = { live: false };
  const load = (files: Record<string, string>) =>
    loadPolicy('/p/policy.yaml', options, {
      cwd: '/p',
      read: async (path: string) => (path in files ? Buffer.from(files[path] as string) : null),
      stat: async () => null,
      user: 'nobody',
    } as never);
  const RULES = 'version: 1\nrules:\n  - { name: a, when: { recipient_domain: { file: l.txt } }, then: hold }\n';
  const REST = '  - { name: rest, then: { deliver: [tls] } }\n';

  test('reads the lists beside the file', async () => {
    const loaded = await load({ '/p/policy.yaml': RULES + REST, '/p/l.txt': 'example.org # ours\n' });
    if (!('policy' in loaded)) throw new Error('refused');
    expect(loaded.warnings).toEqual([]);
    expect(decide(loaded.policy, NO_FLOORS, facts())).toMatchObject({ rule: 'a' });
  });

  test('tests that fail refuse the policy and say what came instead', async () => {
    const tests = `tests:
  - { name: wrong action, given: { recipient: b@other.example }, expect: portal }
  - { name: wrong rule, given: {}, expect: hold, rule: rest }
  - { name: right, given: {}, expect: hold, rule: a }
  - { name: not undecided, given: { unknown: finding }, expect: undecided }
`;
    const loaded = await load({ '/p/policy.yaml': RULES + REST + tests, '/p/l.txt': 'example.org' });
    expect('problems' in loaded && loaded.problems.map((one) => `${one.path} ${one.message}`)).toEqual([
      'tests[0] test "wrong action" failed: expected deliver [portal], got deliver [tls] by rule "rest"',
      'tests[1] test "wrong rule" failed: expected rule "rest", got rule "a"',
      'tests[3] test "not undecided" failed: expected undecided, got hold by rule "a"',
    ]);
  });

  test('a file or list that is missing is a problem, not an empty policy', async () => {
    expect(await load({})).toMatchObject({ problems: [{ message: 'there is no such file, or it cannot be read' }] });
    expect(await load({ '/p/policy.yaml': RULES + REST })).toMatchObject({
      problems: [{ message: 'there is no list file l.txt, or it cannot be read' }],
    });
  });
});
