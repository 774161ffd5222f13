// OpenPGP keys for tests, made anew.

import { generateKey, type PrivateKey } from 'openpgp';

export const NOW = Date.UTC(2026, 10, 24, 12);
export const DAY = 86_400_000;

type Options = Parameters<typeof generateKey>[0];

/** A key made a day before `NOW`, Ed25519 and Curve25519 as GnuPG makes them when nothing else is asked. */
export async function makeKey(options: Partial<Options> = {}): Promise<PrivateKey> {
  const { privateKey } = await generateKey({
    type: 'ecc',
    curve: 'curve25519Legacy',
    userIDs: [{ name: 'Ann', email: 'ann@peer.test' }],
    date: new Date(NOW - DAY),
    ...options,
    format: 'object',
  });
  return privateKey;
}

/** Octets of the public key. */
export function publicOf(key: PrivateKey): Uint8Array {
  return key.toPublic().write();
}

export async function joined(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}
