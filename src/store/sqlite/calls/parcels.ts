// Calls, answers and rows of parcels, grants, codes and sessions of the portal.

import type { ParcelState } from '../../../domain/portal.ts';
import type { Octets } from './octets.ts';
import type { AcceptCall } from './queue.ts';

export type ParcelCall = readonly [
  id: string,
  organization: string,
  conversation: string,
  delivery: string,
  object: string,
  level: string,
  size: number,
  createdAt: number,
  expiresAt: number,
  body: string,
  fixed: Octets,
];

export type GrantCall = readonly [
  locator: Octets,
  organization: string,
  conversation: string,
  kind: string,
  expiresAt: number,
  key: Octets,
];

export type EscrowOne = readonly [
  parcel: ParcelCall,
  /** Box of the conversation's `fixed`. */
  outsider: Octets,
  grants: readonly GrantCall[],
  notice: AcceptCall,
  /** Box of the delivery's `because`. */
  because: Octets,
  step: number,
];

export type EscrowCall = readonly [
  owner: string,
  lease: number,
  parcels: readonly EscrowOne[],
  receipt: AcceptCall | null,
];

export type ChallengeCall = readonly [
  id: Octets,
  locator: Octets,
  organization: string,
  parcel: string,
  expiresAt: number,
  code: Octets,
  mail: AcceptCall,
  limits: readonly (readonly [since: number, most: number])[],
];

export type TryCall = readonly [id: Octets, locator: Octets, code: Octets, most: number];

export type TriedAnswer =
  | { readonly kind: 'right'; readonly grant: GrantRow; readonly parcel: ParcelRow }
  | { readonly kind: 'wrong'; readonly left: number }
  | { readonly kind: 'over' };

export type SessionCall = readonly [
  hash: Octets,
  organization: string,
  conversation: string,
  kind: string,
  madeAt: number,
  seenAt: number,
  expiresAt: number,
  key: Octets,
  parcel: string,
];

export type ParcelRow = {
  readonly n: number;
  readonly id: string;
  readonly organization: string;
  readonly conversation: string;
  readonly delivery: string;
  readonly state: ParcelState;
  readonly level: string;
  readonly size: number;
  readonly created_at: number;
  readonly expires_at: number;
  readonly opened_at: number | null;
  readonly replied_at: number | null;
  /** Null when its sealed bytes are gone. */
  readonly body: string | null;
  readonly fixed: Uint8Array;
};

export const PARCEL_ROW = `n, id, organization, conversation, delivery, state, level, size, created_at, expires_at,
  opened_at, replied_at, body, fixed`;

export type GrantRow = {
  readonly locator: Uint8Array;
  readonly organization: string;
  readonly conversation: string;
  readonly kind: string;
  readonly expires_at: number;
  readonly key: Uint8Array;
};

export type SessionRow = {
  readonly hash: Uint8Array;
  readonly organization: string;
  readonly conversation: string;
  readonly kind: string;
  readonly made_at: number;
  readonly seen_at: number;
  readonly expires_at: number;
  readonly key: Uint8Array;
};

/** Sealed bytes that may go; `body` is JSON. */
export type GoneRow = { readonly parcel: string; readonly body: string };
