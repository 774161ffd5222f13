// After `sealrelay recover`: what was rebuilt from the bodies goes on only by an operator's word, and what nothing opens is
// kept until one lets go of it. Here and not offline, because here it is proven who asks.

import { z } from 'zod';
import { type Command, command } from './command.ts';
import { apply, change } from './queue.ts';

const reason = z.string().max(1000).default('');

export const recoverCommands: readonly Command[] = [
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
      const verb = Buffer.from(deps.random.bytes(16)).toString('hex');
      return { dryRun: false, objects: await deps.recovery.discard(verb, caller.actor, args.reason) };
    },
  ),
];
