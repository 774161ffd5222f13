// What the portal's pages may ask: doors, codes, sessions. No HTML here, no HTTP. A door answers only on its organization's
// host, and the same for every link that is none. Nothing that `look` does changes anything.

import type { OrganizationName, Time } from '../domain/ids.ts';
import type { GrantKind, Language, ParcelState } from '../domain/portal.ts';

/** What may be shown before a code: who wrote, and whether it is still there; nothing of the message. */
export type Door = {
  readonly kind: GrantKind;
  readonly organization: {
    readonly name: OrganizationName;
    readonly languages: readonly Language[];
    readonly timeZone: string;
    readonly phone: string | null;
    readonly help: string | null;
  };
  /** As header From shows it. */
  readonly from: string;
  /** Where the code goes: `p•••@oldmail.demo`. */
  readonly masked: string;
  readonly state: ParcelState;
  readonly expiresAt: Time;
};

export type CodeSent =
  | {
      readonly kind: 'sent';
      /** Rides in the form; 22 characters base64url. */
      readonly challenge: string;
      /** Shown on the page and in the mail, so that a person sees which code belongs to which page. */
      readonly word: string;
      readonly until: Time;
    }
  | { readonly kind: 'too many' }
  | { readonly kind: 'closed' };

export type Entered =
  | { readonly kind: 'in'; readonly parcel: string; readonly cookie: string; readonly maxAge: number }
  | { readonly kind: 'wrong'; readonly left: number }
  | { readonly kind: 'over' }
  | { readonly kind: 'closed' };

export type AttachmentView = {
  /** Index of the part in the message. */
  readonly part: number;
  readonly name: string;
  /** Media type as declared; for show only. */
  readonly type: string;
  /** Decoded octets, as near as it is known. */
  readonly size: number;
};
export type MessageView = {
  readonly subject: string;
  readonly from: string;
  readonly date: Time;
  /** Sanitized; null when the message has plain text only. Shown in a frame of its own. */
  readonly html: string | null;
  readonly text: string;
  /** Too large to be shown whole; all of it is among the attachments then. */
  readonly cut: boolean;
  readonly attachments: readonly AttachmentView[];
};

/** What a recipient may do behind a code. */
export type Pickup = {
  readonly kind: 'link';
  readonly door: Door;
  readonly parcel: string;
  /** Records the view. */
  view(): Promise<MessageView>;
  /** Without recording: for the frame that belongs to a view. */
  html(): Promise<string | null>;
  /** Null when there is no such part. */
  attachment(part: number): Promise<{ readonly view: AttachmentView; readonly body: AsyncIterable<Uint8Array> } | null>;
  /** `once` (from the form) makes a repeated post one reply. */
  reply(text: string, once: string): Promise<'sent' | 'empty' | 'too long' | 'too many' | 'no sender'>;
};
/** What the sender may do behind a code. */
export type Desk = {
  readonly kind: 'sender';
  readonly door: Door;
  readonly parcel: string;
  readonly recipient: string;
  readonly openedAt: Time | null;
  readonly repliedAt: Time | null;
  readonly createdAt: Time;
  /** By so many days from now on; gives the new expiry. */
  extend(days: number): Promise<Time>;
  retract(): Promise<void>;
};

export type Portal = {
  door(host: string, kind: GrantKind, token: string): Promise<Door | null>;
  sendCode(host: string, kind: GrantKind, token: string, language: Language): Promise<CodeSent>;
  enter(host: string, kind: GrantKind, token: string, challenge: string, code: string): Promise<Entered>;
  /** By the cookie of that parcel; null when it is over. */
  session(host: string, parcel: string, cookie: string): Promise<Pickup | Desk | null>;
  leave(parcel: string, cookie: string): Promise<void>;
  /** Organization whose portal that host is; null when it is none. */
  host(host: string): {
    readonly name: OrganizationName;
    readonly languages: readonly Language[];
    readonly phone: string | null;
    readonly help: string | null;
  } | null;
};
