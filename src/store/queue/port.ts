// The durable queue as verbs. Each verb is one transaction, writes its own audit entries, and may be repeated: it
// carries an id chosen by its caller, and the same id gives the same answer. No row, SQL or transaction leaves.

import type { Address, DeliveryId, Duration, OrganizationName, Owner, QueueId, Time } from '../../domain/ids.ts';
import type {
  Actor,
  Cause,
  Decision,
  Delivery,
  DeliveryState,
  Examination,
  Lease,
  Message,
  MessageLease,
  NewMessage,
  Outage,
  Protection,
  Random,
  Settlement,
  Stage,
  Transaction,
} from '../../domain/types.ts';

/** 16 random bytes as hex; repeat a call of unknown outcome with the same one. */
export type VerbId = string;

export function verbId({ random }: { readonly random: Random }): VerbId {
  return Buffer.from(random.bytes(16)).toString('hex');
}

/** Thrown when a verb does not fit the present state: `code` for callers, message for people, no addresses in it. */
export class QueueError extends Error {
  readonly code: 'not found' | 'wrong state' | 'outdated lease' | 'below floor' | 'full' | 'closed';
  constructor(code: QueueError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

export type Accepted = {
  /** The id under which it stands: that of the first accept when the cause was consumed before. */
  readonly id: QueueId;
  readonly repeated: boolean;
  /** Set when the caller asked to examine it at once. */
  readonly lease?: MessageLease;
};

/** A decision for one delivery; `decided` stores them all or none. */
export type Decided = { readonly delivery: DeliveryId; readonly decision: Decision };

/** Deliveries that an operator's verb means. All given conditions must hold. Values are compared normalised. */
export type Selection = {
  readonly deliveries?: readonly DeliveryId[];
  readonly messages?: readonly QueueId[];
  readonly organization?: OrganizationName;
  readonly domain?: string;
  readonly sender?: string;
  readonly recipient?: string;
  readonly states?: readonly DeliveryState[];
  readonly olderThan?: Time;
  /** Only what waits for `releaseRecovered`. */
  readonly recovered?: true;
};
/** `changed` stay unchanged in a dry run; `refused` says why one could not be changed. */
export type Changed = {
  readonly changed: readonly DeliveryId[];
  readonly refused: readonly { readonly delivery: DeliveryId; readonly why: string }[];
};
export type Operation = {
  readonly verb: VerbId;
  readonly actor: Actor;
  readonly reason: string;
  readonly dryRun?: boolean;
};

/** A finished or held matter of which somebody has to be told, once. */
export type Notification = {
  readonly kind: 'bounced' | 'held' | 'delayed' | 'warned' | 'reminded';
  /** Of a reminder: which, from 1; since when it is held, and when it is returned. */
  readonly no?: number;
  readonly since?: Time;
  readonly endsAt?: Time;
  readonly message: Message;
  readonly deliveries: readonly Delivery[];
};

export interface Queue {
  // ── the line ──
  /** Durable when it resolves (the body is the caller's to sync, side by side). `examine`: lease it at once.
   *  `tells`: what this mail of ours tells, marked as told in the same transaction. */
  accept(
    verb: VerbId,
    message: NewMessage,
    cause: Cause,
    examine?: { owner: Owner; until: Time },
    tells?: { deliveries: readonly DeliveryId[]; kind: Notification['kind']; no?: number },
  ): Promise<Accepted>;
  /** The 250 goes out now: told with the next accept, so that after a crash what never was acknowledged is known. */
  acknowledged(message: QueueId): void;
  /** Its body could not be stored and the sender was told so: its deliveries are dropped, nobody is told. */
  abandon(verb: VerbId, message: QueueId, why: string): Promise<void>;
  /** Accepted (or examined with an unknown fact, when due) messages, attempt counted, leased. */
  toExamine(owner: Owner, limit: number, until: Time): Promise<MessageLease[]>;
  /** Stores what the examiner found while a fact is unknown; due again at `notBefore`. Ends the lease. */
  examined(verb: VerbId, message: QueueId, lease: Lease, examination: Examination, notBefore: Time): Promise<void>;
  /** Ends an examine lease without a result: due again at `notBefore`. */
  examineFailed(verb: VerbId, message: QueueId, lease: Lease, why: string, notBefore: Time): Promise<void>;
  /** Stores examination (null: could not be examined) and all decisions; deliverable ones become ready and, when `lease`
   *  is given and their lane has room, come back leased. */
  decided(
    verb: VerbId,
    message: QueueId,
    lease: Lease,
    examination: Examination | null,
    decisions: readonly Decided[],
    take?: { owner: Owner; until: Time; limit: number },
  ): Promise<Transaction[]>;
  /** Due deliveries, attempt counted and next time set, leased. At most `limit` transactions, at most `recipients` each.
   *  `notDestinations` are at their bound of connections now; of `urgentOnlyOf` nothing but urgent mail is leased.
   *  `rooms`: so many transactions of these destinations at most, and one of each other. Absent: no bound. */
  lease(
    owner: Owner,
    limit: number,
    until: Time,
    options: {
      recipients: number;
      notDestinations?: readonly string[];
      urgentOnlyOf?: readonly OrganizationName[];
      rooms?: ReadonlyMap<string, number>;
    },
  ): Promise<Transaction[]>;
  /** From now on so many milliseconds lie between two transactions to a destination; forgotten at the end of the process. */
  pace(paces: Readonly<Record<string, Duration>>): Promise<void>;
  /** Extends leases still held; returns the transactions' lease numbers that were not lost. */
  renew(
    owner: Owner,
    deliveries: readonly { id: DeliveryId; no: number }[],
    until: Time,
  ): Promise<readonly DeliveryId[]>;
  /** Records outcomes. With an outdated lease number the outcome is recorded and `in doubt`, and delivered still wins. */
  settle(verb: VerbId, lease: Lease, settlements: readonly Settlement[]): Promise<void>;
  /** What has to be told, leased to `owner` until `until`; telling is `accept` with the cause, then `told`. */
  toNotify(owner: Owner, limit: number, until: Time, now: Time, delayAfter: number): Promise<Notification[]>;
  /** Marks as told without a mail (no one may be told: null reverse-path, NOTIFY=NEVER, origin dsn). Accepting a
   *  message with cause `dsn of`/`note of` marks what its key names in the same transaction. */
  told(
    verb: VerbId,
    deliveries: readonly DeliveryId[],
    kind: Notification['kind'],
    how: string,
    no?: number,
  ): Promise<void>;
  /** Messages all of whose deliveries ended and were told, whose body may go. */
  finished(limit: number): Promise<readonly Pick<Message, 'id' | 'organization' | 'body'>[]>;
  /** Which of these object ids (32 hex) a message or a parcel owns, or are kept after a recovery. */
  knownObjects(objects: readonly string[]): Promise<ReadonlySet<string>>;
  /** The body is gone. */
  bodiless(verb: VerbId, message: QueueId): Promise<void>;
  /** The body cannot be opened: stage `corrupt`, its open deliveries held. `abandoned`: an earlier process ended before it
   *  acknowledged the message, which is dropped, since its sender has it. */
  corrupt(verb: VerbId, message: QueueId, why: string): Promise<'corrupt' | 'abandoned'>;
  /** Earliest time at which something is due in each stage, null when nothing waits; of deliveries only times behind
   *  `after`, which are not hidden by what is due and waits for a connection. */
  nextDue(after?: Time): Promise<{ examine: Time | null; deliver: Time | null; notify: Time | null }>;
  /** Clears the leases of other owners of this node (its dead processes); their open attempts are `in doubt`. */
  clearLeases(verb: VerbId, owner: Owner): Promise<{ messages: number; deliveries: number }>;

  /** Times in which nothing could go out, in order, as they were kept last. */
  outages(): Promise<readonly Outage[]>;
  keepOutages(
    verb: VerbId,
    outages: readonly Outage[],
    event: 'outage.began' | 'outage.ended' | 'clock.jumped',
  ): Promise<void>;

  // ── operators ──
  hold(op: Operation, what: Selection): Promise<Changed>;
  /** Ready again under its decision's list, clocks at zero; `deliver` names the protection where the decision is hold.
   *  `meets` judges whether a protection meets the floors of that delivery. */
  release(
    op: Operation,
    what: Selection,
    deliver?: Protection,
    meets?: (delivery: Delivery, protection: Protection) => string | null,
  ): Promise<Changed>;
  /** What was rebuilt from the bodies: mail of ours ready under its decision, all else decided under the present policy. */
  releaseRecovered(op: Operation, what: Selection): Promise<Changed>;
  retryNow(op: Operation, what: Selection): Promise<Changed>;
  giveUp(op: Operation, what: Selection): Promise<Changed>;
  drop(op: Operation, what: Selection): Promise<Changed>;
  /** Puts undelivered deliveries' messages back to `accepted` to be decided under the present policy. */
  redecide(op: Operation, what: Selection): Promise<Changed>;

  // ── reading (never on the writer) ──
  message(id: QueueId): Promise<{ message: Message; deliveries: readonly Delivery[] } | null>;
  /** Newest first, keyset pages: pass the last id of a page as `before`. */
  list(
    what: Selection & { stage?: Stage; before?: DeliveryId; limit: number },
  ): Promise<
    readonly (Delivery & { reversePath: string; sender: readonly Address[]; size: number; acceptedAt: Time })[]
  >;
  counts(): Promise<{
    readonly stages: Readonly<Record<Stage, number>>;
    readonly states: Readonly<Record<DeliveryState, number>>;
    readonly oldest: Time | null;
    readonly lanes: readonly {
      organization: OrganizationName;
      destination: string;
      waiting: number;
      nextDue: Time | null;
    }[];
  }>;
  /** Facts and decisions of the last `limit` decided messages, for the comparison at reload. */
  lastDecided(limit: number): Promise<readonly { message: Message; deliveries: readonly Delivery[] }[]>;
}
