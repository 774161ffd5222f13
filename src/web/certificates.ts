// The certificates of the listeners, read from the files that the configuration names.

import { readFile } from 'node:fs/promises';
import type { Config } from '../config/schema.ts';
import { selfMadeCertificate } from '../crypto/certificate.ts';
import type { Time } from '../domain/ids.ts';
import type { Certificate } from '../smtp/listener.ts';
import type { PortalCertificate } from './portal/listener.ts';

export function minVersionOf(config: Config): 'TLSv1.2' | 'TLSv1.3' {
  return config.protection.tls.minimum === '1.3' ? 'TLSv1.3' : 'TLSv1.2';
}

/** What the SMTP listeners show; a self-made one where none is configured. */
export async function certificateOf(config: Config, now: Time): Promise<Certificate> {
  const minVersion = minVersionOf(config);
  const { files } = config.certificates;
  if (files === undefined) return { ...selfMadeCertificate(config.hostname, now), minVersion };
  return { cert: await readFile(files.cert), key: await readFile(files.key), minVersion };
}

/** What the portal shows. */
export async function portalCertificateOf(config: Config, now: Time): Promise<PortalCertificate> {
  const pair = config.certificates.portal ?? config.certificates.files;
  if (pair !== undefined) return { cert: await readFile(pair.cert, 'utf8'), key: await readFile(pair.key, 'utf8') };
  return selfMadeCertificate(new URL(config.portal.url ?? `https://${config.hostname}`).hostname, now);
}
