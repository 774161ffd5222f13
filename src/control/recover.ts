// After `sealrelay recover` and `restore`: what was rebuilt from the bodies, or came back from a backup, goes on only by an
// operator's word, and what nothing opens is kept until one lets go of it. Here and not offline, because here it is proven
// who asks.

import { z } from 'zod';
import type { DeliveryId } from '../domain/ids.ts';
import { verbId } from '../store/queue/port.ts';
import { UNGUARDED } from './approvals/guarded.ts';
import { type Command, type Context, command } from './command.ts';
import { apply, change } from './queue.ts';
import { clearConditions, type SelectionArgs, searched, selectionShape, selections } from './selection.ts';
import { iso } from './views.ts';

const reason = z.string().max(1000).default('');

/** A delivery that waits for its release, with what another may know it by. */
export type WaitingView = {
  readonly delivery: string;
  readonly queueId: string;
  /** Null while its message was not examined. */
  readonly messageId: string | null;
  readonly accepted: string | null;
  readonly sender: string;
  readonly recipient: string;
};
const PAGE = 200;

/** Streams them, newest first. */
async function waiting({ deps, caller, page }: Context, args: SelectionArgs): Promise<{ rows: number }> {
  await deps.audit.append([
    {
      organization: searched(deps, args.organization),
      actor: caller.actor,
      event: 'log.searched',
      detail: { what: 'restored', ...clearConditions({ ...args, ids: undefined }) },
      boxed: { sender: args.sender, recipient: args.recipient },
    },
  ]);
  let rows = 0;
  for (const what of selections(args, ['held'], deps.clock.now())) {
    let before: DeliveryId | undefined;
    for (;;) {
      const found = await deps.queue.list({
        ...{ ...what, states: ['held'], recovered: true, limit: PAGE },
        ...(before !== undefined && { before }),
      });
      const views: WaitingView[] = [];
      for (const row of found) {
        const message = await deps.queue.message(row.message);
        views.push({
          ...{ delivery: row.id, queueId: row.message, messageId: message?.message.examination?.messageId ?? null },
          ...{ accepted: iso(row.acceptedAt), sender: row.sender[0] ?? row.reversePath, recipient: row.recipient },
        });
      }
      await page(views);
      rows += found.length;
      if (found.length < PAGE) break;
      before = found.at(-1)!.id;
    }
  }
  return { rows };
}

export const recoverCommands: readonly Command[] = [
  command('recover.waiting', 'read', z.strictObject(selectionShape), waiting),
  command('recover.release', 'write', z.strictObject({ ...change, reason }), (context, args) =>
    apply(context, args, ['held'], (op, what) => context.deps.queue.releaseRecovered(op, what)),
  ),
  command(
    'recover.discard',
    'write',
    z.strictObject({ reason, dryRun: z.boolean().default(false) }),
    async ({ deps, caller }, args): Promise<{ dryRun: boolean; objects: number }> => {
      const { unclaimed } = await deps.recovery.counts();
      if (args.dryRun || unclaimed === 0) return { dryRun: args.dryRun, objects: unclaimed };
      const verb = verbId(deps);
      return { dryRun: false, objects: await deps.recovery.discard(verb, caller.actor, args.reason) };
    },
    // It destroys mail of which nobody is told.
    (_, { dryRun }) => (dryRun ? UNGUARDED : { kinds: ['drop'], of: '' }),
  ),
];
