// DKIM signatures of one message, verified on its raw octets while they come in (RFC 6376 §6, RFC 8301, RFC 8463). Keys are asked for
// meanwhile, once for a signature. Stricter than the standard where the question is whose mail it is: see signature.ts. Logs nothing.

import { createHash, type KeyObject, verify } from 'node:crypto';
import type { Time } from '../../domain/ids.ts';
import type { HeaderSection } from '../../mail/header.ts';
import { BodyHash, type Canonicalization } from './body.ts';
import { signedOctets } from './header.ts';
import { readKey } from './key.ts';
import { readSignature, type Signature, signingDomain, type Unfit } from './signature.ts';

/** Signatures that are tried. */
const TRIED = 5;

/** `reason` in a few words that hold nothing of the message; `temporary`: nobody knows now. */
export type Outcome = { readonly domain: string } & (
  | { readonly outcome: 'pass' }
  | { readonly outcome: 'fail' | 'temporary'; readonly reason: string }
);
/** TXT records at a name; `unknown`: not to be had now. */
export type LookUpKey = (name: string) => Promise<readonly string[] | 'unknown'>;

export type Verification = {
  /** Of each signature that can still pass, and of those that cannot, in the order of the header section. */
  readonly started: readonly (Signature | Unfit)[];
  /** The body, as it comes. Does not keep or change the chunk. */
  readonly body: (chunk: Uint8Array) => void;
  /** Once, at the end; empty when there is no signature of these domains. Never rejects. */
  readonly end: () => Promise<Outcome[]>;
};

type Asked = { readonly signature: Signature; readonly digest: Buffer; readonly key: Promise<KeyObject | Outcome> };

/** Begins with the signatures whose d= is one of `domains`: the others prove nothing, and their keys are not asked for. */
export function startVerification(
  header: HeaderSection,
  domains: ReadonlySet<string>,
  lookUpKey: LookUpKey,
  now: Time,
): Verification {
  const started = header.fields
    .filter(({ name }) => name === 'dkim-signature')
    .flatMap((field) => {
      const domain = signingDomain(field);
      return domain !== null && domains.has(domain) ? [{ field, domain }] : [];
    })
    .slice(0, TRIED)
    .map(({ field, domain }) => readSignature(field, domain, header, now));
  const hashes = new Map<Canonicalization, BodyHash>();
  const asked = started.map((one): Asked | Outcome => {
    if ('reason' in one) return { domain: one.domain, outcome: 'fail', reason: one.reason };
    if (!hashes.has(one.body)) hashes.set(one.body, new BodyHash(one.body));
    const octets = signedOctets(header.fields, one.field, one.names, one.header);
    // RFC 8463 §3: what Ed25519 signs is the hash. RSA is given the octets, since the hash belongs to its padding.
    const digest = one.algorithm === 'ed25519' ? createHash('sha256').update(octets).digest() : octets;
    return { signature: one, digest, key: keyOf(one, lookUpKey) };
  });
  return {
    started,
    body: (chunk) => {
      for (const hash of hashes.values()) hash.update(chunk);
    },
    end: () => {
      const digests = new Map([...hashes].map(([kind, hash]) => [kind, hash.digest()]));
      return Promise.all(asked.map((one) => ('outcome' in one ? one : judge(one, digests))));
    },
  };
}

async function judge(
  { signature, digest, key }: Asked,
  digests: ReadonlyMap<Canonicalization, Buffer>,
): Promise<Outcome> {
  const { domain, algorithm, octets } = signature;
  if (digests.get(signature.body)?.equals(signature.bodyHash) !== true)
    return { domain, outcome: 'fail', reason: 'the body was changed' };
  const found = await key;
  if ('outcome' in found) return found;
  return holds(digest, algorithm, found, octets)
    ? { domain, outcome: 'pass' }
    : { domain, outcome: 'fail', reason: 'it does not fit the header section' };
}

function holds(digest: Buffer, algorithm: Signature['algorithm'], key: KeyObject, octets: Buffer): boolean {
  try {
    return verify(algorithm === 'rsa' ? 'sha256' : null, digest, key, octets);
  } catch {
    // A key that is none after all.
    return false;
  }
}

async function keyOf(signature: Signature, lookUpKey: LookUpKey): Promise<KeyObject | Outcome> {
  const { domain, selector } = signature;
  const records = await lookUpKey(`${selector}._domainkey.${domain}`).catch(() => 'unknown' as const);
  if (records === 'unknown') return { domain, outcome: 'temporary', reason: 'its key cannot be looked up now' };
  const [record, ...others] = records;
  const fail = (reason: string): Outcome => ({ domain, outcome: 'fail', reason });
  if (record === undefined) return fail('there is no key');
  if (others.length > 0) return fail('there are several keys');
  const key = readKey(record, signature);
  return typeof key === 'string' ? fail(key) : key;
}
