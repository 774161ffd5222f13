// Parcels and who may open them, as verbs: each is one transaction, may be repeated under its id, and writes its own audit
// entries. Keys come and go as boxes; no token, code or cookie reaches the store, only what is derived from them.

import type { BoxPlace } from '../../crypto/vault.ts';
import type { DeliveryId, OrganizationName, Time } from '../../domain/ids.ts';
import type { Grant, Parcel, ParcelState } from '../../domain/portal.ts';
import type { Actor, BodyRef, Lease, NewMessage } from '../../domain/types.ts';
import type { VerbId } from '../queue/port.ts';

/** Place of a grant's outer box, under the organization key. */
export function grantPlace({ organization, locator }: Pick<Grant, 'organization' | 'locator'>): BoxPlace {
  return { organization, table: 'access_grant', row: locator, column: 'key' };
}

export type NewParcel = {
  readonly parcel: Parcel;
  /** The recipient's link, and the sender's. */
  readonly grants: readonly Grant[];
  /** Its notice; `cause` is `notice of`, its one delivery is decided. */
  readonly notice: NewMessage;
  /** Item of the decision's list that this is, and why it came to it, in words. */
  readonly step: number;
  readonly because: string;
};

/** A code is compared only after its try was counted, durably. */
export type Tried =
  | { readonly kind: 'right'; readonly grant: Grant; readonly parcel: Parcel }
  | { readonly kind: 'wrong'; readonly left: number }
  /** Too old, used, tried too often, or never made. */
  | { readonly kind: 'over' };

export type PortalSession = {
  /** SHA-256 of the cookie, 32 octets. */
  readonly hash: Uint8Array;
  readonly organization: OrganizationName;
  readonly conversation: string;
  readonly kind: Grant['kind'];
  readonly madeAt: Time;
  readonly seenAt: Time;
  readonly expiresAt: Time;
  /** box(key from the cookie, conversation key). */
  readonly key: Uint8Array;
};

export interface Parcels {
  /** The portal step of a leased transaction: parcels, grants, notices and the receipt come to be, and the deliveries go to
   *  `noticing`, all at once. Bodies are durable before. With an outdated lease nothing happens: QueueError. */
  escrow(verb: VerbId, lease: Lease, parcels: readonly NewParcel[], receipt: NewMessage | null): Promise<void>;

  grant(locator: string): Promise<Grant | null>;
  parcel(id: string): Promise<Parcel | null>;
  ofConversation(conversation: string): Promise<readonly Parcel[]>;
  ofDelivery(delivery: DeliveryId): Promise<Parcel | null>;

  /** A code and the mail that carries it. `too many`: the grant had `most` since `since`, by one of the limits; a day is remembered. */
  challenge(
    verb: VerbId,
    made: {
      /** 16 octets. */
      readonly id: Uint8Array;
      readonly locator: string;
      readonly organization: OrganizationName;
      readonly expiresAt: Time;
      readonly code: Uint8Array;
      readonly parcel: string;
    },
    mail: NewMessage,
    limits: readonly { readonly since: Time; readonly most: number }[],
  ): Promise<'made' | 'too many'>;
  /** Counts the try, then compares; a right one is used up. At most `most` tries. */
  tryCode(
    verb: VerbId,
    tried: { readonly id: Uint8Array; readonly locator: string; readonly code: Uint8Array; readonly most: number },
  ): Promise<Tried>;

  /** A link's first session opens its parcel. */
  openSession(verb: VerbId, session: PortalSession, parcel: string): Promise<void>;
  /** Null when it is over. */
  session(hash: Uint8Array): Promise<PortalSession | null>;
  /** It was used now; when it ends stays. */
  touch(hash: Uint8Array, seenAt: Time): Promise<void>;
  closeSession(hash: Uint8Array): Promise<void>;

  /** Views and downloads are entries of the audit. */
  seen(
    verb: VerbId,
    parcel: string,
    what: 'viewed' | 'downloaded',
    detail: Readonly<Record<string, unknown>>,
  ): Promise<void>;
  /** The recipient's reply, accepted as mail to the sender. */
  replied(verb: VerbId, parcel: string, mail: NewMessage): Promise<void>;
  extend(verb: VerbId, parcel: string, until: Time, by: { actor: Actor; reason: string }): Promise<void>;
  /** Its keys, codes and sessions go at once, the sealed bytes with the next sweep; its grants stay, with an empty box, until
   *  they expire, so that a link can say what became of the message. */
  retract(verb: VerbId, parcel: string, by: { actor: Actor; reason: string }): Promise<void>;

  /** Deliveries whose parcels were retracted after that moment. */
  retractedSince(since: Time): Promise<readonly DeliveryId[]>;

  /** Newest first, keyset pages: pass the last id of a page as `before`. */
  list(what: {
    readonly organization?: OrganizationName;
    readonly recipient?: string;
    readonly states?: readonly ParcelState[];
    readonly before?: string;
    readonly limit: number;
  }): Promise<readonly Parcel[]>;

  /** Expires what is due, deletes what was expired long enough, forgets old challenges and sessions. Gives sealed bodies
   *  that no parcel owns any more; they are named again until `forgotten`. */
  sweep(now: Time, keep: number): Promise<readonly { readonly parcel: string; readonly body: BodyRef }[]>;
  forgotten(parcel: string): Promise<void>;
}
