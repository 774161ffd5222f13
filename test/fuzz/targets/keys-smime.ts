// Certificate files in DER, PEM and PKCS#12: certificates, or an error of ours.

import { SmimeError } from '../../../src/crypto/smime/error.ts';
import { readCertificates } from '../../../src/crypto/smime/read.ts';
import { mutatedDer } from '../der.ts';
import { below, mutated, oneOf } from '../mutate.ts';
import seeds from '../seeds/smime.json' with { type: 'json' };
import { claim, type Target } from '../target.ts';

const octetsOf = (all: readonly string[]): Buffer[] => all.map((text) => Buffer.from(text, 'base64'));
const CERTIFICATES = octetsOf(seeds.certificates);
const PKCS12 = octetsOf(seeds.pkcs12);
const PEM = octetsOf(seeds.pem);
const TOKENS = [
  '-----BEGIN CERTIFICATE-----\n',
  '-----END CERTIFICATE-----\n',
  '-----BEGIN PRIVATE KEY-----',
  '-----BEGIN ENCRYPTED PRIVATE KEY-----',
  '-----BEGIN EC PRIVATE KEY-----',
  'Proc-Type: 4,ENCRYPTED\n',
  'DEK-Info: AES-128-CBC,00\n',
  '====',
  '-----',
];
const pem = (octets: Buffer, label: string): Buffer =>
  Buffer.from(
    `-----BEGIN ${label}-----\n${octets.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END ${label}-----\n`,
  );

export async function open(): Promise<Target> {
  return {
    seeds: [...CERTIFICATES, ...PKCS12, ...PEM],
    tokens: TOKENS,
    // A file may ask for five million rounds of its derivation.
    limit: 5_000_000,
    make: (random) => {
      const kind = below(random, 10);
      if (kind < 4) return mutatedDer(random, CERTIFICATES);
      if (kind < 7) return mutatedDer(random, PKCS12);
      if (kind < 8) return mutated(random, { seeds: PEM, tokens: TOKENS });
      const labels = ['CERTIFICATE', 'PRIVATE KEY', 'RSA PRIVATE KEY', 'EC PRIVATE KEY', 'X509 CERTIFICATE'];
      const changed = pem(
        mutatedDer(random, kind < 9 ? CERTIFICATES : octetsOf(seeds.keys.map(({ privateKey }) => privateKey))),
        oneOf(random, labels),
      );
      return Buffer.concat([changed, ...PEM]);
    },
    check: (input) => {
      try {
        for (const { facts, public: octets } of readCertificates(input, { now: seeds.now, passphrase: 'secret' })) {
          claim(facts.kind === 'smime' && /^[0-9a-f]{64}$/.test(facts.fingerprint), 'no fingerprint');
          claim(!Number.isNaN(facts.validFrom) && !Number.isNaN(facts.validUntil ?? 0), 'no dates');
          claim(octets[0] === 0x30, 'no certificate');
          claim(
            facts.addresses.every((address) => !/[\s\p{Cc}<>]/u.test(address.replace(/^".*"@/, ''))),
            'an address that is none',
          );
        }
      } catch (error) {
        if (!(error instanceof SmimeError)) throw error;
      }
    },
  };
}
