// What the watch knows: its figures, and what was sent. Nothing of it is PHI.

import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { runtimeFaults } from '../config/runtime.ts';
import type { RuntimeFacts } from '../watch/doctor.ts';
import { type Command, ControlError, command } from './command.ts';

const month = z.string().regex(/^\d{4}-(0[1-9]|1[0-2])$/, 'must be a month such as 2026-11');

export const watchCommands: readonly Command[] = [
  command('doctor', 'read', z.strictObject({}), async ({ deps }) => ({
    runtime: runtimeOf((await deps.status()).version),
    anchorFault: await deps.anchorFault(),
    figures: (await deps.watch.figures()).map(({ alarm, name, light, value, means, next }) => ({
      group: ENDINGS.has(alarm) ? 'keys' : 'watched',
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

const ENDINGS: ReadonlySet<string> = new Set(['certificate ends', 'key ends']);

function runtimeOf(version: string): RuntimeFacts {
  return {
    version,
    faults: runtimeFaults(),
    // libuv's own number, where nobody said another.
    threads: Number(process.env.UV_THREADPOOL_SIZE ?? 4),
    uid: process.getuid?.() ?? -1,
    files: openFiles(),
  };
}

/** Files that this process may have open; null where it is not known or not bounded. */
function openFiles(): number | null {
  try {
    const [, soft] = /^Max open files +(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return Number(soft ?? 0) || null;
  } catch {
    return null;
  }
}
