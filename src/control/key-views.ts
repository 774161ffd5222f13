// Keys as they leave the gateway for people and scripts: what is known of them, judged now. Never their octets.

import type { AddressKey } from '../keys/book-port.ts';
import type { KeyState } from '../keys/judge.ts';
import type { Judge } from '../keys/lookup.ts';
import { iso } from './views.ts';

export type KeyView = ReturnType<typeof keyView>;
export function keyView(key: AddressKey, judge: Judge) {
  const { facts, revoked } = key;
  const { state, why } = judge(key);
  return {
    key: key.id as string,
    organization: key.organization,
    for: key.subject,
    own: key.own,
    kind: facts.kind,
    state: state as KeyState,
    why,
    pinned: key.pinned,
    algorithm: facts.algorithm,
    fingerprint: facts.fingerprint,
    addresses: facts.addresses,
    validFrom: iso(facts.validFrom),
    validUntil: iso(facts.validUntil),
    issuers: facts.issuers.length,
    added: iso(key.addedAt),
    addedBy: key.addedBy as string,
    revoked: iso(revoked?.at ?? null),
    revokedBecause: revoked?.reason ?? null,
  };
}

export type CheckedKey = KeyView & {
  /** Somebody should see to it: nothing else that is good for longer stands in its place. */
  readonly attention: boolean;
};

/** Which of all keys want attention: not those revoked here, and not those beside a good one for the same. */
export function checkedKeys(views: readonly KeyView[]): CheckedKey[] {
  const placeOf = (one: KeyView) => JSON.stringify([one.organization, one.for, one.kind, one.own]);
  const good = new Set(views.filter(({ state }) => state === 'usable').map(placeOf));
  return views.map((one) => ({ ...one, attention: one.revoked === null && !good.has(placeOf(one)) }));
}
