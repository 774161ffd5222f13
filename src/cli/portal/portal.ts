// `sealrelay portal`: what waits in the portal for its recipients, how long, and what was taken back.

import { type Command, Option } from 'commander';
import type { ChangedParcels, ParcelView } from '../../control/portal.ts';
import { PARCEL_STATES } from '../../domain/portal.ts';
import { ask, type DaemonOptions } from '../client.ts';
import { EXIT, usage } from '../errors.ts';
import { collect, example, withDaemon, withJson } from '../help.ts';
import { confirm, fromStdin, wholeNumber } from '../input.ts';
import { mark, plain, print, printJson, printPairs, say, sizeText, tablePrinter, timeText } from '../output.ts';

type Json = { readonly json?: boolean };
type ListOptions = DaemonOptions &
  Json & {
    readonly organization?: string;
    readonly recipient?: string;
    readonly state?: readonly string[];
    readonly limit?: string;
  };
type ChangeOptions = DaemonOptions &
  Json & {
    readonly reason?: string;
    readonly dryRun?: boolean;
    readonly yes?: boolean;
  };

const STATES: readonly string[] = PARCEL_STATES;
const EXAMPLE = 'b2mz7kq4xw5nh3tab2mz7kq4xw';
const IDS = 'parcel or its delivery: sealrelay portal list';

export function register(program: Command): void {
  const portal = program.command('portal').description('What waits in the portal for its recipients.');
  example(
    portal,
    ['sealrelay portal list --state waiting', `sealrelay portal extend ${EXAMPLE} --days 30`],
    'Every change stands in the audit with its reason. Nobody reads a message here, and links are shown to nobody.',
  );
  registerList(portal);
  registerShow(portal);
  registerExtend(portal);
  registerRetract(portal);
}

function registerList(portal: Command): void {
  const command = portal
    .command('list')
    .description('Lists parcels, newest first; without --state those that can still be opened or extended.')
    .option('--organization <NAME>', 'organization')
    .option('--recipient <ADDRESS>', 'recipient; - reads it from stdin')
    .addOption(new Option('--state <STATE>', 'state, may be repeated').choices(STATES).argParser(oneState))
    .option('--limit <N>', 'at most so many')
    .action(list);
  example(
    withJson(withDaemon(command)),
    ['sealrelay portal list --state waiting', 'sealrelay portal list --recipient - --json < address.txt | jq .parcel'],
    'Next: sealrelay portal show ID.',
  );
}

function oneState(value: string, before: readonly string[] | undefined): string[] {
  if (!STATES.includes(value)) throw usage(`--state ${value}: not a state`, `one of ${STATES.join(', ')}`);
  return collect(value, before);
}

async function list(options: ListOptions): Promise<void> {
  const { organization, state, limit, recipient } = options;
  const args = {
    ...(organization !== undefined && { organization }),
    ...(recipient !== undefined && { recipient: await fromStdin(recipient, '--recipient') }),
    ...(state !== undefined && { states: state }),
    ...(limit !== undefined && { limit: wholeNumber(limit, '--limit') }),
  };
  const table = tablePrinter<ParcelView>([
    { title: 'PARCEL', value: (row) => row.parcel },
    { title: 'STATE', value: (row) => row.state },
    { title: 'SENDER', value: (row) => row.sender || row.from },
    { title: 'RECIPIENT', value: (row) => row.recipient },
    { title: 'SINCE', value: (row) => timeText(row.created) },
    { title: 'UNTIL', value: (row) => timeText(row.expires) },
    { title: 'OPENED', value: (row) => timeText(row.opened) },
  ]);
  const { rows } = await ask<{ rows: number }>(options, 'read', 'portal.list', args, async (page) => {
    if (!options.json) return table(page as ParcelView[]);
    for (const row of page) await printJson(row);
  });
  if (options.json) return;
  say(rows === 0 ? 'nothing waits' : `${count(rows)}; next: sealrelay portal show ID`);
}

function registerShow(portal: Command): void {
  const command = portal
    .command('show')
    .description('Shows one parcel. Never its subject, its text or its link.')
    .argument('<id>', IDS)
    .action(async (id: string, options: DaemonOptions & Json) => {
      const view = await ask<ParcelView>(options, 'read', 'portal.show', { id });
      await (options.json ? printJson(view) : show(view));
    });
  example(
    withJson(withDaemon(command)),
    [`sealrelay portal show ${EXAMPLE}`],
    'Next: sealrelay portal extend ID --days N, retract ID; sealrelay trace QUEUE-ID.',
  );
}

async function show(view: ParcelView): Promise<void> {
  await printPairs([
    ['parcel', view.parcel],
    ['delivery', view.delivery],
    ['organization', view.organization],
    ['state', view.state],
    ['from', view.from],
    ['sender', view.sender || '- (nobody gets replies)'],
    ['recipient', view.recipient],
    ['waits since', timeText(view.created)],
    ['waits until', timeText(view.expires)],
    ['opened', timeText(view.opened)],
    ['replied', timeText(view.replied)],
    ['size', sizeText(view.size)],
    ['notice and code', `at least TLS level ${view.level}`],
    ['Message-ID', view.messageId ?? '-'],
  ]);
  say(`next: sealrelay trace ${view.queueId} says when, and by whom, each of it was done`);
}

function changeOptions(command: Command, required: boolean): Command {
  return withJson(
    withDaemon(
      command
        .argument('<id...>', IDS)
        .option('--reason <TEXT>', `why; stands in the audit${required ? ' (required)' : ''}`)
        .option('--dry-run', 'only count what would change')
        .option('--yes', 'do not ask'),
    ),
  );
}

function registerExtend(portal: Command): void {
  const command = changeOptions(portal.command('extend'), false)
    .description('Gives parcels more time, also those that expired lately. Their links stay the same.')
    .requiredOption('--days <N>', 'so many days from now on, at most 365')
    .action(async (ids: readonly string[], options: ChangeOptions & { days: string }) => {
      const { dryRun = false, reason } = options;
      const days = wholeNumber(options.days, '--days');
      const args = { ids, days, dryRun, ...(reason !== undefined && { reason }) };
      await report('extend', await ask<ChangedParcels>(options, 'write', 'portal.extend', args), options.json);
    });
  example(
    command,
    [`sealrelay portal extend ${EXAMPLE} --days 30 --reason "on holiday"`],
    'Next: sealrelay portal show ID. Exit code 3: some could not be changed.',
  );
}

function registerRetract(portal: Command): void {
  const command = changeOptions(portal.command('retract'), true)
    .description('Takes parcels back: their keys are deleted at once, and no link or session opens them any more.')
    .action(retract);
  example(
    command,
    [
      `sealrelay portal retract ${EXAMPLE} --dry-run`,
      `sealrelay portal retract ${EXAMPLE} --reason "sent to the wrong person"`,
    ],
    'It cannot be undone; what was read before stays read. Exit code 3: some could not be changed.',
  );
}

async function retract(ids: readonly string[], options: ChangeOptions): Promise<void> {
  const reason = options.reason ?? (options.dryRun ? 'dry run' : '');
  if (reason.trim() === '') throw usage('retract needs --reason', 'sealrelay portal retract … --reason "why"');
  const send = (dryRun: boolean) => ask<ChangedParcels>(options, 'write', 'portal.retract', { ids, reason, dryRun });
  if (options.dryRun || !options.yes) {
    const would = await send(true);
    if (options.dryRun || would.changed === 0) return report('retract', would, options.json);
    if (!(await confirm(`retract ${count(would.changed)}?`, options.yes))) {
      say('nothing was changed');
      process.exitCode = EXIT.failed;
      return;
    }
  }
  await report('retract', await send(false), options.json);
}

function count(n: number): string {
  return `${n} ${n === 1 ? 'parcel' : 'parcels'}`;
}

async function report(verb: string, done: ChangedParcels, json: boolean | undefined): Promise<void> {
  if (done.refused > 0) process.exitCode = done.changed > 0 ? EXIT.warnings : EXIT.failed;
  if (json) return printJson(done);
  for (const one of done.refusals) await print(`${mark('problem')} ${plain(one.id)}  ${plain(one.why)}`);
  const what = done.dryRun ? `would ${verb}` : verb;
  await print(`${mark(done.refused > 0 ? 'warning' : 'ok')} ${what}: ${count(done.changed)}, ${done.refused} refused`);
  if (done.dryRun && done.changed > 0) say('next: the same without --dry-run');
  else if (done.changed > 0) say('next: sealrelay portal show ID');
}
