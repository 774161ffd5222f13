// Sealed objects: large values in chunks of 64 KiB, each authenticated by itself and by its place, so that they stream in
// both directions and nothing unauthenticated is ever seen (src/README.md, "Sealed object"). Refused: another key (told by the
// commitment, first), another organization, changed, moved, missing or added chunks, trailing bytes. Pure; logs nothing.
// It cannot tell that a whole object was put in the place of another with the same id, key and organization.

import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';
import type { OrganizationName } from '../domain/ids.ts';
import { deriver } from './derive.ts';

const MAGIC = Buffer.from('SRS1');
const LOG2_CHUNK = 16;
const TAG = 16;
const TAGGED = { authTagLength: TAG } as const;

/** Plain octets of a chunk. */
export const CHUNK = 1 << LOG2_CHUNK;

const EMPTY = Buffer.alloc(0);
/** First size of a sealer's buffer. */
const SMALL = 8192;
/** Buffers for reuse, by size: to allocate one costs ten times what it costs to fill it. */
const SPARE = new Map<number, Buffer[]>([
  [SMALL, []],
  [CHUNK, []],
]);
const MOST_SPARE = 64;

/** Octets of a full chunk as it is stored. */
export const SEALED_CHUNK = CHUNK + TAG;
/** Octets of the header. */
export const SEALED_HEADER = 56;

/** What the object is; part of the header. */
export const KIND = { body: 1, parcel: 2, upload: 3 } as const;

/** `object` 16 octets, `dataKey` 32, random for each writing. */
export type SealedIdentity = {
  readonly kind: number;
  readonly object: Uint8Array;
  readonly organization: OrganizationName;
  readonly dataKey: Uint8Array;
};

/** The bytes are not what was sealed under this identity. */
export class SealedError extends Error {}

/** Octets of the sealed object of `plain` octets. */
export function sealedLength(plain: number): number {
  return SEALED_HEADER + plain + TAG * Math.max(1, Math.ceil(plain / CHUNK));
}

/** Header, chunk key and authenticated data that writing and reading share. */
type Frame = { header: Buffer; key: KeyObject; bound: Buffer; derive: (info: string) => Buffer };

function frame(identity: SealedIdentity): Frame {
  const derive = deriver(identity.dataKey);
  const organization = Buffer.from(identity.organization);
  const bound = Buffer.allocUnsafe(SEALED_HEADER + organization.length).fill(0, 0, 8);
  bound.set(MAGIC, 0);
  bound[4] = identity.kind;
  bound[5] = LOG2_CHUNK;
  bound.set(identity.object, 8);
  bound.set(derive('sealrelay/1 commit'), 24);
  bound.set(organization, SEALED_HEADER);
  return {
    header: bound.subarray(0, SEALED_HEADER),
    key: createSecretKey(derive('sealrelay/1 chunk')),
    bound,
    derive,
  };
}

function nonceOf(index: number, last: boolean): Buffer {
  const nonce = Buffer.allocUnsafe(12).fill(0);
  nonce.writeUIntBE(index, 5, 6);
  nonce[11] = last ? 1 : 0;
  return nonce;
}

function giveBack(buffer: Buffer): void {
  const spare = SPARE.get(buffer.length);
  if (spare && spare.length < MOST_SPARE) spare.push(buffer);
}

/** Seals a stream: bytes in by `write`, sealed pieces out, in order; `end` gives the rest. Copies what it is given, so
 *  callers may reuse their buffers. */
export class Sealer {
  readonly #frame: Frame;
  #pending: Buffer = EMPTY;
  #filled = 0;
  #index = 0;
  /** Stands before everything `write` gives. */
  readonly header: Buffer;
  /** HKDF(data key, info), for what is sealed beside the object. */
  readonly derive: (info: string) => Buffer;

  constructor(identity: SealedIdentity) {
    this.#frame = frame(identity);
    this.derive = this.#frame.derive;
    this.header = this.#frame.header;
  }

  /** For what this one seals, without deriving its keys again. */
  opener(): Opener {
    return new Opener(this.#frame);
  }

  write(plain: Uint8Array): Buffer[] {
    const out: Buffer[] = [];
    let at = 0;
    while (at < plain.length) {
      // Only now is it known that the chunk before is not the last one.
      if (this.#filled === CHUNK) this.#flush(out);
      const left = plain.length - at;
      if (this.#filled === 0 && left > CHUNK) {
        this.#seal(plain.subarray(at, at + CHUNK), false, out);
        at += CHUNK;
        continue;
      }
      const take = Math.min(left, CHUNK - this.#filled);
      this.#room(this.#filled + take);
      this.#pending.set(plain.subarray(at, at + take), this.#filled);
      this.#filled += take;
      at += take;
    }
    return out;
  }

  end(): Buffer[] {
    const out: Buffer[] = [];
    this.#seal(this.#pending.subarray(0, this.#filled), true, out);
    giveBack(this.#pending);
    this.#pending = EMPTY;
    return out;
  }

  #flush(out: Buffer[]): void {
    this.#seal(this.#pending, false, out);
    this.#filled = 0;
  }

  /** Two sizes: most messages are far smaller than a chunk. */
  #room(wanted: number): void {
    if (wanted <= this.#pending.length) return;
    const before = this.#pending;
    const size = wanted <= SMALL ? SMALL : CHUNK;
    this.#pending = SPARE.get(size)!.pop() ?? Buffer.allocUnsafeSlow(size);
    this.#pending.set(before.subarray(0, this.#filled));
    giveBack(before);
  }

  #seal(plain: Uint8Array, last: boolean, out: Buffer[]): void {
    const { key, bound } = this.#frame;
    const cipher = createCipheriv('aes-256-gcm', key, nonceOf(this.#index, last), TAGGED);
    cipher.setAAD(bound);
    if (plain.length > 0) out.push(cipher.update(plain));
    cipher.final();
    out.push(cipher.getAuthTag());
    this.#index += 1;
  }
}

export function openerOf(identity: SealedIdentity): Opener {
  return new Opener(frame(identity));
}

/** Opens the parts of a sealed object whose borders the caller knows. Throws SealedError. */
export class Opener {
  readonly #key: KeyObject;
  readonly #bound: Buffer;
  readonly #header: Buffer;

  constructor({ header, key, bound }: Frame) {
    this.#header = header;
    this.#key = key;
    this.#bound = bound;
  }

  /** Before any chunk. The commitment is compared first: another key is told apart from damage. */
  checkHeader(header: Uint8Array): void {
    if (header.length !== SEALED_HEADER) throw new SealedError('the sealed object is shorter than its header');
    if (!timingSafeEqual(header.subarray(24), this.#header.subarray(24))) {
      throw new SealedError('the sealed object was made under another key, or its header was changed');
    }
    if (!timingSafeEqual(header, this.#header)) {
      throw new SealedError('the sealed object has another format, kind or id');
    }
  }

  /** `sealed` with its tag; gives the plain bytes only when the tag holds for this index, place and `last`. */
  chunk(sealed: Uint8Array, index: number, last: boolean): Buffer {
    if (sealed.length < TAG || sealed.length > SEALED_CHUNK || (!last && sealed.length !== SEALED_CHUNK)) {
      throw new SealedError('the sealed object is cut short');
    }
    return this.#open(sealed.subarray(0, sealed.length - TAG), sealed.subarray(sealed.length - TAG), index, last);
  }

  /** Plain chunks of a whole object in the pieces that its Sealer gave: the header, then ciphertext and tag of each chunk. An
   *  empty object has a tag alone. */
  *pieces(given: readonly Uint8Array[]): Generator<Buffer, void, void> {
    this.checkHeader(given[0]!);
    if (given.length === 2) {
      this.#open(EMPTY, given[1]!, 0, true);
      return;
    }
    for (let at = 1; at < given.length; at += 2) {
      yield this.#open(given[at]!, given[at + 1]!, (at - 1) / 2, at + 2 === given.length);
    }
  }

  #open(sealed: Uint8Array, tag: Uint8Array, index: number, last: boolean): Buffer {
    const decipher = createDecipheriv('aes-256-gcm', this.#key, nonceOf(index, last), TAGGED);
    decipher.setAAD(this.#bound);
    decipher.setAuthTag(tag);
    const plain = decipher.update(sealed);
    try {
      decipher.final();
    } catch {
      plain.fill(0);
      throw new SealedError(`chunk ${index} of the sealed object does not open`);
    }
    return plain;
  }
}

/** Borders of the chunks of a sealed object of `length` octets, relative to its start. Throws SealedError. */
export function chunksOf(length: number): number {
  if (length < SEALED_HEADER + TAG) throw new SealedError('the sealed object is shorter than its smallest form');
  return Math.ceil((length - SEALED_HEADER) / SEALED_CHUNK);
}

/** Plain chunks of sealed bytes that come in pieces of any size. Throws SealedError; what was given before was whole and
 *  in its place, but only the normal end says that nothing is missing. */
export async function* openSealed(
  identity: SealedIdentity,
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Buffer, void, void> {
  const opener = openerOf(identity);
  let held: Buffer = Buffer.alloc(0);
  let index = -1;
  for await (const piece of source) {
    held = held.length === 0 ? Buffer.from(piece.buffer, piece.byteOffset, piece.length) : Buffer.concat([held, piece]);
    if (index < 0 && held.length >= SEALED_HEADER) {
      opener.checkHeader(held.subarray(0, SEALED_HEADER));
      held = held.subarray(SEALED_HEADER);
      index = 0;
    }
    // One octet more than a chunk: only then is it certainly not the last.
    while (index >= 0 && held.length > SEALED_CHUNK) {
      yield opener.chunk(held.subarray(0, SEALED_CHUNK), index, false);
      held = held.subarray(SEALED_CHUNK);
      index += 1;
    }
  }
  if (index < 0) throw new SealedError('the sealed object is shorter than its header');
  const rest = opener.chunk(held, index, true);
  if (rest.length > 0) yield rest;
}
