// Facts invented to try rules on: for the conditions at hand, one value that meets each and one that meets none, in every
// combination. Two rules are compared by asking them about worlds instead of by algebra, so the answer is decide's own.

import type { Address } from '../domain/ids.ts';
import type { Coverage, Facts, Findings } from '../domain/types.ts';
import { leavesOf } from './condition.ts';
import { type Condition, FINDING_TYPES } from './rule.ts';

/** What the examiner would say. */
export type Examined = { readonly findings: Findings; readonly coverage: Coverage };

type Leaf = ReturnType<typeof leavesOf>[number];

/** More combinations than this are not tried. */
const MOST = 5000;

const OTHER = 'other@other.invalid';

/** Of a long list a few stand for all, with those that another condition names too. */
function some(patterns: readonly string[], leaves: readonly Leaf[]): readonly string[] {
  if (patterns.length <= 8) return patterns;
  const others = new Set(
    leaves.flatMap((leaf) => ('patterns' in leaf && leaf.patterns !== patterns ? leaf.patterns : [])),
  );
  return [...patterns.slice(0, 4), ...patterns.filter((one) => others.has(one)).slice(0, 8)];
}

const CLEAN: Findings = { phi: false, counts: [], places: [] };
const READ: Coverage = { state: 'full', parts: [] };

/** All kinds of finding at once, as many as any rule asks for. */
const EVERYTHING: Findings = {
  phi: true,
  counts: FINDING_TYPES.map((type) => ({ type, confidence: 'high', distinct: 1_000_000 })),
  places: [],
};

const NOTHING_FOUND: Examined = { findings: CLEAN, coverage: READ };
const ALL_FOUND: Examined = { findings: EVERYTHING, coverage: READ };

function addressFor(pattern: string): string {
  if (pattern === '<>') return '';
  return pattern.startsWith('@') ? `someone${pattern.replace('@*.', '@below.')}` : pattern;
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Map(values.map((value) => [JSON.stringify(value), value])).values()];
}

/** Examinations that tell the conditions apart: nothing, everything, a verdict or findings alone, each finding alone, each way of not being read. */
export function examinations(conditions: readonly Condition[]): Examined[] {
  const found: Examined[] = [
    NOTHING_FOUND,
    ALL_FOUND,
    { findings: { ...CLEAN, phi: true }, coverage: READ },
    { findings: { ...EVERYTHING, phi: false }, coverage: READ },
  ];
  for (const leaf of conditions.flatMap(leavesOf)) {
    if (leaf.kind === 'finding') {
      const { type, min, distinct } = leaf.want;
      const counts = [{ type, confidence: min, distinct }];
      found.push({ findings: { phi: false, counts, places: [] }, coverage: READ });
      if (distinct > 1) {
        const fewer = [{ type, confidence: min, distinct: distinct - 1 }];
        found.push({ findings: { phi: false, counts: fewer, places: [] }, coverage: READ });
      }
    }
    if (leaf.kind === 'coverage') found.push(...unread(leaf.reasons));
  }
  return unique([...found, ...unread([])]);
}

/** Nothing found because not everything could be read, for each reason given and for one that is not. */
export function unread(reasons: Extract<Condition, { kind: 'coverage' }>['reasons']): Examined[] {
  const parts = [...reasons, 'failed' as const].map((one) => [
    { part: 0, type: 'application/octet-stream', size: 1, unread: one },
  ]);
  return parts.flatMap((part): Examined[] => [
    { findings: CLEAN, coverage: { state: 'partial', parts: part } },
    { findings: CLEAN, coverage: { state: 'unreadable', parts: part } },
  ]);
}

/** Facts without examination, one for each combination of what the conditions name; null when there are too many. */
export function envelopes(conditions: readonly Condition[]): Facts[] | null {
  const leaves = conditions.flatMap(leavesOf);
  const of = <K extends Leaf['kind']>(kind: K) =>
    leaves.filter((leaf): leaf is Extract<Leaf, { kind: K }> => leaf.kind === kind);
  const addresses = (kind: 'sender' | 'reverse_path' | 'recipient') =>
    leaves.flatMap((leaf) => (leaf.kind === kind ? some(leaf.patterns, leaves).map(addressFor) : []));
  const organizations = ['\0other', ...of('organization').flatMap((leaf) => leaf.names)];
  const senders = [OTHER, ...addresses('sender')];
  const paths = [OTHER, ...addresses('reverse_path')];
  const domains = of('recipient_domain').flatMap((leaf) => some(leaf.patterns, leaves));
  const recipients = [OTHER, ...addresses('recipient'), ...domains.map((one) => addressFor(`@${one}`))];
  const tags = of('subject_tag').flatMap((leaf) => leaf.tags);
  const tagSets = [[], ...tags.map((tag) => [tag]), tags];
  const bounds = of('size')
    .flatMap((leaf) => [leaf.over, leaf.under])
    .filter((one) => one !== undefined);
  const sizes = [1, ...bounds.flatMap((one) => [one - 1, one, one + 1])];
  let facts: Facts[] = [
    {
      organization: '',
      sender: [],
      reversePath: '',
      recipient: '' as Address,
      subjectTags: [],
      ...NOTHING_FOUND,
      size: 0,
    },
  ];
  let tooMany = false;
  const cross = <T>(values: readonly T[], put: (fact: Facts, value: T) => Facts) => {
    const distinct = unique(values);
    if (facts.length * distinct.length > MOST) tooMany = true;
    else facts = facts.flatMap((fact) => distinct.map((value) => put(fact, value)));
  };
  cross(organizations, (fact, organization) => ({ ...fact, organization }));
  cross(recipients, (fact, recipient) => ({ ...fact, recipient: recipient as Address }));
  cross(tagSets, (fact, subjectTags) => ({ ...fact, subjectTags }));
  cross(senders, (fact, sender) => ({ ...fact, sender: [sender as Address] }));
  cross(paths, (fact, reversePath) => ({ ...fact, reversePath }));
  cross(sizes, (fact, size) => ({ ...fact, size }));
  return tooMany ? null : facts;
}
