// Verifies a SignedData (RFC 5652 §5.6): its content, the digest and the signature of every signer, and then whether the
// signers can be trusted. A wrong digest or signature is an error; a signer who cannot be trusted is a result.

import { constants, createHash, verify } from 'node:crypto';
import type { Time } from '../../domain/ids.ts';
import { addressesOf, allowsMail, allowsUsage, type Certificate, parseCertificate, USAGE } from './certificate.ts';
import { chainProblem } from './chain.ts';
import {
  algorithmOf,
  childrenOf,
  context,
  type Element,
  explicit,
  octetsOf,
  oidOf,
  smallIntegerOf,
  TAG,
} from './der.ts';
import { SmimeError } from './error.ts';
import { weaknessOf } from './facts.ts';
import { isNamed, keyIdentifierIn } from './identifier.ts';
import { CMS, EC, HASHES, RSA, SIGNATURE_HASHES } from './oids.ts';

export type Verified = {
  /** What was signed. */
  readonly content: Buffer;
  /** Every signer's certificate is for signing mail, strong, and leads to a root at this time. */
  readonly trusted: boolean;
  /** Addresses that every signer's certificate names, lower case. */
  readonly signer: readonly string[];
};

/**
 * `detached`: the forms in which the content may have been signed, the likeliest first; null when it is inside.
 * @throws SmimeError `damaged` for a digest or signature that is wrong or lacks its certificate, `unsupported`.
 */
export function verifySignedData(
  signedData: Element,
  detached: Iterable<Buffer> | null,
  roots: readonly Uint8Array[],
  now: Time,
): Verified {
  const [, , encapsulated, ...rest] = childrenOf(signedData, TAG.sequence);
  const [type, inside] = childrenOf(encapsulated, TAG.sequence);
  if (oidOf(type) !== CMS.data) throw new SmimeError('unsupported');
  // RFC 5652 §5.2: either detached or inside. Two contents would be a choice for whoever reads.
  if ((detached === null) === (inside === undefined)) throw new SmimeError('damaged');
  const forms = detached ?? [octetsOf(explicit(inside, 0))];
  const certificates = certificatesOf(rest.find(({ tag }) => tag === context(0)));
  const infos = childrenOf(rest.at(-1), TAG.set).map(signerInfoOf);
  const signers = infos.map((info) => signerOf(info, certificates));
  const isSigned = (form: Buffer) => infos.every((info, i) => isSignatureOf(info, signers[i]!, form));
  const content = Iterator.from(forms).find(isSigned);
  if (content === undefined || signers.length === 0) throw new SmimeError('damaged');
  const trusted = signers.every((signer) => isTrusted(signer, certificates, roots, now));
  const [first = [], ...others] = signers.map(addressesOf);
  return { content, trusted, signer: first.filter((one) => others.every((list) => list.includes(one))) };
}

function certificatesOf(set: Element | undefined): Certificate[] {
  // Other forms of certificates have tags of their own (RFC 5652 §10.2.2).
  const x509 = set ? childrenOf(set).filter(({ tag }) => tag === TAG.sequence) : [];
  return x509.map(({ raw }) => parseCertificate(raw));
}

type SignerInfo = {
  readonly name: Element | undefined;
  readonly hash: string;
  readonly attributes: Element | undefined;
  readonly scheme: Element | undefined;
  readonly signature: Buffer;
};

function signerInfoOf(info: Element): SignerInfo {
  const [, name, digest, ...rest] = childrenOf(info, TAG.sequence);
  const attributes = rest[0]?.tag === context(0) ? rest.shift() : undefined;
  const hash = HASHES[algorithmOf(digest).oid];
  // SHA-1 and older prove nothing (RFC 8551 §2.1).
  if (hash === undefined) throw new SmimeError('unsupported');
  return { name, hash, attributes, scheme: rest[0], signature: octetsOf(rest[1]) };
}

function signerOf({ name }: SignerInfo, certificates: readonly Certificate[]): Certificate {
  const keyIdentifier = keyIdentifierIn(name, context(0, false));
  const signer = certificates.find((certificate) => isNamed(certificate, name, keyIdentifier));
  if (!signer) throw new SmimeError('damaged');
  return signer;
}

const SET_TAG = 0x31;

function isSignatureOf(info: SignerInfo, signer: Certificate, content: Buffer): boolean {
  const { attributes } = info;
  if (!attributes) {
    // Attributes of another message, sent as a content, would pass (RFC 8551 §2.5 asks for attributes): no MIME begins so.
    return content[0] !== SET_TAG && isSignature(info, signer, content);
  }
  const type = attributeOf(attributes, CMS.contentType);
  const digest = attributeOf(attributes, CMS.messageDigest);
  if (oidOf(type) !== CMS.data) return false;
  if (!createHash(info.hash).update(content).digest().equals(octetsOf(digest))) return false;
  // RFC 5652 §5.4: DER, so the octets that came are those that were signed, but for the tag.
  if (attributes.indefinite) return false;
  return isSignature(info, signer, Buffer.concat([Buffer.from([SET_TAG]), attributes.raw.subarray(1)]));
}

/** The one value of an attribute that stands once (RFC 5652 §11). */
function attributeOf(attributes: Element, wanted: string): Element | undefined {
  const found = childrenOf(attributes)
    .map((attribute) => childrenOf(attribute, TAG.sequence))
    .filter(([name]) => oidOf(name) === wanted);
  const values = found.length === 1 ? childrenOf(found[0]![1], TAG.set) : [];
  return values.length === 1 ? values[0] : undefined;
}

function isSignature({ scheme, hash, signature }: SignerInfo, { publicKey }: Certificate, octets: Buffer): boolean {
  const { oid, parameters } = algorithmOf(scheme);
  if (publicKey === null) throw new SmimeError('unsupported');
  try {
    const type = publicKey.asymmetricKeyType;
    if (oid === RSA.pss && (type === 'rsa' || type === 'rsa-pss')) {
      const pss = pssOf(parameters);
      const padding = constants.RSA_PKCS1_PSS_PADDING;
      return verify(pss.hash, octets, { key: publicKey, padding, saltLength: pss.saltLength }, signature);
    }
    const named = SIGNATURE_HASHES[oid] ?? hash;
    if (!Object.values(HASHES).includes(named)) throw new SmimeError('unsupported');
    const isRsa = oid === RSA.encryption || oid.startsWith('1.2.840.113549.1.1.');
    const isEcdsa = oid === EC.publicKey || oid.startsWith('1.2.840.10045.4.3.');
    if ((isRsa && type === 'rsa') || (isEcdsa && type === 'ec')) return verify(named, octets, publicKey, signature);
  } catch (error) {
    if (error instanceof SmimeError) throw error;
    return false;
  }
  throw new SmimeError('unsupported');
}

/** RFC 4055 §3.1; the mask's hash is the signature's. */
function pssOf(parameters: Element | undefined): { readonly hash: string; readonly saltLength: number } {
  const fields = childrenOf(parameters, TAG.sequence);
  const field = (number: number) =>
    explicit(
      fields.find(({ tag }) => tag === context(number)),
      number,
    );
  const name = algorithmOf(field(0)).oid;
  const mask = algorithmOf(algorithmOf(field(1)).parameters).oid;
  const hash = HASHES[name];
  if (hash === undefined || mask !== name) throw new SmimeError('unsupported');
  return { hash, saltLength: smallIntegerOf(field(2)) };
}

function isTrusted(
  signer: Certificate,
  certificates: readonly Certificate[],
  roots: readonly Uint8Array[],
  now: Time,
): boolean {
  const issuers = certificates.map(({ der }) => der);
  return (
    allowsMail(signer) &&
    allowsUsage(signer, USAGE.digitalSignature | USAGE.nonRepudiation) &&
    weaknessOf(signer) === null &&
    chainProblem(signer.der, issuers, roots, now) === null
  );
}
