// Whether a key may be used now, for whom it is kept: one pure function. What is known of the key was read when it was
// imported; clock and configured roots decide anew at every use.

import type { Time } from '../domain/ids.ts';
import type { AddressKey } from './book-port.ts';

export type KeyState =
  | 'usable'
  | 'expiring'
  | 'expired'
  | 'not yet valid'
  | 'revoked'
  | 'weak'
  | 'mismatched'
  | 'unfit'
  | 'untrusted';

/** `why` is for people, and no address stands in it. */
export type Judgement = { readonly state: KeyState; readonly why: string };

export type Ask = {
  /** Whom something is encrypted to, or the subject of the key itself; lower case. */
  readonly address: string;
  readonly now: Time;
  /** Why the chain of a certificate ends at no configured root, in words; null when it does, and for OpenPGP. */
  readonly chain: string | null;
};

const DAY = 86_400_000;
/** Left to its end when a key is said to be expiring: time enough to ask for the next one. */
const EXPIRING = 21 * DAY;

/**
 * The state of a key. What can never be mended comes first, then what time ends, then what is wrong between the key and whom
 * it is for. A pin vouches for a chain and for a domain, never for a key that is revoked, too old or too weak.
 */
export function judgeKey(key: AddressKey, ask: Ask): Judgement {
  const { facts, own, pinned } = key;
  const { now } = ask;
  if (key.revoked) return { state: 'revoked', why: `revoked here ${day(key.revoked.at)}` };
  if (facts.revoked !== null) return { state: 'revoked', why: facts.revoked };
  const until = facts.validUntil;
  if (until !== null && now >= until) return { state: 'expired', why: `expired ${day(until)}` };
  if (now < facts.validFrom) return { state: 'not yet valid', why: `not valid before ${day(facts.validFrom)}` };
  if (facts.weak !== null) return { state: 'weak', why: `too weak: ${facts.weak}` };
  // An organization's own key signs, nobody encrypts to it here.
  const unfit = own ? facts.cannotSign : facts.cannotEncrypt;
  if (unfit !== null) return { state: 'unfit', why: unfit };
  const mismatch = mismatchOf(key, ask.address);
  if (mismatch !== null) return { state: 'mismatched', why: mismatch };
  const needsChain = facts.kind === 'smime' && !pinned && !own;
  if (needsChain && ask.chain !== null) return { state: 'untrusted', why: `not trusted: ${ask.chain}` };
  if (until === null) return { state: 'usable', why: 'it does not expire' };
  const left = until - now;
  if (left < EXPIRING) return { state: 'expiring', why: `expires ${day(until)}, ${daysLeft(left)}` };
  return { state: 'usable', why: `valid until ${day(until)}` };
}

/** Whether something can be encrypted to it, or signed with it, now. */
export function isUsable({ state }: Judgement): boolean {
  return state === 'usable' || state === 'expiring';
}

/** Whether a subject, an address or `@domain`, stands for the address; a domain not for those below it. */
export function covers(subject: string, address: string): boolean {
  if (!subject.startsWith('@')) return subject === address;
  return address.slice(address.lastIndexOf('@')) === subject;
}

function mismatchOf({ subject, facts, pinned }: AddressKey, address: string): string | null {
  if (!covers(subject, address)) return 'it is kept for another address';
  if (facts.addresses.some((one) => covers(subject, one))) return null;
  const isDomain = subject.startsWith('@');
  if (isDomain && pinned) return null;
  if (facts.addresses.length === 0) return 'it names no address';
  return isDomain
    ? 'it names no address of the domain it is kept for'
    : 'it names other addresses than the one it is kept for';
}

/** `2026-03-01`, in UTC. */
function day(at: Time): string {
  return new Date(at).toISOString().slice(0, 10);
}

function daysLeft(ms: number): string {
  const days = Math.floor(ms / DAY);
  if (days === 0) return 'within a day';
  return days === 1 ? 'in 1 day' : `in ${days} days`;
}
