// OpenPGP key files: keys, or an error of ours; nothing that is private comes out as public.

import { PgpError } from '../../../src/crypto/pgp/error.ts';
import { readPgpKeys } from '../../../src/crypto/pgp/read.ts';
import { below, mutated, oneOf } from '../mutate.ts';
import { mutatedPackets } from '../packets.ts';
import seeds from '../seeds/pgp.json' with { type: 'json' };
import { claim, type Target } from '../target.ts';

const FILES = seeds.keys.map((text) => Buffer.from(text, 'base64'));
const armored = (octets: Buffer, label: string): Buffer =>
  Buffer.from(
    `-----BEGIN PGP ${label}-----\n\n${octets.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END PGP ${label}-----\n`,
  );
const TOKENS = [
  '-----BEGIN PGP PUBLIC KEY BLOCK-----',
  '-----END PGP PUBLIC KEY BLOCK-----',
  '-----BEGIN PGP MESSAGE-----',
  '\n=AAAA\n',
  '\n\n',
  'Version: 1\n',
  '====',
  '-----',
];

export async function open(): Promise<Target> {
  return {
    seeds: FILES,
    tokens: TOKENS,
    make: (random) => {
      const octets = mutatedPackets(random, FILES);
      const kind = below(random, 10);
      if (kind < 6) return octets;
      const file = armored(octets, oneOf(random, ['PUBLIC KEY BLOCK', 'PRIVATE KEY BLOCK']));
      return kind < 8 ? file : mutated(random, { seeds: [file], tokens: TOKENS });
    },
    check: async (input) => {
      try {
        const read = await readPgpKeys(input, { now: seeds.now, passphrase: 'secret' });
        for (const { facts, public: octets } of read) {
          claim(facts.kind === 'pgp' && /^[0-9a-f]{40,64}$/.test(facts.fingerprint), 'no fingerprint');
          claim(Number.isFinite(facts.validFrom) && octets.length > 0, 'no dates');
          claim(
            facts.addresses.every((address) => !/[\s\p{Cc}<>]/u.test(address.replace(/^".*"@/, ''))),
            'an address that is none',
          );
          // Tags 5 and 7: secret keys.
          claim(((octets[0] ?? 0) & 0x3f) === 6 || ((octets[0] ?? 0) & 0x3c) >> 2 === 6, 'no public key');
        }
      } catch (error) {
        if (!(error instanceof PgpError)) throw error;
      }
    },
  };
}
