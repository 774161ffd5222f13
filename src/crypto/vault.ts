// What the adapters of the store need of keys, without holding one: boxes, search tags, digests, data keys (src/README.md).
// Implemented by keys/; everything here is synchronous once `ready` has resolved for the organization.

import type { OrganizationName } from '../domain/ids.ts';

/** Place of a boxed value; part of its authenticated data. */
export type BoxPlace = {
  readonly organization: OrganizationName;
  readonly table: string;
  readonly row: string;
  readonly column: string;
};

/** One generation of the key of a month (YYYY-MM); `id` in hex. */
export type FieldsKey = { readonly organization: OrganizationName; readonly month: string; readonly id: string };

export class VaultError extends Error {
  readonly code: 'no key' | 'does not open';
  constructor(code: VaultError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

export interface Vault {
  /** Makes the keys of an organization for the month of `at`, durable before it resolves; cheap when they exist. */
  ready(organization: OrganizationName, at: number): Promise<void>;
  /** Key id ‖ nonce ‖ ciphertext ‖ tag, under the organization's `fields` key of the month of `at`. */
  box(place: BoxPlace, plain: Uint8Array, at: number): Uint8Array;
  /** The same under the organization's key `fields lasting`, which no retention deletes: for what outlives its month. */
  keep(place: BoxPlace, plain: Uint8Array): Uint8Array;
  /** A box of `box` or `keep`, made anew under the present key `fields lasting`; null when it stands under that one already.
   *  Throws VaultError. */
  rekeep(place: BoxPlace, box: Uint8Array): Uint8Array | null;
  /** From now on these `fields` keys make no box. The answer ends that: those not in `gone` make boxes again, those that
   *  are do not open any more either. Until then `ready` rejects for their months. */
  rest(keys: readonly FieldsKey[]): (gone: readonly FieldsKey[]) => void;
  /** The same under the organization key, for keys: it stays when the `fields` key of a month is deleted. */
  wrap(place: BoxPlace, plain: Uint8Array): Uint8Array;
  /** A box of `wrap`, made anew under the present organization key; null when it stands under that one already, or is not
   *  of an earlier one. Throws VaultError when it should open and does not. */
  rewrap(place: BoxPlace, box: Uint8Array): Uint8Array | null;
  /** What `box` or `wrap` made. Throws VaultError. */
  open(place: BoxPlace, box: Uint8Array): Uint8Array;
  /** 16 bytes: HMAC-SHA-256(`index`, column, normalised value). */
  tag(organization: OrganizationName, column: string, value: string): Uint8Array;
  /** 32 bytes: HMAC-SHA-256(`code`, challenge, code), all that is kept of a mailed code. */
  code(organization: OrganizationName, challenge: Uint8Array, code: string): Uint8Array;
  /** HMAC-SHA-256 of a sealed object's plain bytes, streamed. */
  digest(organization: OrganizationName): { update(chunk: Uint8Array): void; end(): Uint8Array };
  /** A new data key and its box under the organization key, for the object. */
  newDataKey(organization: OrganizationName, object: string): { readonly key: Uint8Array; readonly box: Uint8Array };
  openDataKey(organization: OrganizationName, object: string, box: Uint8Array): Uint8Array;
  /** As `rewrap`, of a data key. */
  rewrapDataKey(organization: OrganizationName, object: string, box: Uint8Array): Uint8Array | null;
}
