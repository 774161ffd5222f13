// Operators' tokens: 20 random bytes as 32 characters a-z2-7 (src/README.md). Only their SHA-256 is stored; they are random,
// so that a fast hash is enough.

import { createHash, timingSafeEqual } from 'node:crypto';
import { base32, tokenOctets } from '../crypto/base32.ts';
import type { Random } from '../domain/types.ts';
import type { Operator } from '../store/accounts/port.ts';

export function newToken(random: Random): string {
  return base32(random.bytes(20));
}

/** SHA-256 of the token's 20 bytes; null when the text is not a token. */
export function hashToken(token: string): Uint8Array | null {
  const octets = tokenOctets(token);
  return octets && createHash('sha256').update(octets).digest();
}

/** By which a token that nobody else has seen is made known: its hash in hex, 64 characters. */
export function fingerprintOf(token: string): string {
  return Buffer.from(hashToken(token) ?? []).toString('hex');
}

/** The operator whose token it is; every operator is compared, in constant time. */
export function operatorOf(token: string, operators: readonly Operator[]): Operator | null {
  const hash = hashToken(token);
  if (hash === null) return null;
  let found: Operator | null = null;
  for (const operator of operators) {
    if (operator.tokenHash.length === hash.length && timingSafeEqual(operator.tokenHash, hash)) found = operator;
  }
  return found;
}
