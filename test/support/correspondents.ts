// Keys and certificates of people who get mail, as they would hand them over.

import { generateKey } from 'openpgp';
import type { Ca } from './pki.ts';

export type PgpPair = { readonly public: string; readonly private: string };

/** An OpenPGP key of today's common form: Curve25519, version 4; armored. */
export async function pgpPair(address: string): Promise<PgpPair> {
  const { publicKey, privateKey } = await generateKey({
    type: 'ecc',
    curve: 'curve25519Legacy',
    userIDs: [{ email: address }],
    // Whoever reads it a moment later must not find it from the future.
    date: new Date(Date.now() - 60_000),
    format: 'armored',
  });
  return { public: publicKey, private: privateKey };
}

/** A person's S/MIME certificate; PEM. */
export function mailCertificate(
  ca: Ca,
  address: string,
  notAfter?: Date,
): { readonly cert: string; readonly key: string } {
  return ca.issue({ names: [], emails: [address], eku: ['emailProtection'], ...(notAfter && { notAfter }) });
}
