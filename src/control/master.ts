// The master key of the running gateway: a new one takes the place of the old.

import { z } from 'zod';
import { MasterKeyError } from '../keys/master.ts';
import type { RotateReport } from '../keys/rotate.ts';
import { type Command, type Context, ControlError, command } from './command.ts';

const rotateArgs = z.strictObject({
  reason: z
    .string()
    .max(1000)
    .refine((text) => text.trim() !== '', 'say why: it stands in the audit'),
});

/** Milliseconds between two pages of progress. */
const OFTEN = 250;

/** The rotation goes on when the caller leaves. */
async function rotate({ deps, caller, page }: Context, args: z.output<typeof rotateArgs>): Promise<RotateReport> {
  let told = 0;
  try {
    return await deps.rotation.run({ actor: caller.actor, reason: args.reason }, ({ step, rows }) => {
      const now = deps.clock.now();
      if (rows > 0 && now - told < OFTEN) return;
      told = now;
      page([{ step, rows }]).catch(() => undefined);
    });
  } catch (error) {
    if (!(error instanceof MasterKeyError)) throw error;
    throw new ControlError('failed', error.message, error.next);
  }
}

export const masterCommands: readonly Command[] = [command('keys.master.rotate', 'write', rotateArgs, rotate)];
