// A self-made certificate for evaluation mode, so that STARTTLS works before an admin has one. Nobody trusts it.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import forge from 'node-forge';
import type { Time } from '../domain/ids.ts';

const YEAR = 365 * 86_400_000;

/** PEM of an RSA-2048 key and of a certificate for the host or address, valid for a year from the day before `now`. */
export function selfMadeCertificate(host: string, now: Time): { cert: string; key: string } {
  const pair = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.publicKeyFromPem(pair.publicKey);
  // RFC 5280 §4.1.2.2: positive and at most 20 octets.
  certificate.serialNumber = `01${randomBytes(15).toString('hex')}`;
  certificate.validity.notBefore = new Date(now - YEAR / 365);
  certificate.validity.notAfter = new Date(now + YEAR);
  const isAddress = /^[\d.]+$|:/.test(host);
  const name = [{ name: 'commonName', value: host }];
  certificate.setSubject(name);
  certificate.setIssuer(name);
  certificate.setExtensions([
    { name: 'basicConstraints', cA: false },
    { name: 'keyUsage', digitalSignature: true, keyEncipherment: true },
    { name: 'extKeyUsage', serverAuth: true },
    { name: 'subjectAltName', altNames: [isAddress ? { type: 7, ip: host } : { type: 2, value: host }] },
  ]);
  certificate.sign(forge.pki.privateKeyFromPem(pair.privateKey), forge.md.sha256.create());
  return { cert: forge.pki.certificateToPem(certificate), key: pair.privateKey };
}
