// Floors: what every protection of a delivery must at least be, whatever a rule says. They stand in gateway.yaml, so that
// who writes rules cannot lower them.

import { domainMatches } from '../config/names.ts';
import type { Config } from '../config/schema.ts';
import { atLeast, protectionText } from '../domain/protection.ts';
import type { Action, Facts, Protection } from '../domain/types.ts';
import type { Floors } from './rule.ts';

export function floorsOf(config: Pick<Config, 'organizations' | 'floors' | 'tags'>): Floors {
  const organizations = config.organizations.flatMap((one) => (one.floor ? [[one.name, one.floor] as const] : []));
  const tags = Object.entries(config.tags).flatMap(([tag, { floor }]) => (floor ? [[tag, floor] as const] : []));
  return {
    organizations: Object.fromEntries(organizations),
    domains: Object.entries(config.floors.domains).map(([pattern, floor]) => ({ pattern, floor })),
    tags: Object.fromEntries(tags),
  };
}

/** A floor that binds a delivery, and where it comes from, in words that hold no address. */
export type Floor = { readonly floor: Protection; readonly of: string };

/** Every floor that binds the facts. */
export function floorsFor(floors: Floors, facts: Facts): readonly Floor[] {
  const bind: Floor[] = [];
  if (Object.hasOwn(floors.organizations, facts.organization)) {
    bind.push({ floor: floors.organizations[facts.organization]!, of: 'the organization' });
  }
  const domain = facts.recipient.slice(facts.recipient.lastIndexOf('@') + 1).toLowerCase();
  for (const { pattern, floor } of floors.domains) {
    if (domainMatches(pattern, domain)) bind.push({ floor, of: `the domain ${pattern}` });
  }
  for (const tag of facts.subjectTags) {
    if (Object.hasOwn(floors.tags, tag)) bind.push({ floor: floors.tags[tag]!, of: `the tag ${tag}` });
  }
  return bind;
}

/** The first floor that a protection does not meet. */
export function floorMissed(protection: Protection, floors: readonly Floor[]): Floor | null {
  return floors.find(({ floor }) => !atLeast(protection, floor)) ?? null;
}

/** Why an operator's choice for a delivery misses a floor, in words; null when it meets all. Which tags its message carries
 *  is not known here, so that it must meet the floor of every tag. */
export function floorProblem(
  floors: Floors,
  delivery: Pick<Facts, 'organization' | 'recipient'>,
  protection: Protection,
): string | null {
  const facts = { ...delivery, subjectTags: Object.keys(floors.tags) } as unknown as Facts;
  const missed = floorMissed(protection, floorsFor(floors, facts));
  return missed && `${protectionText(protection)} is below the floor ${protectionText(missed.floor)} of ${missed.of}`;
}

/** The action with what misses a floor dropped, and why; hold when nothing is left. */
export function raised(action: Action, floors: readonly Floor[]): { action: Action; words: readonly string[] } {
  if (action.kind !== 'deliver') return { action, words: [] };
  const words: string[] = [];
  const protections = action.protections.filter((protection) => {
    const missed = floorMissed(protection, floors);
    if (missed) words.push(`${floorText(protection)} is below the floor ${floorText(missed.floor)} of ${missed.of}`);
    return missed === null;
  });
  if (protections.length > 0) return { action: { kind: 'deliver', protections }, words };
  return { action: { kind: 'hold' }, words: [...words, 'nothing is left that may be used'] };
}

/** A protection with its level spelled out: beside a floor a bare word would hide why it misses it. */
function floorText(protection: Protection): string {
  const short = protectionText(protection);
  return short.includes(':') ? short : `${protection.name}: ${protection.level}`;
}
