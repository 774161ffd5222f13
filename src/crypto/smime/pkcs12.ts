// PKCS#12 files (RFC 7292) as Windows, Java, NSS and OpenSSL write them: certificates and private keys behind one passphrase.
// node-forge decrypts what old programs wrote (RC2-40, and Triple DES by PKCS#12's own derivation), which Node's OpenSSL no
// longer does; all else is node:crypto's. The MAC is checked first, so nothing else is read under a wrong passphrase. Not
// read: files under public keys, PBMAC1.

import { createDecipheriv, createHmac, hash, pbkdf2Sync, timingSafeEqual } from 'node:crypto';
import forge from 'node-forge';
import {
  algorithmOf,
  childrenOf,
  context,
  type Element,
  explicit,
  octetsOf,
  oidOf,
  readElement,
  smallIntegerOf,
  TAG,
} from './der.ts';
import { SmimeError } from './error.ts';
import { CMS, CONTENT_CIPHERS } from './oids.ts';

export type Pkcs12 = {
  /** DER of X.509 certificates. */
  readonly certificates: readonly Buffer[];
  /** PKCS#8 DER. */
  readonly privateKeys: readonly Buffer[];
};

const BAG = {
  key: '1.2.840.113549.1.12.10.1.1',
  shroudedKey: '1.2.840.113549.1.12.10.1.2',
  certificate: '1.2.840.113549.1.12.10.1.3',
  safeContents: '1.2.840.113549.1.12.10.1.6',
} as const;
const PBES2 = '1.2.840.113549.1.5.13';
const PBKDF2 = '1.2.840.113549.1.5.12';
const X509_CERTIFICATE = '1.2.840.113549.1.9.22.1';
/** Hash of the MAC → Node's name. */
const MAC_HASHES: Readonly<Record<string, string>> = {
  '1.3.14.3.2.26': 'sha1',
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
};
/** HMAC of PBKDF2 (RFC 8018 appendix B.1) → its hash. */
const PRF_HASHES: Readonly<Record<string, string>> = {
  '1.2.840.113549.2.7': 'sha1',
  '1.2.840.113549.2.9': 'sha256',
  '1.2.840.113549.2.10': 'sha384',
  '1.2.840.113549.2.11': 'sha512',
};
/** Files in use have 1 to 600,000, which takes a second. */
const ITERATIONS_MAX = 1_000_000;
/** One by forge takes as long as so many of node:crypto's; files in use have at most 100,000. */
const OLD_COST = 5;
/** In a whole file: each of its keys has iterations of its own. */
const ALL_ITERATIONS_MAX = 5_000_000;

/** True for what begins like a PFX: SEQUENCE { INTEGER 3, … }. */
export function isPkcs12(file: Element): boolean {
  return file.tag === TAG.sequence && file.content.subarray(0, 3).equals(Buffer.from([TAG.integer, 1, 3]));
}

/**
 * What a PFX holds. Without passphrase the empty one is tried.
 * @throws SmimeError `passphrase needed`, `passphrase wrong`, `damaged`, `unsupported`.
 */
export function readPkcs12(file: Element, passphrase: string | undefined): Pkcs12 {
  const [, authSafe, macData] = childrenOf(file, TAG.sequence);
  const [type, content] = childrenOf(authSafe, TAG.sequence);
  if (oidOf(type) !== CMS.data) throw new SmimeError('unsupported');
  const safe = octetsOf(explicit(content, 0));
  // With no passphrase there are two: no octets at all, and an empty text with its end. Writers differ.
  const tried = passphrase === undefined || passphrase === '' ? ['', null] : [passphrase];
  const right = macData ? tried.find((one) => isMacOf(safe, macData, one)) : tried[0];
  const wrong = new SmimeError(passphrase === undefined ? 'passphrase needed' : 'passphrase wrong');
  if (right === undefined) throw wrong;
  try {
    const found = { certificates: [], privateKeys: [], iterations: 0 };
    for (const info of childrenOf(readElement(safe), TAG.sequence))
      readBags(safeContentsOf(info, right, found), right, found);
    return found;
  } catch (error) {
    // Without a MAC this is how a wrong passphrase shows.
    throw macData ? error : wrong;
  }
}

function isMacOf(safe: Buffer, macData: Element, passphrase: string | null): boolean {
  const [digestInfo, salt, iterations] = childrenOf(macData, TAG.sequence);
  const [scheme, digest] = childrenOf(digestInfo, TAG.sequence);
  const name = MAC_HASHES[algorithmOf(scheme).oid];
  const rounds = iterations ? smallIntegerOf(iterations) : 1;
  if (name === undefined || rounds > ITERATIONS_MAX) throw new SmimeError('unsupported');
  const expected = octetsOf(digest);
  const mac = createHmac(name, macKey(name, octetsOf(salt), rounds, passphrase))
    .update(safe)
    .digest();
  return mac.length === expected.length && timingSafeEqual(mac, expected);
}

/** RFC 7292 appendix B.2 for as many octets as the hash has, with the purpose 3. */
function macKey(name: string, salt: Buffer, rounds: number, passphrase: string | null): Buffer {
  const block = name === 'sha384' || name === 'sha512' ? 128 : 64;
  const filled = (octets: Buffer) => Buffer.alloc(Math.ceil(octets.length / block) * block, octets);
  const text = passphrase === null ? Buffer.alloc(0) : Buffer.from(`${passphrase}\0`, 'utf16le').swap16();
  let key = Buffer.concat([Buffer.alloc(block, 3), filled(salt), filled(text)]);
  for (let round = 0; round < rounds; round++) key = hash(name, key, 'buffer');
  return key;
}

/** The octets of SafeContents of a ContentInfo, decrypted where need be (RFC 5652 §8). */
function safeContentsOf(info: Element, passphrase: string | null, found: Found): Buffer {
  const [type, content] = childrenOf(info, TAG.sequence);
  if (oidOf(type) === CMS.data) return octetsOf(explicit(content, 0));
  if (oidOf(type) !== CMS.encryptedData) throw new SmimeError('unsupported');
  const [, encrypted] = childrenOf(explicit(content, 0), TAG.sequence);
  const [, scheme, octets] = childrenOf(encrypted, TAG.sequence);
  return decrypt(scheme, octetsOf(octets, context(0, false)), passphrase, found);
}

type Found = { readonly certificates: Buffer[]; readonly privateKeys: Buffer[]; iterations: number };

function readBags(safeContents: Buffer, passphrase: string | null, found: Found, depth = 0): void {
  if (depth > 3) throw new SmimeError('damaged');
  for (const bag of childrenOf(readElement(safeContents), TAG.sequence)) {
    const [type, wrapped] = childrenOf(bag, TAG.sequence);
    const value = explicit(wrapped, 0);
    const kind = oidOf(type);
    if (kind === BAG.key) found.privateKeys.push(value.raw);
    else if (kind === BAG.shroudedKey) {
      const [scheme, octets] = childrenOf(value, TAG.sequence);
      // The element alone: behind it may stand what remained of the padding.
      found.privateKeys.push(readElement(decrypt(scheme, octetsOf(octets), passphrase, found)).raw);
    } else if (kind === BAG.certificate) {
      const [certificateType, certificate] = childrenOf(value, TAG.sequence);
      if (oidOf(certificateType) === X509_CERTIFICATE) found.certificates.push(octetsOf(explicit(certificate, 0)));
    } else if (kind === BAG.safeContents) readBags(value.raw, passphrase, found, depth + 1);
    // Others hold revocation lists and secrets: no business of ours.
  }
}

function decrypt(scheme: Element | undefined, octets: Buffer, passphrase: string | null, found: Found): Buffer {
  const { oid, parameters } = algorithmOf(scheme);
  if (!parameters) throw new SmimeError('damaged');
  const cost = iterationsIn(parameters) * (oid === PBES2 ? 1 : OLD_COST);
  found.iterations += cost;
  if (cost > ITERATIONS_MAX || found.iterations > ALL_ITERATIONS_MAX) throw new SmimeError('unsupported');
  try {
    return oid === PBES2
      ? decryptPbes2(parameters, octets, passphrase ?? '')
      : decryptOld(oid, parameters, octets, passphrase);
  } catch {
    throw new SmimeError('unsupported');
  }
}

/** RFC 8018 §6.2, by PBKDF2. */
function decryptPbes2(parameters: Element, octets: Buffer, passphrase: string): Buffer {
  const [derivation, encryption] = childrenOf(parameters, TAG.sequence);
  const kdf = algorithmOf(derivation);
  const cipher = CONTENT_CIPHERS[algorithmOf(encryption).oid];
  const [salt, count, ...rest] = childrenOf(kdf.parameters, TAG.sequence);
  const last = rest.find(({ tag }) => tag === TAG.sequence);
  const prf = last ? PRF_HASHES[algorithmOf(last).oid] : 'sha1';
  if (kdf.oid !== PBKDF2 || !cipher || prf === undefined) throw new SmimeError('unsupported');
  const key = pbkdf2Sync(passphrase, octetsOf(salt), smallIntegerOf(count), cipher.key, prf);
  const decipher = createDecipheriv(cipher.name, key, octetsOf(algorithmOf(encryption).parameters));
  return Buffer.concat([decipher.update(octets), decipher.final()]);
}

/** Schemes of PKCS#12's own (RFC 7292 appendix C). */
function decryptOld(oid: string, parameters: Element, octets: Buffer, passphrase: string | null): Buffer {
  const cipher = pbe.getCipher(oid, forge.asn1.fromDer(binary(parameters.raw)), passphrase);
  cipher.update(forge.util.createBuffer(binary(octets)));
  if (!cipher.finish()) throw new SmimeError('damaged');
  return Buffer.from(cipher.output.getBytes(), 'latin1');
}

/** It is there, and not in forge's types. */
const { pbe } = forge.pki as unknown as {
  readonly pbe: {
    getCipher(oid: string, parameters: forge.asn1.Asn1, passphrase: string | null): forge.cipher.BlockCipher;
  };
};

/** Every count stands in an INTEGER of the parameters, and none of the others is large. */
function iterationsIn(parameters: Element): number {
  if (parameters.tag === TAG.integer) return Math.abs(smallIntegerOf(parameters));
  return parameters.tag === TAG.sequence ? Math.max(0, ...childrenOf(parameters).map(iterationsIn)) : 0;
}

/** forge keeps octets in strings. */
function binary(octets: Buffer): string {
  return octets.toString('latin1');
}
