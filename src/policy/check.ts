// What is wrong with rules that are well written: a condition on findings or coverage that lowers protection, mail that
// could not be read going plainer than mail with findings, tests that fail; and, as warnings, rules that never decide. A
// detector can miss and an attachment can be locked, so whatever they say may raise protection; lowering it wants
// `lowers: true` and a reason.

import type { Source } from '../config/document.ts';
import type { ConfigProblem } from '../config/problem.ts';
import type { Facts } from '../domain/types.ts';
import { answer, asksExaminer, leavesOf } from './condition.ts';
import { actionText, decide, isUndecided } from './decide.ts';
import { type Condition, NO_FLOORS, type Policy, type PolicyTest, type Rule } from './rule.ts';
import { compareActions } from './strength.ts';
import { envelopes, examinations, unread } from './worlds.ts';

type Place = Source['problem'];
export type Checked = { readonly problems: readonly ConfigProblem[]; readonly warnings: readonly ConfigProblem[] };

/** All checks. `place` says where a rule or test stands in the file; `hasPortal`: links would lead somewhere. */
export function checkPolicy(policy: Policy, place: Place, hasPortal = true): Checked {
  const { rules } = policy;
  const problems = [...lowering(rules, place), ...letting(rules, place), ...failing(policy, place)];
  const warnings = unreachable(rules).map(({ index, by }) =>
    place(['rules', index], `never decides: rule "${by}" before it matches all that it does`),
  );
  return { problems, warnings: hasPortal ? warnings : [...warnings, ...passedOver(rules, place)] };
}

/** Once, at the first rule: there may be hundreds. */
function passedOver(rules: readonly Rule[], place: Place): ConfigProblem[] {
  const lists = rules.map(({ then }) => (then.kind === 'deliver' ? then.protections : []));
  const index = lists.findIndex((list) => list.some((one) => one.name === 'portal'));
  const words =
    'names portal, but the configuration has no listen.portal: it is passed over, and mail with no other way is held';
  return index < 0 ? [] : [place(['rules', index], words)];
}

function lowering(rules: readonly Rule[], place: Place): ConfigProblem[] {
  return rules.flatMap((rule, index) => {
    const after = rule.lowers === undefined && asksExaminer(rule.when) ? loweredAgainst(rules, index) : null;
    if (!after) return [];
    const both = `${actionText(rule.then)} against ${actionText(after.then)}`;
    const words = `what was found or read could lower protection below rule "${after.name}" after it (${both})`;
    return [place(['rules', index], `${words}; if that is meant, add lowers: true and a reason`)];
  });
}

function letting(rules: readonly Rule[], place: Place): ConfigProblem[] {
  return rules.flatMap((_, index) => {
    const plainer = plainerUnread(rules, index);
    if (!plainer) return [];
    const words = `a message that could not be read would go plainer by rule "${plainer.name}" (${actionText(plainer.then)})`;
    return [place(['rules', index], `${words}; add a rule for coverage: [partial, unreadable]`)];
  });
}

function isAlways(rule: Rule): boolean {
  return rule.when.kind === 'all' && rule.when.of.length === 0;
}

function firstMatch(rules: readonly Rule[], facts: Facts): Rule | null {
  return rules.find((rule) => answer(rule.when, facts) === 'yes') ?? null;
}

/** The rule after it that would have decided stronger, had the examiner said otherwise. */
function loweredAgainst(rules: readonly Rule[], index: number): Rule | null {
  const rule = rules[index]!;
  for (let last = index + 1; last < rules.length; last++) {
    const other = rules[last]!;
    if (compareActions(rule.then, other.then) === 'weaker' && mayFollow(rules.slice(index, last + 1))) return other;
    if (isAlways(other)) return null;
  }
  return null;
}

/** True when one envelope meets the first rule or, with another examination, the last before all between. */
function mayFollow(rules: readonly Rule[]): boolean {
  const first = rules[0]!;
  const last = rules.at(-1)!;
  const conditions = [first.when, last.when];
  const tried = envelopesFor(rules.slice(1, -1), conditions);
  // Too many to try: it may be so.
  if (tried === null) return true;
  return tried.some((envelope) => {
    const facts = examinations(conditions).map((one) => ({ ...envelope, ...one }));
    const mayBeFirst = facts.some((one) => answer(first.when, one) === 'yes');
    return mayBeFirst && facts.some((one) => firstMatch(rules, one) === last);
  });
}

/**
 * Envelopes that tell two conditions apart, and from the others that take such mail before them: a rule for all but large
 * mail hides a pair unless a large one is tried. Null when there are too many to try.
 */
function envelopesFor(others: readonly Rule[], pair: readonly Condition[]): Facts[] | null {
  const conditions = [...pair];
  let left = others;
  let tried = envelopes(conditions);
  while (tried !== null) {
    const worlds = tried.flatMap((envelope) => examinations(conditions).map((one) => ({ ...envelope, ...one })));
    const taking = left.filter((rule) => worlds.some((one) => answer(rule.when, one) === 'yes'));
    const more = taking.length === 0 ? null : envelopes([...conditions, ...taking.map((rule) => rule.when)]);
    if (more === null) return tried;
    conditions.push(...taking.map((rule) => rule.when));
    left = left.filter((rule) => !taking.includes(rule));
    tried = more;
  }
  return tried;
}

/** The rule that lets unread mail go plainer than this one lets mail go in which something was found. */
function plainerUnread(rules: readonly Rule[], index: number): Rule | null {
  const rule = rules[index]!;
  const asks = leavesOf(rule.when).some((leaf) => leaf.kind === 'phi' || leaf.kind === 'finding');
  if (!asks || rule.lowers !== undefined) return null;
  const weaker = rules.filter((one) => one.lowers === undefined && compareActions(one.then, rule.then) === 'weaker');
  return weaker.find((other) => takesUnread(rules, rule, other)) ?? null;
}

/** True when one envelope is decided by `rule` for what was found, and by `other` when it could not be read. */
function takesUnread(rules: readonly Rule[], rule: Rule, other: Rule): boolean {
  const conditions = [rule.when, other.when];
  const before = rules.slice(0, 1 + Math.max(rules.indexOf(rule), rules.indexOf(other)));
  const tried = envelopesFor(
    before.filter((one) => one !== rule && one !== other),
    conditions,
  );
  if (tried === null) return true;
  const found = examinations(conditions).filter((one) => one.findings.phi || one.findings.counts.length > 0);
  const reasons = before
    .flatMap((one) => leavesOf(one.when))
    .flatMap((leaf) => (leaf.kind === 'coverage' ? leaf.reasons : []));
  return tried.some(
    (envelope) =>
      found.some((one) => firstMatch(rules, { ...envelope, ...one }) === rule) &&
      unread(reasons).some((one) => firstMatch(rules, { ...envelope, ...one }) === other),
  );
}

/** Rules that no message reaches: after one for all messages, or a repeated condition. */
function unreachable(rules: readonly Rule[]): { index: number; by: string }[] {
  return rules.flatMap((rule, index) => {
    const same = JSON.stringify(rule.when);
    const by = rules.slice(0, index).find((one) => isAlways(one) || JSON.stringify(one.when) === same);
    return by ? [{ index, by: by.name }] : [];
  });
}

/** Floors are left out, so that a policy's tests speak of the policy alone. */
function failing(policy: Policy, place: Place): ConfigProblem[] {
  return policy.tests.flatMap((test, index) => {
    const wrong = failure(policy, test);
    return wrong === null ? [] : [place(['tests', index], `test "${test.name}" failed: ${wrong}`)];
  });
}

function failure(policy: Policy, test: PolicyTest): string | null {
  const decided = decide(policy, NO_FLOORS, test.given);
  const rule = isUndecided(decided) ? null : decided.rule;
  const got = isUndecided(decided) ? 'undecided' : actionText(decided.action);
  const wanted = test.expect.kind === 'undecided' ? 'undecided' : actionText(test.expect);
  if (got !== wanted) return `expected ${wanted}, got ${got}${rule === null ? '' : ` by rule "${rule}"`}`;
  if (test.rule === undefined || test.rule === rule) return null;
  return `expected rule "${test.rule}", got ${rule === null ? 'no rule' : `rule "${rule}"`}`;
}
