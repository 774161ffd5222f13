// What control needs of the rest, as one object that main.ts fills in, and the shapes that travel through it.

import type { FourEyes } from '../config/values.ts';
import type { OrganizationName, QueueId, Time } from '../domain/ids.ts';
import type { Actor, Clock, Decision, Delivery, Message, Protection, Random } from '../domain/types.ts';
import type { KeyBook } from '../keys/book-port.ts';
import type { ReadKeys } from '../keys/import.ts';
import type { Judge } from '../keys/lookup.ts';
import type { Rotation } from '../keys/rotate.ts';
import type { AlarmName } from '../relay/line.ts';
import type { Accounts, Role } from '../store/accounts/port.ts';
import type { Approvals } from '../store/approvals/port.ts';
import type { Archive } from '../store/audit/archive-port.ts';
import type { Audit } from '../store/audit/port.ts';
import type { Backups } from '../store/backup/make.ts';
import type { Parcels } from '../store/parcels/port.ts';
import type { Queue } from '../store/queue/port.ts';
import type { Recovery } from '../store/recovery/port.ts';
import type { WatchStore } from '../store/watch/port.ts';
import type { Watch } from '../watch/watch.ts';
import type { Guard } from './approvals/guarded.ts';

/** Who asks. The actor is proven by a token before a command sees it; a caller never names itself. */
export type Caller = { readonly actor: Actor; readonly role: Role };

export type Log = {
  readonly info: (fields: Readonly<Record<string, unknown>>, message: string) => void;
  readonly warn: (fields: Readonly<Record<string, unknown>>, message: string) => void;
  readonly error: (fields: Readonly<Record<string, unknown>>, message: string) => void;
};

/** The living gateway at a glance. Nothing here is PHI: it is shown to whoever may read. */
export type GatewayStatus = {
  readonly version: string;
  readonly node: string;
  readonly mode: 'evaluation' | 'live';
  readonly pid: number;
  readonly startedAt: Time;
  readonly configLoadedAt: Time;
  readonly policyVersion: string;
  /** `127.0.0.1:2525` and what listens there: `smtp`, `submit`, `web`. */
  readonly listeners: readonly { readonly name: string; readonly address: string }[];
  readonly ready: boolean;
  /** Why not, in words. */
  readonly reasons: readonly string[];
  /** Alarms since the start, latest time of each. */
  readonly alarms: readonly {
    readonly name: string;
    readonly count: number;
    readonly at: Time;
    /** It is so now; else it happened, or is over. */
    readonly standing: boolean;
  }[];
};

export type ReloadOptions = {
  readonly actor: Actor;
  readonly reason: string;
  readonly acceptWeaker: boolean;
  /** What another operator confirmed: the guard's `of`. */
  readonly confirmed: string | null;
};

/** What a reload did; when `applied` is false the configuration and policy of before go on. */
export type ReloadReport = {
  readonly applied: boolean;
  /** Errors as `file:line:col key: what is wrong`. */
  readonly problems: readonly string[];
  /** Key paths that differ from before. */
  readonly changes: readonly string[];
  /** Key paths that only a restart applies. */
  readonly needsRestart: readonly string[];
  /** Rules by which one of the last stored messages would go out with less protection. */
  readonly weaker: readonly { readonly rule: string; readonly messages: number; readonly example: string }[];
};

/** One delivery explained: what was decided, and what the stored facts give now, rule by rule. */
export type Explained = {
  readonly delivery: Delivery;
  /** Policy version that the steps were made with; the decision names its own. */
  readonly policyVersion: string;
  /** The rules in order, each with its answer, as lines. */
  readonly steps: readonly string[];
  /** What these facts would be decided now; null while they are not known. */
  readonly now: Decision | null;
};

/** When it is given up as undelivered, as far as is known now. */
export type ExpiryOf = (delivery: Delivery) => Time;

export type ControlDeps = {
  readonly organizations: () => readonly OrganizationName[];
  /** Domains of an organization, in lower case. */
  readonly domains: (organization: OrganizationName) => readonly string[];
  readonly queue: Queue;
  readonly expiryOf: ExpiryOf;
  readonly parcels: Pick<Parcels, 'list' | 'parcel' | 'ofDelivery' | 'extend' | 'retract'>;
  readonly recovery: Pick<Recovery, 'counts' | 'discard'>;
  readonly backups: Backups;
  /** Where the master key is kept, in words; never the key. */
  readonly masterKey: string;
  readonly watch: Pick<Watch, 'figures'> & Pick<WatchStore, 'usage'>;
  readonly audit: Audit;
  /** Why no line can be added to `anchors.file`; null when one can, or none is named. */
  readonly anchorFault: () => Promise<string | null>;
  readonly archive: Archive;
  readonly accounts: Accounts;
  readonly approvals: Approvals;
  /** What the configuration in force wants confirmed by another operator. */
  readonly fourEyes: () => readonly FourEyes[];
  readonly alarm: (name: AlarmName) => void;
  /** Without the private part of a key, which nobody gets out. */
  readonly book: Omit<KeyBook, 'privateOf'>;
  readonly judge: Judge;
  readonly rotation: Pick<Rotation, 'run'>;
  /** The keys of a file, read in a worker. Rejects with WorkError, whose message is the reader's code. */
  readonly readKeys: ReadKeys;
  readonly explain: (message: Message, deliveries: readonly Delivery[]) => Promise<readonly Explained[]>;
  readonly reload: (options: ReloadOptions) => Promise<ReloadReport>;
  /** What a reload of the files as they are now would touch. */
  readonly reloadGuard: (options: Pick<ReloadOptions, 'acceptWeaker'>) => Promise<Guard>;
  readonly status: () => Promise<GatewayStatus>;
  /** Something became due: the schedule looks again. */
  readonly wake: () => void;
  /** Why the protection would not meet the floors of that delivery; null when it does. */
  readonly meetsFloor: (delivery: Delivery, protection: Protection) => string | null;
  /** argon2id of a submission secret, in the form that Accounts keeps. */
  readonly hashSecret: (secret: string) => Promise<string>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
};

export type Found = { readonly id: QueueId; readonly message: Message; readonly deliveries: readonly Delivery[] };
