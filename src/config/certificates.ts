// A certificate and its key before anything listens with them: whether they can be read, belong together, are valid and name
// the hosts that people ask for. What only their readers would find wrong (dates, names) is a warning: mail must go on.

import { createPrivateKey, X509Certificate } from 'node:crypto';

const BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
/** An address, of what a URL may have as its host. */
const IP = /^[\d.]+$|:/;
const DAY = 86_400_000;
const SOON = 14 * DAY;

/** Every certificate of a PEM text, or what is wrong with it in words that follow the name of the file. */
export function readChain(pem: Buffer): readonly X509Certificate[] | string {
  const text = pem.toString('latin1');
  const blocks = text.match(BLOCK) ?? [];
  if (blocks.length === 0) {
    const isKey = /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text);
    return isKey ? 'holds a private key, not a certificate' : 'holds no whole PEM certificate';
  }
  const chain: X509Certificate[] = [];
  for (const block of blocks) {
    try {
      chain.push(new X509Certificate(block));
    } catch {
      return `certificate ${chain.length + 1} in it cannot be read`;
    }
  }
  return chain;
}

/** Why this is not the key of the certificate, in words that follow the name of its file; null when it is. */
export function keyProblem(pem: Buffer, leaf: X509Certificate): string | null {
  const text = pem.toString('latin1');
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) {
    return text.includes('BEGIN CERTIFICATE')
      ? 'holds a certificate, not a private key'
      : 'holds no PEM private key (BEGIN PRIVATE KEY)';
  }
  if (/BEGIN ENCRYPTED PRIVATE KEY|Proc-Type: 4,ENCRYPTED/.test(text)) {
    return 'asks for a passphrase; keep the key without one, mode 0600: openssl pkey -in OLD -out NEW';
  }
  try {
    return leaf.checkPrivateKey(createPrivateKey(pem)) ? null : 'is not the key of that certificate';
  } catch {
    return 'holds a private key that cannot be read';
  }
}

/** What those who connect will find wrong. `hosts`: name, and the key of the configuration that it comes from. */
export function certificateWarnings(
  leaf: X509Certificate,
  hosts: readonly { readonly host: string; readonly of: string }[],
  now: number,
): string[] {
  const warnings: string[] = [];
  const [from, until] = [leaf.validFromDate, leaf.validToDate];
  const day = (at: Date) => at.toISOString().slice(0, 10);
  if (until.getTime() <= now)
    warnings.push(`expired on ${day(until)}: browsers and mail servers refuse it; get a new one`);
  else if (until.getTime() <= now + SOON) warnings.push(`expires on ${day(until)}; get a new one`);
  if (from.getTime() > now) warnings.push(`is valid only from ${day(from)} on`);
  for (const { host, of } of hosts) {
    const named = IP.test(host) ? leaf.checkIP(host) : leaf.checkHost(host);
    if (named === undefined) warnings.push(`does not name ${host} (${of}): browsers and mail servers refuse it there`);
  }
  return warnings;
}
