// What a new policy would change for mail that was already decided: the outcomes that would be less protected, and by
// which rules. In live mode such a policy is taken over only when an operator says so, with a reason.

import type { Action, Facts } from '../domain/types.ts';
import { actionText, type Decided, decide, isUndecided } from './decide.ts';
import type { Floors, Policy } from './rule.ts';
import { compareActions, type Strength } from './strength.ts';

export type Ruling = { readonly policy: Policy; readonly floors: Floors };

/** One kind of change: `count` of the stored facts went that way. Holds no address. */
export type Weakening = {
  readonly oldRule: string;
  readonly newRule: string;
  readonly before: string;
  readonly after: string;
  /** `beside`: neither is at least the other, as from {tls: dane} to portal. */
  readonly strength: Exclude<Strength, 'at least'>;
  readonly count: number;
};

/** An undecided delivery waits: nothing leaves. */
function actionOf(decided: Decided): Action {
  return isUndecided(decided) ? { kind: 'hold' } : decided.action;
}

function ruleOf(decided: Decided): string {
  return isUndecided(decided) ? '(undecided)' : decided.rule;
}

/** Outcomes that the new ruling does not protect at least as the old one does, most frequent first. */
export function weakerOutcomes(before: Ruling, after: Ruling, facts: readonly Facts[]): readonly Weakening[] {
  const found = new Map<string, Weakening>();
  for (const one of facts) {
    const old = decide(before.policy, before.floors, one);
    const now = decide(after.policy, after.floors, one);
    const strength = compareActions(actionOf(now), actionOf(old));
    if (strength === 'at least') continue;
    const change = { before: actionText(actionOf(old)), after: actionText(actionOf(now)), strength };
    const key = JSON.stringify([ruleOf(old), ruleOf(now), change]);
    const count = (found.get(key)?.count ?? 0) + 1;
    found.set(key, { oldRule: ruleOf(old), newRule: ruleOf(now), ...change, count });
  }
  return [...found.values()].sort((a, b) => b.count - a.count);
}

export type ReloadDecision =
  | { readonly accept: true; readonly weaker: readonly Weakening[] }
  | { readonly accept: false; readonly weaker: readonly Weakening[]; readonly message: string };

/** Whether a reload may take the new ruling over: in live mode not when an outcome got weaker, unless that was accepted. */
export function reloadDecision(
  before: Ruling,
  after: Ruling,
  facts: readonly Facts[],
  options: { readonly mode: 'evaluation' | 'live'; readonly acceptWeaker: boolean },
): ReloadDecision {
  const weaker = weakerOutcomes(before, after, facts);
  if (weaker.length === 0 || options.acceptWeaker || options.mode === 'evaluation') return { accept: true, weaker };
  const words = weaker.map((one) => `${weakeningText(one)}`);
  const message = `the new policy protects mail less: ${words.join('; ')}. Keep it, or reload with --accept-weaker and --reason`;
  return { accept: false, weaker, message };
}

/** `rule "phi": deliver [portal] would become deliver [tls] by rule "rest" (12 of the stored messages)` */
export function weakeningText(one: Weakening): string {
  return `rule "${one.oldRule}": ${one.before} would become ${one.after} by rule "${one.newRule}" (${one.count} stored deliveries)`;
}
