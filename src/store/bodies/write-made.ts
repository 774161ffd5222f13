// The worker's side of made.ts: what it makes goes to the file sealed, piece by piece; nothing plain is written.

import { closeSync, openSync, writeSync } from 'node:fs';
import { KIND, Sealer } from '../../crypto/sealed.ts';
import type { MadeHandle, MadeSize } from './made.ts';

/** Small pieces are gathered: a write for each line of base64 would cost more than the encryption. */
const AT_ONCE = 1 << 18;

/** Writes all of it, or throws and leaves a file that its maker removes. */
export async function writeMade(
  { path, object, organization, dataKey }: MadeHandle,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<MadeSize> {
  const sealer = new Sealer({ kind: KIND.body, object: Buffer.from(object, 'hex'), organization, dataKey });
  const fd = openSync(path, 'wx', 0o600);
  let size = 0;
  let length = 0;
  let waiting: Uint8Array[] = [];
  let octets = 0;
  const flush = (): void => {
    const all = Buffer.concat(waiting);
    for (let at = 0; at < all.length; ) at += writeSync(fd, all, at);
    length += all.length;
    waiting = [];
    octets = 0;
  };
  const keep = (pieces: readonly Uint8Array[]): void => {
    for (const piece of pieces) {
      waiting.push(piece);
      octets += piece.length;
    }
    if (octets >= AT_ONCE) flush();
  };
  try {
    keep([sealer.header]);
    for await (const chunk of chunks) {
      size += chunk.length;
      keep(sealer.write(chunk));
    }
    keep(sealer.end());
    flush();
  } finally {
    closeSync(fd);
  }
  return { size, length };
}
