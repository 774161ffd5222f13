// Boxed keys, as rows. Boxes go in and out; no key is ever plain here. Stands in keys/ because the ring uses it and the
// store implements it (store/keyring/).

import type { OrganizationName, Time } from '../domain/ids.ts';
import type { Actor } from '../domain/types.ts';

export type KeyRow = {
  readonly organization: OrganizationName;
  /** `organization`, `index`, `fields 2026-11`, `digest` … */
  readonly purpose: string;
  readonly generation: number;
  /** 8 hex. */
  readonly id: string;
  /** Id of the key that wraps it. */
  readonly wrappedBy: string;
  readonly box: Uint8Array;
  readonly createdAt: Time;
};

export interface Keyring {
  all(): Promise<readonly KeyRow[]>;
  /** Inserts unless (organization, purpose, generation) exists; returns the row that stands. Audited, durable. */
  add(row: KeyRow): Promise<KeyRow>;
}

/** What a rotation says of itself in the database until it is done. */
export type RotationMark = {
  /** Ids of master keys whose lines leave the key file at the end. */
  readonly from: readonly string[];
  /** Id of the master key that wraps from now on. */
  readonly to: string;
  readonly actor: Actor;
  readonly begunAt: Time;
};

export type Renewed = {
  readonly keys: number;
  readonly bodies: number;
  readonly grants: number;
  readonly addressKeys: number;
  /** Under an earlier key, and do not open: they were changed or are damaged, and stay as they are. */
  readonly unreadable: number;
};

/** `unreadable`: rows that do not open, and stay as they are. */
export type Moved = { readonly moved: number; readonly unreadable: number };

/** The boxes that stand directly under organization keys, in rows, and how a rotation is recorded. */
export interface KeyBoxes {
  mark(): Promise<RotationMark | null>;
  /** Audited; a mark that stands is replaced. */
  begin(mark: RotationMark, reason: string): Promise<void>;
  /** One pass over all rows: what stands under an earlier organization key is made anew under the present one, in
   *  batches, each only where the row is still as it was read. `progress` hears of rows looked at. */
  renew(rewrapRow: (row: KeyRow) => KeyRow | null, progress: (rows: number) => void): Promise<Renewed>;
  /** Moves what outlives its month (keys of addresses, operators, logins) under the present key `fields lasting` of its
   *  organization: rows of before that key, of a backup, of an earlier generation. May be broken off, and repeated; with
   *  `stop` it ends after the batch that it is at. */
  moveLasting(stop?: AbortSignal): Promise<Moved>;
  /** Deletes these organization keys, audited; QueueError while a row is still known to need one. From then on no box under
   *  them is taken. */
  retire(rows: readonly KeyRow[], actor: Actor): Promise<void>;
  /** Empties the write-ahead log; false when a reader was in the way. */
  emptyLog(): Promise<boolean>;
  /** Takes the mark away, audited. */
  end(mark: RotationMark, detail: Readonly<Record<string, number>>): Promise<void>;
}
