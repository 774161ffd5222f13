// The audit trail, asked by people. Every search, export, verification and timeline is itself an entry, written before
// the first row is given: who cannot be recorded is not answered.

import { z } from 'zod';
import { type DeliveryId, GATEWAY, isQueueId } from '../domain/ids.ts';
import { DELIVERY_STATES } from '../domain/states.ts';
import { firstKeyView, readKeys } from '../record/checkpoint.ts';
import type { Hold, Segment } from '../store/audit/archive-port.ts';
import type { LogQuery } from '../store/audit/port.ts';
import { UNGUARDED } from './approvals/guarded.ts';
import { type Command, type Context, ControlError, command } from './command.ts';
import { view } from './queue.ts';
import { clearConditions, DOMAIN, searched } from './selection.ts';
import { entryView, iso, logView } from './views.ts';

const PAGE = 500;
/** Without a beginning and a queue id, the last 48 hours are meant. */
const DEFAULT_WINDOW = 48 * 60 * 60 * 1000;

const searchArgs = z.strictObject({
  since: z.int().optional(),
  until: z.int().optional(),
  organization: z.string().max(200).optional(),
  sender: z.string().max(320).optional(),
  recipient: z.string().max(320).optional(),
  domain: DOMAIN.optional(),
  id: z.string().max(40).optional(),
  states: z.array(z.enum(DELIVERY_STATES)).max(DELIVERY_STATES.length).optional(),
  protection: z.string().max(20).optional(),
  rule: z.string().max(200).optional(),
  limit: z.int().positive().optional(),
});
type SearchArgs = z.output<typeof searchArgs>;

function query(args: SearchArgs, now: number): Omit<LogQuery, 'limit'> {
  if (args.id !== undefined && !isQueueId(args.id))
    throw new ControlError('usage', 'not a queue id', 'sealrelay log search shows them');
  const since = args.since ?? (args.id === undefined ? now - DEFAULT_WINDOW : undefined);
  return {
    ...(since !== undefined && { since }),
    ...(args.until !== undefined && { until: args.until }),
    ...(args.organization !== undefined && { organization: args.organization }),
    ...(args.sender !== undefined && { sender: args.sender }),
    ...(args.recipient !== undefined && { recipient: args.recipient }),
    ...(args.domain !== undefined && { domain: args.domain.toLowerCase() }),
    ...(args.id !== undefined && { message: args.id }),
    ...(args.states !== undefined && { states: args.states }),
    ...(args.protection !== undefined && { protection: args.protection }),
    ...(args.rule !== undefined && { rule: args.rule }),
  };
}

async function search({ deps, caller, page }: Context, args: SearchArgs) {
  const what = query(args, deps.clock.now());
  await deps.audit.append([
    {
      organization: searched(deps, args.organization),
      actor: caller.actor,
      event: 'log.searched',
      detail: { what: 'log', ...clearConditions(what) },
      boxed: { sender: args.sender, recipient: args.recipient },
    },
  ]);
  let rows = 0;
  let before: DeliveryId | undefined;
  for (;;) {
    const limit = Math.min(PAGE, (args.limit ?? Number.POSITIVE_INFINITY) - rows);
    if (limit <= 0) break;
    const found = await deps.audit.search({ ...what, limit, ...(before !== undefined && { before }) });
    await page(found.map(logView));
    rows += found.length;
    if (found.length < limit) break;
    before = found[found.length - 1]?.delivery;
  }
  return { rows, since: iso(what.since ?? null) };
}

const exportArgs = z.strictObject({ since: z.int().optional(), until: z.int().optional() });

/** Streams entries in order of the chain. The export's own entry stands at its end. */
async function exportLog({ deps, caller, page }: Context, args: z.output<typeof exportArgs>) {
  await deps.audit.append([
    { organization: GATEWAY, actor: caller.actor, event: 'log.exported', detail: clearConditions(args) },
  ]);
  let entries = 0;
  let after: { epoch: number; seq: number } | null = null;
  for (;;) {
    const found: Awaited<ReturnType<typeof deps.audit.read>> = await deps.audit.read(after, PAGE);
    const last = found[found.length - 1];
    if (last === undefined) break;
    const wanted = found.filter((one) => one.at >= (args.since ?? 0) && one.at < (args.until ?? Number.MAX_VALUE));
    if (wanted.length > 0) await page(wanted.map(entryView));
    entries += wanted.length;
    if (found.length < PAGE) break;
    after = { epoch: last.epoch, seq: last.seq };
  }
  return { entries };
}

const verifyArgs = z.strictObject({ keys: z.array(z.string().max(60)).max(1000).optional() });
const anchorArgs = z.strictObject({
  anchors: z.array(z.string()).max(5_000),
  fitted: z
    .array(
      z.strictObject({
        ...{ node: z.string().max(100), epoch: z.int(), seq: z.int(), no: z.int(), at: z.int(), position: z.int() },
        hash: z.string().max(64),
      }),
    )
    .max(1000),
});

/** What fits is asked of the chain as it stands; the verification itself is recorded by `log.verify`. */
async function anchors({ deps }: Context, args: z.output<typeof anchorArgs>) {
  const fitted = args.fitted.map((one) => ({ ...one, hash: Buffer.from(one.hash, 'hex') }));
  const result = await deps.audit.checkAnchors(args.anchors, fitted);
  const hex = result.fitted.map((one) => ({ ...one, hash: Buffer.from(one.hash).toString('hex') }));
  return { ...result, fitted: hex };
}

async function verify({ deps, caller, page }: Context, args: z.output<typeof verifyArgs>) {
  let told = 0;
  const keys = args.keys === undefined ? null : readKeys(args.keys.join('\n'));
  if (args.keys !== undefined && keys === null) throw new ControlError('usage', 'not the public keys of an audit');
  const result = await deps.audit.verify((checked, total) => {
    const now = deps.clock.now();
    if (now - told < 1000) return;
    told = now;
    // Who left does not stop the verification: its entry is written all the same.
    page([{ checked, total }]).catch(() => undefined);
  }, keys);
  await deps.audit.append([
    {
      organization: GATEWAY,
      actor: caller.actor,
      event: 'log.verified',
      detail: {
        ...{ entries: result.entries, intact: result.intact, signed: result.signed?.seq ?? null },
        ...{ lost: result.lost.count, withKey: keys !== null },
      },
    },
  ]);
  return result;
}

// ── its life: closed months, legal holds, erasure, what was destroyed ──

const reason = z.string().trim().min(1, 'a reason is required').max(1000);
const organization = z.string().min(1).max(200);
const address = z
  .string()
  .max(320)
  .regex(/^[^\s@]+@[^\s@]+$/, 'not an address');

export type HoldView = ReturnType<typeof holdView>;
function holdView({ id, organization: of, address: whose, message, since, until, addedAt, reason: why }: Hold) {
  const range = { since: iso(since), until: iso(until) };
  return {
    hold: id,
    organization: of,
    address: whose,
    queueId: message as string | null,
    ...range,
    added: iso(addedAt),
    reason: why,
  };
}

export type MonthView = ReturnType<typeof monthView>;
function monthView({ name, month, first, last, since, until, messages, state }: Segment) {
  const entries = last - first + 1;
  return { segment: name, month, state, entries, messages, since: iso(since), until: iso(until) };
}

function known({ deps }: Context, name: string): string {
  if (deps.organizations().includes(name)) return name;
  throw new ControlError('not found', `there is no organization ${name}`, 'sealrelay config show names them');
}

const holdArgs = z.strictObject({
  organization,
  address: address.optional(),
  id: z.string().max(40).optional(),
  since: z.int().optional(),
  until: z.int().optional(),
  reason,
});

async function addHold(context: Context, args: z.output<typeof holdArgs>) {
  const { deps, caller } = context;
  const { id, since = null, until = null } = args;
  if (id !== undefined && !isQueueId(id))
    throw new ControlError('usage', 'not a queue id', 'sealrelay log search shows them');
  if (since !== null && until !== null && since >= until) throw new ControlError('usage', 'until is not after since');
  const hold = {
    id: Buffer.from(deps.random.bytes(8)).toString('hex'),
    ...{ organization: known(context, args.organization), address: args.address ?? null, message: id ?? null },
    ...{ since, until, reason: args.reason },
  };
  await deps.archive.addHold(hold, caller.actor);
  return holdView({ ...hold, addedAt: deps.clock.now() });
}

async function looked({ deps, caller }: Context, what: string): Promise<void> {
  await deps.audit.append([{ organization: GATEWAY, actor: caller.actor, event: 'log.searched', detail: { what } }]);
}

const eraseArgs = z.strictObject({ organization, address, reason, dryRun: z.boolean().default(false) });

const archiveCommands: readonly Command[] = [
  command('log.hold.add', 'write', holdArgs, addHold),
  command('log.hold.list', 'read', z.strictObject({}), async (context) => {
    await looked(context, 'legal holds');
    return (await context.deps.archive.holds()).map(holdView);
  }),
  command(
    'log.hold.remove',
    'write',
    z.strictObject({ id: z.string().max(40), reason }),
    async ({ deps, caller }, args) => {
      await deps.archive.removeHold(args.id, caller.actor, args.reason);
      return { removed: args.id };
    },
    () => ({ kinds: ['retention'], of: '' }),
  ),
  command('log.months', 'read', z.strictObject({}), async ({ deps }) => (await deps.archive.segments()).map(monthView)),
  command('log.destroyed', 'read', z.strictObject({}), async (context) => {
    await looked(context, 'what was destroyed');
    const entries = await context.deps.archive.destroyed();
    await context.page(entries.map(entryView));
    return { entries: entries.length };
  }),
  command(
    'log.erase',
    'write',
    eraseArgs,
    async (context, { dryRun, ...args }) => {
      const { deps, caller } = context;
      known(context, args.organization);
      return { dryRun, ...(await deps.archive.erase({ ...args, actor: caller.actor, dryRun })) };
    },
    (_, { dryRun }) => (dryRun ? UNGUARDED : { kinds: ['retention'], of: '' }),
  ),
];

export const logCommands: readonly Command[] = [
  ...archiveCommands,
  command('log.search', 'read', searchArgs, search),
  command('log.export', 'read', exportArgs, exportLog),
  command('log.verify', 'read', verifyArgs, verify),
  command('log.anchors', 'read', anchorArgs, anchors),
  command('log.key', 'read', z.strictObject({}), async ({ deps }) => (await deps.audit.firstKeys()).map(firstKeyView)),
  command('trace', 'read', z.strictObject({ id: z.string().max(40) }), async (context, { id }) => {
    const { message, deliveries } = await view(context, id, 'trace');
    const entries = await context.deps.audit.trace(message.id);
    return {
      queueId: message.id,
      organization: message.organization,
      sender: message.sender,
      recipients: deliveries.map((one) => ({ delivery: one.id, recipient: one.recipient, state: one.state })),
      entries: entries.map(entryView),
    };
  }),
];
