// How CMS names a certificate (RFC 5652 §5.3, §6.2): issuer and serial number, or its subject key identifier.

import { type Certificate, subjectKeyIdentifierOf } from './certificate.ts';
import { childrenOf, type Element, octetsOf, sequence, TAG } from './der.ts';

/** RFC 5652 §10.2.4. */
export function issuerAndSerialNumber({ issuer, serial }: Certificate): Buffer {
  return sequence(issuer, serial);
}

/** Is this the certificate that is named? `keyIdentifier`: the octets, where that is how it is named. */
export function isNamed(certificate: Certificate, name: Element | undefined, keyIdentifier: Buffer | null): boolean {
  if (keyIdentifier !== null) return subjectKeyIdentifierOf(certificate)?.equals(keyIdentifier) ?? false;
  const [issuer, serial] = childrenOf(name, TAG.sequence);
  return certificate.issuer.equals(issuer?.raw ?? EMPTY) && certificate.serial.equals(serial?.raw ?? EMPTY);
}

/** The key identifier in a choice of the two under the tag `tag`, null for an issuer and serial number. */
export function keyIdentifierIn(name: Element | undefined, tag: number): Buffer | null {
  return name !== undefined && (name.tag & ~0x20) === tag ? octetsOf(name, tag) : null;
}

const EMPTY = Buffer.alloc(0);
