// Operators' tokens: 20 random bytes as 32 characters a-z2-7 (src/README.md). Only their SHA-256 is stored; they are random,
// so that a fast hash is enough.

import { createHash, timingSafeEqual } from 'node:crypto';
import type { Random } from '../domain/types.ts';
import type { Operator } from '../store/accounts/port.ts';

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';
const BYTES = 20;

export function newToken(random: Random): string {
  return base32(random.bytes(BYTES));
}

/** RFC 4648 base32 in lower case without padding: 20 bytes give 32 characters, 10 give 16. */
export function base32(bytes: Uint8Array): string {
  let text = '';
  let value = 0;
  let bits = 0;
  for (const byte of bytes) {
    value = (value << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += ALPHABET[(value >> bits) & 31];
    }
    value &= (1 << bits) - 1;
  }
  return text;
}

/** SHA-256 of the token's 20 bytes; null when the text is not a token. */
export function hashToken(token: string): Uint8Array | null {
  if (!/^[a-z2-7]{32}$/.test(token)) return null;
  const bytes = Buffer.alloc(BYTES);
  let value = 0;
  let bits = 0;
  let at = 0;
  for (const character of token) {
    value = (value << 5) | ALPHABET.indexOf(character);
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at++] = value >> bits;
    value &= (1 << bits) - 1;
  }
  return createHash('sha256').update(bytes).digest();
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
