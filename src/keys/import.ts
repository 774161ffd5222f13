// Key files as people have them: which reader takes one, whom the keys in it are for, what is new in a copy of a known key,
// and what a reader's error means in words. Pure but for the reader that it calls; quotes nothing that was read.

import { type Address, domainOf, normalAddress, type Time } from '../domain/ids.ts';
import type { KeyFacts, KeyKind, KeyRead } from '../domain/keys.ts';
import type { Clock } from '../domain/types.ts';
import { aLabelDomain, parsePath } from '../mail/address.ts';
import type { AddressKey } from './book-port.ts';

/** Octets of a key file at most. */
export const KEY_FILE_MAX = 700_000;

/** Milliseconds: the longest file holds some hundreds of keys, each with signatures to check; a locked one may cost a second. */
const READ_LIMIT = 30_000;

/** Runs a job of a worker (worker.ts), `limit` milliseconds at most. */
export type RunReader = (
  job: 'readPgpKeys' | 'readCertificates',
  input: { readonly file: Uint8Array; readonly passphrase?: string; readonly now: Time },
  limit: number,
) => Promise<KeyRead[]>;

/** Reads the keys of a file. Rejects as the job does; with an empty list where there is neither key nor certificate. */
export type ReadKeys = (file: Uint8Array, passphrase?: string) => Promise<readonly KeyRead[]>;

export function createReadKeys(run: RunReader, clock: Clock): ReadKeys {
  return async (file, passphrase) => {
    const kind = kindOf(file);
    if (kind === null) return [];
    const input = { file, now: clock.now(), ...(passphrase !== undefined && { passphrase }) };
    return run(kind === 'pgp' ? 'readPgpKeys' : 'readCertificates', input, READ_LIMIT);
  };
}

/** Which of the two a file is; null when it is neither. */
export function kindOf(file: Uint8Array): KeyKind | null {
  const octets = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  if (octets.includes('-----BEGIN PGP ')) return 'pgp';
  if (octets.includes('-----BEGIN ')) return 'smime';
  const first = octets[0] ?? 0;
  // A SEQUENCE of DER; a packet of OpenPGP (RFC 9580 §4.2).
  if (first === 0x30) return 'smime';
  return first >= 0x80 ? 'pgp' : null;
}

/** `ann@example.org` or `@example.org`, as keys are kept for it: in lower case, the domain as A-labels. Null: neither. */
export function subjectOf(text: string): string | null {
  const given = text.trim();
  if (given.startsWith('@')) {
    const domain = aLabelDomain(given.slice(1));
    return domain?.includes('.') ? `@${domain}` : null;
  }
  const path = parsePath(given, { smtpUtf8: true });
  return 'ok' in path && path.ok !== '' && path.flag === undefined ? normalAddress(path.ok) : null;
}

/** Whom a key is kept for when nobody says so: each address that it names, of an own key those in the own domains. */
export function namedSubjects({ addresses }: KeyFacts, domains: readonly string[] | null): string[] {
  const subjects = new Set<string>();
  for (const one of addresses) {
    const subject = subjectOf(one);
    if (subject === null || subject.startsWith('@')) continue;
    if (domains === null || domains.includes(domainOf(subject as Address))) subjects.add(subject);
  }
  return [...subjects];
}

/**
 * What a known key becomes by another copy of it; null when that has nothing new. A copy from before its owner's revocation
 * revives nothing, and issuers are only added.
 */
export function renewed(known: AddressKey, read: KeyRead): KeyRead | null {
  if (known.facts.revoked !== null && read.facts.revoked === null) return null;
  const issuers = [...new Set([...known.facts.issuers, ...read.facts.issuers])];
  const isSame = Buffer.compare(known.public, read.public) === 0;
  if (isSame && issuers.length === known.facts.issuers.length) return null;
  return { ...read, facts: { ...read.facts, issuers } };
}

/** What is wrong, and what to do about it. */
export type InWords = { readonly message: string; readonly next: string };

export const PASSPHRASE_NEEDED = 'the private key is locked with a passphrase';
const NOTHING_IN_IT: InWords = {
  message: 'there is no key and no certificate in the file',
  next: 'export it again: gpg --armor --export ADDRESS; a certificate as .pem, .cer, .p12 or .pfx',
};
const KEY_ALONE: InWords = {
  message: 'there is a private key in the file, and no certificate',
  next: 'for an own key give a file with both, a .p12 or .pem, and --own; of a correspondent only the certificate is wanted',
};
const DAMAGED: InWords = {
  message: 'the file is damaged or not complete',
  next: 'ask for it again, or export it again',
};

/** By the codes of PgpError and SmimeError, which alone leave a worker. */
const WORDS: Readonly<Record<string, InWords>> = {
  'not a key': NOTHING_IN_IT,
  'not a certificate': NOTHING_IN_IT,
  'passphrase needed': {
    message: PASSPHRASE_NEEDED,
    next: 'say --passphrase to be asked for it; of a correspondent, import the public key alone',
  },
  'passphrase wrong': { message: 'that passphrase does not open the private key', next: 'try again with --passphrase' },
  'key of another certificate': {
    message: 'a private key in the file belongs to none of the certificates beside it',
    next: 'put the certificate and its own private key into one file',
  },
  unsupported: {
    message: 'the file is locked in a way that is not known here',
    next: 'lock it again with AES: openssl pkcs12 -in FILE -nodes | openssl pkcs12 -export -out NEW.p12',
  },
  damaged: DAMAGED,
};

/** What a reader's error, or its empty answer (`not a key`), means for that file. */
export function readerWords(code: string, file: Uint8Array): InWords {
  const words = WORDS[code] ?? DAMAGED;
  const isKey = /-----BEGIN (?:\w+ )?PRIVATE KEY-----/.test(Buffer.from(file).toString('latin1'));
  return words === NOTHING_IN_IT && isKey ? KEY_ALONE : words;
}
