// What must hold for every policy, floor and message, tried on invented ones.

import fc from 'fast-check';
import type { Address } from '../../../src/domain/ids.ts';
import { LEVELS } from '../../../src/domain/protection.ts';
import type { Action, Coverage, Decision, Facts, Findings, Protection } from '../../../src/domain/types.ts';
import { checkPolicy } from '../../../src/policy/check.ts';
import { answer, asksExaminer, leavesOf } from '../../../src/policy/condition.ts';
import { actionText, decide, isUndecided } from '../../../src/policy/decide.ts';
import { floorProblem } from '../../../src/policy/floors.ts';
import { parsePolicy } from '../../../src/policy/parse.ts';
import { type Condition, type Floors, NO_FLOORS, type Rule } from '../../../src/policy/rule.ts';
import { compareActions } from '../../../src/policy/strength.ts';
import { prospectsOf, traceOf } from '../../../src/policy/trace.ts';
import { weakerOutcomes } from '../../../src/policy/weaker.ts';
import { envelopes, examinations } from '../../../src/policy/worlds.ts';
import { CLEAN, facts, READ } from './cases.ts';

const protection = fc.record({
  name: fc.constantFrom('tls', 'pgp', 'smime', 'portal', 'portal+'),
  level: fc.constantFrom(...LEVELS),
}) as fc.Arbitrary<Protection>;
const action = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom<Action>({ kind: 'hold' }, { kind: 'bounce' }) },
  {
    weight: 4,
    arbitrary: fc
      .array(protection, { minLength: 1, maxLength: 3 })
      .map((protections): Action => ({ kind: 'deliver', protections })),
  },
);
const LEAVES: readonly Condition[] = [
  { kind: 'phi', is: true },
  { kind: 'phi', is: false },
  { kind: 'finding', want: { type: 'SSN', min: 'medium', distinct: 2 } },
  { kind: 'coverage', states: ['partial', 'unreadable'], reasons: [] },
  { kind: 'coverage', states: ['partial'], reasons: ['encrypted'] },
  { kind: 'subject_tag', tags: ['secure'] },
  { kind: 'recipient_domain', patterns: ['example.org', '*.lab.example'] },
  { kind: 'sender', patterns: ['@clinic.example'] },
  { kind: 'organization', names: ['Northside Clinic'] },
  { kind: 'size', over: 5_000 },
];
const { condition } = fc.letrec<{ condition: Condition }>((tie) => ({
  condition: fc.oneof(
    { maxDepth: 2 },
    fc.constantFrom(...LEAVES),
    fc.record({
      kind: fc.constantFrom('all' as const, 'any' as const),
      of: fc.array(tie('condition'), { maxLength: 3 }),
    }),
    fc.record({ kind: fc.constant('not' as const), of: tie('condition') }),
  ),
}));
const rules = fc
  .array(fc.tuple(condition, action), { minLength: 1, maxLength: 4 })
  .map((list): Rule[] => list.map(([when, then], index) => ({ name: `r${index}`, when, then })));

const someFindings = fc.constantFrom<Findings>(
  CLEAN,
  { ...CLEAN, phi: true },
  { phi: true, counts: [{ type: 'SSN', confidence: 'high', distinct: 3 }], places: [] },
  { phi: false, counts: [{ type: 'SSN', confidence: 'low', distinct: 3 }], places: [] },
);
const unread = (state: 'partial' | 'unreadable', reason: 'encrypted' | 'format'): Coverage => ({
  state,
  parts: [{ part: 0, type: 'x/y', size: 1, unread: reason }],
});
const someCoverage = fc.constantFrom<Coverage>(
  READ,
  unread('partial', 'encrypted'),
  unread('partial', 'format'),
  unread('unreadable', 'format'),
);
const envelope = fc
  .record({
    organization: fc.constantFrom('Northside Clinic', 'Other'),
    sender: fc.constantFrom('ann@clinic.example', 'x@other.example'),
    recipient: fc.constantFrom('b@example.org', 'b@a.lab.example', 'b@other.example'),
    tag: fc.boolean(),
    size: fc.constantFrom(1, 9_000),
  })
  .map(({ organization, sender, recipient, tag, size }) =>
    facts({
      organization,
      sender: [sender as Address],
      recipient: recipient as Address,
      subjectTags: tag ? ['secure'] : [],
      size,
    }),
  );
const someFacts = fc
  .tuple(envelope, someFindings, someCoverage)
  .map(([one, findings, coverage]): Facts => ({ ...one, findings, coverage }));
const floors = fc.record({
  organizations: fc.dictionary(fc.constantFrom('Northside Clinic', 'Other'), protection, { maxKeys: 2 }),
  domains: fc.array(
    fc.record({ pattern: fc.constantFrom('example.org', '*.org', '*.lab.example'), floor: protection }),
    { maxLength: 2 },
  ),
  tags: fc.dictionary(fc.constant('secure'), protection, { maxKeys: 1 }),
});

const forAll = (then: Action): Rule[] => [{ name: 'all', when: { kind: 'all', of: [] }, then }];
const policyOf = (list: readonly Rule[]) => ({ version: 'v', rules: list, tests: [], files: [] });
const place = (path: readonly (string | number)[], message: string) => ({
  file: 'p',
  line: 1,
  column: 1,
  path: path.join('.'),
  message,
});

function decided(list: readonly Rule[], bind: Floors, one: Facts): Decision {
  const outcome = decide(policyOf(list), bind, one);
  if (isUndecided(outcome)) throw new Error('undecided without an unknown fact');
  return outcome;
}

test('a floor more never makes a decision plainer, whichever others there are', () => {
  const more = fc.oneof(
    fc.record({ pattern: fc.constantFrom('example.org', '*.example', '*.lab.example'), floor: protection }),
    fc.record({ organization: fc.constantFrom('Northside Clinic', 'Other'), floor: protection }),
    fc.record({ floor: protection }),
  );
  fc.assert(
    fc.property(rules, floors, more, someFacts, (list, bind, extra, one) => {
      const raised: Floors =
        'pattern' in extra
          ? { ...bind, domains: [...bind.domains, extra] }
          : 'organization' in extra && !(extra.organization in bind.organizations)
            ? { ...bind, organizations: { ...bind.organizations, [extra.organization]: extra.floor } }
            : 'secure' in bind.tags
              ? bind
              : { ...bind, tags: { secure: extra.floor } };
      const before = decided(list, bind, one);
      const after = decided(list, raised, one);
      expect(compareActions(after.action, before.action)).toBe('at least');
      // What is left is what was there, in the same order.
      if (after.action.kind === 'deliver' && before.action.kind === 'deliver') {
        const { protections } = after.action;
        expect(before.action.protections.filter((p) => protections.includes(p))).toEqual(protections);
      }
      expect(
        weakerOutcomes({ policy: policyOf(list), floors: bind }, { policy: policyOf(list), floors: raised }, [one]),
      ).toEqual([]);
    }),
    { numRuns: 1_000 },
  );
});

test("an operator's choice that floorProblem lets through meets every floor of the delivery", () => {
  fc.assert(
    fc.property(floors, someFacts, protection, (bind, one, choice) => {
      if (floorProblem(bind, one, choice) !== null) return;
      expect(decided(forAll({ kind: 'deliver', protections: [choice] }), bind, one).action.kind).toBe('deliver');
    }),
    { numRuns: 1_000 },
  );
});

test('the trace tells of the decision that is made', () => {
  fc.assert(
    fc.property(rules, floors, someFacts, (list, bind, one) => {
      const trace = traceOf(policyOf(list), bind, one, prospectsOf(['tls']));
      const outcome = decided(list, bind, one);
      expect(trace.decision).toEqual(outcome);
      const first = trace.rules.find((rule) => rule.answer === 'yes');
      expect(first?.name ?? '(none)').toBe(outcome.rule);
      expect(trace.rules.filter((rule) => rule.reached).at(-1)?.name).toBe(first?.name ?? list.at(-1)?.name);
      if (outcome.action.kind !== 'deliver') return;
      const left = trace.protections.filter((item) => !item.why.startsWith('below'));
      expect(`deliver [${left.map((item) => item.protection).join(', ')}]`).toBe(actionText(outcome.action));
    }),
    { numRuns: 500 },
  );
});

describe('a policy that the check lets through', () => {
  const checked = (list: readonly Rule[]) => checkPolicy(policyOf(list), place).problems.length === 0;

  test('never lets what could not be read go plainer than that in which something was found', () => {
    fc.assert(
      fc.property(rules, envelope, someFindings, someCoverage, (list, one, found, coverage) => {
        if (coverage === READ || (!found.phi && found.counts.length === 0) || !checked(list)) return;
        const withFindings = decided(list, NO_FLOORS, { ...one, findings: found });
        const rule = list.find(({ name }) => name === withFindings.rule);
        if (rule === undefined || !leavesOf(rule.when).some((leaf) => leaf.kind === 'phi' || leaf.kind === 'finding'))
          return;
        const notRead = decided(list, NO_FLOORS, { ...one, coverage });
        expect(compareActions(notRead.action, withFindings.action)).not.toBe('weaker');
      }),
      { numRuns: 3_000 },
    );
  });

  test('never lets a finding lower what another rule would have decided without it', () => {
    fc.assert(
      fc.property(rules, envelope, someFindings, someFindings, (list, one, found, other) => {
        if (!checked(list)) return;
        const first = decided(list, NO_FLOORS, { ...one, findings: found });
        const second = decided(list, NO_FLOORS, { ...one, findings: other });
        const at = (name: string) => list.findIndex((rule) => rule.name === name);
        if (first.rule === '(none)' || second.rule === '(none)' || at(first.rule) >= at(second.rule)) return;
        if (!asksExaminer((list[at(first.rule)] as Rule).when)) return;
        expect(compareActions(first.action, second.action)).not.toBe('weaker');
      }),
      { numRuns: 3_000 },
    );
  });
});

test('worlds hold, for every condition, one that meets it and one that does not', () => {
  for (const leaf of LEAVES) {
    const worlds = (envelopes([leaf]) ?? []).flatMap((one) =>
      examinations([leaf]).map((seen) => ({ ...one, ...seen })),
    );
    const answers = new Set(worlds.map((one) => answer(leaf, one)));
    expect([leaf.kind, [...answers].sort()]).toEqual([leaf.kind, ['no', 'yes']]);
  }
  const many = Array.from({ length: 12 }, (_, n): Condition[] => [
    { kind: 'recipient_domain', patterns: [`d${n}.example`] },
    { kind: 'sender', patterns: [`s${n}@x.example`] },
    { kind: 'subject_tag', tags: [`t${n}`] },
    { kind: 'size', over: n * 1_000 },
  ]).flat();
  expect(envelopes(many)).toBeNull();
});

test('parsing is total: any text gives a policy or problems with a place', () => {
  const pieces = fc.array(
    fc.constantFrom(
      'version: 1\n',
      'rules:\n',
      '  - name: a\n',
      '  - { name: b, then: hold }\n',
      '    when: { finding: SSN }\n',
      '    when: { any: [] }\n',
      '    then: { deliver: [tls] }\n',
      'tests:\n',
      '  - { name: t, expect: hold }\n',
      '  - []\n',
      '    - x\n',
      'a: &a [*a]\n',
      '\t',
      '{',
      '}',
      '[',
      ']',
      ': ',
      '- ',
      '"',
      '!!js/x ',
      '<<: ',
      'null\n',
      '~',
      '1e999',
      'é',
      '\0',
    ),
    { maxLength: 14 },
  );
  fc.assert(
    fc.property(pieces, (list) => {
      const parsed = parsePolicy([{ name: 'p', text: list.join('') }]);
      if (parsed.ok) expect(parsed.policy.rules.length).toBeGreaterThan(0);
      else
        for (const problem of parsed.problems)
          expect(problem).toMatchObject({ file: 'p', line: expect.any(Number), message: expect.stringMatching(/./) });
      if (!parsed.ok) expect(parsed.problems.length).toBeGreaterThan(0);
    }),
    { numRuns: 2_000 },
  );
});
