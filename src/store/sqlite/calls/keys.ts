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
