// A key record (RFC 6376 §3.6.1, RFC 8463 §4) becomes a key for node:crypto. Pure.

import { createPublicKey, type KeyObject } from 'node:crypto';
import type { Signature } from './signature.ts';
import { base64Of, listOf, parseTags } from './tags.ts';

/** RFC 8301 §3.2. */
const LEAST_BITS = 1_024;
const MOST_BITS = 4_096;

/** The key for that signature, or in a few words why there is none. */
export function readKey(
  record: string,
  signature: Pick<Signature, 'algorithm' | 'domain' | 'identity'>,
): KeyObject | string {
  const tags = parseTags(record);
  if (tags === null || (tags.has('v') && (tags.get('v') !== 'DKIM1' || [...tags.keys()][0] !== 'v')))
    return 'key record is malformed';
  if (tags.get('p') === '') return 'key was revoked';
  const octets = base64Of(tags.get('p') ?? '');
  if (octets === null) return 'key record is malformed';
  if ((tags.get('k') ?? 'rsa').toLowerCase() !== signature.algorithm) return 'key is of another kind';
  if (tags.has('h') && !listOf(tags.get('h') ?? '').includes('sha256')) return 'key is not for SHA-256';
  const services = listOf(tags.get('s') ?? '*');
  if (!services.includes('*') && !services.includes('email')) return 'key is not for mail';
  const flags = listOf(tags.get('t') ?? '');
  // RFC 6376 §3.6.1: treated as unsigned mail.
  if (flags.includes('y')) return 'key is in testing mode (t=y)';
  if (flags.includes('s') && signature.identity !== signature.domain) return 'key is not for subdomains (t=s)';
  return signature.algorithm === 'rsa' ? rsaKey(octets) : ed25519Key(octets);
}

function rsaKey(octets: Buffer): KeyObject | string {
  // RFC 6376 erratum 3017: some records hold the bare RSAPublicKey.
  const key = keyOf(octets, 'spki') ?? keyOf(octets, 'pkcs1');
  if (key?.asymmetricKeyType !== 'rsa') return 'key is malformed';
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (bits < LEAST_BITS) return 'key has less than 1024 bits';
  return bits > MOST_BITS ? 'key has more than 4096 bits' : key;
}

function keyOf(key: Buffer, type: 'spki' | 'pkcs1'): KeyObject | null {
  try {
    return createPublicKey({ key, format: 'der', type });
  } catch {
    return null;
  }
}

function ed25519Key(octets: Buffer): KeyObject | string {
  if (octets.length !== 32) return 'key is malformed';
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: octets.toString('base64url') }, format: 'jwk' });
}
