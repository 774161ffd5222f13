// Certificate files as people have them: PEM (certificates, private keys beside them), DER, PKCS#12. Told are the
// certificates of people and organizations; those of authorities are kept with what they issued. Nothing is verified
// here: a file proves nothing (chain.ts judges). Errors are codes and quote nothing.

import { createPrivateKey, type KeyObject } from 'node:crypto';
import type { Time } from '../../domain/ids.ts';
import type { KeyRead } from '../../domain/keys.ts';
import { type Certificate, parseCertificate } from './certificate.ts';
import { type Element, readElement } from './der.ts';
import { SmimeError } from './error.ts';
import { factsOf } from './facts.ts';
import { isPkcs12, readPkcs12 } from './pkcs12.ts';

export type ReadOptions = {
  /** Of the private keys, or of the PKCS#12 file. */
  readonly passphrase?: string;
  /** As readers of keys are asked; a certificate says the same at any time. */
  readonly now: Time;
};

/** More are no certificate of somebody but a list of authorities. */
const CERTIFICATES_MAX = 1_000;

type Contents = { readonly certificates: readonly Buffer[]; readonly privateKeys: readonly KeyObject[] };

/**
 * The certificates of a PEM (RFC 7468), DER or PKCS#12 (RFC 7292) file that are somebody's own, in its order, each with its
 * private key where the file has it. One of an authority is told only when nothing else is there, and then as unfit.
 * @throws SmimeError `not a certificate`, `passphrase needed`, `passphrase wrong`, `damaged`, `key of another certificate`,
 * `unsupported`.
 */
export function readCertificates(file: Uint8Array, options: ReadOptions): KeyRead[] {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const { certificates, privateKeys } = bytes.includes('-----BEGIN ')
    ? readPem(bytes.toString('latin1'), options.passphrase)
    : readBinary(bytes, options.passphrase);
  const all = [...new Map(certificates.map((der) => [der.toString('latin1'), der])).values()].map(parseCertificate);
  if (all.length === 0 || all.length > CERTIFICATES_MAX) throw new SmimeError('not a certificate');
  const owners = privateKeys.map((key) => [ownerOf(key, all), key] as const);
  const keys = new Map(owners);
  const own = all.filter((one) => keys.has(one) || !isIssuer(one, all));
  return (own.length > 0 ? own : all).map((certificate) => readOf(certificate, all, keys.get(certificate)));
}

function readOf(certificate: Certificate, all: readonly Certificate[], key: KeyObject | undefined): KeyRead {
  const read = { facts: factsOf(certificate, issuersOf(certificate, all)), public: certificate.der };
  return key ? { ...read, private: key.export({ type: 'pkcs8', format: 'der' }) } : read;
}

function ownerOf(key: KeyObject, all: readonly Certificate[]): Certificate {
  const owner = all.find(({ x509, publicKey }) => publicKey !== null && x509.checkPrivateKey(key));
  if (!owner) throw new SmimeError('key of another certificate');
  return owner;
}

/** An old root says nowhere that it is an authority; that it issued another certificate of the file does. */
function isIssuer(one: Certificate, all: readonly Certificate[]): boolean {
  return one.x509.ca || all.some((other) => other !== one && other.x509.checkIssued(one.x509));
}

/** Those of `all` that lead from a certificate towards its root, nearest first. */
function issuersOf(certificate: Certificate, all: readonly Certificate[]): Certificate[] {
  const path = [certificate];
  for (const child of path) {
    path.push(...all.filter((one) => !path.includes(one) && child.x509.checkIssued(one.x509)));
  }
  return path.slice(1);
}

// ── forms of files ────────────────────────────────────────────────────────────────────────────────────────────────

function readBinary(bytes: Buffer, passphrase: string | undefined): Contents {
  let element: Element;
  try {
    element = readElement(bytes);
  } catch {
    throw new SmimeError('not a certificate');
  }
  if (!isPkcs12(element)) return { certificates: [element.raw], privateKeys: [] };
  const { certificates, privateKeys } = readPkcs12(element, passphrase);
  return { certificates, privateKeys: privateKeys.map((key) => privateKeyOf({ key, format: 'der', type: 'pkcs8' })) };
}

const CERTIFICATE_LABEL = /^(?:X509 )?CERTIFICATE$/;
const KEY_LABEL = /^(?:ENCRYPTED |RSA |EC )?PRIVATE KEY$/;

function readPem(text: string, passphrase: string | undefined): Contents {
  const certificates: Buffer[] = [];
  const privateKeys: KeyObject[] = [];
  for (const { label, content, block } of pemBlocks(text)) {
    if (CERTIFICATE_LABEL.test(label)) certificates.push(pemContent(content));
    else if (KEY_LABEL.test(label)) privateKeys.push(pemKey(block, passphrase));
  }
  return { certificates, privateKeys };
}

type PemBlock = { readonly label: string; readonly content: string; readonly block: string };

function pemBlocks(text: string): PemBlock[] {
  const blocks: PemBlock[] = [];
  // What stands before the first and between two is explanatory text (RFC 7468 §2).
  for (const piece of text.split('-----BEGIN ').slice(1)) {
    const [label = '', content = '', end = ''] = piece.split('-----', 3);
    if (!end.startsWith(`END ${label}`)) throw new SmimeError('damaged');
    blocks.push({ label, content, block: `-----BEGIN ${label}-----${content}-----END ${label}-----\n` });
  }
  return blocks;
}

function pemContent(content: string): Buffer {
  const base64 = content.replace(/\s+/g, '');
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) throw new SmimeError('damaged');
  return Buffer.from(base64, 'base64');
}

function pemKey(key: string, passphrase: string | undefined): KeyObject {
  const encrypted = /^-----BEGIN ENCRYPTED |Proc-Type: *4,ENCRYPTED/.test(key);
  if (!encrypted) return privateKeyOf({ key, format: 'pem' });
  if (passphrase === undefined) throw new SmimeError('passphrase needed');
  try {
    return createPrivateKey({ key, format: 'pem', passphrase });
  } catch {
    throw new SmimeError('passphrase wrong');
  }
}

function privateKeyOf(key: Parameters<typeof createPrivateKey>[0]): KeyObject {
  try {
    return createPrivateKey(key);
  } catch {
    throw new SmimeError('damaged');
  }
}
