// A MIME entity signed and enveloped for the certificates of its recipients (RFC 8551 §3.3, §3.5.3; RFC 5652 §6), streamed:
// the entity is read twice, first for its length and digest, then to encrypt it, so that every length is definite (clients
// choke on others) and memory does not grow with it. It judges no certificate: chain, dates and usage are the caller's to
// know. What it cannot do: AES-GCM, which hardly any client reads; so a signature inside is the only proof that the text
// is whole, and without one a changed ciphertext is noticed by chance only (open.ts).

import { createCipheriv, createSecretKey } from 'node:crypto';
import type { Time } from '../../domain/ids.ts';
import { parseCertificate } from './certificate.ts';
import { algorithm, context, head, octetString, oid, smallInteger, TAG } from './der.ts';
import { SmimeError } from './error.ts';
import { base64Lines } from './lines.ts';
import { AES, CMS } from './oids.ts';
import { type KeyTransport, recipientInfos } from './recipients.ts';
import { detachedSignature, digester, type Signer } from './signed-data.ts';

export type EnvelopeOptions = {
  /** DER of the certificates. Better one alone: NSS 3.87 opens no message that is for a P-256 certificate, too. */
  readonly recipients: readonly Uint8Array[];
  /**
   * How the content key goes to an RSA certificate. `v1.5` is the default: every client reads it, old ones (GnuPG 2.2 is
   * one) nothing else. Its weakness (Bleichenbacher) is one of receivers that answer guesses; mail does not answer.
   */
  readonly keyTransport?: KeyTransport;
  readonly signer?: Signer;
  readonly now: Time;
  /** Of the multipart/signed inside: 1 to 70 characters of `0-9A-Za-z'()+_,-./:=?`, unguessable. */
  readonly boundary: string;
  /** Octets for key and initial vector; never twice the same. */
  readonly random: (length: number) => Uint8Array;
};

export type Envelope = {
  /** The outer fields of MIME without line ends; MIME-Version and all others are the caller's. */
  readonly fields: string[];
  /** Lines of base64 with CRLF; may be read once. */
  readonly body: Iterable<Uint8Array>;
};

const FIELDS = [
  'Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name="smime.p7m"',
  'Content-Transfer-Encoding: base64',
  'Content-Disposition: attachment; filename="smime.p7m"',
];
const BLOCK = 16;

/**
 * `entity()` gives the same octets each time it is called: header section, blank line and body in canonical CRLF, of any
 * length of line and 8-bit, since they stay inside the envelope as they are.
 * @throws SmimeError `not a certificate`, `unfit`, `key of another certificate`, `damaged`; `damaged` from `body`, too, when
 * the entity has another length the second time.
 */
export function smimeEnvelope(entity: () => Iterable<Uint8Array>, options: EnvelopeOptions): Envelope {
  const contentKey = options.random(32);
  const iv = options.random(BLOCK);
  const recipients = options.recipients.map(parseCertificate);
  const { version, infos } = recipientInfos(recipients, contentKey, options.keyTransport ?? 'v1.5');
  const content = options.signer ? signedContent(entity, options, options.signer) : plainContent(entity);
  const prefix = envelopeHead(version, infos, iv, content.length);
  return { fields: [...FIELDS], body: base64Lines(encrypted(prefix, content, contentKey, iv)) };
}

type Content = { readonly length: number; readonly octets: () => Iterable<Uint8Array> };

function plainContent(entity: () => Iterable<Uint8Array>): Content {
  let length = 0;
  for (const chunk of entity()) length += chunk.length;
  return { length, octets: entity };
}

/** RFC 8551 §3.5.3: multipart/signed, which a reader without S/MIME inside the envelope shows as text. */
function signedContent(
  entity: () => Iterable<Uint8Array>,
  { boundary, now }: EnvelopeOptions,
  signer: Signer,
): Content {
  const digest = digester();
  let length = 0;
  for (const chunk of entity()) {
    length += chunk.length;
    digest.push(chunk);
  }
  const before = Buffer.from(
    'Content-Type: multipart/signed; protocol="application/pkcs7-signature";\r\n' +
      ` micalg=sha-256; boundary="${boundary}"\r\n\r\n--${boundary}\r\n`,
  );
  const after = Buffer.concat([
    Buffer.from(
      `\r\n--${boundary}\r\nContent-Type: application/pkcs7-signature; name="smime.p7s"\r\n` +
        'Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename="smime.p7s"\r\n\r\n',
    ),
    ...base64Lines([detachedSignature(digest.end(), signer, now)]),
    Buffer.from(`--${boundary}--\r\n`),
  ]);
  return {
    length: before.length + length + after.length,
    *octets() {
      yield before;
      yield* entity();
      yield after;
    },
  };
}

/** ContentInfo of an EnvelopedData up to the ciphertext, which stands last. */
function envelopeHead(version: number, infos: Buffer, iv: Uint8Array, length: number): Buffer {
  const ciphertext = length + BLOCK - (length % BLOCK);
  let octets: Buffer = head(context(0, false), ciphertext);
  const enclose = (tag: number, ...before: readonly Buffer[]): void => {
    const inner = Buffer.concat([...before, octets]);
    octets = Buffer.concat([head(tag, inner.length + ciphertext), inner]);
  };
  enclose(TAG.sequence, oid(CMS.data), algorithm(AES.cbc256, octetString(iv)));
  enclose(TAG.sequence, smallInteger(version), infos);
  enclose(context(0));
  enclose(TAG.sequence, oid(CMS.envelopedData));
  return octets;
}

function* encrypted(prefix: Buffer, content: Content, key: Uint8Array, iv: Uint8Array): Iterable<Uint8Array> {
  const cipher = createCipheriv('aes-256-cbc', createSecretKey(key), iv);
  let length = 0;
  yield prefix;
  for (const chunk of content.octets()) {
    length += chunk.length;
    yield cipher.update(chunk);
  }
  // The lengths in front say what the first pass saw.
  if (length !== content.length) throw new SmimeError('damaged');
  yield cipher.final();
}
