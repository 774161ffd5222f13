import type { Action } from '../../../src/domain/types.ts';
import { checkPolicy } from '../../../src/policy/check.ts';
import { policyOf } from '../../../src/policy/load.ts';
import { policyVersion } from '../../../src/policy/parse.ts';
import { NO_FLOORS } from '../../../src/policy/rule.ts';
import { compareActions } from '../../../src/policy/strength.ts';
import { prospectsOf, traceOf } from '../../../src/policy/trace.ts';
import { reloadDecision } from '../../../src/policy/weaker.ts';
import { BALANCED, CLEAN, facts, policyFrom } from './cases.ts';

const place = (path: readonly (string | number)[], message: string) => ({
  file: 'p',
  line: 1,
  column: 1,
  path: path.join('.'),
  message,
});

function checked(rules: string, hasPortal = true): string[] {
  const { problems, warnings } = checkPolicy(policyFrom(rules), place, hasPortal);
  return [...problems, ...warnings].map((one) => `${one.path} ${one.message.split(';')[0]}`);
}

const PHI_MAY = '  - { name: clean, when: { finding: { phi: false } }, then: { deliver: [{ tls: may }] }';
const REST = '  - { name: rest, then: { deliver: [tls] } }\n';

test.each<[string, string, string[]]>([
  ['the shipped rules', BALANCED, []],
  [
    'PHI to the portal, the rest under TLS',
    `  - { name: phi, when: { any: [{ finding: { phi: true } }, { coverage: [partial, unreadable] }] }, then: { deliver: [portal] } }\n${REST}`,
    [],
  ],
  [
    'a finding that lowers',
    `${PHI_MAY} }\n${REST}`,
    [
      'rules.0 what was found or read could lower protection below rule "rest" after it (deliver [tls: may] against deliver [tls])',
    ],
  ],
  ['a finding that lowers on purpose', `${PHI_MAY}, lowers: true, reason: newsletter }\n${REST}`, []],
  [
    'another organization is no rule after it',
    `  - { name: a, when: { organization: A, finding: { phi: true } }, then: { deliver: [{ tls: encrypt }] } }
  - { name: b, when: { organization: B }, then: hold }
  - { name: c, when: { organization: A }, then: { deliver: [{ tls: encrypt }] } }\n`,
    [],
  ],
  [
    'a domain below the pattern is one',
    `  - { name: a, when: { recipient_domain: x.lab.example, finding: SSN }, then: { deliver: [{ tls: encrypt }] } }
  - { name: b, when: { recipient_domain: "*.lab.example" }, then: { deliver: [tls] } }
  - { name: c, when: { coverage: [partial, unreadable] }, then: hold }\n`,
    [
      'rules.0 what was found or read could lower protection below rule "b" after it (deliver [tls: encrypt] against deliver [tls])',
    ],
  ],
  [
    'a way around for one domain',
    `  - { name: phi, when: { finding: { phi: true } }, then: { deliver: [portal] } }
  - { name: friends, when: { recipient_domain: friend.example }, then: { deliver: [{ tls: may }] } }
  - { name: locked, when: { coverage: [partial, unreadable] }, then: { deliver: [portal] } }\n${REST}`,
    ['rules.0 a message that could not be read would go plainer by rule "friends" (deliver [tls: may])'],
  ],
  [
    'one reason for not reading that is forgotten',
    `  - { name: phi, when: { finding: SSN }, then: { deliver: [tls] } }
  - { name: locked, when: { coverage: { reason: encrypted } }, then: { deliver: [tls] } }
  - { name: rest, then: { deliver: [{ tls: encrypt }] } }\n`,
    ['rules.0 a message that could not be read would go plainer by rule "rest" (deliver [tls: encrypt])'],
  ],
  [
    'a rule between that takes all but large mail hides nothing',
    `  - { name: clean, when: { finding: { phi: false } }, then: { deliver: [{ tls: may }] } }
  - { name: small, when: { not: { size: { over: 5kB } } }, then: { deliver: [{ tls: may }] } }
  - { name: phi, when: { finding: { phi: true } }, then: hold }\n`,
    [
      'rules.0 what was found or read could lower protection below rule "phi" after it (deliver [tls: may] against hold)',
      'rules.2 a message that could not be read would go plainer by rule "clean" (deliver [tls: may])',
    ],
  ],
  [
    'a finding without the verdict counts as found',
    `  - { name: no verdict, when: { not: { any: [{ finding: { phi: true } }, { coverage: { state: partial, reason: encrypted } }] } }, then: { deliver: [{ tls: sts }] } }
  - { name: rest, then: { deliver: [{ tls: may }] } }\n`,
    ['rules.0 a message that could not be read would go plainer by rule "rest" (deliver [tls: may])'],
  ],
  [
    'a rule after one for all',
    `${REST}  - { name: late, when: { subject_tag: x }, then: hold }\n`,
    ['rules.1 never decides: rule "rest" before it matches all that it does'],
  ],
  [
    'a condition twice',
    `  - { name: a, when: { subject_tag: x }, then: hold }\n  - { name: b, when: { subject_tag: x }, then: bounce }\n`,
    ['rules.1 never decides: rule "a" before it matches all that it does'],
  ],
])('%s', (_, rules, expected) => {
  expect(checked(rules)).toEqual(expected);
});

test('rules that name the portal where there is none: said once', () => {
  const rules = `  - { name: a, when: { subject_tag: x }, then: { deliver: [{ tls: dane }, portal] } }\n${REST}`;
  expect(checked(rules)).toEqual([]);
  expect(checked(rules, false)).toEqual([
    'rules.0 names portal, but the configuration has no listen.portal: it is passed over, and mail with no other way is held',
  ]);
  expect(checked(REST, false).join()).not.toContain('listen.portal');
});

const deliver = (...items: string[]): Action => {
  const rule = policyFrom(`  - { name: a, then: { deliver: [${items.join(', ')}] } }\n`).rules[0]!;
  return rule.then;
};

test.each<[Action, Action, string]>([
  [{ kind: 'hold' }, deliver('portal'), 'at least'],
  [deliver('portal'), { kind: 'hold' }, 'weaker'],
  [deliver('tls'), deliver('{tls: encrypt}'), 'at least'],
  [deliver('{tls: encrypt}'), deliver('tls'), 'weaker'],
  [deliver('tls', '{tls: may}'), deliver('tls'), 'weaker'],
  [deliver('tls'), deliver('tls', '{tls: may}'), 'at least'],
  [deliver('portal'), deliver('tls'), 'beside'],
  [deliver('{portal: verify}'), deliver('tls'), 'at least'],
  [deliver('{tls: sts}'), deliver('{tls: dane}'), 'at least'],
  [deliver('portal'), deliver('portal+'), 'weaker'],
  [deliver('pgp'), deliver('portal'), 'at least'],
])('%j against %j: %s', (a, b, strength) => {
  expect(compareActions(a, b)).toBe(strength);
});

test('the trace says rule by rule what was asked, and what of the list may be used', () => {
  const phi = facts({ findings: { ...CLEAN, phi: true } });
  const trace = traceOf(policyFrom(BALANCED), NO_FLOORS, phi, prospectsOf(['tls']));
  expect(trace.rules.map(({ name, answer, reached }) => [name, answer, reached])).toEqual([
    ['asked for', 'no', true],
    ['phi', 'yes', true],
    ['not readable', 'no', false],
    ['rest', 'yes', false],
  ]);
  expect(trace.rules[1]!.conditions).toEqual([{ words: 'finding: phi true', answer: 'yes', depth: 0 }]);
  expect(trace.protections).toEqual([
    { protection: 'pgp', possible: false, why: 'pgp is not available in this version' },
    { protection: 'tls', possible: true, why: 'if the next hop shows it' },
    { protection: 'portal', possible: false, why: 'no portal is configured' },
  ]);
  const raised = traceOf(
    policyFrom(BALANCED),
    { ...NO_FLOORS, tags: { x: { name: 'portal', level: 'encrypt' } } },
    facts({ ...phi, subjectTags: ['x'] }),
    prospectsOf(['tls']),
  );
  expect(raised.protections[1]).toEqual({
    protection: 'tls',
    possible: false,
    why: 'below the floor portal of the tag x',
  });
});

describe('a reload', () => {
  const ruling = (rules: string) => ({ policy: policyFrom(rules), floors: NO_FLOORS });
  const stored = [facts(), facts(), facts({ findings: { ...CLEAN, phi: true } })];
  const now = ruling(BALANCED);
  const plainer = ruling(BALANCED.replace('{ deliver: [{ tls: encrypt }, portal] }', '{ deliver: [{ tls: may }] }'));

  test('is refused in live mode when it protects stored mail less, with the rules named', () => {
    const decided = reloadDecision(now, plainer, stored, { mode: 'live', acceptWeaker: false });
    expect(decided).toMatchObject({
      accept: false,
      weaker: [{ oldRule: 'rest', newRule: 'rest', strength: 'weaker', count: 2 }],
    });
    expect('message' in decided && decided.message).toContain(
      'rule "rest": deliver [tls: encrypt, portal] would become deliver [tls: may] by rule "rest" (2 stored deliveries)',
    );
  });

  test.each([
    ['accepted by an operator', plainer, { mode: 'live', acceptWeaker: true }],
    ['evaluation', plainer, { mode: 'evaluation', acceptWeaker: false }],
    ['the same', now, { mode: 'live', acceptWeaker: false }],
    ['stronger', ruling('  - { name: all, then: hold }\n'), { mode: 'live', acceptWeaker: false }],
  ] as const)('is taken over: %s', (_, next, options) => {
    expect(reloadDecision(now, next, stored, options)).toMatchObject({ accept: true });
  });

  test('a floor that is taken away counts too', () => {
    const floors = {
      ...NO_FLOORS,
      domains: [{ pattern: 'example.org', floor: { name: 'tls', level: 'dane' } as const }],
    };
    const before = { policy: now.policy, floors };
    expect(reloadDecision(before, now, stored, { mode: 'live', acceptWeaker: false })).toMatchObject({ accept: false });
  });
});

test('the version is that of the texts, and the files give the policy back', () => {
  const policy = policyFrom('  - { name: a, when: { recipient_domain: { file: l.txt } }, then: hold }\n', {
    'l.txt': 'a.example',
  });
  expect(policyOf(policy.files)).toEqual(policy);
  expect(policyVersion(policy.files)).toBe(policy.version);
  const other = policyFrom('  - { name: a, when: { recipient_domain: { file: l.txt } }, then: hold }\n', {
    'l.txt': 'b.example',
  });
  expect(other.version).not.toBe(policy.version);
  expect(policyOf([{ name: 'policy.yaml', text: 'rules: [' }])).toBeNull();
});
