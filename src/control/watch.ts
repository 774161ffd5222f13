// What the watch knows: its figures, and what was sent. Nothing of it is PHI.

import { z } from 'zod';
import { type Command, ControlError, command } from './command.ts';

const month = z.string().regex(/^\d{4}-(0[1-9]|1[0-2])$/, 'must be a month such as 2026-11');

export const watchCommands: readonly Command[] = [
  command('doctor', 'read', z.strictObject({}), async ({ deps }) => ({
    figures: (await deps.watch.figures()).map(({ name, light, value, means, next }) => ({
      ...{ name, light, value, means, next },
    })),
  })),
  command(
    'usage',
    'read',
    z.strictObject({
      from: month.exactOptional(),
      to: month.exactOptional(),
      organization: z.string().exactOptional(),
    }),
    async ({ deps }, { from, to, organization }) => {
      const rows = await deps.watch.usage(from, to);
      // One that is no longer configured may still have sent.
      if (organization !== undefined && !deps.organizations().includes(organization)) {
        if (!rows.some((one) => one.organization === organization)) {
          throw new ControlError('not found', 'no such organization', `known are: ${deps.organizations().join(', ')}`);
        }
      }
      return { usage: rows.filter((one) => organization === undefined || one.organization === organization) };
    },
  ),
];
