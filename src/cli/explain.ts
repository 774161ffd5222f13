// `sealrelay explain`: why a message was decided so, rule by rule, from its stored facts.

import type { Command } from 'commander';
import type { ExplainedView } from '../control/views.ts';
import { ask, type DaemonOptions } from './client.ts';
import { example, withDaemon, withJson } from './help.ts';
import { plain, print, printJson, say, styled } from './output.ts';

type Answer = {
  readonly queueId: string;
  readonly organization: string;
  readonly deliveries: readonly ExplainedView[];
};

export function register(program: Command): void {
  const command = program
    .command('explain')
    .description('Explains the decision for each recipient: rules in order, what matched, what was tried since.')
    .argument('<id>', 'queue id or delivery id')
    .action(async (id: string, options: DaemonOptions & { json?: boolean }) => {
      const answer = await ask<Answer>(options, 'read', 'explain', { id });
      if (options.json) return printJson(answer);
      for (const one of answer.deliveries) await show(one);
      say(`next: sealrelay trace ${answer.queueId} shows every attempt`);
    });
  example(
    withJson(withDaemon(command)),
    ['sealrelay explain 05tq3m8k2v0c9a1b2c3d4e5f', 'sealrelay explain 05tq3m8k2v0c9a1b2c3d4e5f.0 --json'],
    'Next: sealrelay policy test tries a message of your own; sealrelay redecide applies the present policy.',
  );
}

async function show(one: ExplainedView): Promise<void> {
  await print(styled('bold', `${one.delivery}  ${plain(one.recipient)}`));
  await print(
    `  decided  ${plain(one.decision)}  by rule "${plain(one.rule ?? '-')}" of policy ${one.decidedPolicy ?? '-'}`,
  );
  if (one.decidedBecause !== null) await print(`           ${plain(one.decidedBecause)}`);
  await print(
    `  state    ${one.state}${one.level === null ? '' : `, level ${one.level}`}: ${plain(one.because) || '-'}`,
  );
  const same = one.policy === one.decidedPolicy ? '' : ' (another than it was decided with)';
  await print(`  policy ${one.policy}${same}, rule by rule:`);
  for (const step of one.steps) await print(`    ${plain(step)}`);
  if (one.now === null) await print('  now      not known yet');
  else if (one.now.decision !== one.decision || one.now.rule !== one.rule) {
    await print(`  now      ${plain(one.now.decision)}  by rule "${plain(one.now.rule)}": ${plain(one.now.because)}`);
  }
  await print('');
}
