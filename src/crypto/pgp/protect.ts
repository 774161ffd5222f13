// PGP/MIME (RFC 3156): a MIME entity, signed and encrypted in one OpenPGP message. What GnuPG 2.2 opens is written for all:
// version 1 of encrypted and integrity protected data, never AEAD, whatever a key says that its owner's program can do.
// Streams: memory does not grow with the size. Logs nothing. It does not judge whose key it is.

import { randomBytes } from 'node:crypto';
import { createMessage, encrypt, enums, type Key, type PrivateKey, readKey, readPrivateKey } from 'openpgp';
import type { Time } from '../../domain/ids.ts';
import { armored } from './armor.ts';
import { PgpError } from './error.ts';

export type PgpMimeOptions = {
  /** Binary public keys; each can open the message. */
  readonly recipients: readonly Uint8Array[];
  /** Binary private key without passphrase. */
  readonly signer?: Uint8Array;
  /** The time of the signature, at which all keys must be good. */
  readonly now: Time;
  /** RFC 2046 §5.1.1, at most 60 characters. */
  readonly boundary: string;
};

export type Protected = {
  /** Value of the outer Content-Type field, folded. */
  readonly contentType: string;
  /** Everything behind the blank line: 7-bit ASCII in lines of at most 76 characters, ended by CR LF. */
  readonly body: AsyncIterable<Uint8Array>;
};

/** Its failure goes around openpgp: a stream that fails inside leaves a rejection that nobody handles, which ends a process. */
type Source = {
  readonly entity: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  failure: { readonly error: unknown } | null;
};

const BOUNDARY = /^[0-9A-Za-z'()+_,./:=?-]{1,60}$/;
/** Input is passed on in pieces of this size: small ones cost time, large ones memory. */
const PIECE = 65_536;
const RULES = { preferredCompressionAlgorithm: enums.compression.uncompressed };

/**
 * The entity (header section, blank line, body, canonical line ends) as multipart/encrypted. Before its first octets
 * `body` throws PgpError `damaged`, `no encryption key` or `no signing key`; later only what `entity` throws.
 */
export function pgpMime(entity: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, options: PgpMimeOptions): Protected {
  const { boundary } = options;
  if (!BOUNDARY.test(boundary)) throw new RangeError('not a boundary');
  return {
    contentType: `multipart/encrypted; protocol="application/pgp-encrypted";\r\n\tboundary="${boundary}"`,
    body: framed(entity, options),
  };
}

async function* framed(
  entity: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: PgpMimeOptions,
): AsyncGenerator<Uint8Array, void, void> {
  const source: Source = { entity, failure: null };
  const octets = await encrypted(source, options);
  yield Buffer.from(partsBefore(options.boundary));
  for await (const lines of armored(octets)) {
    if (source.failure !== null) throw source.failure.error;
    yield lines;
  }
  yield Buffer.from(`\r\n--${options.boundary}--\r\n`);
}

function partsBefore(boundary: string): string {
  return [
    `--${boundary}`,
    'Content-Type: application/pgp-encrypted',
    'Content-Description: PGP/MIME version identification',
    '',
    'Version: 1',
    '',
    `--${boundary}`,
    'Content-Type: application/octet-stream; name="encrypted.asc"',
    'Content-Description: OpenPGP encrypted message',
    'Content-Disposition: inline; filename="encrypted.asc"',
    '',
    '',
  ].join('\r\n');
}

async function encrypted(
  source: Source,
  { recipients, signer, now }: PgpMimeOptions,
): Promise<AsyncIterable<Uint8Array>> {
  const date = new Date(now);
  if (recipients.length === 0) throw new PgpError('no encryption key');
  const encryptionKeys = await Promise.all(recipients.map((octets) => recipientOf(octets, date)));
  const signingKeys = signer === undefined ? [] : [await signerOf(signer, date)];
  const message = await createMessage({ binary: ReadableStream.from(pieces(source)), date });
  // A session key of ours and not one of openpgp's choice: it would choose AEAD where all keys allow it, and AES-128 where
  // one does not name AES-256.
  const sessionKey = { data: randomBytes(32), algorithm: 'aes256' as const };
  return encrypt({ message, encryptionKeys, signingKeys, sessionKey, date, format: 'binary', config: RULES });
}

async function recipientOf(octets: Uint8Array, date: Date): Promise<Key> {
  const key = await readKey({ binaryKey: octets }).catch(() => {
    throw new PgpError('damaged');
  });
  await key.getEncryptionKey(undefined, date).catch(() => {
    throw new PgpError('no encryption key');
  });
  return key;
}

async function signerOf(octets: Uint8Array, date: Date): Promise<PrivateKey> {
  const key = await readPrivateKey({ binaryKey: octets }).catch(() => {
    throw new PgpError('damaged');
  });
  const signing = await key.getSigningKey(undefined, date).catch(() => null);
  if (signing?.keyPacket.isDecrypted() !== true) throw new PgpError('no signing key');
  return key;
}

/** What comes, in pieces of one size and in memory of their own: openpgp still holds them when the next is asked for. */
async function* pieces(source: Source): AsyncGenerator<Uint8Array, void, void> {
  let piece = new Uint8Array(PIECE);
  let filled = 0;
  try {
    for await (const chunk of source.entity) {
      for (let from = 0; from < chunk.length; ) {
        const part = chunk.subarray(from, from + PIECE - filled);
        piece.set(part, filled);
        filled += part.length;
        from += part.length;
        if (filled < PIECE) continue;
        yield piece;
        piece = new Uint8Array(PIECE);
        filled = 0;
      }
    }
  } catch (error) {
    source.failure = { error };
  }
  if (filled > 0) yield piece.subarray(0, filled);
}
