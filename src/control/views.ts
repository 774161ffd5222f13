// Rows as they leave the gateway for people and scripts: flat, times in ISO 8601 UTC, names that stay. No subject.

import { domainOf } from '../domain/ids.ts';
import { protectionText } from '../domain/protection.ts';
import { isEnded } from '../domain/states.ts';
import type { Decision, Delivery, Message } from '../domain/types.ts';
import type { AuditEntry, LogRow } from '../store/audit/port.ts';
import type { ExpiryOf, Explained } from './deps.ts';

export function iso(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}

/** `tls: dane, portal`; `hold`, `bounce`; `-` while undecided. */
export function actionText(decision: Decision | undefined): string {
  if (decision === undefined) return '-';
  const { action } = decision;
  return action.kind === 'deliver' ? action.protections.map(protectionText).join(', ') : action.kind;
}

export type DeliveryView = ReturnType<typeof deliveryView>;
export function deliveryView(delivery: Delivery, expiryOf: ExpiryOf) {
  return {
    delivery: delivery.id as string,
    queueId: delivery.message as string,
    organization: delivery.organization,
    recipient: delivery.recipient as string,
    domain: domainOf(delivery.recipient),
    destination: delivery.destination,
    priority: delivery.priority,
    state: delivery.state,
    decision: actionText(delivery.decision),
    rule: delivery.decision?.rule ?? null,
    because: delivery.because || (delivery.decision?.because ?? ''),
    status: delivery.status,
    step: delivery.step,
    attempts: delivery.attempts,
    next: iso(delivery.state === 'ready' || delivery.state === 'leased' ? delivery.notBefore : null),
    expires: iso(isEnded(delivery.state) ? delivery.expiresAt : expiryOf(delivery)),
    level: delivery.level,
    inDoubt: delivery.inDoubt,
  };
}

export type QueueRow = DeliveryView & {
  readonly accepted: string | null;
  readonly sender: readonly string[];
  readonly reversePath: string;
  readonly size: number;
};

export type MessageView = ReturnType<typeof messageView>;
export function messageView(message: Message, deliveries: readonly Delivery[], expiryOf: ExpiryOf) {
  const { examination, trace } = message;
  return {
    queueId: message.id as string,
    organization: message.organization,
    stage: message.stage,
    accepted: iso(message.acceptedAt),
    acceptedBy: message.acceptedBy,
    origin: message.origin,
    parent: message.parent ?? null,
    reversePath: message.reversePath,
    sender: message.sender as readonly string[],
    size: message.size,
    messageId: examination?.messageId ?? null,
    received: { helo: trace.helo, ip: trace.ip, with: trace.with, tls: trace.tls ?? null, proof: trace.proof },
    examineAttempts: message.examineAttempts,
    findings: examination?.findings.counts ?? [],
    phi: examination?.findings.phi ?? null,
    coverage: examination?.coverage.state ?? null,
    subjectTags: examination?.subjectTags ?? [],
    deliveries: deliveries.map((one) => deliveryView(one, expiryOf)),
  };
}

export type LogView = ReturnType<typeof logView>;
export function logView(row: LogRow) {
  return {
    accepted: iso(row.acceptedAt),
    ended: iso(row.endedAt),
    queueId: row.message as string,
    delivery: row.delivery as string,
    organization: row.organization,
    sender: row.sender,
    recipient: row.recipient,
    destination: row.destination,
    size: row.size,
    protection: row.protection,
    level: row.level,
    state: row.state,
    status: row.status,
    rule: row.rule,
  };
}

export type EntryView = ReturnType<typeof entryView>;
export function entryView(entry: AuditEntry) {
  return {
    node: entry.node,
    epoch: entry.epoch,
    seq: entry.seq,
    at: iso(entry.at),
    event: entry.event as string,
    actor: entry.actor,
    organization: entry.organization,
    queueId: entry.message as string | null,
    delivery: entry.delivery as string | null,
    detail: entry.detail,
    boxed: entry.boxed,
    hash: entry.hash,
  };
}

export type ExplainedView = ReturnType<typeof explainedView>;
export function explainedView(one: Explained, expiryOf: ExpiryOf) {
  const { delivery, now } = one;
  return {
    ...deliveryView(delivery, expiryOf),
    decidedBecause: delivery.decision?.because ?? null,
    decidedPolicy: delivery.decision?.policyVersion ?? null,
    policy: one.policyVersion,
    steps: one.steps,
    now: now === null ? null : { decision: actionText(now), rule: now.rule, because: now.because },
  };
}
