// Calls and rows of operators, logins, keys and the keys of addresses.

import type { Octets } from './octets.ts';

export type LoginRow = { readonly name: string; readonly organization: string; readonly box: Uint8Array };

export type OperatorRow = { readonly name: string; readonly box: Uint8Array };

export type KeyRowCall = readonly [
  organization: string,
  purpose: string,
  generation: number,
  id: string,
  wrappedBy: string,
  box: Octets,
  createdAt: number,
];

export type StoredKey = {
  organization: string;
  purpose: string;
  generation: number;
  id: string;
  wrapped_by: string;
  box: Uint8Array;
  created_at: number;
};

export type AddressKeyRow = { readonly id: string; readonly organization: string; readonly box: Uint8Array };

export type AddAddressKeyCall = readonly [
  id: string,
  organization: string,
  kind: string,
  own: 0 | 1,
  tag: Octets,
  /** Keys that stand under that tag. */
  standing: number,
  pinned: 0 | 1,
  validUntil: number | null,
  box: Octets,
  secret: Octets | null,
  actor: string,
  detail: string,
  reason: Octets,
];

export type ChangeAddressKeyCall = readonly [
  id: string,
  /** The box that is replaced. */
  before: Octets,
  box: Octets,
  /** Null: it stays as it is. */
  secret: Octets | null,
  pinned: 0 | 1,
  validUntil: number | null,
  revokedAt: number | null,
  actor: string,
  event: string,
  detail: string,
  reason: Octets,
];

/** What stands under an organization key, by the table it stands in. */
export type BoxKind = 'body' | 'grant' | 'private';
/** What outlives its month, and stands under `fields lasting`. */
export type LastingKind = 'addressKey' | 'operator' | 'login';

/** A row with such a box. `body`: JSON of the reference that holds it, of a body; `gone`: that body was removed. */
export type KeyBoxRow = {
  /** Number, or locator of a grant. */
  readonly row: number | Uint8Array;
  /** The id by which the row is called in the box's place. */
  readonly id: string;
  readonly organization: string;
  readonly box: Uint8Array | null;
  readonly body: string | null;
  readonly gone: number;
};

/** `next` null: there are no more. */
export type KeyBoxPage = { readonly rows: readonly KeyBoxRow[]; readonly next: number | Uint8Array | null };

/** Only where `before` still stands; octets of boxes, JSON of bodies. */
export type ReplaceCall = readonly [
  kind: BoxKind | LastingKind,
  changes: readonly (readonly [row: number | Octets, before: string, after: string])[],
];

export type RewrapCall = readonly (readonly [
  organization: string,
  purpose: string,
  generation: number,
  before: Octets,
  wrappedBy: string,
  after: Octets,
])[];

export type RetireCall = readonly [
  actor: string,
  keys: readonly (readonly [organization: string, generation: number, id: string])[],
];

/** Keys of segments that were looked through: ids in hex. */
export type SegmentKeysCall = readonly [name: string, keys: readonly string[]];

/** The last numbers of messages and entries: up to them nothing is under the keys, as was seen after the last box was made. */
export type BoxMarks = { readonly message: number; readonly audit: number };
export type DestroyKeysCall = readonly [
  marks: BoxMarks,
  /** All generations of a month's key. */
  months: readonly (readonly [
    organization: string,
    month: string,
    since: number,
    until: number,
    ids: readonly string[],
  ])[],
];
