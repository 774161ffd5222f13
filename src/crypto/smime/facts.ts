// What a certificate says of itself, in the words of KeyFacts. It does not look at the clock or at the chain.

import { createHash } from 'node:crypto';
import type { KeyFacts } from '../../domain/keys.ts';
import { addressesOf, allowsMail, allowsUsage, type Certificate, USAGE } from './certificate.ts';
import { HASHES } from './oids.ts';

/** NIST SP 800-131A: less is not allowed for protecting anything. */
const RSA_LEAST_BITS = 2048;
/** Node's names of curves → those of FIPS 186. */
const CURVES: Readonly<Record<string, string>> = {
  prime256v1: 'P-256',
  secp384r1: 'P-384',
  secp521r1: 'P-521',
  prime192v1: 'P-192',
  secp224r1: 'P-224',
};
/** Those of FIPS 186-5 that are not outdated. */
export const STRONG_CURVES: readonly string[] = ['P-256', 'P-384', 'P-521'];
/** What can be encrypted to: RFC 8551 §2.3 asks for it, and clients have no other. */
const CURVE_FOR_ENCRYPTION = 'P-256';
/** RFC 5280 §4.1.2.5: the date that stands for no end. */
const NO_END = Date.UTC(9999, 11, 31, 23, 59, 59);

/** What `cannotEncrypt` and `cannotSign` say of it. */
export const OF_AUTHORITY = 'it is a certificate of an authority';

/** Facts of a certificate; `issuers` are the certificates that came with it, towards its root. */
export function factsOf(certificate: Certificate, issuers: readonly Certificate[]): KeyFacts {
  const { validFrom, validUntil } = certificate;
  return {
    kind: 'smime',
    fingerprint: fingerprintOf(certificate.der),
    addresses: addressesOf(certificate),
    validFrom,
    validUntil: validUntil === NO_END ? null : validUntil,
    algorithm: keyNameOf(certificate),
    weak: weaknessOf(certificate),
    revoked: null,
    cannotEncrypt: whyNotEncrypt(certificate),
    cannotSign: whyNotSign(certificate),
    issuers: issuers.map(({ der }) => der.toString('base64')),
  };
}

/** SHA-256 of a certificate's DER, lower hex. */
export function fingerprintOf(der: Uint8Array): string {
  return createHash('sha256').update(der).digest('hex');
}

/** Why key or signature are too weak, in words; null when they are not. */
export function weaknessOf(certificate: Certificate): string | null {
  return keyWeaknessOf(certificate) ?? signatureWeaknessOf(certificate);
}

/** Why its key is too weak, in words. */
export function keyWeaknessOf(certificate: Certificate): string | null {
  const { publicKey } = certificate;
  const bits = publicKey?.asymmetricKeyDetails?.modulusLength;
  if (publicKey?.asymmetricKeyType === 'dsa') return 'DSA';
  if (bits !== undefined && bits < RSA_LEAST_BITS) return `RSA with ${bits} bits`;
  const exponent = publicKey?.asymmetricKeyDetails?.publicExponent;
  // With 1 the content key would stand in the envelope as it is; RFC 8017 §3.1: at least 3 and odd.
  if (exponent !== undefined && (exponent < 3n || exponent % 2n === 0n)) return `RSA with the exponent ${exponent}`;
  const curve = curveOf(certificate);
  return curve !== null && !STRONG_CURVES.includes(curve) ? `the curve ${curve}` : null;
}

/** Why its issuer's signature proves nothing, in words; one of an unknown kind is not judged. */
export function signatureWeaknessOf({ signatureHash }: Certificate): string | null {
  return signatureHash === null || Object.values(HASHES).includes(signatureHash)
    ? null
    : `signed with ${signatureHash}`;
}

function whyNotEncrypt(certificate: Certificate): string | null {
  const type = certificate.publicKey?.asymmetricKeyType;
  const curve = curveOf(certificate);
  if (certificate.x509.ca) return OF_AUTHORITY;
  if (!allowsMail(certificate)) return 'its extended key usage is not for mail';
  if (type === 'rsa') return allowsUsage(certificate, USAGE.keyEncipherment) ? null : 'its key usage forbids it';
  if (curve === CURVE_FOR_ENCRYPTION) {
    return allowsUsage(certificate, USAGE.keyAgreement) ? null : 'its key usage forbids it';
  }
  return curve === null
    ? 'its kind of key cannot be encrypted to'
    : `keys of the curve ${curve} cannot be encrypted to here`;
}

function whyNotSign(certificate: Certificate): string | null {
  const curve = curveOf(certificate);
  if (certificate.x509.ca) return OF_AUTHORITY;
  if (!allowsMail(certificate)) return 'its extended key usage is not for mail';
  if (!allowsUsage(certificate, USAGE.digitalSignature | USAGE.nonRepudiation)) return 'its key usage forbids to sign';
  const signs = certificate.publicKey?.asymmetricKeyType === 'rsa' || (curve !== null && STRONG_CURVES.includes(curve));
  return signs ? null : 'its kind of key cannot sign here';
}

function keyNameOf(certificate: Certificate): string {
  const { asymmetricKeyType, asymmetricKeyDetails } = certificate.publicKey ?? {};
  const curve = curveOf(certificate);
  if (curve !== null) return curve;
  if (asymmetricKeyType === undefined) return 'unknown';
  if (asymmetricKeyType === 'ed25519') return 'Ed25519';
  const name = asymmetricKeyType === 'rsa-pss' ? 'RSA-PSS' : asymmetricKeyType.toUpperCase();
  return asymmetricKeyDetails?.modulusLength ? `${name} ${asymmetricKeyDetails.modulusLength}` : name;
}

/** Name of the curve of an EC key, null for other keys. */
export function curveOf({ publicKey }: Certificate): string | null {
  if (publicKey?.asymmetricKeyType !== 'ec') return null;
  const curve = publicKey.asymmetricKeyDetails?.namedCurve;
  return curve === undefined ? 'without a name' : (CURVES[curve] ?? curve);
}
