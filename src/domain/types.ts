// The vocabulary: every value that travels between two modules. Imports nothing but its neighbours here.

import type { Address, DeliveryId, Duration, OrganizationName, Owner, QueueId, Time } from './ids.ts';

// ── protection ────────────────────────────────────────────────────────────────────────────────────────────────────

/** TLS level of a hop, in order of strength; sts and dane are equal. */
export type Level = 'may' | 'encrypt' | 'verify' | 'sts' | 'dane';
export type ProtectionName = 'tls' | 'pgp' | 'smime' | 'portal' | 'portal+';
export type Protection = { readonly name: ProtectionName; readonly level: Level };

// ── what is known of a message ────────────────────────────────────────────────────────────────────────────────────

export type FindingType =
  | 'SSN'
  | 'MBI'
  | 'MRN'
  | 'DOB'
  | 'NPI'
  | 'DEA'
  | 'ICD10'
  | 'HEALTH_PLAN_ID'
  | 'DRUG'
  | 'DIAGNOSIS'
  | 'MEDICAL_TERM';
export type Confidence = 'low' | 'medium' | 'high';
export type Zone = 'subject' | 'header' | 'body' | 'attachment' | 'file_name';

/** Where a detector matched; never what it matched. `offset` counts UTF-16 units in the decoded text of the part. */
export type Finding = {
  readonly type: FindingType;
  readonly confidence: Confidence;
  readonly zone: Zone;
  readonly part: number;
  readonly offset: number;
};

/** Distinct values of a type at a confidence; the same value twice is one. */
export type FindingCount = { readonly type: FindingType; readonly confidence: Confidence; readonly distinct: number };

/** `counts` are complete, `places` are the first 50. `phi` is the engine's own combined judgement: a person and health. */
export type Findings = {
  readonly phi: boolean;
  readonly counts: readonly FindingCount[];
  readonly places: readonly Finding[];
};

/** Why a part was not read whole. */
export type UnreadReason =
  | 'format'
  | 'encrypted'
  | 'too large'
  | 'too deep'
  | 'too many parts'
  | 'malformed'
  | 'charset'
  | 'time'
  | 'failed';
export type PartCoverage = {
  readonly part: number;
  /** Media type as declared, lower case, no parameters. */
  readonly type: string;
  /** Octets as they stand in the message. */
  readonly size: number;
  readonly unread?: UnreadReason;
};
/** `full`: all parts read. `partial`: some were not. `unreadable`: the message could not be examined at all. */
export type Coverage = { readonly state: 'full' | 'partial' | 'unreadable'; readonly parts: readonly PartCoverage[] };

/** What the examiner says of the bytes. Header values stand in boxes at rest. */
export type Examination = {
  readonly subject: string;
  readonly messageId: string;
  /** Lower-case subject tags of the configuration that the subject carries, without brackets: `secure`. */
  readonly subjectTags: readonly string[];
  readonly findings: Findings;
  readonly coverage: Coverage;
  /** RFC 3834: a notice back would be answered to a machine. */
  readonly autoSubmitted: boolean;
  /** Octets ≥ 0x80 in the mail data: needs 8BITMIME or a re-encoding. */
  readonly eightBit: boolean;
  /** Octets ≥ 0x80 in the header section: needs SMTPUTF8. */
  readonly utf8Headers: boolean;
};

/** The facts a policy may look at, for one recipient. A fact that could not be fetched now is `{ unknown }`. */
export type Unknown = { readonly unknown: string };
export type Fact<T> = T | Unknown;
export type Facts = {
  readonly organization: OrganizationName;
  readonly sender: readonly Address[];
  readonly reversePath: string;
  readonly recipient: Address;
  readonly subjectTags: readonly string[];
  readonly findings: Fact<Findings>;
  readonly coverage: Fact<Coverage>;
  readonly size: number;
};

// ── decision ──────────────────────────────────────────────────────────────────────────────────────────────────────

export type Action =
  | { readonly kind: 'deliver'; readonly protections: readonly Protection[] }
  | { readonly kind: 'hold' }
  | { readonly kind: 'bounce' };

/** Outcome of policy for one recipient, with its reason. */
export type Decision = {
  readonly action: Action;
  /** Name of the rule that matched; `(none)` when none did, `(line)` when the line itself decided. */
  readonly rule: string;
  /** In words, for the audit and `explain`; holds no address and no matched text. */
  readonly because: string;
  /** A note to staff that the rule asks for. */
  readonly warn?: string;
  readonly policyVersion: string;
  readonly engineVersion: string;
};

// ── message and delivery ──────────────────────────────────────────────────────────────────────────────────────────

export type Stage = 'accepted' | 'examined' | 'decided' | 'finished' | 'bodiless' | 'corrupt';
/** `noticing`: its parcel is sealed and the notice of it is on its way; `noticed`: a next hop took the notice. */
export type DeliveryState =
  | 'undecided'
  | 'ready'
  | 'leased'
  | 'noticing'
  | 'held'
  | 'delivered'
  | 'noticed'
  | 'bounced'
  | 'dropped';
export type Priority = 'urgent' | 'normal' | 'bulk';

/** Why a message exists; a cause is consumed once: a second accept for it returns the first id. */
export type Cause =
  | { readonly kind: 'smtp'; readonly key: string }
  | { readonly kind: 'dsn of' | 'note of' | 'notice of' | 'receipt of' | 'code of' | 'reply to'; readonly key: string };
/** What a message is to us. Only mail from outside (`relayed`, `submitted`) may cause notices or further mail. */
export type Origin = 'relayed' | 'submitted' | 'dsn' | 'note' | 'notice' | 'receipt' | 'code' | 'reply';

/** How the message reached us, for Received and the audit. All of it boxed at rest. */
export type Trace = {
  readonly helo: string;
  readonly ip: string;
  /** Protocol keyword of RFC 3848 and RFC 6531: ESMTP, ESMTPS, ESMTPSA, UTF8SMTPS … */
  readonly with: string;
  readonly tls?: { readonly version: string; readonly cipher: string };
  readonly login?: string;
  /** Which factors proved the organization, in words. */
  readonly proof: readonly string[];
};

/** RFC 3461 parameters of the transaction and of one recipient; values xtext-decoded. */
export type DsnEnvelope = { readonly ret?: 'FULL' | 'HDRS'; readonly envid?: string };
export type DsnRecipient = {
  readonly notify?: readonly ('NEVER' | 'SUCCESS' | 'FAILURE' | 'DELAY')[];
  readonly orcpt?: string;
};

/** Where sealed bytes lie; opaque to everyone but the body store. */
export type BodyRef = {
  /** 32 hex. */
  readonly object: string;
  readonly file: string;
  readonly offset: number;
  /** Octets of the sealed object. */
  readonly length: number;
  /** Box of the data key, base64url. */
  readonly key: string;
};

export type Envelope = {
  /** Empty for `<>`. */
  readonly reversePath: string;
  readonly recipients: readonly EnvelopeRecipient[];
  readonly dsn: DsnEnvelope;
  readonly smtpUtf8: boolean;
  readonly body: '7BIT' | '8BITMIME';
};
export type EnvelopeRecipient = { readonly address: Address; readonly dsn: DsnRecipient };

export type NewDelivery = {
  readonly recipient: Address;
  readonly dsn: DsnRecipient;
  /** Recipient domain, or the smart host that stands for it. */
  readonly destination: string;
  readonly priority: Priority;
  readonly expiresAt: Time;
  /** For mail of ours, decided when it is made. */
  readonly decision?: Decision;
};

export type NewMessage = {
  readonly id: QueueId;
  readonly organization: OrganizationName;
  readonly reversePath: string;
  /** Addresses of header From. */
  readonly sender: readonly Address[];
  readonly size: number;
  /** HMAC of the mail data. */
  readonly digest: Uint8Array;
  readonly acceptedAt: Time;
  /** Node name. */
  readonly acceptedBy: string;
  readonly cause: Cause;
  readonly parent?: QueueId;
  readonly origin: Origin;
  readonly trace: Trace;
  readonly dsn: DsnEnvelope;
  readonly smtpUtf8: boolean;
  readonly body: BodyRef;
  readonly deliveries: readonly NewDelivery[];
};

/** All of a new message but its bytes: sealed beside them, so that the queue can be rebuilt from the bodies. */
export type StoredEnvelope = Omit<NewMessage, 'body' | 'size' | 'digest'>;

export type Message = Omit<NewMessage, 'deliveries'> & {
  readonly stage: Stage;
  /** Times an examiner was started on it. */
  readonly examineAttempts: number;
  readonly examination?: Examination;
};

export type Delivery = {
  readonly id: DeliveryId;
  readonly message: QueueId;
  readonly organization: OrganizationName;
  readonly recipient: Address;
  readonly dsn: DsnRecipient;
  readonly destination: string;
  readonly priority: Priority;
  readonly state: DeliveryState;
  readonly decision?: Decision;
  /** Why it is in this state, in words; may quote a peer's reply: boxed at rest. */
  readonly because: string;
  /** Enhanced status code of the last outcome: `4.4.1`. Clear at rest. */
  readonly status: string;
  /** Index into the decision's protections that is being tried, since when, and how often. */
  readonly step: number;
  readonly stepSince: Time | null;
  readonly stepAttempts: number;
  readonly attempts: number;
  readonly notBefore: Time;
  readonly expiresAt: Time;
  /** When the sender was told of the delay or hold. */
  readonly toldAt: Time | null;
  /** Level that the hop showed when it was delivered. */
  readonly level: Level | null;
  /** An attempt ended without our knowing how. */
  readonly inDoubt: boolean;
  /** Rebuilt from the bodies without the database: held until `recover --release`. */
  readonly recovered?: true;
};

// ── leases ────────────────────────────────────────────────────────────────────────────────────────────────────────

export type Lease = { readonly owner: Owner; readonly no: number; readonly until: Time };
export type MessageLease = {
  readonly lease: Lease;
  readonly message: Message;
  readonly deliveries: readonly Delivery[];
};
/** Recipients of one message that go in one transaction: same destination, decision and step. */
export type Transaction = {
  readonly lease: Lease;
  readonly message: Message;
  readonly deliveries: readonly Delivery[];
};

// ── what a next hop said ──────────────────────────────────────────────────────────────────────────────────────────

export type Reply = { readonly code: number; readonly enhanced: string; readonly text: string };

/** What was negotiated and validated on the wire. `level` null: no TLS. */
export type Evidence = {
  readonly hop: string;
  readonly address: string;
  readonly port: number;
  readonly mx: string;
  readonly level: Level | null;
  readonly version?: string;
  readonly cipher?: string;
  /** SHA-256 of the peer's certificate, hex. */
  readonly certificate?: string;
  /** Which name of the certificate matched which reference name, and where that came from. */
  readonly name?: {
    readonly matched: string;
    readonly source: 'recipient domain' | 'MX, unsigned DNS' | 'MX, signed DNS' | 'smart host';
  };
  /** Why a higher level was not reached. */
  readonly lack?: string;
};

/** Result of one attempt for one recipient. `send` never throws for a network reason. */
export type Outcome =
  | { readonly kind: 'delivered'; readonly reply: Reply; readonly evidence: Evidence }
  | { readonly kind: 'refused'; readonly reply: Reply; readonly evidence?: Evidence }
  /** A proven lack of what the step demands: STARTTLS not offered, level not shown. Runs the step's clock. */
  | {
      readonly kind: 'lacking';
      readonly reason: string;
      readonly status: string;
      readonly atOnce: boolean;
      readonly evidence?: Evidence;
    }
  | { readonly kind: 'unreached'; readonly reason: string; readonly status: string; readonly evidence?: Evidence }
  /** The final dot was sent and no reply came: it may have been delivered. */
  | { readonly kind: 'in doubt'; readonly reason: string; readonly status: string; readonly evidence?: Evidence };

/** A time in which nothing could go out through a fault of ours: no clock of a message runs. `until` null: it lasts. */
export type Outage = { readonly from: Time; readonly until: Time | null };

/** What becomes of a delivery after an attempt: the pure answer of `settle`. */
export type Next =
  | { readonly state: 'delivered' }
  | {
      readonly state: 'ready';
      readonly notBefore: Time;
      readonly step: number;
      readonly stepSince: Time | null;
      readonly stepAttempts: number;
    }
  | { readonly state: 'held' }
  | { readonly state: 'bounced' };
export type Settlement = {
  readonly delivery: DeliveryId;
  readonly outcome: Outcome;
  /** Which item of the decision's list was tried; those before it could not be made. */
  readonly step: number;
  /** The same in words: `tls: verify`; null when the decision lists none. */
  readonly protection: string | null;
  readonly next: Next;
  readonly because: string;
  readonly status: string;
  /** Of a notice: the delivery it tells of, which becomes what becomes of it. */
  readonly parent?: DeliveryId;
};

// ── collaborators that every stage is given ───────────────────────────────────────────────────────────────────────

export type Clock = { readonly now: () => Time; readonly sleep: (ms: Duration, signal?: AbortSignal) => Promise<void> };
export type Random = { readonly bytes: (n: number) => Uint8Array /** 0 ≤ x < 1 */; readonly fraction: () => number };

/** Who asks: an operator by name, or a part of the gateway (`gateway`, `gateway deliver`). */
export type Actor = string;
