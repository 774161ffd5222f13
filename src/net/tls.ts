// TLS towards a next hop: the secure context, and the judgement of the certificate that the peer showed. The handshake
// never decides (rejectUnauthorized: false), because what is demanded differs by delivery; `judge` does, each time anew,
// from kept facts of the handshake. No session is ever resumed: a resumed one shows no certificate. Revocation is not
// looked at. Logs nothing.

import { createHash, type X509Certificate } from 'node:crypto';
import * as tls from 'node:tls';
import type { Time } from '../domain/ids.ts';

/** A name that the peer's certificate may show, and how we came by it. */
export type Reference = {
  readonly name: string;
  readonly source: 'recipient domain' | 'MX, unsigned DNS' | 'MX, signed DNS' | 'smart host';
};

/** What one handshake showed; kept with its connection. */
export type Handshake = {
  readonly version: string;
  readonly cipher: string;
  readonly leaf: X509Certificate | null;
  /** SHA-256 of the leaf, hex. */
  readonly certificate: string | null;
  /** Node's code when the chain does not end at a known authority; null when it does. */
  readonly chainError: string | null;
  /** Keys of the chain are strong enough. */
  readonly weakKey: string | null;
};

export type Judgement = {
  readonly level: 'encrypt' | 'verify';
  readonly name?: { readonly matched: string; readonly source: Reference['source'] };
  /** Why it is not `verify`. */
  readonly lack?: string;
};

/** AEAD with ephemeral keys only (NIST SP 800-52r2 §3.3.1); in both directions. */
export const ECDHE_AEAD: readonly string[] = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
];
/** Peers that we deliver to may be older. */
const CIPHERS = [...ECDHE_AEAD, 'DHE-RSA-AES256-GCM-SHA384', 'DHE-RSA-AES128-GCM-SHA256', '@SECLEVEL=2'].join(':');

const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const ANY_PURPOSE = '2.5.29.37.0';
const STRONG_CURVES = new Set(['prime256v1', 'secp384r1', 'secp521r1']);
const MIN_RSA_BITS = 2048;

const CHAIN_WORDS: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'certificate is self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'certificate is of an unknown authority',
  UNABLE_TO_GET_ISSUER_CERT: 'certificate is of an unknown authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'certificate is of an unknown authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'certificate is of an unknown authority',
  CERT_HAS_EXPIRED: 'a certificate of the chain has expired',
  CERT_NOT_YET_VALID: 'a certificate of the chain is not valid yet',
  INVALID_PURPOSE: 'certificate is not for servers',
  CERT_REVOKED: 'certificate is revoked',
};

/** Options for tls.connect that all outbound connections share. `ca`: further authorities, PEM, beside the usual ones. */
export function clientTls(deps: {
  readonly ca?: readonly string[];
  readonly minVersion?: tls.SecureVersion;
}): tls.ConnectionOptions {
  const secureContext = tls.createSecureContext({
    ca: [...tls.getCACertificates('default'), ...(deps.ca ?? [])],
    minVersion: deps.minVersion ?? 'TLSv1.2',
    ciphers: CIPHERS,
    honorCipherOrder: false,
  });
  return {
    secureContext,
    rejectUnauthorized: false,
    // The name is matched by `judge`; here it would only hide what is wrong with the chain.
    checkServerIdentity: () => undefined,
  };
}

/** Facts of the handshake; take them once, right after `secureConnect`. */
export function handshakeOf(socket: tls.TLSSocket): Handshake {
  const leaf = socket.getPeerX509Certificate() ?? null;
  const error = socket.authorizationError as unknown;
  return {
    version: socket.getProtocol() ?? 'unknown',
    cipher: socket.getCipher().standardName,
    leaf,
    certificate: leaf === null ? null : createHash('sha256').update(leaf.raw).digest('hex'),
    chainError: socket.authorized ? null : String(error ?? 'UNSPECIFIED'),
    weakKey: leaf === null ? null : weakKeyOf(leaf),
  };
}

/** The level that the handshake shows towards these references, now. RFC 5280, RFC 9525: only subjectAltName names. */
export function judge(handshake: Handshake, references: readonly Reference[], now: Time): Judgement {
  const { leaf } = handshake;
  if (leaf === null) return { level: 'encrypt', lack: 'peer showed no certificate' };
  const lack = lackOf(handshake, leaf, now);
  if (lack !== null) return { level: 'encrypt', lack };
  for (const { name, source } of references) {
    const matched = leaf.checkHost(name, { subject: 'never', wildcards: true, partialWildcards: false });
    if (matched !== undefined) return { level: 'verify', name: { matched, source } };
  }
  return { level: 'encrypt', lack: 'certificate names another host' };
}

function lackOf(handshake: Handshake, leaf: X509Certificate, now: Time): string | null {
  if (handshake.weakKey !== null) return handshake.weakKey;
  if (leaf.validToDate.getTime() < now) return 'certificate has expired';
  if (leaf.validFromDate.getTime() > now) return 'certificate is not valid yet';
  if (!isForServers(leaf)) return 'certificate is not for servers';
  if (handshake.chainError === null) return null;
  return CHAIN_WORDS[handshake.chainError] ?? 'certificate chain does not verify';
}

/** RFC 5280 §4.2.1.12: without the extension any purpose is allowed. Node names the extended usages `keyUsage`. */
function isForServers(leaf: X509Certificate): boolean {
  const usages = leaf.keyUsage as readonly string[] | undefined;
  return usages === undefined || usages.includes(SERVER_AUTH) || usages.includes(ANY_PURPOSE);
}

/** Null when it is strong enough. Node takes RSA-1024 where OpenSSL's security level is 1; the leaf's key is measured here. */
export function weakKeyOf(leaf: X509Certificate): string | null {
  const { asymmetricKeyType, asymmetricKeyDetails } = leaf.publicKey;
  switch (asymmetricKeyType) {
    case 'rsa':
    case 'rsa-pss':
      return (asymmetricKeyDetails?.modulusLength ?? 0) >= MIN_RSA_BITS ? null : 'key of the certificate is too short';
    case 'ec':
      return STRONG_CURVES.has(asymmetricKeyDetails?.namedCurve ?? '') ? null : 'key of the certificate is too weak';
    case 'ed25519':
    case 'ed448':
      return null;
    default:
      return 'key of the certificate is of an unknown kind';
  }
}
