// What every step of the line is given: ports, collaborators and the settings in force. main.ts fills it.

import { type Address, type Duration, domainOf, type OrganizationName, type Owner, type Time } from '../domain/ids.ts';
import type { KeyKind } from '../domain/keys.ts';
import type { Language } from '../domain/portal.ts';
import type {
  Clock,
  Decision,
  Examination,
  Facts,
  Level,
  Message,
  Outcome,
  ProtectionName,
  Random,
  Transaction,
} from '../domain/types.ts';
import type { AddressKey, KeyAnswer } from '../keys/book-port.ts';
import type { Route } from '../route/resolve.ts';
import type { Send } from '../smtp/client.ts';
import type { MadeBody } from '../store/bodies/made.ts';
import type { Bodies, BodyHandle } from '../store/bodies/port.ts';
import type { Queue } from '../store/queue/port.ts';
import type { Destinations } from './destinations/destinations.ts';
import type { Outages } from './outage.ts';
import type { Clocks } from './settle.ts';

export type Settings = {
  readonly hostname: string;
  readonly node: string;
  readonly organizations: readonly OrganizationSettings[];
  /** A fixed next hop for everything, as the route understands it; null: by MX. */
  readonly smartHost: string | null;
  /** Least level that the smart host must show, besides what a decision demands. */
  readonly smartHostLevel: Level;
  readonly lifetime: Duration;
  readonly warnAfter: Duration;
  readonly undecidedFor: Duration;
  readonly maxHops: number;
  readonly clocks: Clocks;
  readonly built: readonly ProtectionName[];
  /** Whether the subject of what is encrypted itself stands outside too. */
  readonly subject: 'obscure' | 'keep';
  /** Null: there is no portal. `keep`: how long what expired can be extended. */
  readonly portal: { readonly expires: Duration; readonly keep: Duration } | null;
  readonly examineWaiting: number;
  /** Octets in DATA at the same time. */
  readonly dataBytes: number;
  readonly deliveriesInFlight: number;
  readonly notificationsInFlight: number;
  /** To all destinations, and to one. */
  readonly connections: number;
  readonly perDestination: number;
  /** By destination: time between two transactions. */
  readonly paces: Readonly<Record<string, Duration>>;
  readonly recipientsPerTransaction: number;
};

export type OrganizationSettings = {
  readonly name: OrganizationName;
  readonly domains: readonly string[];
  /** Who gets postmaster mail, and the notes about what is held, besides the sender. */
  readonly admin: Address | null;
  /** The way back for our mail to staff; null: by MX. */
  readonly returnHost: string | null;
  readonly timeZone: string;
  readonly languages: readonly Language[];
  /** Whom recipients may ask. */
  readonly phone: string | null;
  readonly help: string | null;
  /** How its links begin: `https://secure.clinic.example`. */
  readonly portalUrl: string;
};

export type Decide = (facts: Facts) => Decision | { readonly kind: 'undecided'; readonly unknown: readonly string[] };

/** Fields never hold an address, a subject or a peer's text. */
export type Log = {
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
};

export type Meter = {
  accepted(organization: OrganizationName, size: number): void;
  refused(code: number): void;
  examined(seconds: number): void;
  /** `protection`: what the attempt was made with, without its level; that of a notice is `portal`. */
  outcome(kind: Outcome['kind'], level: Level | null, protection: string | null): void;
  /** A closed list of names. */
  alarm(name: AlarmName): void;
};
export type AlarmName =
  | 'corrupt body'
  | 'examiner lost'
  | 'staff mail held'
  | 'store failed'
  | 'stage failed'
  | 'checkpoint failed'
  | 'audit key lost'
  | 'anchor failed'
  | 'rotation failed'
  | 'break-glass used'
  | 'own outage'
  | 'clock jumped'
  | 'held mail'
  | 'held mail ended'
  | 'recovered mail'
  | 'old mail'
  | 'low disk'
  | 'slow disk'
  | 'large log'
  | 'long read'
  | 'full heap'
  | 'slow loop'
  | 'stage late'
  | 'audit broken'
  | 'certificate ends'
  | 'key ends'
  | 'no mail';

export type Load = {
  /** Octets of messages that are coming in. */
  incoming: number;
  examining: number;
  delivering: number;
  notifying: number;
  /** Deliveries under way. */
  readonly perDestination: Map<string, number>;
  readonly perOrganization: Map<string, number>;
};

export type Stage = 'examine' | 'deliver' | 'notify';

export type Line = {
  readonly queue: Queue;
  readonly bodies: Bodies;
  /** Makes the organization's keys before its first message; cheap afterwards. */
  readonly ready: (organization: OrganizationName) => Promise<void>;
  readonly examine: (body: BodyHandle, size: number) => Promise<Examination>;
  readonly decide: Decide;
  /** The recipient's key that is good enough now. */
  readonly lookUpKey: (organization: OrganizationName, recipient: Address, kind: KeyKind) => Promise<KeyAnswer>;
  /** The message, encrypted to that key. Throws WorkError or BodyError; whoever takes it releases it. */
  readonly variant: (message: Message, key: AddressKey) => Promise<MadeBody>;
  /** Puts the message into the portal for all deliveries of a leased transaction and moves them on (portal/escrow.ts).
   *  `passed`: for each delivery what could not be tried before, in words. */
  readonly escrow: (transaction: Transaction, level: Level, passed: readonly (readonly string[])[]) => Promise<void>;
  readonly resolve: (destination: string) => Promise<Route>;
  readonly send: (what: Send) => Promise<readonly Outcome[]>;
  readonly settings: () => Settings;
  readonly outages: Outages;
  readonly destinations: Destinations;
  /** What is in memory now; compared with the bounds of the settings. */
  readonly load: Load;
  readonly owner: Owner;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly meter: Meter;
  /** Says that a stage may have work now. */
  readonly wake: (stage: Stage) => void;
  /** Says that a stage has work at that time. */
  readonly wakeAt: (stage: Stage, at: Time) => void;
  /** Says that a stage has room again; asks the queue only when more may be waiting. */
  readonly freed: (stage: Stage) => void;
};

const MINUTE = 60_000;

/** How long a stage holds what it took. A holder renews while it works. */
export const LEASE: Duration = 20 * MINUTE;
/** RFC 5321 §4.5.3.2.6: the peer may take ten minutes after the final dot. */
export const BEFORE_DOT: Duration = 11 * MINUTE;

/** Where a recipient's mail goes: the smart host that stands for all, or the recipient domain. */
export function destinationOf(settings: Settings, recipient: Address): string {
  return settings.smartHost ?? domainOf(recipient);
}

/** Mail that the gateway wrote itself; it causes no further mail. */
export function isOurs(message: Pick<Message, 'origin'>): boolean {
  return message.origin !== 'relayed' && message.origin !== 'submitted';
}

/** What may be logged of an error: its code or its name, never its text. */
export function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error) return String(error.code);
  return error instanceof Error ? error.name : 'unknown';
}

export function organizationOf(line: Pick<Line, 'settings'>, name: OrganizationName): OrganizationSettings | undefined {
  return line.settings().organizations.find((one) => one.name === name);
}
