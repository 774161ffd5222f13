// Sealed bytes on disk: append-only segments with one sync for many, large bodies in files of their own.

import type { OrganizationName } from '../../domain/ids.ts';
import type { BodyRef } from '../../domain/types.ts';

/** A body being written: chunks of plain bytes in, sealed at once; nothing plain reaches the disk. */
export interface BodyWriter {
  /** Resolves when the writer can take more (back-pressure). Rejects with code `full` when space is out. */
  write(chunk: Uint8Array): Promise<void>;
  /** Seals the last chunk. `durable` resolves when the bytes are on stable storage; the caller may commit rows meanwhile.
   *  `envelope` is sealed beside the body, for recovery without the database. `ref` is valid at once. */
  end(envelope: Uint8Array): {
    readonly ref: BodyRef;
    readonly size: number;
    readonly digest: Uint8Array;
    readonly durable: Promise<void>;
  };
  /** Drops what was written. */
  abort(): Promise<void>;
}

/** What a worker needs to read a sealed object by itself, without any key but this object's. */
export type BodyHandle = {
  readonly path: string;
  readonly offset: number;
  readonly length: number;
  readonly object: string;
  readonly organization: OrganizationName;
  /** One of KIND in crypto/sealed.ts. */
  readonly kind: number;
  /** 32 bytes; never logged, never kept after the job. */
  readonly dataKey: Uint8Array;
};

/** A sealed object whose key is its maker's: what is kept here of the key opens only with what the maker holds. */
export type Seal = {
  /** From `newObject`, used once. */
  readonly object: string;
  /** One of KIND in crypto/sealed.ts. */
  readonly kind: number;
  /** 32 octets, copied. */
  readonly dataKey: Uint8Array;
  /** At most 84 octets: stands beside the object, and base64url as `key` of its reference. */
  readonly box: Uint8Array;
};

export class BodyError extends Error {
  readonly code: 'missing' | 'corrupt' | 'full' | 'failed';
  constructor(code: BodyError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

export interface Bodies {
  /** `expected` octets, when known, are reserved; throws BodyError `full` when they do not fit. */
  create(organization: OrganizationName, expected?: number, seal?: Seal): BodyWriter;
  /** Id of an object that is sealed next, 32 hex. */
  newObject(): string;
  /** Plain bytes in order; each chunk's tag was checked before it is given. Throws BodyError. */
  open(organization: OrganizationName, ref: BodyRef): AsyncIterable<Uint8Array>;
  handle(organization: OrganizationName, ref: BodyRef): BodyHandle;
  /** As `open` and `handle`, for what was made with a `Seal`. */
  openWith(organization: OrganizationName, ref: BodyRef, dataKey: Uint8Array, kind: number): AsyncIterable<Uint8Array>;
  handleWith(organization: OrganizationName, ref: BodyRef, dataKey: Uint8Array, kind: number): BodyHandle;
  /** Overwrites the key and frees the space. May be repeated. */
  remove(ref: BodyRef): Promise<void>;
  /** Removes what has no row: `known` answers for object ids (32 hex); only objects older than `before`. */
  sweep(
    known: (objects: readonly string[]) => Promise<ReadonlySet<string>>,
    before: number,
  ): Promise<{ removed: number }>;
  /** Free octets on the file system and octets reserved by writers. */
  space(): Promise<{ free: number; reserved: number }>;
  close(): Promise<void>;
}
