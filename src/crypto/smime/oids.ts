// Names of algorithms, content types, attributes and extensions that are written or understood here.

/** Content types and attributes (RFC 5652 §4–§11, RFC 8551 §2.5.2). */
export const CMS = {
  data: '1.2.840.113549.1.7.1',
  signedData: '1.2.840.113549.1.7.2',
  envelopedData: '1.2.840.113549.1.7.3',
  encryptedData: '1.2.840.113549.1.7.6',
  contentType: '1.2.840.113549.1.9.3',
  messageDigest: '1.2.840.113549.1.9.4',
  signingTime: '1.2.840.113549.1.9.5',
  smimeCapabilities: '1.2.840.113549.1.9.15',
} as const;

export const RSA = {
  encryption: '1.2.840.113549.1.1.1',
  oaep: '1.2.840.113549.1.1.7',
  mgf1: '1.2.840.113549.1.1.8',
  pSpecified: '1.2.840.113549.1.1.9',
  pss: '1.2.840.113549.1.1.10',
} as const;

export const EC = {
  publicKey: '1.2.840.10045.2.1',
  p256: '1.2.840.10045.3.1.7',
  /** dhSinglePass-stdDH-sha256kdf-scheme (RFC 5753 §7.1.4). */
  ecdhSha256: '1.3.132.1.11.1',
  ecdsaSha256: '1.2.840.10045.4.3.2',
} as const;

export const AES = {
  cbc128: '2.16.840.1.101.3.4.1.2',
  cbc256: '2.16.840.1.101.3.4.1.42',
  wrap256: '2.16.840.1.101.3.4.1.45',
} as const;

/** Content encryption that is read → Node's name, octets of the key. Triple DES: many old clients know nothing better. */
export const CONTENT_CIPHERS: Readonly<Record<string, { readonly name: string; readonly key: number }>> = {
  [AES.cbc128]: { name: 'aes-128-cbc', key: 16 },
  '2.16.840.1.101.3.4.1.22': { name: 'aes-192-cbc', key: 24 },
  [AES.cbc256]: { name: 'aes-256-cbc', key: 32 },
  '1.2.840.113549.3.7': { name: 'des-ede3-cbc', key: 24 },
};

/** Key wraps that are read → Node's name, octets of the wrapping key. */
export const KEY_WRAPS: Readonly<Record<string, { readonly name: string; readonly key: number }>> = {
  '2.16.840.1.101.3.4.1.5': { name: 'id-aes128-wrap', key: 16 },
  '2.16.840.1.101.3.4.1.25': { name: 'id-aes192-wrap', key: 24 },
  [AES.wrap256]: { name: 'id-aes256-wrap', key: 32 },
};

/** ECDH schemes → hash of their KDF. With and without cofactor: it is 1 on the curves in use. */
export const AGREEMENT_HASHES: Readonly<Record<string, string>> = {
  '1.3.133.16.840.63.0.2': 'sha1',
  '1.3.133.16.840.63.0.3': 'sha1',
  '1.3.132.1.11.0': 'sha224',
  [EC.ecdhSha256]: 'sha256',
  '1.3.132.1.11.2': 'sha384',
  '1.3.132.1.11.3': 'sha512',
  '1.3.132.1.14.0': 'sha224',
  '1.3.132.1.14.1': 'sha256',
  '1.3.132.1.14.2': 'sha384',
  '1.3.132.1.14.3': 'sha512',
};

export const SHA1 = '1.3.14.3.2.26';
export const SHA256 = '2.16.840.1.101.3.4.2.1';

/** Hashes that are good enough, by Node's names. */
export const HASHES: Readonly<Record<string, string>> = {
  [SHA256]: 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
};

/** Hash by the name of a signature (RFC 8017 appendix A.2, RFC 5758 §3.2); RSASSA-PSS names its own in its parameters. */
export const SIGNATURE_HASHES: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.2': 'MD2',
  '1.2.840.113549.1.1.4': 'MD5',
  '1.2.840.113549.1.1.5': 'SHA-1',
  '1.3.14.3.2.29': 'SHA-1',
  '1.2.840.10040.4.3': 'SHA-1',
  '1.2.840.10045.4.1': 'SHA-1',
  '1.2.840.113549.1.1.11': 'sha256',
  '1.2.840.113549.1.1.12': 'sha384',
  '1.2.840.113549.1.1.13': 'sha512',
  '1.2.840.10045.4.3.2': 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
  '1.2.840.10045.4.3.4': 'sha512',
};

/** Certificate extensions and attributes of a name (RFC 5280 §4.2). */
export const X509 = {
  emailAddress: '1.2.840.113549.1.9.1',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  certificatePolicies: '2.5.29.32',
  extendedKeyUsage: '2.5.29.37',
} as const;

/** RFC 5280 §4.2.1.12. */
export const PURPOSE = { any: '2.5.29.37.0', emailProtection: '1.3.6.1.5.5.7.3.4' } as const;
