// Why a decision came out as it did, rule by rule, for `policy test` and `explain`. Runs the same functions as decide.
// Shows what conditions ask for, which may be addresses of the policy: for an operator's eyes, never for a log.

import { protectionText } from '../domain/protection.ts';
import type { Facts, Protection, ProtectionName } from '../domain/types.ts';
import { answer } from './condition.ts';
import { type Decided, decide, isUndecided } from './decide.ts';
import { floorMissed, floorsFor } from './floors.ts';
import type { Answer, Condition, Floors, Policy } from './rule.ts';

export type TracedCondition = { readonly words: string; readonly answer: Answer; readonly depth: number };
export type TracedRule = {
  readonly name: string;
  readonly answer: Answer;
  /** False for rules after the one that decided. */
  readonly reached: boolean;
  readonly conditions: readonly TracedCondition[];
};
export type TracedProtection = { readonly protection: string; readonly possible: boolean; readonly why: string };
export type PolicyTrace = {
  readonly rules: readonly TracedRule[];
  readonly decision: Decided;
  /** Every item that the rule lists, with those that a floor dropped. */
  readonly protections: readonly TracedProtection[];
};

/** Whether a protection can be used for the recipient now, as far as it is known before it is tried, and why. */
export type Prospect = { readonly possible: boolean; readonly why: string };
export type Prospects = (protection: Protection) => Prospect;

const ATTEMPT: Readonly<Record<ProtectionName, string>> = {
  tls: 'if the next hop shows it',
  pgp: 'if a usable PGP key of the recipient is known',
  smime: 'if a usable certificate of the recipient is known',
  portal: 'if the next hop shows it for notice and code',
  'portal+': 'if the next hop shows it for notice and code',
};

/** What can be said without looking anything up. */
export function prospectsOf(built: readonly ProtectionName[]): Prospects {
  return ({ name }) =>
    built.includes(name)
      ? { possible: true, why: ATTEMPT[name] }
      : {
          possible: false,
          why: name === 'portal' ? 'no portal is configured' : `${name} is not available in this version`,
        };
}

export function traceOf(policy: Policy, floors: Floors, facts: Facts, prospects: Prospects): PolicyTrace {
  let decided = false;
  const rules = policy.rules.map((rule): TracedRule => {
    const says = answer(rule.when, facts);
    const reached = !decided;
    if (says === 'yes') decided = true;
    return { name: rule.name, answer: says, reached, conditions: linesOf(rule.when, facts, 0) };
  });
  const decision = decide(policy, floors, facts);
  return { rules, decision, protections: protectionsOf(policy, floors, facts, decision, prospects) };
}

function protectionsOf(
  policy: Policy,
  floors: Floors,
  facts: Facts,
  decision: Decided,
  prospects: Prospects,
): TracedProtection[] {
  if (isUndecided(decision)) return [];
  const then = policy.rules.find((rule) => rule.name === decision.rule)?.then;
  if (then?.kind !== 'deliver') return [];
  const bind = floorsFor(floors, facts);
  return then.protections.map((protection) => {
    const missed = floorMissed(protection, bind);
    const below = missed && { possible: false, why: `below the floor ${protectionText(missed.floor)} of ${missed.of}` };
    return { protection: protectionText(protection), ...(below ?? prospects(protection)) };
  });
}

function linesOf(condition: Condition, facts: Facts, depth: number): TracedCondition[] {
  const line = (words: string): TracedCondition => ({ words, answer: answer(condition, facts), depth });
  switch (condition.kind) {
    case 'all':
    case 'any': {
      if (condition.kind === 'all' && condition.of.length === 0) return [line('all messages')];
      const words = condition.kind === 'all' ? 'all of' : 'any of';
      return [line(words), ...condition.of.flatMap((one) => linesOf(one, facts, depth + 1))];
    }
    case 'not':
      return [line('not'), ...linesOf(condition.of, facts, depth + 1)];
    default:
      return [line(leafText(condition))];
  }
}

function shortList(values: readonly string[]): string {
  const more = values.length - 3;
  return more > 0 ? `${values.slice(0, 3).join(', ')} and ${more} more` : values.join(', ');
}

/** A leaf as a rule writes it. */
function leafText(condition: Exclude<Condition, { kind: 'all' | 'any' | 'not' }>): string {
  switch (condition.kind) {
    case 'organization':
      return `organization: ${shortList(condition.names)}`;
    case 'subject_tag':
      return `subject_tag: ${shortList(condition.tags)}`;
    case 'phi':
      return `finding: phi ${condition.is}`;
    case 'finding': {
      const { type, min, distinct } = condition.want;
      return `finding: ${type}, at least ${min}, ${distinct} distinct`;
    }
    case 'coverage': {
      const reasons = condition.reasons.length === 0 ? '' : ` because of ${condition.reasons.join(', ')}`;
      return `coverage: ${condition.states.join(', ')}${reasons}`;
    }
    case 'size': {
      const bounds = [
        condition.over === undefined ? [] : `over ${condition.over}`,
        condition.under === undefined ? [] : `under ${condition.under}`,
      ];
      return `size: ${bounds.flat().join(', ')} octets`;
    }
    default:
      return `${condition.kind}: ${shortList(condition.patterns)}`;
  }
}
