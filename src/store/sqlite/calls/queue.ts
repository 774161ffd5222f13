// Calls, answers and rows of messages and deliveries: flat tuples of strings and numbers, which cross threads at the price of a
// memory copy.

import type { DeliveryState, Origin, Priority, Stage } from '../../../domain/types.ts';
import type { Octets } from './octets.ts';

/** Deliveries of a message at most: a delivery's number is its message's × this + its index. */
export const DELIVERIES = 65_536;

export const DAY = 86_400_000;

/** What a delivery's owner may be told, or waits to be told: bits of `may_tell`, `tell` and `told`; `reminded` is in none
 *  of them, its number stands in the table `held`. */
export const TELL = { bounced: 1, held: 2, delayed: 4, warned: 8, reminded: 128 } as const;

/** A kind as verbs are given it; a reminder carries its number. */
export function tellCode(kind: keyof typeof TELL, no = 0): number {
  return TELL[kind] | (no << 8);
}

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
