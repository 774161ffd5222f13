// Debian's signer (python3-dkim) as the mail platform that signs before it hands over.

import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import type { Wanted } from './programs.ts';

export const DKIM_SIGNER: readonly Wanted[] = ['dkimsign', '/usr/lib/python3/dist-packages/nacl'];

export type DkimKey = {
  readonly algorithm: 'rsa-sha256' | 'ed25519-sha256';
  readonly secret: string;
  readonly record: string;
};

export function dkimKey(algorithm: DkimKey['algorithm']): DkimKey {
  if (algorithm === 'rsa-sha256') {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const p = publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
    const secret = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
    return { algorithm, secret, record: `v=DKIM1; k=rsa; p=${p}` };
  }
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const raw = (der: Buffer): string => der.subarray(-32).toString('base64');
  const secret = raw(privateKey.export({ type: 'pkcs8', format: 'der' }));
  const record = `v=DKIM1; k=ed25519; p=${raw(publicKey.export({ type: 'spki', format: 'der' }))}`;
  return { algorithm, secret, record };
}

// The command itself has no option for an older time.
const PROGRAM = `
import sys, time, dkim
domain, selector, algorithm, secret, header, body, age = [a.encode() for a in sys.argv[1:]]
now = time.time() - int(age)
time.time = lambda: now
message = sys.stdin.buffer.read()
sys.stdout.buffer.write(dkim.sign(message, selector, domain, secret, canonicalize=(header, body), signature_algorithm=algorithm))
sys.stdout.buffer.write(message)
`;

export type DkimSigning = {
  readonly domain: string;
  readonly selector: string;
  readonly key: DkimKey;
  readonly header?: 'simple' | 'relaxed';
  readonly body?: 'simple' | 'relaxed';
  /** Seconds ago. */
  readonly age?: number;
};

/** The message with a signature on top. */
export function dkimSigned(message: string, signing: DkimSigning): string {
  const { domain, selector, key, header = 'relaxed', body = 'relaxed', age = 0 } = signing;
  const args = [domain, selector, key.algorithm, key.secret, header, body, `${age}`];
  const input = Buffer.from(message, 'latin1');
  // Debian's own Python, which has Debian's packages.
  return execFileSync('/usr/bin/python3', ['-c', PROGRAM, ...args], { input }).toString('latin1');
}
