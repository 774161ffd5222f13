// Sealed bytes from disk to plain chunks, by a handle: what a worker or a delivery reads with. Needs no database, no
// vault and no state. Each chunk's tag is checked before it is given. Logs nothing; throws BodyError.

import { closeSync, openSync, readSync } from 'node:fs';
import { chunksOf, Opener, SEALED_CHUNK, SEALED_HEADER, SealedError } from '../../crypto/sealed.ts';
import { isMissing, readUpTo } from './io.ts';
import { BodyError, type BodyHandle } from './port.ts';
import type { Files } from './readers.ts';

/** Chunks read at once: bodies up to 256 KiB cost one read. */
const AT_ONCE = 4;

function openerOf(handle: BodyHandle): Opener {
  const { kind, organization, dataKey } = handle;
  return new Opener({ kind, object: Buffer.from(handle.object, 'hex'), organization, dataKey });
}

function asBodyError(error: unknown): unknown {
  if (error instanceof SealedError) return new BodyError('corrupt', error.message);
  if (isMissing(error)) return new BodyError('missing', 'the body is not in the store');
  return error;
}

/** The reads that a sealed object of `length` octets takes, one after the other. */
function* ranges(length: number): Generator<{ from: number; to: number }> {
  const full = SEALED_CHUNK * AT_ONCE;
  for (let from = 0; from < length; ) {
    const to = Math.min(length, from === 0 ? SEALED_HEADER + full : from + full);
    yield { from, to };
    from = to;
  }
}

function mostAtOnce(length: number): number {
  return Math.min(length, SEALED_HEADER + SEALED_CHUNK * AT_ONCE);
}

/** Opens the pieces of one object, in order; a piece ends where a chunk ends. */
class Pieces {
  readonly #opener: Opener;
  readonly #chunks: number;
  #index = 0;

  constructor(handle: BodyHandle) {
    this.#opener = openerOf(handle);
    this.#chunks = chunksOf(handle.length);
  }

  *open(sealed: Buffer, wanted: number): Generator<Buffer, void, void> {
    if (sealed.length < wanted) throw new SealedError('the sealed object is cut short');
    let at = 0;
    if (this.#index === 0) {
      this.#opener.checkHeader(sealed.subarray(0, SEALED_HEADER));
      at = SEALED_HEADER;
    }
    while (at < sealed.length) {
      const last = this.#index === this.#chunks - 1;
      const end = Math.min(at + SEALED_CHUNK, sealed.length);
      const plain = this.#opener.chunk(sealed.subarray(at, end), this.#index, last);
      this.#index += 1;
      at = end;
      if (plain.length > 0) yield plain;
    }
  }
}

/** Plain chunks in order, read synchronously: for workers. Throws BodyError. */
export function* readSealed(handle: BodyHandle): Generator<Buffer, void, void> {
  let fd = -1;
  try {
    fd = openSync(handle.path, 'r');
    const pieces = new Pieces(handle);
    const room = Buffer.allocUnsafeSlow(mostAtOnce(handle.length));
    for (const { from, to } of ranges(handle.length)) {
      const into = room.subarray(0, to - from);
      let filled = 0;
      while (filled < into.length) {
        const read = readSync(fd, into, filled, into.length - filled, handle.offset + from + filled);
        if (read === 0) break;
        filled += read;
      }
      yield* pieces.open(into.subarray(0, filled), to - from);
    }
  } catch (error) {
    throw asBodyError(error);
  } finally {
    if (fd >= 0) closeSync(fd);
  }
}

/** Plain chunks in order, of an object whose sealed bytes are in memory. Throws BodyError. */
export function* openSealedBytes(handle: BodyHandle, sealed: Buffer): Generator<Buffer, void, void> {
  try {
    const pieces = new Pieces(handle);
    for (const { from, to } of ranges(handle.length)) yield* pieces.open(sealed.subarray(from, to), to - from);
  } catch (error) {
    throw asBodyError(error);
  }
}

/** Plain chunks in order, for the main thread. Throws BodyError. */
export async function* streamSealed(handle: BodyHandle, files: Files): AsyncGenerator<Buffer, void, void> {
  let taken = false;
  try {
    const file = await files.take(handle.path);
    taken = true;
    const pieces = new Pieces(handle);
    // Plain chunks are octets of their own: what was sealed may be overwritten by the next read.
    const room = Buffer.allocUnsafeSlow(mostAtOnce(handle.length));
    for (const { from, to } of ranges(handle.length)) {
      const sealed = await readUpTo(file, room.subarray(0, to - from), handle.offset + from);
      yield* pieces.open(sealed, to - from);
    }
  } catch (error) {
    throw asBodyError(error);
  } finally {
    if (taken) await files.give(handle.path);
  }
}
