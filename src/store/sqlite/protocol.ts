// What the adapters on the main thread and the two store threads say to each other. Calls and answers of the line's own
// verbs are flat tuples of strings and numbers, which cross threads at the price of a memory copy; a box or tag crosses
// as a latin1 string, one character an octet (a Uint8Array would drag its whole pool buffer along). Rows come back as
// objects. Threads see boxes, tags and clear columns, never what is in a box.

import type { ParcelState } from '../../domain/portal.ts';
import type { DeliveryState, Origin, Priority, Stage } from '../../domain/types.ts';
import type { StoredEntry } from '../../record/verify.ts';

/** Octets of a box or tag, one per character. */
export type Octets = string;

export function toOctets(bytes: Uint8Array): Octets {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

export function fromOctets(octets: Octets): Buffer {
  return Buffer.from(octets, 'latin1');
}

/** Deliveries of a message at most: a delivery's number is its message's × this + its index. */
export const DELIVERIES = 65_536;
export const DAY = 86_400_000;

/** What a delivery's owner may be told, or waits to be told: bits of `may_tell`, `tell` and `told`. */
export const TELL = { bounced: 1, held: 2, delayed: 4, warned: 8 } as const;
/** Bits of `may_tell` that say why nobody is told. */
export const MUTE = { nullPath: 16, ours: 32, notify: 64 } as const;

export type AcceptDelivery = readonly [
  destination: string,
  domain: string,
  priority: Priority,
  expiresAt: number,
  mayTell: number,
  recipientTag: Octets,
  decision: DecisionCall | null,
];

export type DecisionCall = readonly [
  index: number,
  action: 'deliver' | 'hold' | 'bounce',
  rule: string,
  /** Protections of a deliver, joined by `, `: deliveries of one transaction agree in it. */
  list: string,
  policyVersion: string,
  warn: 0 | 1,
  /** Clear audit detail, JSON. */
  detail: string,
  box: Octets,
];

export type AcceptCall = readonly [
  id: string,
  organization: string,
  origin: Origin,
  size: number,
  digest: Octets,
  acceptedAt: number,
  acceptedBy: string,
  cause: string,
  parent: string | null,
  smtpUtf8: 0 | 1,
  body: string,
  fixed: Octets,
  /** 16 octets each. */
  senderTags: Octets,
  detail: string,
  deliveries: readonly AcceptDelivery[],
  examineOwner: string | null,
  examineUntil: number,
  tellKind: number,
  tells: readonly string[] | null,
  /** Messages up to this number were acknowledged, or need not be. */
  acknowledged: number,
];
/** `lease` 0: not leased. */
export type AcceptAnswer = readonly [id: string, repeated: 0 | 1, lease: number, number: number];

export type DecideCall = readonly [
  id: string,
  owner: string,
  lease: number,
  examination: Octets | null,
  /** Boxed and clear detail of `message.examined`. */
  examinedBox: Octets | null,
  examinedDetail: string,
  decisions: readonly DecisionCall[],
  takeOwner: string | null,
  takeUntil: number,
  takeLimit: number,
  takeRecipients: number,
];
/** Each taken transaction: lease number, then index and attempts of each delivery in turn. */
export type DecideAnswer = readonly (readonly number[])[];

export type SettleCall = readonly [owner: string, lease: number, settlements: readonly SettleOne[]];
export type SettleOne = readonly [
  delivery: string,
  outcome: string,
  state: 'delivered' | 'ready' | 'held' | 'bounced',
  status: string,
  level: string | null,
  notBefore: number,
  step: number,
  stepSince: number | null,
  stepAttempts: number,
  detail: string,
  box: Octets,
  /** Step that was tried; `step` is the next one. */
  tried: number,
  /** Of a notice: the delivery it tells of, and box of that one's `because`. */
  parent: string | null,
  parentBox: Octets | null,
];

export type ParcelCall = readonly [
  id: string,
  organization: string,
  conversation: string,
  delivery: string,
  object: string,
  level: string,
  size: number,
  createdAt: number,
  expiresAt: number,
  body: string,
  fixed: Octets,
];
export type GrantCall = readonly [
  locator: Octets,
  organization: string,
  conversation: string,
  kind: string,
  expiresAt: number,
  key: Octets,
];
export type EscrowOne = readonly [
  parcel: ParcelCall,
  /** Box of the conversation's `fixed`. */
  outsider: Octets,
  grants: readonly GrantCall[],
  notice: AcceptCall,
  /** Box of the delivery's `because`. */
  because: Octets,
  step: number,
];
export type EscrowCall = readonly [
  owner: string,
  lease: number,
  parcels: readonly EscrowOne[],
  receipt: AcceptCall | null,
];
export type ChallengeCall = readonly [
  id: Octets,
  locator: Octets,
  organization: string,
  parcel: string,
  expiresAt: number,
  code: Octets,
  mail: AcceptCall,
  limits: readonly (readonly [since: number, most: number])[],
];
export type TryCall = readonly [id: Octets, locator: Octets, code: Octets, most: number];
export type TriedAnswer =
  | { readonly kind: 'right'; readonly grant: GrantRow; readonly parcel: ParcelRow }
  | { readonly kind: 'wrong'; readonly left: number }
  | { readonly kind: 'over' };
export type SessionCall = readonly [
  hash: Octets,
  organization: string,
  conversation: string,
  kind: string,
  madeAt: number,
  seenAt: number,
  expiresAt: number,
  key: Octets,
  parcel: string,
];
export type ParcelRow = {
  readonly n: number;
  readonly id: string;
  readonly organization: string;
  readonly conversation: string;
  readonly delivery: string;
  readonly state: ParcelState;
  readonly level: string;
  readonly size: number;
  readonly created_at: number;
  readonly expires_at: number;
  readonly opened_at: number | null;
  readonly replied_at: number | null;
  /** Null when its sealed bytes are gone. */
  readonly body: string | null;
  readonly fixed: Uint8Array;
};
export const PARCEL_ROW = `n, id, organization, conversation, delivery, state, level, size, created_at, expires_at,
  opened_at, replied_at, body, fixed`;
export type GrantRow = {
  readonly locator: Uint8Array;
  readonly organization: string;
  readonly conversation: string;
  readonly kind: string;
  readonly expires_at: number;
  readonly key: Uint8Array;
};
export type SessionRow = {
  readonly hash: Uint8Array;
  readonly organization: string;
  readonly conversation: string;
  readonly kind: string;
  readonly made_at: number;
  readonly seen_at: number;
  readonly expires_at: number;
  readonly key: Uint8Array;
};
/** Sealed bytes that may go; `body` is JSON. */
export type GoneRow = { readonly parcel: string; readonly body: string };

export type EntryCall = readonly [
  organization: string,
  message: string | null,
  delivery: string | null,
  actor: string,
  event: string,
  detail: string,
  boxed: Octets | null,
];

/** What an operator's verb does to one delivery, judged on the main thread; refused when `expected` is not its state. */
export type OperateOne = readonly [
  delivery: string,
  expected: DeliveryState,
  /** The operator's words, box of the delivery's `because`. */
  because: Octets,
  /** A new decision that a release brings. */
  decision: DecisionCall | null,
];
export type OperateCall = readonly [
  kind: 'hold' | 'release' | 'recover' | 'retry' | 'give up' | 'drop' | 'redecide',
  actor: string,
  deliveries: readonly OperateOne[],
  /** What the main thread refused: part of the answer that a repeated operation gets. */
  refused: readonly { delivery: string; why: string }[],
];
export type OperateAnswer = { changed: string[]; refused: { delivery: string; why: string }[] };

export type MessageRow = {
  readonly n: number;
  readonly id: string;
  readonly organization: string;
  readonly stage: Stage;
  readonly origin: Origin;
  readonly size: number;
  readonly digest: Uint8Array;
  readonly accepted_at: number;
  readonly accepted_by: string;
  readonly cause: string;
  readonly parent: string | null;
  readonly smtp_utf8: number;
  readonly body: string;
  readonly fixed: Uint8Array;
  readonly examination: Uint8Array | null;
  readonly examine_attempts: number;
};
export const MESSAGE_ROW = `n, id, organization, stage, origin, size, digest, accepted_at, accepted_by, cause, parent,
  smtp_utf8, body, fixed, examination, examine_attempts`;

export type DeliveryRow = {
  readonly n: number;
  readonly destination: string;
  readonly priority: Priority;
  readonly state: DeliveryState;
  readonly status: string;
  readonly rule: string;
  readonly list: string;
  readonly level: string | null;
  readonly step: number;
  readonly step_since: number | null;
  readonly step_attempts: number;
  readonly attempts: number;
  readonly not_before: number;
  readonly expires_at: number;
  readonly ended_at: number | null;
  readonly told_at: number | null;
  readonly in_doubt: number;
  readonly recovered: number;
  readonly decision: Uint8Array | null;
  readonly because: Uint8Array | null;
};
const DELIVERY_COLUMNS =
  'n destination priority state status rule list level step step_since step_attempts attempts not_before expires_at ended_at told_at in_doubt recovered decision because';
/** Columns of a DeliveryRow, of the table named `prefix`. */
export function deliveryRow(prefix: string): string {
  return DELIVERY_COLUMNS.split(' ')
    .map((column) => `${prefix}.${column}`)
    .join(', ');
}

export type MessageLeaseRow = { lease: number; message: MessageRow; deliveries: DeliveryRow[] };
export type NotificationRow = { kind: number; message: MessageRow; deliveries: DeliveryRow[] };

export type AuditRow = StoredEntry;
export const AUDIT_ROW =
  'node, epoch, seq, at, organization, message, delivery, actor, event, detail, boxed, digest, hash';

export type CheckpointRow = {
  readonly no: number;
  readonly node: string;
  readonly epoch: number;
  readonly seq: number;
  readonly hash: Uint8Array;
  readonly at: number;
  /** JSON. */
  readonly others: string;
  readonly key: Uint8Array;
  readonly next: Uint8Array | null;
  readonly signature: Uint8Array;
};
export type CheckpointCall = readonly [
  no: number,
  node: string,
  epoch: number,
  seq: number,
  hash: Octets,
  at: number,
  others: string,
  key: Octets,
  next: Octets | null,
  signature: Octets,
];

export type LoginRow = { readonly name: string; readonly organization: string; readonly box: Uint8Array };
export type OperatorRow = { readonly name: string; readonly box: Uint8Array };
export type KeyRowCall = readonly [
  organization: string,
  purpose: string,
  generation: number,
  id: string,
  wrappedBy: string,
  box: Octets,
  createdAt: number,
];
export type StoredKey = {
  organization: string;
  purpose: string;
  generation: number;
  id: string;
  wrapped_by: string;
  box: Uint8Array;
  created_at: number;
};

export type AddressKeyRow = { readonly id: string; readonly organization: string; readonly box: Uint8Array };
export type AddAddressKeyCall = readonly [
  id: string,
  organization: string,
  kind: string,
  own: 0 | 1,
  tag: Octets,
  /** Keys that stand under that tag. */
  standing: number,
  pinned: 0 | 1,
  validUntil: number | null,
  box: Octets,
  secret: Octets | null,
  actor: string,
  detail: string,
  reason: Octets,
];
export type ChangeAddressKeyCall = readonly [
  id: string,
  /** The box that is replaced. */
  before: Octets,
  box: Octets,
  /** Null: it stays as it is. */
  secret: Octets | null,
  pinned: 0 | 1,
  validUntil: number | null,
  revokedAt: number | null,
  actor: string,
  event: string,
  detail: string,
  reason: Octets,
];

export type BeginRecoveryCall = readonly [
  epoch: number,
  /** Clear audit detail, JSON. */
  detail: string,
  keys: readonly KeyRowCall[],
  unclaimed: readonly (readonly [object: string, organization: string, kind: 'parcel' | 'body', createdAt: number])[],
];
/** Boxes: a `because` for each delivery. */
export type RecoverCall = readonly [message: AcceptCall, boxes: readonly Octets[]];
export type RecoverAnswer = 'held' | 'repeated';

/** Verbs of the writer thread: argument and answer of each. */
export type WriterVerbs = {
  accept: { args: AcceptCall; answer: AcceptAnswer };
  toExamine: { args: readonly [owner: string, limit: number, until: number]; answer: MessageLeaseRow[] };
  examined: {
    args: readonly [id: string, owner: string, lease: number, box: Octets, notBefore: number];
    answer: null;
  };
  examineFailed: {
    args: readonly [id: string, owner: string, lease: number, box: Octets, notBefore: number];
    answer: null;
  };
  decided: { args: DecideCall; answer: DecideAnswer };
  lease: {
    args: readonly [owner: string, limit: number, until: number, recipients: number, not: readonly string[]];
    answer: MessageLeaseRow[];
  };
  renew: {
    args: readonly [owner: string, until: number, deliveries: readonly string[], nos: readonly number[]];
    answer: string[];
  };
  settle: { args: SettleCall; answer: null };
  /** Holds what does not open; the box says so. */
  unopened: { args: readonly [deliveries: readonly string[], boxes: readonly Octets[]]; answer: null };
  toNotify: {
    args: readonly [limit: number, until: number, now: number, delayAfter: number];
    answer: NotificationRow[];
  };
  told: { args: readonly [deliveries: readonly string[], kind: number, how: string]; answer: null };
  bodiless: { args: readonly [id: string]; answer: null };
  corrupt: { args: readonly [id: string, why: string, lacks: 'body' | 'boxes']; answer: 'corrupt' | 'abandoned' };
  abandon: { args: readonly [id: string, why: string]; answer: null };
  nextDue: { args: null; answer: readonly [examine: number | null, deliver: number | null, notify: number | null] };
  clearLeases: { args: readonly [owner: string]; answer: readonly [messages: number, deliveries: number] };
  operate: { args: OperateCall; answer: OperateAnswer };
  recall: { args: readonly [verb: string]; answer: { complete: boolean; answers: OperateAnswer[] } };
  append: { args: readonly EntryCall[]; answer: null };
  checkpoint: { args: CheckpointCall; answer: null };
  addKey: { args: KeyRowCall; answer: StoredKey };
  addAddressKey: { args: AddAddressKeyCall; answer: boolean };
  changeAddressKey: { args: ChangeAddressKeyCall; answer: boolean };
  addOperator: {
    args: readonly [name: string, box: Octets, actor: string, detail: string, reason: Octets];
    answer: null;
  };
  removeOperator: { args: readonly [name: string, actor: string, reason: Octets]; answer: null };
  addLogin: {
    args: readonly [name: string, organization: string, box: Octets, actor: string, detail: string, reason: Octets];
    answer: null;
  };
  removeLogin: { args: readonly [name: string, organization: string, actor: string, reason: Octets]; answer: null };
  escrow: { args: EscrowCall; answer: null };
  challenge: { args: ChallengeCall; answer: 'made' | 'too many' };
  tryCode: { args: TryCall; answer: TriedAnswer };
  openSession: { args: SessionCall; answer: null };
  touchSession: { args: readonly [hash: Octets, seenAt: number]; answer: null };
  closeSession: { args: readonly [hash: Octets]; answer: null };
  parcelSeen: { args: readonly [parcel: string, what: 'viewed' | 'downloaded', detail: string]; answer: null };
  parcelReplied: { args: readonly [parcel: string, mail: AcceptCall]; answer: null };
  extendParcel: {
    args: readonly [parcel: string, until: number, actor: string, reason: Octets];
    answer: null;
  };
  retractParcel: { args: readonly [parcel: string, actor: string, reason: Octets]; answer: null };
  sweepParcels: { args: readonly [now: number, keep: number]; answer: GoneRow[] };
  forgetParcel: { args: readonly [parcel: string]; answer: null };
  beginRecovery: { args: BeginRecoveryCall; answer: null };
  recover: { args: RecoverCall; answer: RecoverAnswer };
  discardUnclaimed: { args: readonly [actor: string, reason: Octets]; answer: number };
  tally: { args: null; answer: Tally };
  /** Only with fault injection: the next commit fails with this SQLite code. */
  fault: { args: readonly [code: string]; answer: null };
};
export type WriterVerb = keyof WriterVerbs;

export type Tally = {
  stages: Record<string, number>;
  states: Record<string, number>;
  /** Last lease number given. */
  lease: number;
  /** Messages up to this number were acknowledged. */
  acknowledged: number;
  /** Last place in the order in which lanes were served. */
  served: number;
};

/** One call as it is posted; a batch is an array of them. */
export type Call = readonly [no: number, verb: string, id: string, at: number, args: unknown];
/** Answers of a batch, three places each: call number, 0 or an error's code, value or message. */
export type Answers = readonly unknown[];
export type ThreadMessage =
  | { readonly ready: true; readonly synchronous: number }
  | { readonly refused: string; readonly code: string | undefined }
  | { readonly failed: string }
  | { readonly grown: true };
