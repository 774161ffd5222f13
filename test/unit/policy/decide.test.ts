import fc from 'fast-check';
import type { Address } from '../../../src/domain/ids.ts';
import { atLeast, LEVELS } from '../../../src/domain/protection.ts';
import type { Action, Decision, Facts, Protection } from '../../../src/domain/types.ts';
import { answer } from '../../../src/policy/condition.ts';
import { actionText, type Decided, decide, isUndecided } from '../../../src/policy/decide.ts';
import { floorsFor, floorsOf } from '../../../src/policy/floors.ts';
import type { Condition, Floors, Rule } from '../../../src/policy/rule.ts';
import { NO_FLOORS } from '../../../src/policy/rule.ts';
import { staffDecision } from '../../../src/policy/staff.ts';
import { compareActions } from '../../../src/policy/strength.ts';
import { BALANCED, CLEAN, facts, policyFrom, READ } from './cases.ts';

const PHI: Partial<Facts> = { findings: { ...CLEAN, phi: true } };
const UNKNOWN: Partial<Facts> = { findings: { unknown: 'findings' } };

function told(decided: Decided): string {
  return isUndecided(decided)
    ? `undecided: ${decided.unknown.join(', ')}`
    : `${decided.rule}: ${actionText(decided.action)}`;
}

const floors: Floors = floorsOf({
  organizations: [{ name: 'Strict', floor: { name: 'pgp', level: 'encrypt' } }, { name: 'Free' }] as never,
  floors: {
    domains: { 'dane.example': { name: 'tls', level: 'dane' }, '*.example.org': { name: 'tls', level: 'verify' } },
  },
  tags: { secure: { floor: { name: 'portal', level: 'encrypt' } }, other: {} },
});

test.each<[string, Partial<Facts>, Floors, string]>([
  ['nothing found', {}, NO_FLOORS, 'rest: deliver [tls: encrypt, portal]'],
  ['PHI', PHI, NO_FLOORS, 'phi: deliver [pgp, tls, portal]'],
  ['the first match decides', { ...PHI, subjectTags: ['secure'] }, NO_FLOORS, 'asked for: deliver [pgp, portal]'],
  ['unknown findings wait', UNKNOWN, NO_FLOORS, 'undecided: findings'],
  [
    'unknown findings do not matter',
    { ...UNKNOWN, subjectTags: ['secure'] },
    NO_FLOORS,
    'asked for: deliver [pgp, portal]',
  ],
  [
    'unknown coverage does not matter when PHI was found',
    { ...PHI, coverage: { unknown: 'coverage' } },
    NO_FLOORS,
    'phi: deliver [pgp, tls, portal]',
  ],
  [
    'either answer leads to the same',
    { ...UNKNOWN, coverage: { state: 'unreadable', parts: [] } },
    NO_FLOORS,
    'phi: deliver [pgp, tls, portal]',
  ],
  [
    'a domain floor drops what is below',
    { ...PHI, recipient: 'b@a.example.org' as Address },
    floors,
    'phi: deliver [tls]',
  ],
  ['nothing meets the floor', { recipient: 'b@dane.example' as Address }, floors, 'rest: hold'],
  ['an organization floor', { ...PHI, organization: 'Strict' }, floors, 'phi: deliver [pgp, portal]'],
  ['a tag floor', { ...PHI, subjectTags: ['other'] }, floors, 'phi: deliver [pgp, tls, portal]'],
])('%s', (_, more, bind, expected) => {
  expect(told(decide(policyFrom(BALANCED), bind, facts(more)))).toBe(expected);
});

test('the reason names rule and floor, and no address', () => {
  const decided = decide(policyFrom(BALANCED), floors, facts({ recipient: 'bob@dane.example' as Address })) as Decision;
  expect(decided.because).toBe(
    'rule "rest": deliver [tls: encrypt, portal]; tls: encrypt is below the floor tls: dane of the domain dane.example; ' +
      'portal: encrypt is below the floor tls: dane of the domain dane.example; nothing is left that may be used',
  );
  expect(decided.policyVersion).toMatch(/^[0-9a-f]{16}$/);
});

test('no rule: hold', () => {
  const policy = policyFrom('  - { name: a, when: { subject_tag: x }, then: { deliver: [tls] } }\n');
  expect(decide(policy, NO_FLOORS, facts())).toMatchObject({
    action: { kind: 'hold' },
    rule: '(none)',
    because: 'no rule matches',
  });
});

test('outcomes that differ only in the staff note are not the same', () => {
  const policy = policyFrom(
    '  - { name: a, when: { finding: SSN }, then: { deliver: [tls] }, warn: look }\n  - { name: b, then: { deliver: [tls] } }\n',
  );
  expect(told(decide(policy, NO_FLOORS, facts(UNKNOWN)))).toBe('undecided: findings');
  const found = facts({ findings: { ...CLEAN, counts: [{ type: 'SSN', confidence: 'low', distinct: 1 }] } });
  expect(decide(policy, NO_FLOORS, found)).toMatchObject({ warn: 'look' });
});

test('mail of ours goes under authenticated TLS whatever the rules say', () => {
  expect(staffDecision()).toMatchObject({
    rule: '(line)',
    action: { kind: 'deliver', protections: [{ name: 'tls', level: 'verify' }] },
  });
});

// ── properties ──

const protection = fc.record({
  name: fc.constantFrom('tls', 'pgp', 'smime', 'portal', 'portal+'),
  level: fc.constantFrom(...LEVELS),
}) as fc.Arbitrary<Protection>;
const action = fc.oneof(
  fc.constantFrom<Action>({ kind: 'hold' }, { kind: 'bounce' }),
  fc.array(protection, { minLength: 1, maxLength: 4 }).map((protections): Action => ({ kind: 'deliver', protections })),
);
const leaf = fc.constantFrom<Condition>(
  { kind: 'phi', is: true },
  { kind: 'phi', is: false },
  { kind: 'finding', want: { type: 'SSN', min: 'medium', distinct: 1 } },
  { kind: 'coverage', states: ['partial', 'unreadable'], reasons: [] },
  { kind: 'coverage', states: ['partial'], reasons: ['encrypted'] },
  { kind: 'subject_tag', tags: ['secure'] },
  { kind: 'recipient_domain', patterns: ['example.org'] },
  { kind: 'size', over: 5000 },
);
const { condition } = fc.letrec<{ condition: Condition }>((tie) => ({
  condition: fc.oneof(
    { maxDepth: 3 },
    leaf,
    fc.record({
      kind: fc.constantFrom('all' as const, 'any' as const),
      of: fc.array(tie('condition'), { maxLength: 3 }),
    }),
    fc.record({ kind: fc.constant('not' as const), of: tie('condition') }),
  ),
}));
const rules = fc
  .array(fc.tuple(condition, action), { maxLength: 5 })
  .map((list): Rule[] => list.map(([when, then], index) => ({ name: `r${index}`, when, then })));
const findings = fc.record({
  phi: fc.boolean(),
  counts: fc.constantFrom([], [{ type: 'SSN', confidence: 'high', distinct: 2 }] as const),
  places: fc.constant([]),
});
const coverage = fc.constantFrom(
  READ,
  { state: 'unreadable' as const, parts: [] },
  { state: 'partial' as const, parts: [{ part: 0, type: 'x/y', size: 1, unread: 'encrypted' as const }] },
);
const someFacts = fc
  .record({ findings, coverage, tag: fc.boolean(), size: fc.constantFrom(1, 9000) })
  .map((one) =>
    facts({ findings: one.findings, coverage: one.coverage, subjectTags: one.tag ? ['secure'] : [], size: one.size }),
  );
const someFloors = fc.record({
  organizations: fc.dictionary(fc.constant('Northside Clinic'), protection, { maxKeys: 1 }),
  domains: fc.array(fc.record({ pattern: fc.constantFrom('example.org', '*.org'), floor: protection }), {
    maxLength: 2,
  }),
  tags: fc.dictionary(fc.constant('secure'), protection, { maxKeys: 1 }),
});

test('decide is total, and what it delivers meets every floor and comes from the rule that it names', () => {
  fc.assert(
    fc.property(rules, someFloors, someFacts, (list, bind, one) => {
      const decided = decide({ rules: list, version: 'v' }, bind, one);
      // Every fact is known here.
      if (isUndecided(decided)) throw new Error('undecided without an unknown fact');
      const first = list.find((rule) => answer(rule.when, one) === 'yes');
      expect(decided.rule).toBe(first?.name ?? '(none)');
      if (decided.action.kind !== 'deliver') return;
      const { protections } = decided.action;
      expect(protections.length).toBeGreaterThan(0);
      expect(protections.every((p) => floorsFor(bind, one).every(({ floor }) => atLeast(p, floor)))).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test('a floor never lowers', () => {
  fc.assert(
    fc.property(rules, someFloors, someFacts, (list, bind, one) => {
      const policy = { rules: list, version: 'v' };
      const without = decide(policy, NO_FLOORS, one) as Decision;
      const raised = decide(policy, bind, one) as Decision;
      expect(compareActions(raised.action, without.action)).toBe('at least');
    }),
    { numRuns: 500 },
  );
});

test('an unknown fact never leads to another decision than every answer to it would', () => {
  const hidden = fc.record({ findings: fc.boolean(), coverage: fc.boolean() });
  fc.assert(
    fc.property(rules, someFloors, someFacts, hidden, (list, bind, one, hide) => {
      const policy = { rules: list, version: 'v' };
      const seen = facts({
        ...one,
        ...(hide.findings ? { findings: { unknown: 'findings' } } : {}),
        ...(hide.coverage ? { coverage: { unknown: 'coverage' } } : {}),
      });
      const decided = decide(policy, bind, seen);
      if (isUndecided(decided)) {
        expect(decided.unknown.length).toBeGreaterThan(0);
        return;
      }
      const truth = decide(policy, bind, one) as Decision;
      expect(actionText(decided.action)).toBe(actionText(truth.action));
    }),
    { numRuns: 1000 },
  );
});
