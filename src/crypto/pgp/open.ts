// An encrypted message → the MIME entity in it. Nothing is given out before all of it was authenticated: a message is read
// whole, and one changed octet of it opens nothing (EFAIL lived from what was shown before). Logs nothing.

import { decrypt, readKey, readMessage, readPrivateKey } from 'openpgp';
import type { Duration, Time } from '../../domain/ids.ts';
import { fieldValue, headerEnd, parseHeader } from '../../mail/header.ts';
import { parseMedia } from '../../mail/media.ts';
import { createWalker } from '../../mail/walk.ts';
import { blocksIn } from './armor.ts';
import { PgpError } from './error.ts';

export type Opened = {
  /** Of PGP/MIME: header section, blank line, body. Of an armored message whatever its author put in. */
  readonly entity: Buffer;
  /** `valid`: by one of the keys asked for, which was good when it signed. `invalid`: signed, but not so. */
  readonly signed: 'valid' | 'invalid' | 'none';
};

/** A few octets can stand for gigabytes; no message that is accepted is larger than this. */
const OPENED_MAX = 160 * 1_048_576;
const RULES = { maxDecompressedMessageSize: OPENED_MAX };
/** By how much the clock of who signed may be ahead of ours. */
const AHEAD: Duration = 5 * 60_000;
const ENCRYPTED = 'multipart/encrypted';

/**
 * Opens a message (RFC 5322) that is multipart/encrypted or whose text is an armored OpenPGP message, or the armored text
 * alone. Keys are binary, the private ones without passphrase; `verifyWith` are the keys that may have signed. Throws
 * PgpError `not a message`, `does not open`, and `damaged` for one of the keys.
 */
export async function openPgpMime(
  message: Uint8Array,
  options: {
    readonly privateKeys: readonly Uint8Array[];
    readonly verifyWith?: readonly Uint8Array[];
    readonly now: Time;
  },
): Promise<Opened> {
  const octets = encryptedIn(Buffer.from(message.buffer, message.byteOffset, message.byteLength));
  const decryptionKeys = await all(options.privateKeys, (binaryKey) => readPrivateKey({ binaryKey }));
  const verificationKeys = await all(options.verifyWith ?? [], (binaryKey) => readKey({ binaryKey }));
  try {
    const { data, signatures } = await decrypt({
      message: await readMessage({ binaryMessage: octets, config: RULES }),
      decryptionKeys,
      verificationKeys,
      date: new Date(options.now + AHEAD),
      format: 'binary',
      config: RULES,
    });
    const good = await Promise.all(signatures.map(({ verified }) => verified.catch(() => false)));
    return {
      entity: Buffer.from(data.buffer, data.byteOffset, data.byteLength),
      signed: good.length === 0 ? 'none' : good.includes(true) ? 'valid' : 'invalid',
    };
  } catch {
    throw new PgpError('does not open');
  }
}

async function all<Read>(keys: readonly Uint8Array[], read: (octets: Uint8Array) => Promise<Read>): Promise<Read[]> {
  try {
    return await Promise.all(keys.map(read));
  } catch {
    throw new PgpError('damaged');
  }
}

function encryptedIn(message: Buffer): Buffer {
  const found = blocksIn(textOf(message)).find(({ label }) => label === 'PGP MESSAGE');
  if (found === undefined) throw new PgpError('not a message');
  if (found.octets === null) throw new PgpError('does not open');
  return found.octets;
}

/** Where the armored message is: only there, because what stands beside it is not authentic. */
function textOf(message: Buffer): Buffer {
  if (message.indexOf('-----BEGIN PGP MESSAGE-----', 0, 'latin1') === 0) return message;
  const header = parseHeader(message.subarray(0, Math.max(0, headerEnd(message))));
  const type = parseMedia(fieldValue(header, 'content-type') ?? 'text/plain').value;
  const pieces: Buffer[] = [];
  let taken = -1;
  const walker = createWalker({
    begin: (part) => {
      const fits = type === ENCRYPTED ? part.depth === 1 && part.type === 'application/octet-stream' : part.depth === 0;
      if (fits && taken < 0 && !part.multipart) taken = part.index;
      return part.index === taken;
    },
    content: (part, bytes) => {
      if (part.index === taken) pieces.push(Buffer.from(bytes));
      return true;
    },
    end: () => {},
  });
  walker.push(message);
  walker.end();
  return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces);
}
