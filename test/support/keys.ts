// Keys as records, invented: nothing can be encrypted to them.

import { randomBytes } from 'node:crypto';
import type { KeyFacts } from '../../src/domain/keys.ts';
import type { AddressKey, NewAddressKey } from '../../src/keys/book-port.ts';
import { NOON } from './vault.ts';

const DAY = 86_400_000;

export function keyFacts(facts: Partial<KeyFacts> = {}): KeyFacts {
  return {
    ...{ kind: 'pgp', fingerprint: randomBytes(20).toString('hex'), addresses: ['ann@a.test'] },
    ...{ validFrom: NOON - 100 * DAY, validUntil: NOON + 100 * DAY, algorithm: 'Curve25519' },
    ...{ weak: null, revoked: null, cannotEncrypt: null, cannotSign: null, issuers: [] },
    ...facts,
  } as KeyFacts;
}

export function newKey(key: Partial<NewAddressKey> = {}, facts: Partial<KeyFacts> = {}): NewAddressKey {
  return {
    ...{ id: keyId(), organization: 'clinic', subject: 'ann@a.test', own: false, pinned: false },
    facts: keyFacts(facts),
    public: randomBytes(300),
    ...key,
  };
}

export function addressKey(key: Partial<AddressKey> = {}, facts: Partial<KeyFacts> = {}): AddressKey {
  return { ...newKey({}, facts), revoked: null, addedAt: NOON, addedBy: 'ann', ...key };
}

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';
const keyId = () => Array.from(randomBytes(16), (byte) => ALPHABET[byte & 31]).join('');
