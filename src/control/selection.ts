// Which deliveries a person means: ids, or conditions that must all hold. Never everything by accident.

import { z } from 'zod';
import { type DeliveryId, domainOf, GATEWAY, isQueueId, type OrganizationName, type QueueId } from '../domain/ids.ts';
import { DELIVERY_STATES } from '../domain/states.ts';
import type { DeliveryState } from '../domain/types.ts';
import type { Selection } from '../store/queue/port.ts';
import { ControlError } from './command.ts';
import type { ControlDeps } from './deps.ts';

/** A recipient domain. It stands clear in the audit of a search, so that an address must not pass for one. */
export const DOMAIN = z
  .string()
  .max(255)
  .regex(/^[^\s@]+$/, 'write a domain, as it stands after the @');

export const selectionShape = {
  /** Queue ids (all recipients) and delivery ids `<queue id>.<index>` (one). */
  ids: z.array(z.string().max(40)).max(1000).default([]),
  organization: z.string().max(200).optional(),
  domain: DOMAIN.optional(),
  sender: z.string().max(320).optional(),
  recipient: z.string().max(320).optional(),
  states: z.array(z.enum(DELIVERY_STATES)).max(DELIVERY_STATES.length).optional(),
  /** Milliseconds. */
  olderThan: z.int().nonnegative().optional(),
  all: z.boolean().default(false),
};
const schema = z.strictObject(selectionShape);
export type SelectionArgs = Pick<z.output<typeof schema>, keyof typeof selectionShape>;

/** Conditions of the arguments without ids. */
export function conditions(args: SelectionArgs, now: number): Selection {
  return {
    ...(args.organization !== undefined && { organization: args.organization }),
    ...(args.domain !== undefined && { domain: args.domain.toLowerCase() }),
    ...(args.sender !== undefined && { sender: args.sender }),
    ...(args.recipient !== undefined && { recipient: args.recipient }),
    ...(args.states !== undefined && { states: args.states }),
    ...(args.olderThan !== undefined && { olderThan: now - args.olderThan }),
  };
}

/**
 * The selections that the arguments mean, one for queue ids and one for delivery ids. Without ids, only deliveries in
 * `states` are meant: a condition never asks for what cannot be done. Throws ControlError `usage`.
 */
export function selections(args: SelectionArgs, states: readonly DeliveryState[], now: number): readonly Selection[] {
  const rest = conditions(args, now);
  if (args.ids.length > 0) {
    const messages: QueueId[] = [];
    const deliveries: DeliveryId[] = [];
    for (const id of args.ids) {
      if (isQueueId(id)) messages.push(id);
      else if (isDeliveryId(id)) deliveries.push(id);
      else throw new ControlError('usage', 'not a queue id or delivery id', 'sealrelay queue list shows them');
    }
    return [
      ...(messages.length > 0 ? [{ ...rest, messages }] : []),
      ...(deliveries.length > 0 ? [{ ...rest, deliveries }] : []),
    ];
  }
  if (Object.keys(rest).length === 0 && !args.all) {
    throw new ControlError('usage', 'name queue ids or a condition', 'to mean every delivery, say --all');
  }
  return [{ ...rest, states: args.states ?? states }];
}

export function isDeliveryId(text: string): text is DeliveryId {
  const dot = text.lastIndexOf('.');
  return dot > 0 && isQueueId(text.slice(0, dot)) && /^(0|[1-9][0-9]{0,3})$/.test(text.slice(dot + 1));
}

/** Whose audit a look belongs to; a name that is none of ours is not written. */
export function searched(deps: Pick<ControlDeps, 'organizations'>, organization: string | undefined): OrganizationName {
  return deps.organizations().find((one) => one === organization) ?? GATEWAY;
}

/** What may stand clear in the audit of a search: no address, only its domain. */
export function clearConditions(what: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const clear: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(what)) {
    if (value === undefined) continue;
    const isAddress = typeof value === 'string' && value.includes('@');
    if (key !== 'sender' && key !== 'recipient') clear[key] = isAddress ? '?' : value;
    else if (isAddress) clear[`${key}Domain`] = domainOf(value as never);
  }
  return clear;
}
