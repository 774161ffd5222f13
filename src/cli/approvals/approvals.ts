// `sealrelay approvals`: what one operator asked for and another confirms, and what was done without.

import type { Command } from 'commander';
import type { ApprovalView } from '../../control/approvals/commands.ts';
import { ask, type DaemonOptions } from '../client.ts';
import { usage } from '../errors.ts';
import { example, withDaemon, withJson } from '../help.ts';
import { plain, print, printJson, say } from '../output.ts';

type Options = DaemonOptions & { readonly json?: boolean };
type DecideOptions = Options & { readonly reason?: string };

const VERBS = {
  confirm: 'Confirms what another operator asked for; within 24 hours they repeat the command, and it is done.',
  refuse: 'Refuses what was asked for, or takes your own question back.',
  review: 'Says that you have looked at what another operator did as break-glass.',
} as const;

export function register(program: Command): void {
  const approvals = program
    .command('approvals')
    .description('What takes another operator (four_eyes: of the configuration), and what was done without.');
  example(
    approvals,
    ['sealrelay approvals list', 'sealrelay approvals confirm 5c0e21aa --reason "checked with the clinic"'],
    'Who asked cannot confirm. What is not confirmed within 24 hours is over.',
  );
  const list = approvals
    .command('list')
    .description('Lists what waits, what is confirmed and not done yet, and break-glass that nobody has reviewed.')
    .action(listApprovals);
  example(withJson(withDaemon(list)), ['sealrelay approvals list', 'sealrelay approvals list --json']);
  for (const verb of ['confirm', 'refuse', 'review'] as const) registerVerb(approvals, verb);
}

function registerVerb(approvals: Command, verb: keyof typeof VERBS): void {
  const command = approvals
    .command(verb)
    .description(VERBS[verb])
    .argument('<id>', 'id, from: sealrelay approvals list')
    .option('--reason <TEXT>', 'why; stands in the audit (needed)')
    .action(async (id: string, options: DecideOptions) => {
      if ((options.reason ?? '').trim() === '') throw usage(`${verb} needs --reason`, `add --reason "why"`);
      const done = await ask(options, 'write', `approvals.${verb}`, { id, reason: options.reason });
      if (options.json) return printJson(done);
      say(
        verb === 'confirm'
          ? `confirmed; next: who asked repeats exactly that command`
          : `done; next: sealrelay approvals list`,
      );
    });
  example(
    withJson(withDaemon(command)),
    [`sealrelay approvals ${verb} 5c0e21aa --reason "ticket 4711"`],
    'Exit code 0: done; 1: not in that state any more, or your own.',
  );
}

async function listApprovals(options: Options): Promise<void> {
  const states = new Set<string>();
  await ask(options, 'read', 'approvals.list', {}, async (rows) => {
    for (const one of rows as ApprovalView[]) {
      states.add(one.state);
      if (options.json) await printJson(one);
      else for (const line of linesOf(one)) await print(line);
    }
  });
  if (options.json) return;
  if (states.size === 0) say('nothing waits for another operator');
  if (states.has('waiting')) say('next: another admin: sealrelay approvals confirm ID --reason "…", or refuse');
  if (states.has('confirmed')) say('next: who asked repeats exactly that command, with the same --reason');
  if (states.has('unreviewed')) say('next: another admin looks at it: sealrelay approvals review ID --reason "…"');
}

function linesOf(one: ApprovalView): string[] {
  const { reason: _, ...args } = one.args as Readonly<Record<string, unknown>>;
  const words = Object.entries(args).filter(([, value]) => value !== false && value !== '');
  const what = words.map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return [
    `${one.id}  ${(one.failed ? 'failed' : one.state).padEnd(10)}  ${plain(one.askedBy)}  ${one.askedAt}${one.until === null ? '' : `, until ${one.until}`}`,
    `  ${plain([one.command, ...what].join(' '))}`,
    ...(one.failed ? ['  break-glass that did nothing: it failed, and is not reviewed yet'] : []),
    ...(one.reason === '' ? [] : [`  because: ${plain(one.reason)}`]),
    ...(one.state === 'confirmed'
      ? [`  confirmed by ${plain(one.decidedBy ?? '')}: ${plain(one.askedBy)} may do it now`]
      : []),
  ];
}
