// Every state of a key, at the borders of its time, and which of two reasons is told.

import type { KeyFacts } from '../../../src/domain/keys.ts';
import type { AddressKey } from '../../../src/keys/book-port.ts';
import { covers, isUsable, judgeKey, type KeyState } from '../../../src/keys/judge.ts';
import { addressKey } from '../../support/keys.ts';
import { NOON } from '../../support/vault.ts';

const DAY = 86_400_000;
const MARCH = Date.UTC(2026, 2, 1, 10);

type Case = {
  readonly facts?: Partial<KeyFacts>;
  readonly key?: Partial<AddressKey>;
  readonly chain?: string | null;
  readonly address?: string;
  readonly now?: number;
};

function judged({ facts = {}, key = {}, chain = null, address, now = NOON }: Case): [KeyState, string] {
  const one = addressKey(key, facts);
  const { state, why } = judgeKey(one, { address: address ?? one.subject, now, chain });
  return [state, why];
}

const PINNED = { pinned: true };
const SMIME = { kind: 'smime' } as const;
const UNTRUSTED = 'its issuer is not known';

test.each<[string, Case, KeyState, string]>([
  ['a good one', {}, 'usable', 'valid until 2026-08-09'],
  ['one without end', { facts: { validUntil: null } }, 'usable', 'it does not expire'],
  ['21 days before its end', { facts: { validUntil: NOON + 21 * DAY } }, 'usable', 'valid until 2026-05-22'],
  [
    'less than 21 days before',
    { facts: { validUntil: NOON + 21 * DAY - 1 } },
    'expiring',
    'expires 2026-05-22, in 20 days',
  ],
  ['a day before', { facts: { validUntil: NOON + DAY } }, 'expiring', 'expires 2026-05-02, in 1 day'],
  ['at its last moment', { facts: { validUntil: NOON + 1 } }, 'expiring', 'expires 2026-05-01, within a day'],
  ['at its end', { facts: { validUntil: NOON } }, 'expired', 'expired 2026-05-01'],
  ['long after', { facts: { validUntil: MARCH } }, 'expired', 'expired 2026-03-01'],
  ['pinned, after its end', { facts: { validUntil: MARCH }, key: PINNED }, 'expired', 'expired 2026-03-01'],
  ['at its beginning', { facts: { validFrom: NOON } }, 'usable', 'valid until 2026-08-09'],
  ['before it', { facts: { validFrom: NOON + 1 } }, 'not yet valid', 'not valid before 2026-05-01'],
  ['revoked by its owner', { facts: { revoked: 'its owner revoked it' } }, 'revoked', 'its owner revoked it'],
  [
    'pinned and revoked',
    { facts: { revoked: 'its owner revoked it' }, key: PINNED },
    'revoked',
    'its owner revoked it',
  ],
  [
    'revoked here, for a reason with an address',
    { key: { revoked: { at: MARCH, reason: 'ask bob@b.test' } } },
    'revoked',
    'revoked here 2026-03-01',
  ],
  ['too weak', { facts: { weak: 'RSA with 1024 bits' } }, 'weak', 'too weak: RSA with 1024 bits'],
  ['pinned and too weak', { facts: { weak: 'DSA' }, key: PINNED }, 'weak', 'too weak: DSA'],
  [
    'an own one that cannot sign',
    { facts: { cannotSign: 'no key for signing' }, key: { own: true } },
    'unfit',
    'no key for signing',
  ],
  ['of another who cannot sign', { facts: { cannotSign: 'no key for signing' } }, 'usable', 'valid until 2026-08-09'],
  ['of no use', { facts: { cannotEncrypt: 'no subkey for encryption' } }, 'unfit', 'no subkey for encryption'],
  [
    'own, only for signing',
    { facts: { cannotEncrypt: 'its key usage forbids it' }, key: { own: true } },
    'usable',
    'valid until 2026-08-09',
  ],
  ['asked for another address', { address: 'bob@a.test' }, 'mismatched', 'it is kept for another address'],
  [
    'that names others',
    { facts: { addresses: ['bob@a.test'] } },
    'mismatched',
    'it names other addresses than the one it is kept for',
  ],
  [
    'pinned, that names others',
    { facts: { addresses: ['bob@a.test'] }, key: PINNED },
    'mismatched',
    'it names other addresses than the one it is kept for',
  ],
  ['that names none', { facts: { addresses: [] } }, 'mismatched', 'it names no address'],
  ['that names several', { facts: { addresses: ['bob@a.test', 'ann@a.test'] } }, 'usable', 'valid until 2026-08-09'],
  [
    'of a domain, that names an address of it',
    { key: { subject: '@a.test' }, address: 'bob@a.test' },
    'usable',
    'valid until 2026-08-09',
  ],
  ['of a domain, judged for itself', { key: { subject: '@a.test' } }, 'usable', 'valid until 2026-08-09'],
  [
    'of a domain, asked for one below',
    { key: { subject: '@a.test' }, address: 'bob@x.a.test' },
    'mismatched',
    'it is kept for another address',
  ],
  [
    'of a domain, asked for one that ends alike',
    { key: { subject: '@a.test' }, address: 'bob@aa.test' },
    'mismatched',
    'it is kept for another address',
  ],
  [
    'of a domain, that names another',
    { key: { subject: '@a.test' }, facts: { addresses: ['ann@b.test'] } },
    'mismatched',
    'it names no address of the domain it is kept for',
  ],
  [
    'of a domain, pinned, that names another',
    { key: { subject: '@a.test', ...PINNED }, facts: { addresses: ['ann@b.test'] } },
    'usable',
    'valid until 2026-08-09',
  ],
  ['a certificate with its chain', { facts: SMIME }, 'usable', 'valid until 2026-08-09'],
  ['one without', { facts: SMIME, chain: UNTRUSTED }, 'untrusted', `not trusted: ${UNTRUSTED}`],
  ['pinned, without', { facts: SMIME, chain: UNTRUSTED, key: PINNED }, 'usable', 'valid until 2026-08-09'],
  ['own, without', { facts: SMIME, chain: UNTRUSTED, key: { own: true } }, 'usable', 'valid until 2026-08-09'],
  ['OpenPGP, whatever is said of a chain', { chain: UNTRUSTED }, 'usable', 'valid until 2026-08-09'],
  [
    'expired and untrusted: time',
    { facts: { ...SMIME, validUntil: MARCH }, chain: UNTRUSTED },
    'expired',
    'expired 2026-03-01',
  ],
  [
    'revoked, expired and weak: the revocation',
    { facts: { revoked: 'its owner revoked it', validUntil: MARCH, weak: 'DSA' } },
    'revoked',
    'its owner revoked it',
  ],
])('%s', (_, what, state, why) => expect(judged(what)).toEqual([state, why]));

test('nothing that is told has an address in it', () => {
  const key = addressKey({}, { addresses: ['bob@b.test'] });
  for (const address of ['ann@a.test', 'bob@b.test']) {
    expect(judgeKey(key, { address, now: NOON, chain: null }).why).not.toContain('@');
  }
});

test.each<[KeyState, boolean]>([
  ['usable', true],
  ['expiring', true],
  ...(['expired', 'not yet valid', 'revoked', 'weak', 'mismatched', 'unfit', 'untrusted'] as const).map(
    (state): [KeyState, boolean] => [state, false],
  ),
])('%s: %s', (state, usable) => expect(isUsable({ state, why: '' })).toBe(usable));

test.each<[string, string, boolean]>([
  ['ann@a.test', 'ann@a.test', true],
  ['ann@a.test', 'joann@a.test', false],
  ['@a.test', '"a@b"@a.test', true],
  ['@a.test', '@a.test', true],
  ['ann@a.test', '@a.test', false],
])('%s stands for %s: %s', (subject, address, is) => expect(covers(subject, address)).toBe(is));
