// The escrow portal in values: parcels that wait for pick-up, and who may open them (src/README.md, "Tokens and parcels").

import type { Address, DeliveryId, OrganizationName, Time } from './ids.ts';
import type { BodyRef, Level } from './types.ts';

export type Language = 'en' | 'es';

/** `link`: the recipient's, in the notice. `sender`: the sender's, in the receipt. */
export type GrantKind = 'link' | 'sender';

/** `expired` is kept for a while so that it can be extended; `retracted` and `deleted` have no key any more. */
export type ParcelState = 'waiting' | 'opened' | 'replied' | 'expired' | 'retracted' | 'deleted';

/** One message sealed for one recipient. */
export type Parcel = {
  /** 26 characters `a-z2-7`, random; no secret: it stands in URLs behind a session. */
  readonly id: string;
  readonly organization: OrganizationName;
  /** 26 characters, as `id`. */
  readonly conversation: string;
  readonly delivery: DeliveryId;
  readonly state: ParcelState;
  /** Sealed mail data; `body.key` is the box of its data key under the conversation key. */
  readonly body: BodyRef;
  /** Octets of the mail data. */
  readonly size: number;
  readonly createdAt: Time;
  readonly expiresAt: Time;
  readonly openedAt: Time | null;
  readonly repliedAt: Time | null;
  /** Least level of the hop that notice and code travel by. */
  readonly level: Level;
  readonly recipient: Address;
  /** Reverse-path of the message: who gets receipt and replies. Empty: nobody. */
  readonly sender: string;
  /** As header From shows it, for notice and pages: `Dr. Lee <lee@clinic.example>`. */
  readonly from: string;
  readonly messageId: string;
};

/** All transitions of a parcel. */
export const PARCEL_NEXT: Readonly<Record<ParcelState, readonly ParcelState[]>> = {
  waiting: ['opened', 'replied', 'expired', 'retracted', 'deleted'],
  opened: ['replied', 'expired', 'retracted', 'deleted'],
  replied: ['expired', 'retracted', 'deleted'],
  expired: ['waiting', 'opened', 'replied', 'retracted', 'deleted'],
  retracted: ['deleted'],
  deleted: [],
};
export const PARCEL_STATES = Object.keys(PARCEL_NEXT) as readonly ParcelState[];

/** A conversation key under a token: found by `locator`, opened by what is derived from the token. */
export type Grant = {
  /** 16 octets, hex. */
  readonly locator: string;
  readonly organization: OrganizationName;
  readonly conversation: string;
  readonly kind: GrantKind;
  readonly expiresAt: Time;
  /** box(organization key, box(inner key, conversation key)). */
  readonly box: Uint8Array;
};
