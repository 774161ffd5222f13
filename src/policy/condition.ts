// A condition asked of facts: yes, no or unknown. Total and pure.

import { domainMatches } from '../config/names.ts';
import type { Coverage, Fact, Facts, Findings, Unknown } from '../domain/types.ts';
import { type Answer, CONFIDENCES, type Condition, type FindingCondition } from './rule.ts';

export function isUnknown<T>(fact: Fact<T>): fact is Unknown {
  return typeof fact === 'object' && fact !== null && 'unknown' in fact;
}

function yes(value: boolean): Answer {
  return value ? 'yes' : 'no';
}

/** Kleene: one no decides; else one unknown; else yes. */
export function allOf(answers: readonly Answer[]): Answer {
  return answers.includes('no') ? 'no' : answers.includes('unknown') ? 'unknown' : 'yes';
}

export function anyOf(answers: readonly Answer[]): Answer {
  return answers.includes('yes') ? 'yes' : answers.includes('unknown') ? 'unknown' : 'no';
}

function not(answer: Answer): Answer {
  return answer === 'unknown' ? 'unknown' : yes(answer === 'no');
}

function addressMatches(patterns: readonly string[], address: string): boolean {
  const plain = address.toLowerCase();
  const domain = plain.slice(plain.lastIndexOf('@') + 1);
  return patterns.some((pattern) => {
    if (pattern === '<>') return plain === '';
    return pattern.startsWith('@') ? domainMatches(pattern.slice(1), domain) : pattern === plain;
  });
}

/** Distinct values at the least confidence or above. */
export function countOf(findings: Findings, want: FindingCondition): number {
  const least = CONFIDENCES.indexOf(want.min);
  return findings.counts
    .filter((count) => count.type === want.type && CONFIDENCES.indexOf(count.confidence) >= least)
    .reduce((sum, count) => sum + count.distinct, 0);
}

function coverageMatches(coverage: Coverage, condition: Extract<Condition, { kind: 'coverage' }>): boolean {
  if (!condition.states.includes(coverage.state)) return false;
  const { reasons } = condition;
  return (
    reasons.length === 0 || coverage.parts.some((part) => part.unread !== undefined && reasons.includes(part.unread))
  );
}

function ofFact<T>(fact: Fact<T>, ask: (value: T) => boolean): Answer {
  return isUnknown(fact) ? 'unknown' : yes(ask(fact));
}

/** The answer of a condition; an empty `all` is yes. */
export function answer(condition: Condition, facts: Facts): Answer {
  switch (condition.kind) {
    case 'all':
      return allOf(condition.of.map((one) => answer(one, facts)));
    case 'any':
      return anyOf(condition.of.map((one) => answer(one, facts)));
    case 'not':
      return not(answer(condition.of, facts));
    case 'organization':
      return yes(condition.names.includes(facts.organization));
    case 'sender':
      // Several addresses in header From: each must pass, so that a second one opens no door.
      return yes(facts.sender.length > 0 && facts.sender.every((one) => addressMatches(condition.patterns, one)));
    case 'reverse_path':
      return yes(addressMatches(condition.patterns, facts.reversePath));
    case 'recipient':
      return yes(addressMatches(condition.patterns, facts.recipient));
    case 'recipient_domain': {
      const domain = facts.recipient.slice(facts.recipient.lastIndexOf('@') + 1).toLowerCase();
      return yes(condition.patterns.some((pattern) => domainMatches(pattern, domain)));
    }
    case 'subject_tag':
      return yes(condition.tags.some((tag) => facts.subjectTags.includes(tag)));
    case 'phi':
      return ofFact(facts.findings, (findings) => findings.phi === condition.is);
    case 'finding':
      return ofFact(facts.findings, (findings) => countOf(findings, condition.want) >= condition.want.distinct);
    case 'coverage':
      return ofFact(facts.coverage, (coverage) => coverageMatches(coverage, condition));
    case 'size':
      return yes(facts.size > (condition.over ?? -1) && facts.size < (condition.under ?? Number.POSITIVE_INFINITY));
  }
}

/** Why a condition is unknown: the texts of the unknown facts that it asks for. */
export function unknownsOf(condition: Condition, facts: Facts): string[] {
  switch (condition.kind) {
    case 'all':
    case 'any':
      return condition.of.flatMap((one) => unknownsOf(one, facts));
    case 'not':
      return unknownsOf(condition.of, facts);
    case 'phi':
    case 'finding':
      return isUnknown(facts.findings) ? [facts.findings.unknown] : [];
    case 'coverage':
      return isUnknown(facts.coverage) ? [facts.coverage.unknown] : [];
    default:
      return [];
  }
}

/** Every leaf of a condition, with `not`, `all` and `any` left out. */
export function leavesOf(condition: Condition): Exclude<Condition, { kind: 'all' | 'any' | 'not' }>[] {
  switch (condition.kind) {
    case 'all':
    case 'any':
      return condition.of.flatMap(leavesOf);
    case 'not':
      return leavesOf(condition.of);
    default:
      return [condition];
  }
}

/** True when the condition asks what the examiner found, which a miss of a detector would change. */
export function asksExaminer(condition: Condition): boolean {
  return leavesOf(condition).some((leaf) => leaf.kind === 'phi' || leaf.kind === 'finding' || leaf.kind === 'coverage');
}
