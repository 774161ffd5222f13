// Keys and certificates of correspondents and of organizations: what is known of one, without its octets.

import type { Time } from './ids.ts';

export type KeyKind = 'pgp' | 'smime';

/** What a key or certificate says of itself, read once when it is imported; judged anew at every use, by the clock. */
export type KeyFacts = {
  readonly kind: KeyKind;
  /** Lower hex: the fingerprint of an OpenPGP key (RFC 4880 §12.2), SHA-256 of a certificate's DER. */
  readonly fingerprint: string;
  /** Addresses it names, lower case: of its user ids, or rfc822Name and emailAddress of a certificate. */
  readonly addresses: readonly string[];
  readonly validFrom: Time;
  /** Null: it does not expire. For OpenPGP the earlier of primary key and of the subkey that is encrypted to. */
  readonly validUntil: Time | null;
  /** For people: `RSA 3072`, `P-256`, `Curve25519`. */
  readonly algorithm: string;
  /** Why it is too weak, in words: `RSA with 1024 bits`; null when it is strong enough. */
  readonly weak: string | null;
  /** The owner revoked it, in words; null when not. */
  readonly revoked: string | null;
  /** Why nothing can be encrypted to it, in words: `no subkey for encryption`, `its key usage forbids it`; null when it can. */
  readonly cannotEncrypt: string | null;
  /** Why nothing can be signed with it, in words; null when it can. */
  readonly cannotSign: string | null;
  /** Certificates: DER of the issuers that came with it, base64, so that the chain can be judged against configured roots. */
  readonly issuers: readonly string[];
};

/** A key as it was read: public octets in the form they are kept in, and the private ones where the file had them. */
export type KeyRead = {
  readonly facts: KeyFacts;
  /** OpenPGP: binary packets of the public key. S/MIME: DER of the certificate. */
  readonly public: Uint8Array;
  /** OpenPGP: binary packets of the private key, without passphrase. S/MIME: PKCS#8 DER. */
  readonly private?: Uint8Array;
};
