// `sealrelay redecide`: waiting mail, decided again under the present policy.

import type { Command } from 'commander';
import { example } from './help.ts';
import { changeOptions, runChange, type SelectOptions } from './queue.ts';

export function register(program: Command): void {
  const command = changeOptions(program.command('redecide'), false)
    .description(
      'Examines and decides waiting deliveries again under the present policy; also what the line itself held.',
    )
    .action((ids: readonly string[], options: SelectOptions) => runChange('redecide', 'redecide', ids, options, false));
  example(
    command,
    [
      'sealrelay redecide --state held --organization "Northside Clinic" --dry-run',
      'sealrelay redecide 05tq3m8k2v0c9a1b2c3d4e5f',
    ],
    'Next: sealrelay explain ID shows the new decision.',
  );
}
