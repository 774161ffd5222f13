// Opens an EnvelopedData (RFC 5652 §6), also one of indefinite length in pieces. CBC has no MAC: what comes out may have been
// changed on its way in any block but one, and only a signature inside tells (open.ts).

import {
  constants,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  type KeyObject,
  privateDecrypt,
} from 'node:crypto';
import { agreedKey, WRAP_IV } from './agreement.ts';
import { type Certificate, publicKeyInfoOf } from './certificate.ts';
import {
  algorithmOf,
  bitString,
  bitsOf,
  childrenOf,
  contentOf,
  context,
  type Element,
  explicit,
  octetsOf,
  oidOf,
  sequence,
  TAG,
} from './der.ts';
import { SmimeError } from './error.ts';
import { isNamed, keyIdentifierIn } from './identifier.ts';
import { AGREEMENT_HASHES, CMS, CONTENT_CIPHERS, HASHES, KEY_WRAPS, RSA, SHA1 } from './oids.ts';

/** Somebody's key: `privateKey` is PKCS#8 DER. */
export type OwnKey = { readonly certificate: Certificate; readonly privateKey: Uint8Array };

/**
 * The content, its padding checked.
 * @throws SmimeError `no key` when it is for none of `keys`, `damaged`, `unsupported`.
 */
export function openEnvelopedData(envelopedData: Element, keys: readonly OwnKey[]): Buffer {
  const fields = childrenOf(envelopedData, TAG.sequence).slice(1);
  if (fields[0]?.tag === context(0)) fields.shift();
  const [infos, encrypted] = fields;
  const [type, scheme, content] = childrenOf(encrypted, TAG.sequence);
  if (oidOf(type) !== CMS.data) throw new SmimeError('unsupported');
  const { oid, parameters } = algorithmOf(scheme);
  const cipher = CONTENT_CIPHERS[oid];
  if (!cipher) throw new SmimeError('unsupported');
  const contentKey = contentKeyOf(childrenOf(infos, TAG.set), keys);
  try {
    const decipher = createDecipheriv(cipher.name, contentKey, contentOf(parameters, TAG.octetString));
    return Buffer.concat([decipher.update(octetsOf(content, context(0, false))), decipher.final()]);
  } catch {
    // Key length, initial vector or padding: a wrong key shows like that, too.
    throw new SmimeError('damaged');
  }
}

function contentKeyOf(infos: readonly Element[], keys: readonly OwnKey[]): Buffer {
  for (const info of infos) {
    for (const key of keys) {
      const found = info.tag === TAG.sequence ? transported(info, key) : info.tag === context(1) && agreed(info, key);
      if (found) return found;
    }
  }
  throw new SmimeError('no key');
}

/** RFC 5652 §6.2.1. Null: for somebody else. */
function transported(info: Element, { certificate, privateKey }: OwnKey): Buffer | null {
  const [, name, scheme, encrypted] = childrenOf(info);
  if (!isNamed(certificate, name, keyIdentifierIn(name, context(0, false)))) return null;
  const { oid, parameters } = algorithmOf(scheme);
  const key = privateKeyOf(privateKey);
  try {
    if (oid === RSA.encryption) {
      return privateDecrypt({ key, padding: constants.RSA_PKCS1_PADDING }, octetsOf(encrypted));
    }
    if (oid === RSA.oaep) {
      const padding = constants.RSA_PKCS1_OAEP_PADDING;
      return privateDecrypt({ key, padding, oaepHash: oaepHash(parameters) }, octetsOf(encrypted));
    }
  } catch (error) {
    throw error instanceof SmimeError ? error : new SmimeError('damaged');
  }
  throw new SmimeError('unsupported');
}

/** RFC 4055 §4.1: SHA-1 by default; a label, or another hash for the mask, is not read. */
function oaepHash(parameters: Element | undefined): string {
  const fields = parameters ? childrenOf(parameters, TAG.sequence) : [];
  const field = (number: number) => fields.find(({ tag }) => tag === context(number));
  const hash = field(0) ? algorithmOf(explicit(field(0), 0)).oid : SHA1;
  const mask = field(1) ? algorithmOf(algorithmOf(explicit(field(1), 1)).parameters).oid : SHA1;
  if (hash !== mask || field(2)) throw new SmimeError('unsupported');
  const name = hash === SHA1 ? 'sha1' : HASHES[hash];
  if (name === undefined) throw new SmimeError('unsupported');
  return name;
}

/** RFC 5652 §6.2.2, RFC 5753 §3.1, from an ephemeral key. Null: for somebody else. */
function agreed(info: Element, { certificate, privateKey }: OwnKey): Buffer | null {
  const [, originator, ...rest] = childrenOf(info);
  const ukm = rest[0]?.tag === context(1) ? octetsOf(explicit(rest.shift(), 1)) : undefined;
  const [scheme, list] = rest;
  const own = childrenOf(list, TAG.sequence)
    .map((encrypted) => childrenOf(encrypted, TAG.sequence))
    .find(([name]) => isNamed(certificate, name, rKeyIdentifierIn(name)));
  if (!own) return null;
  const { oid, parameters } = algorithmOf(scheme);
  const hash = AGREEMENT_HASHES[oid];
  const wrap = KEY_WRAPS[algorithmOf(parameters).oid];
  const sender = childrenOf(originator, context(0))[0];
  if (hash === undefined || !wrap || sender?.tag !== context(1)) throw new SmimeError('unsupported');
  const point = bitsOf(childrenOf(sender)[1]);
  try {
    const secret = diffieHellman({ privateKey: privateKeyOf(privateKey), publicKey: pointOn(certificate, point) });
    const key = agreedKey(secret, hash, parameters!.raw, wrap.key, ukm);
    const unwrapping = createDecipheriv(wrap.name, key, WRAP_IV);
    return Buffer.concat([unwrapping.update(octetsOf(own[1])), unwrapping.final()]);
  } catch {
    throw new SmimeError('damaged');
  }
}

/** RecipientKeyIdentifier: `[0] { OCTET STRING, … }`. */
function rKeyIdentifierIn(name: Element | undefined): Buffer | null {
  return name?.tag === context(0) ? octetsOf(childrenOf(name)[0]) : null;
}

/** The sender's point on the curve of our key, whatever curve it names; OpenSSL refuses one that is not on it. */
function pointOn(certificate: Certificate, point: Buffer): KeyObject {
  const key = sequence(publicKeyInfoOf(certificate).algorithm, bitString(point));
  return createPublicKey({ key, format: 'der', type: 'spki' });
}

function privateKeyOf(pkcs8: Uint8Array): KeyObject {
  try {
    return createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' });
  } catch {
    throw new SmimeError('damaged');
  }
}
