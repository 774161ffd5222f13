// A detached SignedData (RFC 5652 §5) of one signer, for multipart/signed.

import { createHash, createPrivateKey, sign } from 'node:crypto';
import type { Time } from '../../domain/ids.ts';
import { type Certificate, parseCertificate } from './certificate.ts';
import { algorithm, context, NULL, octetString, oid, sequence, setOf, smallInteger, TAG, tlv } from './der.ts';
import { SmimeError } from './error.ts';
import { curveOf, STRONG_CURVES } from './facts.ts';
import { issuerAndSerialNumber } from './identifier.ts';
import { AES, CMS, EC, RSA, SHA256 } from './oids.ts';

export type Signer = {
  /** DER. */
  readonly certificate: Uint8Array;
  /** DER of the issuers that the recipient may lack; the root need not be there. */
  readonly chain: readonly Uint8Array[];
  /** PKCS#8 DER. */
  readonly privateKey: Uint8Array;
};

/** RFC 5754 §2: no parameters. */
const HASH = algorithm(SHA256);
/** What is read here (open.ts), best first. */
const CAPABILITIES = sequence(algorithm(AES.cbc256), algorithm(AES.cbc128));
/** RFC 5652 §11.3: from then on a GeneralizedTime. */
const UTC_TIME_END = Date.UTC(2050, 0, 1);

/**
 * ContentInfo of a detached SignedData by RSA (PKCS#1 v1.5) or ECDSA (P-256, P-384, P-521), each with SHA-256. `digest`: SHA-256 of the
 * signed entity.
 * @throws SmimeError `unfit` for another kind of key, `key of another certificate`, `damaged`.
 */
export function detachedSignature(digest: Uint8Array, signer: Signer, now: Time): Buffer {
  const certificate = parseCertificate(signer.certificate);
  const chain = signer.chain.map((der) => parseCertificate(der).der).filter((der) => !der.equals(certificate.der));
  const attributes = [
    attribute(CMS.contentType, oid(CMS.data)),
    attribute(CMS.signingTime, time(now)),
    attribute(CMS.messageDigest, octetString(digest)),
    attribute(CMS.smimeCapabilities, CAPABILITIES),
  ];
  const signed = setOf(...attributes);
  const info = sequence(
    smallInteger(1),
    issuerAndSerialNumber(certificate),
    HASH,
    // RFC 5652 §5.4: signed as a SET OF, sent under an IMPLICIT tag of the same length.
    Buffer.concat([Buffer.from([context(0)]), signed.subarray(1)]),
    ...signatureOf(signed, certificate, signer.privateKey),
  );
  const signedData = sequence(
    smallInteger(1),
    setOf(HASH),
    sequence(oid(CMS.data)),
    Buffer.concat([Buffer.from([context(0)]), setOf(certificate.der, ...chain).subarray(1)]),
    setOf(info),
  );
  return sequence(oid(CMS.signedData), tlv(context(0), signedData));
}

/** Name of the signature's algorithm, and the signature. */
function signatureOf(octets: Buffer, certificate: Certificate, privateKey: Uint8Array): [Buffer, Buffer] {
  const key = privateKeyOf(privateKey);
  const isRsa = key.asymmetricKeyType === 'rsa';
  if (!isRsa && !STRONG_CURVES.includes(curveOf(certificate) ?? '')) throw new SmimeError('unfit');
  if (!certificate.x509.checkPrivateKey(key)) throw new SmimeError('key of another certificate');
  // RFC 3370 §3.2: rsaEncryption is the name that every client knows.
  return [
    isRsa ? algorithm(RSA.encryption, NULL) : algorithm(EC.ecdsaSha256),
    octetString(sign('sha256', octets, key)),
  ];
}

function privateKeyOf(pkcs8: Uint8Array): ReturnType<typeof createPrivateKey> {
  try {
    return createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' });
  } catch {
    throw new SmimeError('damaged');
  }
}

function attribute(name: string, value: Buffer): Buffer {
  return sequence(oid(name), setOf(value));
}

/** RFC 5652 §11.3: seconds, in UTC. */
function time(at: Time): Buffer {
  const digits = `${new Date(at).toISOString().slice(0, 19).replace(/\D/g, '')}Z`;
  return at < UTC_TIME_END
    ? tlv(TAG.utcTime, Buffer.from(digits.slice(2)))
    : tlv(TAG.generalizedTime, Buffer.from(digits));
}

/** SHA-256 of what it is fed. */
export function digester(): { readonly push: (octets: Uint8Array) => void; readonly end: () => Buffer } {
  const hash = createHash('sha256');
  return { push: (octets) => hash.update(octets), end: () => hash.digest() };
}
