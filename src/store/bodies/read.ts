// Sealed bytes from disk to plain chunks, by a handle: what a worker or a delivery reads with. Needs no database, no
// vault and no state. Each chunk's tag is checked before it is given. Logs nothing; throws BodyError.

import { closeSync, openSync, readSync } from 'node:fs';
import { chunksOf, type Opener, openerOf, SEALED_CHUNK, SEALED_HEADER, SealedError } from '../../crypto/sealed.ts';
import { isMissing, readUpTo } from './io.ts';
import { BodyError, type BodyHandle } from './port.ts';
import type { Files } from './readers.ts';

/** Chunks read at once: bodies up to 256 KiB cost one read. */
const AT_ONCE = 4;

function openerBy(handle: BodyHandle): Opener {
  const { kind, organization, dataKey } = handle;
  return openerOf({ kind, object: Buffer.from(handle.object, 'hex'), organization, dataKey });
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
    this.#opener = openerBy(handle);
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

/** Where `readSealed` gets its file, and gives it back. */
export type SyncFiles = { take(path: string): number; give(path: string, fd: number): void };

const EACH: SyncFiles = { take: (path) => openSync(path, 'r'), give: (_, fd) => closeSync(fd) };

/** Milliseconds for which a file that nobody reads from stays open: when it is removed, its space is free only then. */
const IDLE_MS = 1_000;

/** For who reads one small body after the other, most of them from one segment: the last file stays open for a moment. */
export function keptFile(): SyncFiles {
  let kept: { readonly path: string; readonly fd: number } | null = null;
  let timer: NodeJS.Timeout | undefined;
  const close = () => {
    if (kept !== null) closeSync(kept.fd);
    kept = null;
  };
  return {
    take(path) {
      if (kept?.path !== path) return openSync(path, 'r');
      const { fd } = kept;
      kept = null;
      return fd;
    },
    give(path, fd) {
      close();
      kept = { path, fd };
      timer = timer?.refresh() ?? setTimeout(close, IDLE_MS).unref();
    },
  };
}

/** The room of the last reader, for the next one. */
let spare: Buffer | null = null;
const ROOM_STEP = 65_536;

function roomFor(octets: number): Buffer {
  const room =
    spare !== null && spare.length >= octets
      ? spare
      : Buffer.allocUnsafeSlow(Math.ceil(octets / ROOM_STEP) * ROOM_STEP);
  if (room === spare) spare = null;
  return room;
}

/** Plain chunks in order, read synchronously: for workers. Throws BodyError. */
export function* readSealed(handle: BodyHandle, files: SyncFiles = EACH): Generator<Buffer, void, void> {
  let fd = -1;
  let room: Buffer | null = null;
  try {
    fd = files.take(handle.path);
    const pieces = new Pieces(handle);
    // Plain chunks are octets of their own: what was sealed may be overwritten by the next read.
    room = roomFor(mostAtOnce(handle.length));
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
    if (room !== null) spare = room;
    if (fd >= 0) files.give(handle.path, fd);
  }
}

/** Plain chunks in order, of an object whose sealed pieces are in memory. Throws BodyError. */
export function* openSealedPieces(
  by: BodyHandle | Opener,
  sealed: readonly Uint8Array[],
): Generator<Buffer, void, void> {
  try {
    yield* ('dataKey' in by ? openerBy(by) : by).pieces(sealed);
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
