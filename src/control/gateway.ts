// The gateway itself: how it is, and reloading its configuration and policy.

import { z } from 'zod';
import { type Command, command } from './command.ts';
import { iso } from './views.ts';

export const gatewayCommands: readonly Command[] = [
  command('status', 'read', z.strictObject({}), async ({ deps }) => {
    const status = await deps.status();
    const counts = await deps.queue.counts();
    return {
      ...status,
      startedAt: iso(status.startedAt),
      configLoadedAt: iso(status.configLoadedAt),
      alarms: status.alarms.map((one) => ({ ...one, at: iso(one.at) })),
      queue: { stages: counts.stages, states: counts.states, oldest: iso(counts.oldest), lanes: counts.lanes.length },
    };
  }),
  command(
    'reload',
    'write',
    z
      .strictObject({ acceptWeaker: z.boolean().default(false), reason: z.string().max(1000).default('') })
      .refine((args) => !args.acceptWeaker || args.reason.trim() !== '', 'accepting a weaker policy needs a reason'),
    ({ deps, caller, confirmed }, args) => deps.reload({ ...args, actor: caller.actor, confirmed }),
    (deps, args) => deps.reloadGuard(args),
  ),
];
