// A book of keys that remembers what it answered last. Whoever changes keys in this process does so through it: a change
// empties it, and an answer that was asked for before the change is not kept.

import { LRUCache } from 'lru-cache';
import type { AddressKey, KeyBook } from './book-port.ts';

/** Addresses, and octets of their keys, that are remembered. */
const ADDRESSES = 10_000;
const OCTETS = 16 * 1_048_576;
/** Rough octets of an address and of what is known of a key, beside the key itself. */
const BESIDE = 1_024;

export function cachedBook(book: KeyBook): KeyBook {
  const known = new LRUCache<string, readonly AddressKey[]>({
    max: ADDRESSES,
    maxSize: OCTETS,
    sizeCalculation: (keys) => keys.reduce((sum, key) => sum + sizeOf(key), BESIDE),
  });
  let changes = 0;

  async function remembered(name: string, ask: () => Promise<readonly AddressKey[]>): Promise<readonly AddressKey[]> {
    const before = known.get(name);
    if (before) return before;
    const asked = changes;
    const keys = await ask();
    if (asked === changes) known.set(name, keys);
    return keys;
  }

  /** Also of one that failed: its outcome may be unknown. */
  async function change<T>(make: Promise<T>): Promise<T> {
    try {
      return await make;
    } finally {
      changes += 1;
      known.clear();
    }
  }

  return {
    ...book,
    forAddress: (organization, address) =>
      remembered(`${organization}\0${address}`, () => book.forAddress(organization, address)),
    own: (organization, kind) => remembered(`${organization}\0own ${kind}`, () => book.own(organization, kind)),
    add: (key, why) => change(book.add(key, why)),
    renew: (id, copy, why) => change(book.renew(id, copy, why)),
    pin: (id, pinned, why) => change(book.pin(id, pinned, why)),
    revoke: (id, why) => change(book.revoke(id, why)),
  };
}

function sizeOf({ public: octets, facts }: AddressKey): number {
  return BESIDE + octets.length + facts.issuers.reduce((sum, one) => sum + one.length, 0);
}
