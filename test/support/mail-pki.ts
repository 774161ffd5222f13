// Certificates for mail, good and bad in every way that matters: authorities, people, organizations. Not for real use.

import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, sign, X509Certificate } from 'node:crypto';
import {
  algorithm,
  bitString,
  context,
  NULL,
  octetString,
  oid,
  sequence,
  setOf,
  smallInteger,
  TAG,
  tlv,
} from '../../src/crypto/smime/der.ts';
import { PURPOSE, X509 } from '../../src/crypto/smime/oids.ts';

export type MailCertificate = {
  readonly der: Buffer;
  /** PKCS#8 DER. */
  readonly privateKey: Buffer;
  readonly subject: Buffer;
  readonly certPem: string;
  readonly keyPem: string;
};

export type KeyKind = 'RSA 1024' | 'RSA 2048' | 'RSA 3072' | 'RSA-PSS' | 'P-256' | 'P-384' | 'secp256k1' | 'Ed25519';

export type MailCertificateOptions = {
  readonly name: string;
  /** rfc822Name. */
  readonly addresses?: readonly string[];
  /** emailAddress of the subject. */
  readonly subjectAddress?: string;
  /** Default `P-256`. */
  readonly key?: KeyKind;
  /** Default: itself. */
  readonly issuer?: MailCertificate;
  /** True, or how many authorities may stand below. */
  readonly authority?: boolean | number;
  /** Dotted names; default emailProtection for who is no authority; null: no extension. */
  readonly purposes?: readonly string[] | null;
  /** First octet of the key usage; default fits the key; null: no extension. */
  readonly usage?: number | null;
  readonly from?: Date;
  readonly until?: Date;
  /** Hash of the issuer's signature; default `sha256`. */
  readonly hash?: 'sha1' | 'sha256';
  /** Whole Extension elements; see `extension`. */
  readonly more?: readonly Buffer[];
};

const DAY = 86_400_000;

/** A certificate and its key; authorities are `authority: true`. */
export function mailCertificate(options: MailCertificateOptions): MailCertificate {
  const pair = keyPair(options.key ?? 'P-256');
  const subject = distinguishedName(options);
  const signer = options.issuer ? privateKeyOf(options.issuer) : pair.privateKey;
  const scheme = schemeOf(signer, options.hash ?? 'sha256');
  const tbs = sequence(
    tlv(context(0), smallInteger(2)),
    tlv(TAG.integer, Buffer.concat([Buffer.from([1]), randomBytes(12)])),
    scheme,
    options.issuer?.subject ?? subject,
    sequence(
      time(options.from ?? new Date(Date.now() - 3 * DAY)),
      time(options.until ?? new Date(Date.now() + 30 * DAY)),
    ),
    subject,
    pair.publicKey.export({ type: 'spki', format: 'der' }),
    tlv(context(3), sequence(...extensionsOf(options))),
  );
  const hash = signer.asymmetricKeyType === 'ed25519' ? null : (options.hash ?? 'sha256');
  const der = sequence(tbs, scheme, bitString(sign(hash, tbs, signer)));
  return {
    der,
    subject,
    privateKey: pair.privateKey.export({ type: 'pkcs8', format: 'der' }),
    certPem: new X509Certificate(der).toString(),
    keyPem: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  };
}

/** An Extension (RFC 5280 §4.1). */
export function extension(name: string, value: Buffer, critical = false): Buffer {
  const mark = critical ? [tlv(TAG.boolean, Buffer.from([0xff]))] : [];
  return sequence(oid(name), ...mark, octetString(value));
}

function extensionsOf(options: MailCertificateOptions): Buffer[] {
  const { authority = false, addresses = [], key = 'P-256' } = options;
  const list = [...(options.more ?? [])];
  if (authority !== false) {
    const length = typeof authority === 'number' ? [smallInteger(authority)] : [];
    list.push(extension(X509.basicConstraints, sequence(tlv(TAG.boolean, Buffer.from([0xff])), ...length), true));
  }
  const fitting = authority !== false ? 0x06 : key.startsWith('RSA') ? 0xa0 : 0x88;
  const usage = options.usage === undefined ? fitting : options.usage;
  if (usage !== null) list.push(extension(X509.keyUsage, tlv(TAG.bitString, Buffer.from([0, usage])), true));
  const purposes = options.purposes === undefined && authority === false ? [PURPOSE.emailProtection] : options.purposes;
  if (purposes) list.push(extension(X509.extendedKeyUsage, sequence(...purposes.map(oid))));
  const names = addresses.map((address) => tlv(context(1, false), Buffer.from(address)));
  if (names.length > 0) list.push(extension(X509.subjectAltName, sequence(...names)));
  return list;
}

function distinguishedName({ name, subjectAddress }: MailCertificateOptions): Buffer {
  const parts = [setOf(sequence(oid('2.5.4.3'), tlv(0x0c, Buffer.from(name))))];
  if (subjectAddress !== undefined) {
    parts.push(setOf(sequence(oid(X509.emailAddress), tlv(0x16, Buffer.from(subjectAddress)))));
  }
  return sequence(...parts);
}

function time(at: Date): Buffer {
  const digits = `${at.toISOString().slice(0, 19).replace(/\D/g, '')}Z`;
  // RFC 5280 §4.1.2.5: two digits of the year until 2049.
  return at.getUTCFullYear() < 2050
    ? tlv(TAG.utcTime, Buffer.from(digits.slice(2)))
    : tlv(TAG.generalizedTime, Buffer.from(digits));
}

function schemeOf(signer: KeyObject, hash: 'sha1' | 'sha256'): Buffer {
  if (signer.asymmetricKeyType === 'rsa') {
    return algorithm(hash === 'sha1' ? '1.2.840.113549.1.1.5' : '1.2.840.113549.1.1.11', NULL);
  }
  if (signer.asymmetricKeyType === 'ed25519') return algorithm('1.3.101.112');
  return algorithm(hash === 'sha1' ? '1.2.840.10045.4.1' : '1.2.840.10045.4.3.2');
}

function privateKeyOf({ privateKey }: MailCertificate): KeyObject {
  return createPrivateKey({ key: privateKey, format: 'der', type: 'pkcs8' });
}

const CURVES: Partial<Record<KeyKind, string>> = {
  'P-256': 'prime256v1',
  'P-384': 'secp384r1',
  secp256k1: 'secp256k1',
};

function keyPair(kind: KeyKind): { readonly privateKey: KeyObject; readonly publicKey: KeyObject } {
  const namedCurve = CURVES[kind];
  if (namedCurve !== undefined) return generateKeyPairSync('ec', { namedCurve });
  if (kind === 'Ed25519') return generateKeyPairSync('ed25519');
  if (kind === 'RSA-PSS') return generateKeyPairSync('rsa-pss', { modulusLength: 2048 });
  return generateKeyPairSync('rsa', { modulusLength: Number(kind.slice(4)) });
}
