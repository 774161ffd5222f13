// `sealrelay log hold`: what may not be destroyed, for as long as a matter is open.

import type { Command } from 'commander';
import type { HoldView } from '../../control/log.ts';
import { ask, type DaemonOptions } from '../client.ts';
import { usage } from '../errors.ts';
import { example, withBreakGlass, withDaemon, withJson } from '../help.ts';
import { fromStdin, moment } from '../input.ts';
import { mark, plain, print, printJson, say, tablePrinter, timeText } from '../output.ts';

type Options = DaemonOptions & { readonly json?: boolean };
type AddOptions = Options & {
  readonly organization: string;
  readonly address?: string;
  readonly id?: string;
  readonly since?: string;
  readonly until?: string;
  readonly reason?: string;
};

const COVERS =
  'A month of the audit that a hold touches in time is not pruned, whoever it names. Of the organization’s mail that was accepted in that time (to, from, or all): its detail cannot be erased; bodies that are there yet stay, those of portal mail apart, whose parcels stay when they expire. Retracting by hand is not stopped.';

export function registerHold(log: Command): void {
  const hold = log.command('hold').description('Legal holds: what may not be destroyed.');
  example(hold, ['sealrelay log hold list'], COVERS);
  registerAdd(hold);
  registerList(hold);
  registerRemove(hold);
}

function registerAdd(hold: Command): void {
  const command = hold
    .command('add')
    .description('Keeps what is of an organization, an address or a message from being destroyed.')
    .requiredOption('--organization <NAME>', 'organization')
    .option('--address <ADDRESS>', 'only mail to or from it; - reads it from stdin')
    .option('--id <QUEUE-ID>', 'only that message')
    .option('--since <TIME>', 'accepted from then: 2026-11-01, 2026-11-01T08:00Z, or 2d ago')
    .option('--until <TIME>', 'accepted before then')
    .option('--reason <TEXT>', 'why; stands in the audit (required)')
    .action(add);
  example(
    withJson(withDaemon(command)),
    [
      'sealrelay log hold add --organization clinic --since 2026-01-01 --until 2026-07-01 --reason "case 26-117"',
      'sealrelay log hold add --organization clinic --address - --reason "case 26-117" < address.txt',
    ],
    `${COVERS} Next: sealrelay log hold list.`,
  );
}

async function add(options: AddOptions): Promise<void> {
  const { organization, address, id } = options;
  const reason = reasonOf(options.reason, 'add');
  const now = Date.now();
  const view = await ask<HoldView>(options, 'write', 'log.hold.add', {
    ...{ organization, reason },
    ...(address !== undefined && { address: await fromStdin(address, '--address') }),
    ...(id !== undefined && { id }),
    ...(options.since !== undefined && { since: moment(options.since, '--since', now) }),
    ...(options.until !== undefined && { until: moment(options.until, '--until', now) }),
  });
  if (options.json) return printJson(view);
  await print(`${mark('ok')} legal hold ${view.hold}`);
  say(`next: sealrelay log hold remove ${view.hold} --reason "why", once the matter is closed`);
}

function reasonOf(reason: string | undefined, verb: string): string {
  if (reason !== undefined && reason.trim() !== '') return reason;
  throw usage(`${verb} needs --reason`, `sealrelay log hold ${verb} … --reason "why"`);
}

function registerList(hold: Command): void {
  const command = hold
    .command('list')
    .description('Lists the legal holds, oldest first.')
    .action(async (options: Options) => {
      const holds = await ask<HoldView[]>(options, 'read', 'log.hold.list', {});
      if (options.json) {
        for (const one of holds) await printJson(one);
        return;
      }
      await tablePrinter<HoldView>([
        { title: 'HOLD', value: (row) => row.hold },
        { title: 'ORGANIZATION', value: (row) => row.organization },
        { title: 'ONLY', value: (row) => row.address ?? row.queueId ?? 'all mail' },
        { title: 'SINCE', value: (row) => (row.since ? timeText(row.since) : '-') },
        { title: 'UNTIL', value: (row) => (row.until ? timeText(row.until) : '-') },
        { title: 'ADDED', value: (row) => timeText(row.added) },
        { title: 'REASON', value: (row) => row.reason },
      ])(holds);
      say(holds.length === 0 ? 'there is no legal hold' : 'next: sealrelay log hold remove ID --reason "why"');
    });
  example(withJson(withDaemon(command)), ['sealrelay log hold list'], COVERS);
}

function registerRemove(hold: Command): void {
  const command = hold
    .command('remove')
    .description('Ends a legal hold: what it kept is destroyed when its term is over, at once if it is over already.')
    .argument('<id>', 'legal hold: sealrelay log hold list')
    .option('--reason <TEXT>', 'why; stands in the audit (required)')
    .action(async (id: string, options: Options & { readonly reason?: string }) => {
      const reason = reasonOf(options.reason, 'remove');
      const done = await ask<{ removed: string }>(options, 'write', 'log.hold.remove', { id, reason });
      if (options.json) return printJson(done);
      await print(`${mark('ok')} legal hold ${plain(done.removed)} removed`);
      say('next: sealrelay log hold list shows what is still kept');
    });
  example(
    withJson(withDaemon(withBreakGlass(command))),
    ['sealrelay log hold remove 5f0c1b2a9d3e4f60 --reason "case 26-117 closed"'],
    'Within the hour retention looks again. Next: sealrelay log destroyed.',
  );
}
