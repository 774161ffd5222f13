// The keys of correspondents and of organizations, as records (the gateway's own symmetric keys: port.ts). Stands in keys/
// because judging uses it and the store implements it (store/keyring/). Every change writes its audit entry in the same
// transaction.

import type { OrganizationName, Time } from '../domain/ids.ts';
import type { KeyFacts, KeyKind } from '../domain/keys.ts';
import type { Actor } from '../domain/types.ts';

/** 16 characters `a-z2-7`. */
export type AddressKeyId = string;

export type AddressKey = {
  readonly id: AddressKeyId;
  readonly organization: OrganizationName;
  /** Whom it is used for: an address, or `@example.org` for all of a domain (a partner's gateway). Lower case. */
  readonly subject: string;
  /** The organization's own: it signs with it, and opens what comes in. */
  readonly own: boolean;
  readonly facts: KeyFacts;
  /** Octets of the public key or certificate (domain/keys.ts). */
  readonly public: Uint8Array;
  readonly pinned: boolean;
  /** Revoked here, by an operator. */
  readonly revoked: { readonly at: Time; readonly reason: string } | null;
  readonly addedAt: Time;
  readonly addedBy: Actor;
};

export type NewAddressKey = Omit<AddressKey, 'revoked' | 'addedAt' | 'addedBy'> & {
  /** Boxed by the organization key in the store; only for `own`. */
  readonly private?: Uint8Array;
};

export type KeyChange = { readonly actor: Actor; readonly reason: string };

export interface KeyBook {
  /** Correspondents' for an address, never organizations' own: its own first, then those of its domain; of each the newest
   *  first. None revoked is left out. Rejects when one cannot be read: it might be the one that is looked for. */
  forAddress(organization: OrganizationName, address: string): Promise<readonly AddressKey[]>;
  /** The organization's own of a kind, newest first. */
  own(organization: OrganizationName, kind: KeyKind): Promise<readonly AddressKey[]>;
  /** Opens the private part of an own key; null when there is none. */
  privateOf(key: Pick<AddressKey, 'id' | 'organization'>): Promise<Uint8Array | null>;
  byId(id: AddressKeyId): Promise<AddressKey | null>;
  /** In the order in which they were added, in pages: pass the last id of a page as `after`. */
  list(what: {
    readonly organization?: OrganizationName;
    readonly subject?: string;
    readonly kind?: KeyKind;
    readonly own?: boolean;
    readonly after?: AddressKeyId;
    readonly limit: number;
  }): Promise<readonly AddressKey[]>;
  /** One with the same organization, subject, kind, `own` and fingerprint stands already: its id comes back and nothing changes. */
  add(key: NewAddressKey, change: KeyChange): Promise<AddressKeyId>;
  /** A newer copy of the same key takes the place of what is known of it: a later end, another subkey, more issuers. */
  renew(id: AddressKeyId, copy: Pick<NewAddressKey, 'facts' | 'public' | 'private'>, change: KeyChange): Promise<void>;
  /** Nothing changes, and no entry is written, when it is so already; the same for `revoke`. */
  pin(id: AddressKeyId, pinned: boolean, change: KeyChange): Promise<void>;
  revoke(id: AddressKeyId, change: KeyChange): Promise<void>;
}

/** What a look-up of a recipient's keys says: discovery adds its own answers here. `not now` is temporary and never "none". */
export type KeyAnswer =
  | { readonly kind: 'found'; readonly key: AddressKey }
  | { readonly kind: 'none'; readonly why: string }
  | { readonly kind: 'not now'; readonly why: string };
