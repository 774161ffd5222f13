// The best key of a recipient, from the book of keys. Discovery on the net will stand behind the same answer. Logs nothing;
// what the book cannot say now is `not now`, never `none`: a store that fails must not send mail a plainer way.

import { normalAddress, type OrganizationName, type Time } from '../domain/ids.ts';
import type { KeyKind } from '../domain/keys.ts';
import type { Clock } from '../domain/types.ts';
import type { AddressKey, KeyAnswer, KeyBook } from './book-port.ts';
import { isUsable, type Judgement, judgeKey } from './judge.ts';

/** Why the chain of a certificate ends at no configured root, in words; null when it does. Asked for certificates only. */
export type Chain = (key: AddressKey, now: Time) => string | null;

/** Judges a key by the clock and the configured roots, for an address, or for the subject that it is kept for. */
export type Judge = (key: AddressKey, address?: string) => Judgement;

export type Lookup = (organization: OrganizationName, address: string, kind: KeyKind) => Promise<KeyAnswer>;

export function createJudge({ chain, clock }: { readonly chain: Chain; readonly clock: Clock }): Judge {
  return (key, address = key.subject) => {
    const now = clock.now();
    // Verifying a chain costs signatures; a pin or an own key needs none.
    const asked = key.facts.kind === 'smime' && !key.pinned && !key.own;
    return judgeKey(key, { address, now, chain: asked ? chain(key, now) : null });
  };
}

export type LookupDeps = { readonly book: Pick<KeyBook, 'forAddress'>; readonly judge: Judge };

/** Of several keys: those of the address before those of its domain, pinned before not, newest first. */
export function createLookup({ book, judge }: LookupDeps): Lookup {
  return async (organization, given, kind) => {
    const address = normalAddress(given);
    let keys: readonly AddressKey[];
    try {
      keys = await book.forAddress(organization, address);
    } catch {
      return { kind: 'not now', why: 'the keys cannot be read now' };
    }
    const ofKind = keys.filter(({ facts }) => facts.kind === kind).sort(byPreference);
    let refused: string | undefined;
    for (const key of ofKind) {
      const judged = judge(key, address);
      if (isUsable(judged)) return { kind: 'found', key };
      refused ??= judged.why;
    }
    return { kind: 'none', why: refused ?? (kind === 'pgp' ? 'no key known' : 'no certificate known') };
  };
}

function byPreference(a: AddressKey, b: AddressKey): number {
  const isDomain = (key: AddressKey) => Number(key.subject.startsWith('@'));
  return (
    isDomain(a) - isDomain(b) ||
    Number(b.pinned) - Number(a.pinned) ||
    b.facts.validFrom - a.facts.validFrom ||
    b.addedAt - a.addedAt
  );
}
