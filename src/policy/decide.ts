// The heart of the gateway's judgement: facts of one message for one recipient → what may become of it. Pure and total:
// every policy and all facts lead to a decision or to `undecided`, never to an exception. The first rule that matches
// decides, floors raise it, and when no rule matches the delivery is held. The words of a decision go to audit and log
// and therefore hold no address and nothing of the message.

import { protectionText } from '../domain/protection.ts';
import type { Action, Decision, Facts } from '../domain/types.ts';
import { answer, unknownsOf } from './condition.ts';
import { floorsFor, raised } from './floors.ts';
import type { Floors, Policy, Rule } from './rule.ts';
import { ENGINE_VERSION } from './version.ts';

/** Yes and no to an unknown fact would lead to different decisions: wait, and decide again. */
export type Undecided = { readonly kind: 'undecided'; readonly unknown: readonly string[] };
export type Decided = Decision | Undecided;

export function isUndecided(decided: Decided): decided is Undecided {
  return 'kind' in decided;
}

/** `deliver [tls, portal]`, `hold`, `bounce`. */
export function actionText(action: Action): string {
  return action.kind === 'deliver' ? `deliver [${action.protections.map(protectionText).join(', ')}]` : action.kind;
}

export function decide(policy: Pick<Policy, 'rules' | 'version'>, floors: Floors, facts: Facts): Decided {
  const reached = candidates(policy.rules, facts);
  const decisions = reached.rules.map((rule) => decisionOf(rule, policy.version, floors, facts));
  const [first] = decisions;
  // A rule whose condition is unknown may or may not be the first that matches; each outcome must be the same.
  if (decisions.every((one) => sameOutcome(one, first!))) return first!;
  return { kind: 'undecided', unknown: reached.unknown };
}

/** Rules that may be the first to match, in order; null stands for "no rule". */
function candidates(rules: readonly Rule[], facts: Facts): { rules: (Rule | null)[]; unknown: string[] } {
  const found: Rule[] = [];
  const unknown = new Set<string>();
  for (const rule of rules) {
    const says = answer(rule.when, facts);
    if (says === 'no') continue;
    found.push(rule);
    if (says === 'yes') return { rules: found, unknown: [...unknown] };
    for (const fact of unknownsOf(rule.when, facts)) unknown.add(fact);
  }
  return { rules: [...found, null], unknown: [...unknown] };
}

function decisionOf(rule: Rule | null, policyVersion: string, floors: Floors, facts: Facts): Decision {
  const versions = { policyVersion, engineVersion: ENGINE_VERSION };
  if (rule === null) return { action: { kind: 'hold' }, rule: '(none)', because: 'no rule matches', ...versions };
  const { action, words } = raised(rule.then, floorsFor(floors, facts));
  const because = [`rule "${rule.name}": ${actionText(rule.then)}`, ...words].join('; ');
  return { action, rule: rule.name, because, ...(rule.warn === undefined ? {} : { warn: rule.warn }), ...versions };
}

function sameOutcome(a: Decision, b: Decision): boolean {
  return actionText(a.action) === actionText(b.action) && a.warn === b.warn;
}
