// Facts and policies for the tests of policy/.

import type { Address } from '../../../src/domain/ids.ts';
import type { Coverage, Facts, Findings } from '../../../src/domain/types.ts';
import { parsePolicy } from '../../../src/policy/parse.ts';
import type { Policy } from '../../../src/policy/rule.ts';

export const CLEAN: Findings = { phi: false, counts: [], places: [] };
export const READ: Coverage = { state: 'full', parts: [] };

export function facts(more: Partial<Facts> = {}): Facts {
  return {
    organization: 'Northside Clinic',
    sender: ['ann@clinic.example' as Address],
    reversePath: 'ann@clinic.example',
    recipient: 'bob@example.org' as Address,
    subjectTags: [],
    findings: CLEAN,
    coverage: READ,
    size: 10_000,
    ...more,
  };
}

export function policyFrom(rules: string, lists: Record<string, string> = {}): Policy {
  const files = Object.entries(lists).map(([name, text]) => ({ name, text }));
  const parsed = parsePolicy([{ name: 'policy.yaml', text: `version: 1\nrules:\n${rules}` }, ...files]);
  if (!parsed.ok) throw new Error(parsed.problems.map((one) => `${one.line} ${one.path}: ${one.message}`).join('\n'));
  return parsed.policy;
}

/** The shipped policy's rules in short. */
export const BALANCED = `
  - { name: asked for, when: { subject_tag: secure }, then: { deliver: [pgp, portal] } }
  - { name: phi, when: { finding: { phi: true } }, then: { deliver: [pgp, tls, portal] } }
  - { name: not readable, when: { coverage: [partial, unreadable] }, then: { deliver: [pgp, tls, portal] } }
  - { name: rest, then: { deliver: [{ tls: encrypt }, portal] } }
`;
