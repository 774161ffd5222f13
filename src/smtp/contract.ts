// What the listener and whoever handles its mail agree on; types only.

import type { Clock, DsnEnvelope, Envelope, EnvelopeRecipient, Reply } from '../domain/types.ts';
import type { Admission, AdmissionLimits } from './admission.ts';

export type ListenerName = 'smtp' | 'submit';

/** Who speaks. `with` is the protocol keyword of RFC 3848 and RFC 6531 for Received. */
export type Client = {
  readonly ip: string;
  readonly port: number;
  readonly listener: ListenerName;
  /** Empty before EHLO. */
  readonly helo: string;
  readonly with: string;
  readonly tls?: { readonly version: string; readonly cipher: string };
  /** Proven by SMTP AUTH. */
  readonly login?: string;
};

export type MailFrom = {
  /** Empty for `<>`. */
  readonly reversePath: string;
  /** Octets, as declared. */
  readonly size?: number;
  readonly dsn: DsnEnvelope;
  readonly smtpUtf8: boolean;
  readonly body: '7BIT' | '8BITMIME';
};

/** A handler that throws gives 451 4.3.0 without details. */
export type Handlers = {
  /** Null accepts; a reply refuses the connection. */
  readonly connect: (client: Client) => Reply | null;
  /** Only where AUTH is offered, only over TLS. */
  readonly authenticate: (login: string, password: string, client: Client) => Promise<boolean>;
  readonly mail: (client: Client, mail: MailFrom) => Promise<Reply | null>;
  /** `soFar` holds the recipients already accepted; it changes with the next one. */
  readonly rcpt: (client: Client, soFar: Envelope, recipient: EnvelopeRecipient) => Promise<Reply | null>;
  /** Mail data, un-stuffed, in chunks. The iterable throws `DataRefused` (with the reply that is given in any case) on
   *  bare CR, bare LF, NUL, size or deadline, `DataGone` when the client left. Returns the reply to the data. A chunk
   *  belongs to the consumer. */
  readonly data: (client: Client, envelope: Envelope, body: AsyncIterable<Uint8Array>) => Promise<Reply>;
};

/** Milliseconds, counts and octets a second. */
export type Limits = AdmissionLimits & {
  /** Recipients of one transaction; at least 1,000 for Microsoft 365. */
  readonly recipients: number;
  /** Wrong commands since the last message, then 421. */
  readonly errors: number;
  /** NOOP, RSET and the like since the last message, then 421. */
  readonly junk: number;
  /** From our reply to the end of the next command. RFC 5321 §4.5.3.2.7: at least 5 minutes. */
  readonly command: number;
  readonly handshake: number;
  /** From the 354 to the final dot. */
  readonly data: number;
  /** Octets a second in mail data. */
  readonly minRate: number;
  /** Age at which a session is ended between two commands. */
  readonly session: number;
  /** Wait before the greeting, to catch who does not wait for it. */
  readonly greetDelay: number;
  /** Wait before the first 535; doubles. */
  readonly authDelay: number;
};

export type Log = {
  readonly info: (fields: Readonly<Record<string, unknown>>, message: string) => void;
  readonly warn: (fields: Readonly<Record<string, unknown>>, message: string) => void;
  readonly error: (fields: Readonly<Record<string, unknown>>, message: string) => void;
};

/** What a session is given by its listener. */
export type SessionDeps = {
  readonly name: ListenerName;
  readonly hostname: string;
  readonly tls: 'required' | 'optional';
  readonly auth: boolean;
  readonly maxSize: number;
  readonly limits: Limits;
  readonly handlers: Handlers;
  readonly admission: Admission;
  readonly clock: Clock;
  readonly log: Log;
  /** The connection is closed. */
  readonly left: (session: unknown) => void;
};
