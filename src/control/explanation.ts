// Why a delivery was decided so: the same pure function over the stored facts, with the policy version that decided.

import type { Delivery, Facts, Message } from '../domain/types.ts';
import { type Decided, isUndecided } from '../policy/decide.ts';
import type { Floors, Policy } from '../policy/rule.ts';
import { type PolicyTrace, type Prospects, traceOf } from '../policy/trace.ts';
import { factsOf } from '../relay/examine.ts';
import type { Explained } from './deps.ts';
import type { KeptPolicies } from './kept-policies.ts';

export type ExplainDeps = {
  readonly kept: KeptPolicies;
  readonly policy: () => Policy;
  readonly floors: () => Floors;
  /** What could be used for a recipient now. */
  readonly prospects: (delivery: Delivery) => Promise<Prospects>;
  readonly decide: (facts: Facts) => Decided;
};

/** One for each delivery. The present policy stands in where the one that decided was not kept. */
export async function explain(
  deps: ExplainDeps,
  message: Message,
  deliveries: readonly Delivery[],
): Promise<Explained[]> {
  const explained: Explained[] = [];
  for (const delivery of deliveries) {
    const facts = factsOf(message, message.examination ?? null, delivery);
    const version = delivery.decision?.policyVersion;
    const policy = (version === undefined ? null : await deps.kept.version(version)) ?? deps.policy();
    const now = deps.decide(facts);
    explained.push({
      delivery,
      policyVersion: policy.version,
      steps: traceLines(traceOf(policy, deps.floors(), facts, await deps.prospects(delivery))),
      now: isUndecided(now) ? null : now,
    });
  }
  return explained;
}

/** A trace as lines: each rule with its answer, its conditions below it, then what each protection would meet. */
export function traceLines(trace: PolicyTrace): string[] {
  const lines: string[] = [];
  for (const rule of trace.rules) {
    lines.push(`${rule.reached ? rule.answer : '-'}: rule "${rule.name}"`);
    if (!rule.reached) continue;
    for (const { words, answer, depth } of rule.conditions) lines.push(`${'  '.repeat(depth + 1)}${answer}: ${words}`);
  }
  for (const { protection, possible, why } of trace.protections) {
    lines.push(`${possible ? 'yes' : 'no'}: protection ${protection}: ${why}`);
  }
  return lines;
}
