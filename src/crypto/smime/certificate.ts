// One X.509 certificate (RFC 5280): what node:crypto tells of it, and the few fields that CMS and our judgement need and it
// does not tell. Reading proves nothing: signatures, dates and the chain are judged in chain.ts.

import { type KeyObject, X509Certificate } from 'node:crypto';
import type { Time } from '../../domain/ids.ts';
import { parsePath } from '../../mail/address.ts';
import {
  algorithmOf,
  bitsOf,
  childrenOf,
  contentOf,
  context,
  type Element,
  explicit,
  octetsOf,
  oidOf,
  readWhole,
  smallIntegerOf,
  TAG,
} from './der.ts';
import { SmimeError } from './error.ts';
import { PURPOSE, RSA, SIGNATURE_HASHES, X509 } from './oids.ts';

export type Extension = { readonly critical: boolean; readonly value: Buffer };

export type Certificate = {
  readonly der: Buffer;
  readonly x509: X509Certificate;
  /** The first and the last moment at which it is valid. */
  readonly validFrom: Time;
  readonly validUntil: Time;
  /** Null: a kind of key that is not known here. */
  readonly publicKey: KeyObject | null;
  /** DER of the INTEGER, of the Names. */
  readonly serial: Buffer;
  readonly issuer: Buffer;
  readonly subject: Buffer;
  /** By dotted name. */
  readonly extensions: ReadonlyMap<string, Extension>;
  /** Hash of the issuer's signature: Node's name of a good one (`sha256`), else as people write it (`SHA-1`); null: not known. */
  readonly signatureHash: string | null;
};

/** Bits of a key usage (RFC 5280 §4.2.1.3), as the first octet has them. */
export const USAGE = {
  digitalSignature: 0x80,
  nonRepudiation: 0x40,
  keyEncipherment: 0x20,
  keyAgreement: 0x08,
} as const;

/** @throws SmimeError `not a certificate`. */
export function parseCertificate(bytes: Uint8Array): Certificate {
  try {
    // A copy: who holds a certificate must not hold the file or message that it came in.
    return certificateOf(Buffer.from(bytes));
  } catch {
    throw new SmimeError('not a certificate');
  }
}

function certificateOf(der: Buffer): Certificate {
  const [tbs, signature] = childrenOf(readWhole(der), TAG.sequence);
  const fields = childrenOf(tbs, TAG.sequence);
  if (fields[0]?.tag === context(0)) fields.shift();
  const [serial, , issuer, , subject, , ...optional] = fields;
  contentOf(serial, TAG.integer);
  const x509 = new X509Certificate(der);
  // From the words: of a date that is none, Node's `validFromDate` is what lay in memory (node:crypto reads it unfilled).
  const [validFrom, validUntil] = [Date.parse(x509.validFrom), Date.parse(x509.validTo)];
  // What is compared with it would never expire.
  if (Number.isNaN(validFrom + validUntil)) throw new SmimeError('damaged');
  const last = optional.find((field) => field.tag === context(3));
  return {
    der,
    x509,
    validFrom,
    validUntil,
    publicKey: publicKeyOf(x509),
    serial: serial!.raw,
    issuer: sequenceOf(issuer),
    subject: sequenceOf(subject),
    extensions: last ? extensionsOf(explicit(last, 3)) : new Map(),
    signatureHash: signatureHashOf(signature),
  };
}

function sequenceOf(element: Element | undefined): Buffer {
  contentOf(element, TAG.sequence);
  return element!.raw;
}

function publicKeyOf(x509: X509Certificate): KeyObject | null {
  try {
    return x509.publicKey;
  } catch {
    return null;
  }
}

function extensionsOf(list: Element): Map<string, Extension> {
  const extensions = new Map<string, Extension>();
  for (const extension of childrenOf(list, TAG.sequence)) {
    const parts = childrenOf(extension, TAG.sequence);
    const name = oidOf(parts[0]);
    // RFC 5280 §4.2: one instance of each. Two readers could heed different ones.
    if (extensions.has(name)) throw new SmimeError('damaged');
    const critical = parts[1]?.tag === TAG.boolean && parts[1].content[0] !== 0;
    extensions.set(name, { critical, value: octetsOf(parts.at(-1)) });
  }
  return extensions;
}

function signatureHashOf(signature: Element | undefined): string | null {
  const { oid, parameters } = algorithmOf(signature);
  if (oid !== RSA.pss) return SIGNATURE_HASHES[oid] ?? null;
  // RFC 4055 §3.1: SHA-1 where no hash is named.
  const hash = parameters && childrenOf(parameters).find((field) => field.tag === context(0));
  return hash ? (PSS_HASHES[algorithmOf(explicit(hash, 0)).oid] ?? null) : 'SHA-1';
}

const PSS_HASHES: Readonly<Record<string, string>> = {
  '1.3.14.3.2.26': 'SHA-1',
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
};

/** True when the key usage has one of these bits, or there is no key usage, which allows all. */
export function allowsUsage(certificate: Certificate, bits: number): boolean {
  const extension = certificate.extensions.get(X509.keyUsage);
  if (!extension) return true;
  const content = contentOf(readWhole(extension.value), TAG.bitString);
  return ((content[1] ?? 0) & bits) !== 0;
}

/** True when it may be used for mail: without extended key usage, or with emailProtection or any. */
export function allowsMail(certificate: Certificate): boolean {
  const extension = certificate.extensions.get(X509.extendedKeyUsage);
  if (!extension) return true;
  const purposes = childrenOf(readWhole(extension.value), TAG.sequence).map(oidOf);
  return purposes.includes(PURPOSE.emailProtection) || purposes.includes(PURPOSE.any);
}

/** How many authorities may follow below this one; null: any number (RFC 5280 §4.2.1.9). */
export function pathLengthOf(certificate: Certificate): number | null {
  const extension = certificate.extensions.get(X509.basicConstraints);
  if (!extension) return null;
  const length = childrenOf(readWhole(extension.value), TAG.sequence).find((field) => field.tag === TAG.integer);
  return length ? smallIntegerOf(length) : null;
}

/** RFC 5652 §6.2.1: the other way to name a certificate; null when it has no such identifier. */
export function subjectKeyIdentifierOf(certificate: Certificate): Buffer | null {
  const extension = certificate.extensions.get(X509.subjectKeyIdentifier);
  return extension ? octetsOf(readWhole(extension.value)) : null;
}

/** Addresses that it names, lower case, each once; what is no address is passed over (RFC 8550 §3). */
export function addressesOf(certificate: Certificate): string[] {
  const found = new Set<string>();
  for (const text of [...alternativeAddresses(certificate), ...subjectAddresses(certificate.subject)]) {
    const path = parsePath(text, { smtpUtf8: false });
    if ('ok' in path && path.ok !== '' && path.flag === undefined && !text.startsWith('<'))
      found.add(path.ok.toLowerCase());
  }
  return [...found];
}

function alternativeAddresses(certificate: Certificate): string[] {
  const extension = certificate.extensions.get(X509.subjectAltName);
  if (!extension) return [];
  const names = childrenOf(readWhole(extension.value), TAG.sequence);
  return names.filter(({ tag }) => tag === context(1, false)).map(({ content }) => content.toString('latin1'));
}

/** emailAddress of a distinguished name, as old authorities still have it. */
function subjectAddresses(name: Buffer): string[] {
  const found: string[] = [];
  for (const set of childrenOf(readWhole(name), TAG.sequence)) {
    for (const attribute of childrenOf(set, TAG.set)) {
      const [type, value] = childrenOf(attribute, TAG.sequence);
      if (oidOf(type) === X509.emailAddress) found.push(value?.content.toString('latin1') ?? '');
    }
  }
  return found;
}

/** Of the subject's public key: AlgorithmIdentifier, and the octets of its BIT STRING (for EC a point). */
export function publicKeyInfoOf({ publicKey }: Certificate): { readonly algorithm: Buffer; readonly octets: Buffer } {
  if (publicKey === null) throw new SmimeError('unfit');
  const [name, bits] = childrenOf(readWhole(publicKey.export({ type: 'spki', format: 'der' })), TAG.sequence);
  return { algorithm: name!.raw, octets: bitsOf(bits) };
}
