// Authorities whose certificates may be encrypted to: PEM files of the configuration.

import { X509Certificate } from 'node:crypto';
import { chainProblem } from '../crypto/smime/chain.ts';
import type { Chain } from './lookup.ts';

const BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** DER of every certificate in a PEM file, or what is wrong with the file in words. */
export function readRoots(pem: string): readonly Uint8Array[] | { readonly wrong: string } {
  const blocks = pem.match(BLOCK) ?? [];
  if (blocks.length === 0) return { wrong: 'holds no PEM certificate' };
  const roots: Uint8Array[] = [];
  for (const block of blocks) {
    try {
      roots.push(new X509Certificate(block).raw);
    } catch {
      return { wrong: `certificate ${roots.length + 1} in it cannot be read` };
    }
  }
  return roots;
}

/** Judges chains by the roots in force. */
export function createChain(roots: () => readonly Uint8Array[]): Chain {
  return ({ public: leaf, facts }, now) =>
    chainProblem(
      leaf,
      facts.issuers.map((one) => Buffer.from(one, 'base64')),
      roots(),
      now,
    );
}
