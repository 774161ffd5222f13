// The queue, asked and changed by people: list, show, hold, release, retry, bounce, drop, redecide. Every change says
// its reason, can be tried dry, and is audited by the store's verb in the same transaction; every look is audited here.

import { createHash } from 'node:crypto';
import { z } from 'zod';
import { type DeliveryId, GATEWAY, isQueueId, messageOf, type QueueId } from '../domain/ids.ts';
import type { DeliveryState } from '../domain/types.ts';
import { type Changed, type Operation, type QueueError, type Selection, verbId } from '../store/queue/port.ts';
import { type Guard, UNGUARDED } from './approvals/guarded.ts';
import { type Command, type Context, ControlError, command } from './command.ts';
import type { ControlDeps, Found } from './deps.ts';
import { parseProtection } from './protection.ts';
import {
  clearConditions,
  conditions,
  isDeliveryId,
  type SelectionArgs,
  searched,
  selectionShape,
  selections,
} from './selection.ts';
import { deliveryView, explainedView, iso, messageView } from './views.ts';

const PAGE = 200;
/** Ids given back after a change; the counts are always whole. */
const SHOWN = 1000;

export const change = {
  ...selectionShape,
  reason: z.string().max(1000).default(''),
  dryRun: z.boolean().default(false),
};
const because = { ...change, reason: z.string().trim().min(1, 'a reason is required').max(1000) };

export type ChangedView = {
  readonly dryRun: boolean;
  readonly changed: number;
  readonly deliveries: readonly string[];
  readonly refused: number;
  readonly refusals: readonly { readonly delivery: string; readonly why: string }[];
};

type Verb = (op: Operation, what: Selection) => Promise<Changed>;

/** Does it for what the arguments mean, page by page, or only counts it. */
export async function apply(
  { deps, caller }: Context,
  args: SelectionArgs & { reason: string; dryRun: boolean },
  states: readonly DeliveryState[],
  verb: Verb,
): Promise<ChangedView> {
  const changed: string[] = [];
  const refusals: { delivery: string; why: string }[] = [];
  for (const what of selections(args, states, deps.clock.now())) {
    const id = verbId(deps);
    const op = { verb: id, actor: caller.actor, reason: args.reason, dryRun: args.dryRun };
    const done = await verb(op, what);
    changed.push(...done.changed);
    refusals.push(...done.refused);
  }
  if (!args.dryRun && changed.length > 0) deps.wake();
  return {
    dryRun: args.dryRun,
    changed: changed.length,
    deliveries: changed.slice(0, SHOWN),
    refused: refusals.length,
    refusals: refusals.slice(0, SHOWN),
  };
}

const release = command(
  'queue.release',
  'write',
  z.strictObject({ ...change, deliver: z.string().max(40).optional() }),
  (context, args) => {
    const { queue, meetsFloor } = context.deps;
    if (args.deliver === undefined) return apply(context, args, ['held'], (op, what) => queue.release(op, what));
    if (args.reason.trim() === '') {
      throw new ControlError('usage', 'a protection of your own needs a reason', 'add --reason "why this is right"');
    }
    const protection = parseProtection(args.deliver);
    return apply(context, args, ['held'], (op, what) => queue.release(op, what, protection, meetsFloor));
  },
);

const listArgs = z.strictObject({
  ...selectionShape,
  stage: z.enum(['accepted', 'examined', 'decided', 'finished', 'bodiless', 'corrupt']).optional(),
  limit: z.int().positive().optional(),
});

/** Streams what is in the queue, newest first; without states, what has not ended. */
async function list({ deps, caller, page }: Context, args: z.output<typeof listArgs>): Promise<{ rows: number }> {
  const states = args.states ?? (['undecided', 'ready', 'leased', 'held'] as const);
  const ids = selectedIds(args.ids);
  const what = { ...conditions(args, deps.clock.now()), ...ids, states };
  await deps.audit.append([
    {
      organization: searched(deps, args.organization),
      actor: caller.actor,
      event: 'log.searched',
      detail: { what: 'queue', ...clearConditions({ ...args, ids: undefined }) },
      boxed: { sender: args.sender, recipient: args.recipient },
    },
  ]);
  const most = args.limit ?? Number.POSITIVE_INFINITY;
  const ask = (limit: number, before?: DeliveryId) => {
    const { stage } = args;
    const found = deps.queue.list({ ...what, limit, ...(stage && { stage }), ...(before && { before }) });
    // Awaited later, or never when the caller leaves.
    found.catch(() => undefined);
    return found;
  };
  let rows = 0;
  let limit = Math.min(PAGE, most);
  let next = ask(limit);
  for (;;) {
    const found = await next;
    rows += found.length;
    const last = found.length < limit ? undefined : found.at(-1)?.id;
    limit = Math.min(PAGE, most - rows);
    // Looked for while this one is handed over.
    const more = last !== undefined && limit > 0;
    if (more) next = ask(limit, last);
    await page(
      found.map((row) => ({
        ...deliveryView(row, deps.expiryOf),
        accepted: iso(row.acceptedAt),
        sender: row.sender,
        reversePath: row.reversePath,
        size: row.size,
      })),
    );
    if (!more) break;
  }
  return { rows };
}

function selectedIds(ids: readonly string[]): Selection {
  const messages = ids.filter(isQueueId);
  const deliveries = ids.filter(isDeliveryId);
  if (messages.length + deliveries.length < ids.length)
    throw new ControlError('usage', 'not a queue id or delivery id');
  if (messages.length > 0 && deliveries.length > 0)
    throw new ControlError('usage', 'queue ids or delivery ids, not both');
  if (messages.length > 0) return { messages };
  return deliveries.length > 0 ? { deliveries } : {};
}

/** The message of a queue id or delivery id, the look being audited first. Throws ControlError `not found`. */
export async function view({ deps, caller }: Context, id: string, what: string): Promise<Found> {
  const message = isQueueId(id) ? id : isDeliveryId(id) ? messageOf(id) : null;
  if (message === null) throw new ControlError('usage', 'not a queue id', 'sealrelay log search shows them');
  const found = await deps.queue.message(message);
  await deps.audit.append([
    {
      organization: found?.message.organization ?? GATEWAY,
      actor: caller.actor,
      event: 'message.viewed',
      ...(found !== null && { message }),
      detail: { what, found: found !== null },
    },
  ]);
  if (found === null) throw new ControlError('not found', `no message ${message}`, 'sealrelay log search shows them');
  return { id: message as QueueId, message: found.message, deliveries: found.deliveries };
}

/** What a condition means grows with the queue: what was confirmed is what it meant then. */
async function guardDrop(deps: ControlDeps, args: z.output<z.ZodObject<typeof because>>): Promise<Guard> {
  if (args.dryRun) return UNGUARDED;
  if (args.ids.length > 0 || !deps.fourEyes().includes('drop')) return { kinds: ['drop'], of: '' };
  const meant: string[] = [];
  for (const what of selections(args, ['ready', 'held'], deps.clock.now())) {
    const verb = verbId(deps);
    meant.push(...(await deps.queue.drop({ verb, actor: 'gateway', reason: '', dryRun: true }, what)).changed);
  }
  return { kinds: ['drop'], of: createHash('sha256').update(meant.sort().join()).digest('hex') };
}

const idArgs = z.strictObject({ id: z.string().max(40) });

export const queueCommands: readonly Command[] = [
  command('queue.list', 'read', listArgs, list),
  command('queue.counts', 'read', z.strictObject({}), async ({ deps }) => {
    const counts = await deps.queue.counts();
    return {
      stages: counts.stages,
      states: counts.states,
      oldest: iso(counts.oldest),
      lanes: counts.lanes.map((lane) => ({ ...lane, nextDue: iso(lane.nextDue) })),
    };
  }),
  command('queue.show', 'read', idArgs, async (context, { id }) => {
    const { message, deliveries } = await view(context, id, 'queue show');
    return messageView(message, deliveries, context.deps.expiryOf);
  }),
  command('explain', 'read', idArgs, async (context, { id }) => {
    const { message, deliveries } = await view(context, id, 'explain');
    const chosen = isDeliveryId(id) ? deliveries.filter((one) => one.id === id) : deliveries;
    const explained = await context.deps.explain(message, chosen);
    return {
      queueId: message.id,
      organization: message.organization,
      deliveries: explained.map((one) => explainedView(one, context.deps.expiryOf)),
    };
  }),
  command('queue.hold', 'write', z.strictObject(change), (context, args) =>
    apply(context, args, ['ready'], (op, what) => context.deps.queue.hold(op, what)),
  ),
  release,
  command('queue.retry', 'write', z.strictObject(change), (context, args) =>
    apply(context, args, ['ready'], (op, what) => context.deps.queue.retryNow(op, what)),
  ),
  command('queue.bounce', 'write', z.strictObject(because), (context, args) =>
    apply(context, args, ['ready', 'held'], (op, what) => context.deps.queue.giveUp(op, what)),
  ),
  command(
    'queue.drop',
    'write',
    z.strictObject(because),
    (context, args) => apply(context, args, ['ready', 'held'], (op, what) => context.deps.queue.drop(op, what)),
    guardDrop,
  ),
  command('redecide', 'write', z.strictObject(change), (context, args) =>
    apply(context, args, ['ready', 'held'], (op, what) => context.deps.queue.redecide(op, what)),
  ),
];

/** What a QueueError says to a person. */
export function fromQueueError(error: QueueError): ControlError {
  if (error.code === 'not found') return new ControlError('not found', error.message);
  return new ControlError('failed', error.code === 'wrong state' ? error.message : `${error.code}: ${error.message}`);
}
