// Rows and boxes ↔ the values of the domain, on the main thread. What is done follows the boxes: reverse-path, recipients
// and decision come out of them, clear columns serve search and order only. A box that does not open throws VaultError.

import type { BoxPlace, Vault } from '../../crypto/vault.ts';
import { type Address, type DeliveryId, deliveryId, domainOf, normalAddress, type QueueId } from '../../domain/ids.ts';
import { protectionText } from '../../domain/protection.ts';
import type {
  BodyRef,
  Cause,
  Decision,
  Delivery,
  DsnEnvelope,
  DsnRecipient,
  Examination,
  Level,
  Message,
  NewMessage,
  Outcome,
  Settlement,
  Trace,
} from '../../domain/types.ts';
import { type Octets, toOctets } from '../sqlite/calls/octets.ts';
import {
  type AcceptCall,
  type AcceptDelivery,
  DELIVERIES,
  type DecisionCall,
  type DeliveryRow,
  type MessageRow,
  MUTE,
  type SettleOne,
  TELL,
  tellCode,
} from '../sqlite/calls/queue.ts';
import type { Decided, Notification } from './port.ts';

/** In the box `fixed` of a message: everything of it that names a person, and never changes. */
export type Fixed = {
  readonly reversePath: string;
  readonly sender: readonly Address[];
  readonly recipients: readonly {
    readonly address: Address;
    readonly dsn: DsnRecipient;
    /** The column is its copy, for lanes. Older rows have the column alone. */
    readonly destination?: string;
  }[];
  readonly dsn: DsnEnvelope;
  readonly trace: Trace;
};
/** In the box `because` of a delivery and of the audit entry that put it in its state. */
export type Because = { readonly because: string; readonly outcome?: Outcome };

export const place = {
  fixed: (organization: string, id: string): BoxPlace => ({ organization, table: 'message', row: id, column: 'fixed' }),
  examination: (organization: string, id: string): BoxPlace => ({
    organization,
    table: 'message',
    row: id,
    column: 'examination',
  }),
  decision: (organization: string, id: string): BoxPlace => ({
    organization,
    table: 'delivery',
    row: id,
    column: 'decision',
  }),
  because: (organization: string, id: string): BoxPlace => ({
    organization,
    table: 'delivery',
    row: id,
    column: 'because',
  }),
  /** Boxed detail of entries that belong to no delivery; column is the event. */
  entry: (organization: string, row: string, event: string): BoxPlace => ({
    organization,
    table: 'audit',
    row,
    column: event,
  }),
};

export function boxJson(vault: Vault, where: BoxPlace, value: unknown, at: number): Octets {
  return toOctets(vault.box(where, Buffer.from(JSON.stringify(value)), at));
}

/** For what outlives its month: `Vault.keep`. */
export function keepJson(vault: Vault, where: BoxPlace, value: unknown): Octets {
  return toOctets(vault.keep(where, Buffer.from(JSON.stringify(value))));
}

export function openJson<T>(vault: Vault, where: BoxPlace, box: Uint8Array): T {
  const plain = vault.open(where, box);
  return JSON.parse(Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength).toString()) as T;
}

export function fixedOf(message: NewMessage): Fixed {
  const { reversePath, sender, dsn, trace } = message;
  const recipients = message.deliveries.map((one) => ({
    address: one.recipient,
    dsn: one.dsn,
    destination: one.destination,
  }));
  return { reversePath, sender, recipients, dsn, trace };
}

/** Of whom something may be told for a delivery: RFC 3461 §4.1, and P7: nothing answers a null reverse-path. */
export function mayTell(message: NewMessage, dsn: DsnRecipient): number {
  if (message.origin !== 'relayed' && message.origin !== 'submitted') return MUTE.ours;
  // What is held concerns the organization's admin too.
  if (message.reversePath === '') return MUTE.nullPath | TELL.held;
  const notes = TELL.held | TELL.warned;
  const { notify } = dsn;
  if (notify === undefined) return notes | TELL.bounced | TELL.delayed;
  const failure = notify.includes('FAILURE') ? TELL.bounced : MUTE.notify;
  return notes | failure | (notify.includes('DELAY') ? TELL.delayed : 0);
}

export function causeText(cause: Cause): string {
  return `${cause.kind}: ${cause.key}`;
}

function causeFrom(text: string): Cause {
  const colon = text.indexOf(': ');
  return { kind: text.slice(0, colon) as Cause['kind'], key: text.slice(colon + 2) };
}

/** Clear audit detail of an acceptance: sizes, counts, protocol, what proved the organization; no address. */
export function acceptedDetail(message: NewMessage): string {
  const { trace, size, origin, parent, deliveries } = message;
  const proof = trace.proof.length > 0 ? trace.proof : undefined;
  const detail = { size, recipients: deliveries.length, origin, with: trace.with, parent, tls: trace.tls?.version };
  return JSON.stringify({ ...detail, proof });
}

export function decisionCall(
  vault: Vault,
  organization: string,
  { delivery, decision }: Decided,
  at: number,
): DecisionCall {
  const { action, rule, policyVersion, engineVersion, warn } = decision;
  const list = action.kind === 'deliver' ? action.protections.map(protectionText).join(', ') : '';
  const detail = { action: action.kind, rule, list, policyVersion, engineVersion };
  return [
    Number(delivery.slice(delivery.lastIndexOf('.') + 1)),
    action.kind,
    rule,
    list,
    policyVersion,
    warn === undefined ? 0 : 1,
    JSON.stringify(detail),
    boxJson(vault, place.decision(organization, delivery), decision, at),
  ];
}

/** `acknowledged`: all messages up to this number are. */
export function acceptCall(
  vault: Vault,
  message: NewMessage,
  examine: { owner: string; until: number } | undefined,
  tells: { deliveries: readonly string[]; kind: Notification['kind']; no?: number } | undefined,
  at: number,
  acknowledged: number,
): AcceptCall {
  const { id, organization } = message;
  const addresses = new Set([...message.sender, message.reversePath].filter((one) => one !== '').map(normalAddress));
  let senderTags = '';
  for (const address of addresses) senderTags += toOctets(vault.tag(organization, 'sender', address));
  const deliveries = message.deliveries.map(
    (one, index): AcceptDelivery => [
      one.destination,
      recipientDomain(one.recipient),
      one.priority,
      one.expiresAt,
      mayTell(message, one.dsn),
      toOctets(vault.tag(organization, 'recipient', normalAddress(one.recipient))),
      one.decision
        ? decisionCall(vault, organization, { delivery: `${id}.${index}` as DeliveryId, decision: one.decision }, at)
        : null,
    ],
  );
  return [
    id,
    organization,
    message.origin,
    message.size,
    toOctets(message.digest),
    message.acceptedAt,
    message.acceptedBy,
    causeText(message.cause),
    message.parent ?? null,
    message.smtpUtf8 ? 1 : 0,
    JSON.stringify(underPresentKey(vault, organization, message.body)),
    boxJson(vault, place.fixed(organization, id), fixedOf(message), at),
    senderTags,
    acceptedDetail(message),
    deliveries,
    examine?.owner ?? null,
    examine?.until ?? 0,
    tells ? tellCode(tells.kind, tells.no) : 0,
    tells?.deliveries ?? null,
    acknowledged,
  ];
}

/** The organization key may have been renewed since the body was begun. */
function underPresentKey(vault: Vault, organization: string, body: BodyRef): BodyRef {
  const box = vault.rewrapDataKey(organization, body.object, Buffer.from(body.key, 'base64url'));
  return box === null ? body : { ...body, key: Buffer.from(box).toString('base64url') };
}

/** What a delivery says while its notice is on its way; what became of the notice takes its place. */
export const ON_ITS_WAY = 'portal: sealed, its notice is on its way';

/** `waited`: what the delivery that waits for this notice says so far. */
export function settleCall(vault: Vault, organization: string, one: Settlement, at: number, waited: string): SettleOne {
  const { delivery, outcome, next, status, because, parent } = one;
  const evidence = outcome.kind === 'delivered' ? outcome.evidence : (outcome.evidence ?? null);
  const level = evidence?.level ?? null;
  const ready = next.state === 'ready' ? next : null;
  const detail = {
    status,
    outcome: outcome.kind,
    protection: one.protection ?? undefined,
    level: evidence ? (level ?? 'none') : undefined,
    mx: evidence?.mx,
    tls: evidence?.version,
    cipher: evidence?.cipher,
    certificate: evidence?.certificate,
    notBefore: ready?.notBefore,
  };
  const boxed: Because = { because, outcome };
  return [
    delivery,
    outcome.kind,
    next.state,
    status,
    level,
    ready?.notBefore ?? 0,
    ready?.step ?? one.step,
    ready?.stepSince ?? null,
    ready?.stepAttempts ?? 0,
    JSON.stringify(detail),
    boxJson(vault, place.because(organization, delivery), boxed, at),
    one.step,
    parent ?? null,
    parent ? boxJson(vault, place.because(organization, parent), { because: afterNotice(waited, because) }, at) : null,
  ];
}

function afterNotice(waited: string, because: string): string {
  const before = waited.endsWith(ON_ITS_WAY) ? waited.slice(0, -ON_ITS_WAY.length) : '';
  return `${before}portal: notice: ${because}`;
}

export function fixedFrom(vault: Vault, row: Pick<MessageRow, 'id' | 'organization' | 'fixed'>): Fixed {
  return openJson<Fixed>(vault, place.fixed(row.organization, row.id), row.fixed);
}

export function messageFrom(vault: Vault, row: MessageRow, fixed: Fixed): Message {
  const examination =
    row.examination === null
      ? undefined
      : openJson<Examination>(vault, place.examination(row.organization, row.id), row.examination);
  return {
    id: row.id as QueueId,
    organization: row.organization,
    reversePath: fixed.reversePath,
    sender: fixed.sender,
    size: row.size,
    digest: row.digest,
    acceptedAt: row.accepted_at,
    acceptedBy: row.accepted_by,
    cause: causeFrom(row.cause),
    ...(row.parent !== null && { parent: row.parent as QueueId }),
    origin: row.origin,
    trace: fixed.trace,
    dsn: fixed.dsn,
    smtpUtf8: row.smtp_utf8 === 1,
    body: JSON.parse(row.body) as BodyRef,
    stage: row.stage,
    examineAttempts: row.examine_attempts,
    ...(examination !== undefined && { examination }),
  };
}

export function deliveryFrom(
  vault: Vault,
  message: Pick<MessageRow, 'n' | 'id' | 'organization'>,
  fixed: Fixed,
  row: DeliveryRow,
): Delivery {
  const index = row.n - message.n * DELIVERIES;
  const id = deliveryId(message.id as QueueId, index);
  const { organization } = message;
  const recipient = fixed.recipients[index]!;
  const decision =
    row.decision === null ? undefined : openJson<Decision>(vault, place.decision(organization, id), row.decision);
  const because = row.because === null ? null : openJson<Because>(vault, place.because(organization, id), row.because);
  return {
    id,
    message: message.id as QueueId,
    organization,
    recipient: recipient.address,
    dsn: recipient.dsn,
    destination: recipient.destination ?? row.destination,
    priority: row.priority,
    state: row.state,
    ...(decision !== undefined && { decision }),
    because: because?.because ?? decision?.because ?? '',
    status: row.status,
    step: row.step,
    stepSince: row.step_since,
    stepAttempts: row.step_attempts,
    attempts: row.attempts,
    notBefore: row.not_before,
    expiresAt: row.expires_at,
    toldAt: row.told_at,
    level: row.level as Level | null,
    inDoubt: row.in_doubt === 1,
    ...(row.recovered === 1 && { recovered: true as const }),
  };
}

/** A new message as it stands right after `accept`, without reading it back. */
export function acceptedMessage(message: NewMessage): { message: Message; deliveries: Delivery[] } {
  const { deliveries, ...rest } = message;
  return {
    message: { ...rest, stage: 'accepted', examineAttempts: 1 },
    deliveries: deliveries.map((one, index) => ({
      id: deliveryId(message.id, index),
      message: message.id,
      organization: message.organization,
      recipient: one.recipient,
      dsn: one.dsn,
      destination: one.destination,
      priority: one.priority,
      state: 'undecided',
      because: '',
      status: '',
      step: 0,
      stepSince: null,
      stepAttempts: 0,
      attempts: 0,
      notBefore: 0,
      expiresAt: one.expiresAt,
      toldAt: null,
      level: null,
      inDoubt: false,
    })),
  };
}

export function recipientDomain(address: Address): string {
  return domainOf(address).toLowerCase();
}
