// Certificates for tests and the demo: an authority and what it issues, good and bad in one chosen way. Not for real use.

import { constants, generateKeyPairSync, privateEncrypt, randomBytes } from 'node:crypto';
import forge from 'node-forge';

export type Issued = {
  /** PEM; `chain` has the issuer behind the certificate. */
  readonly cert: string;
  readonly key: string;
  readonly chain: string;
};
export type IssueOptions = {
  readonly names: readonly string[];
  /** Addresses of a person's certificate. */
  readonly emails?: readonly string[];
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  /** RSA modulus; default 2048. */
  readonly bits?: number;
  /** Extended key usages by forge's names; default `serverAuth`; null: no extension. */
  readonly eku?: readonly ('serverAuth' | 'clientAuth' | 'emailProtection')[] | null;
};
export type Ca = { readonly cert: string; readonly issue: (options: IssueOptions) => Issued };

type Pair = {
  readonly pem: string;
  readonly privateKey: forge.pki.rsa.PrivateKey;
  readonly publicKey: forge.pki.rsa.PublicKey;
};
type Issuer = { readonly subject: forge.pki.CertificateField[]; readonly privateKey: forge.pki.rsa.PrivateKey };

const DAY = 86_400_000;

/** An authority that no system knows. */
export function makeCa(name = 'Sealrelay test authority'): Ca {
  const pair = keyPair(2048);
  const subject = [{ name: 'commonName', value: name }];
  const cert = sign(pair, subject, { subject, privateKey: pair.privateKey }, {}, [
    { name: 'basicConstraints', cA: true, critical: true },
    { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
  ]);
  return { cert, issue: (options) => issueBy({ subject, privateKey: pair.privateKey }, cert, options) };
}

/** A server certificate that vouches for itself. */
export function selfSigned(options: IssueOptions): Issued {
  return issueBy(null, null, options);
}

function issueBy(issuer: Issuer | null, issuerCert: string | null, options: IssueOptions): Issued {
  const pair = keyPair(options.bits ?? 2048);
  const subject = [{ name: 'commonName', value: options.names[0] ?? options.emails?.[0] ?? 'nobody' }];
  const eku = options.eku === undefined ? ['serverAuth' as const] : options.eku;
  const extensions: object[] = [
    { name: 'basicConstraints', cA: false },
    { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
    { name: 'subjectAltName', altNames: altNamesOf(options) },
  ];
  if (eku !== null) extensions.push({ name: 'extKeyUsage', ...Object.fromEntries(eku.map((usage) => [usage, true])) });
  const cert = sign(pair, subject, issuer ?? { subject, privateKey: pair.privateKey }, options, extensions);
  return { cert, key: pair.pem, chain: cert + (issuerCert ?? '') };
}

function altNamesOf({ names, emails = [] }: IssueOptions): object[] {
  return [...names.map((value) => ({ type: 2, value })), ...emails.map((value) => ({ type: 1, value }))];
}

function sign(
  pair: Pair,
  subject: forge.pki.CertificateField[],
  issuer: Issuer,
  dates: Pick<IssueOptions, 'notBefore' | 'notAfter'>,
  extensions: object[],
): string {
  const cert = forge.pki.createCertificate();
  cert.publicKey = pair.publicKey;
  cert.serialNumber = `01${randomBytes(8).toString('hex')}`;
  cert.validity.notBefore = dates.notBefore ?? new Date(Date.now() - 3 * DAY);
  cert.validity.notAfter = dates.notAfter ?? new Date(Date.now() + 30 * DAY);
  cert.setSubject(subject);
  cert.setIssuer(issuer.subject);
  cert.setExtensions(extensions);
  cert.sign(issuer.privateKey, forge.md.sha256.create());
  return forge.pki.certificateToPem(cert);
}

/** DER of a DigestInfo of SHA-256, up to the digest (RFC 8017 §9.2). */
const SHA256_INFO = Buffer.from('3031300d060960864801650304020105000420', 'hex');

/** OpenSSL makes the key and signs with it: forge would take a second for each. */
function keyPair(bits: number): Pair {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: bits,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const key = { key: privateKey, padding: constants.RSA_PKCS1_PADDING };
  const sign = (md: forge.md.MessageDigest): string =>
    privateEncrypt(key, Buffer.concat([SHA256_INFO, Buffer.from(md.digest().getBytes(), 'latin1')])).toString('latin1');
  return {
    pem: privateKey,
    privateKey: { sign } as unknown as forge.pki.rsa.PrivateKey,
    publicKey: forge.pki.publicKeyFromPem(publicKey),
  };
}
