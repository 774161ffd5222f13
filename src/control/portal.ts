// Parcels, asked and changed by people: list, show, extend, retract. Every change is audited by the store's verb in its
// transaction; every look is audited here. Nothing here opens a parcel: no key and no link passes.

import { z } from 'zod';
import { type Duration, GATEWAY, isQueueId, messageOf, type Time } from '../domain/ids.ts';
import { PARCEL_STATES, type Parcel } from '../domain/portal.ts';
import { DAYS_MAX } from '../portal/desk.ts';
import { stateAt } from '../portal/door.ts';
import { QueueError, verbId } from '../store/queue/port.ts';
import { type Command, type Context, ControlError, command } from './command.ts';
import type { ControlDeps } from './deps.ts';
import { clearConditions, isDeliveryId, searched } from './selection.ts';
import { iso } from './views.ts';

const PAGE = 200;
const DAY: Duration = 86_400_000;
const NEXT = 'sealrelay portal list shows them';

const listArgs = z.strictObject({
  organization: z.string().max(200).optional(),
  recipient: z.string().max(320).optional(),
  states: z.array(z.enum(PARCEL_STATES)).max(PARCEL_STATES.length).optional(),
  limit: z.int().positive().optional(),
});
const change = {
  /** Ids of parcels or of their deliveries. */
  ids: z.array(z.string().max(40)).min(1, 'name a parcel or delivery').max(1000),
  dryRun: z.boolean().default(false),
};
const extendArgs = z.strictObject({
  ...change,
  days: z.int().min(1, 'from 1 to 365 days').max(DAYS_MAX, 'from 1 to 365 days'),
  reason: z.string().max(1000).default(''),
});
const retractArgs = z.strictObject({
  ...change,
  reason: z.string().trim().min(1, 'a reason is required').max(1000),
});

export type ParcelView = ReturnType<typeof parcelView>;
function parcelView(parcel: Parcel, now: Time) {
  return {
    parcel: parcel.id,
    delivery: parcel.delivery as string,
    queueId: messageOf(parcel.delivery) as string,
    organization: parcel.organization,
    recipient: parcel.recipient as string,
    sender: parcel.sender,
    from: parcel.from,
    state: stateAt(parcel, now),
    created: iso(parcel.createdAt),
    expires: iso(parcel.expiresAt),
    opened: iso(parcel.openedAt),
    replied: iso(parcel.repliedAt),
    size: parcel.size,
    level: parcel.level,
    messageId: parcel.messageId === '' ? null : parcel.messageId,
  };
}

/** Streams parcels, newest first; without states, those that can still be opened or extended. */
async function list({ deps, caller, page }: Context, args: z.output<typeof listArgs>): Promise<{ rows: number }> {
  const { limit: most = Number.POSITIVE_INFINITY, organization, recipient } = args;
  const states = args.states ?? (['waiting', 'opened', 'replied', 'expired'] as const);
  await deps.audit.append([
    {
      organization: searched(deps, organization),
      actor: caller.actor,
      event: 'log.searched',
      detail: { what: 'portal', ...clearConditions({ organization, recipient, states }) },
      boxed: { recipient },
    },
  ]);
  const what = {
    states,
    ...(organization !== undefined && { organization }),
    ...(recipient !== undefined && { recipient }),
  };
  let rows = 0;
  let before: string | undefined;
  for (;;) {
    const limit = Math.min(PAGE, most - rows);
    if (limit <= 0) break;
    const found = await deps.parcels.list({ ...what, limit, ...(before !== undefined && { before }) });
    const now = deps.clock.now();
    await page(found.map((one) => parcelView(one, now)));
    rows += found.length;
    if (found.length < limit) break;
    before = found.at(-1)?.id;
  }
  return { rows };
}

/** Throws ControlError `usage` for what is neither id. */
async function find({ parcels }: Pick<ControlDeps, 'parcels'>, id: string): Promise<Parcel | null> {
  if (isDeliveryId(id)) return parcels.ofDelivery(id);
  if (/^[a-z2-7]{26}$/.test(id)) return parcels.parcel(id);
  if (isQueueId(id)) {
    const next = `sealrelay queue show ${id} names its deliveries: ${id}.0 is the first`;
    throw new ControlError('usage', 'this is a queue id: a parcel is of one delivery', next);
  }
  throw new ControlError('usage', 'not the id of a parcel or delivery', NEXT);
}

async function show({ deps, caller }: Context, { id }: { id: string }): Promise<ParcelView> {
  const parcel = await find(deps, id);
  await deps.audit.append([
    {
      organization: parcel?.organization ?? GATEWAY,
      actor: caller.actor,
      event: 'message.viewed',
      ...(parcel !== null && { message: messageOf(parcel.delivery), delivery: parcel.delivery }),
      detail: { what: 'portal show', found: parcel !== null },
    },
  ]);
  if (parcel === null) throw new ControlError('not found', `no parcel ${id}`, NEXT);
  return parcelView(parcel, deps.clock.now());
}

export type ChangedParcels = {
  readonly dryRun: boolean;
  readonly changed: number;
  readonly parcels: readonly string[];
  readonly refused: number;
  readonly refusals: readonly { readonly id: string; readonly why: string }[];
};

/** One after another; what cannot be changed says why, and the others are. */
async function apply(
  { deps }: Context,
  args: { readonly ids: readonly string[]; readonly dryRun: boolean },
  obstacle: (parcel: Parcel) => string | null,
  verb: (id: string, parcel: Parcel) => Promise<void>,
): Promise<ChangedParcels> {
  const parcels = new Set<string>();
  const refusals: { id: string; why: string }[] = [];
  for (const id of args.ids) {
    const parcel = await find(deps, id);
    if (parcel !== null && parcels.has(parcel.id)) continue;
    const why = parcel === null ? 'there is no such parcel' : obstacle(parcel);
    if (parcel === null || why !== null) refusals.push({ id, why: why ?? '' });
    else {
      try {
        if (!args.dryRun) await verb(verbId(deps), parcel);
        parcels.add(parcel.id);
      } catch (error) {
        if (!(error instanceof QueueError)) throw error;
        refusals.push({ id, why: error.message });
      }
    }
  }
  return {
    dryRun: args.dryRun,
    changed: parcels.size,
    parcels: [...parcels],
    refused: refusals.length,
    refusals,
  };
}

function isOver({ state }: Parcel): string | null {
  return state === 'retracted' || state === 'deleted' ? `it is ${state}: its key is gone` : null;
}

function extend(context: Context, args: z.output<typeof extendArgs>): Promise<ChangedParcels> {
  const { deps, caller } = context;
  const until = deps.clock.now() + args.days * DAY;
  const obstacle = (parcel: Parcel) =>
    isOver(parcel) ??
    (parcel.expiresAt >= until ? `it waits until ${iso(parcel.expiresAt)?.slice(0, 10)} already` : null);
  return apply(context, args, obstacle, (id, parcel) =>
    deps.parcels.extend(id, parcel.id, until, { actor: caller.actor, reason: args.reason }),
  );
}

function retract(context: Context, args: z.output<typeof retractArgs>): Promise<ChangedParcels> {
  const { deps, caller } = context;
  return apply(context, args, isOver, (id, parcel) =>
    deps.parcels.retract(id, parcel.id, { actor: caller.actor, reason: args.reason }),
  );
}

export const portalCommands: readonly Command[] = [
  command('portal.list', 'read', listArgs, list),
  command('portal.show', 'read', z.strictObject({ id: z.string().max(40) }), show),
  command('portal.extend', 'write', extendArgs, extend),
  command('portal.retract', 'write', retractArgs, retract),
];
