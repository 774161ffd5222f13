// `sealrelay queue`: what waits, and what to do with it.

import { type Command, Option } from 'commander';
import type { ChangedView } from '../control/queue.ts';
import type { MessageView, QueueRow } from '../control/views.ts';
import { DELIVERY_STATES, isEnded } from '../domain/states.ts';
import { ask, type DaemonOptions } from './client.ts';
import { EXIT, usage } from './errors.ts';
import { collect, example, withBreakGlass, withDaemon, withJson } from './help.ts';
import { confirm, duration, fromStdin, wholeNumber } from './input.ts';
import { ageText, mark, plain, print, printJson, printPairs, say, sizeText, tablePrinter, timeText } from './output.ts';

export type SelectOptions = DaemonOptions & {
  readonly json?: boolean;
  readonly domain?: string;
  readonly sender?: string;
  readonly recipient?: string;
  readonly organization?: string;
  readonly olderThan?: string;
  readonly state?: readonly string[];
  readonly all?: boolean;
};
type ChangeOptions = SelectOptions & {
  readonly reason?: string;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly deliver?: string;
};
type ListOptions = SelectOptions & { readonly limit?: string };

const STATES: readonly string[] = DELIVERY_STATES;

export function register(program: Command): void {
  const queue = program.command('queue').description('What waits in the gateway, and what to do with it.');
  example(
    queue,
    ['sealrelay queue list --domain example.org', 'sealrelay queue release --domain example.org --dry-run'],
    'Every change stands in the audit with its reason; try it first with --dry-run.',
  );
  registerList(queue, 'list');
  registerShow(queue);
  change(queue, 'retry', 'Tries deliveries now instead of at their next time.', '--domain example.org');
  change(
    queue,
    'hold',
    'Keeps deliveries until they are released. Nothing is lost, their lifetime goes on.',
    '--sender - < address.txt',
  );
  change(
    queue,
    'release',
    'Lets held deliveries go under the protections of their decision.',
    '--state held --domain example.org',
  ).option(
    '--deliver <PROTECTION>',
    'where the decision is hold: tls, tls:dane, … – never below a floor, needs --reason',
  );
  change(
    queue,
    'bounce',
    'Gives deliveries up; their sender gets a DSN.',
    '--older-than 3d --reason "domain closed"',
    true,
  );
  withBreakGlass(
    change(
      queue,
      'drop',
      'Ends deliveries without telling anyone.',
      '--sender - --reason "test mail" < address.txt',
      true,
    ),
  );
}

export function registerList(parent: Command, name: string): void {
  const command = select(parent.command(name))
    .description('Lists deliveries, newest first; without --state those that have not ended.')
    .argument('[id...]', 'queue ids or delivery ids')
    .option('--limit <N>', 'at most so many')
    .action(async (ids: readonly string[], options: ListOptions) => list(ids, options));
  const full = name === 'mailq' ? 'mailq' : 'queue list';
  example(
    withJson(withDaemon(command)),
    [`sealrelay ${full} --state held`, `sealrelay ${full} --domain example.org --older-than 1h --json | jq .queueId`],
    'Next: sealrelay queue show ID, sealrelay explain ID.',
  );
}

/** The options that say which deliveries are meant. */
export function select(command: Command): Command {
  return command
    .option('--domain <DOMAIN>', 'recipient domain')
    .option('--sender <ADDRESS>', 'sender or reverse-path; - reads it from stdin')
    .option('--recipient <ADDRESS>', 'recipient; - reads it from stdin')
    .option('--organization <NAME>', 'organization')
    .option('--older-than <AGE>', 'accepted longer ago: 30m, 4h, 2d')
    .addOption(new Option('--state <STATE>', 'state, may be repeated').choices(STATES).argParser(oneState));
}

export function oneState(value: string, before: readonly string[] | undefined): string[] {
  if (!STATES.includes(value)) throw usage(`--state ${value}: not a state`, `one of ${STATES.join(', ')}`);
  return collect(value, before);
}

/** The arguments of control's selection. */
export async function selection(ids: readonly string[], options: SelectOptions): Promise<Record<string, unknown>> {
  const { domain, organization, state } = options;
  return {
    ids,
    ...(domain !== undefined && { domain }),
    ...(organization !== undefined && { organization }),
    ...(options.sender !== undefined && { sender: await fromStdin(options.sender, '--sender') }),
    ...(options.recipient !== undefined && { recipient: await fromStdin(options.recipient, '--recipient') }),
    ...(options.olderThan !== undefined && { olderThan: duration(options.olderThan, '--older-than') }),
    ...(state !== undefined && { states: state }),
    ...(options.all && { all: true }),
  };
}

async function list(ids: readonly string[], options: ListOptions): Promise<void> {
  const now = Date.now();
  const limit = options.limit === undefined ? undefined : wholeNumber(options.limit, '--limit');
  const { all: _, ...what } = await selection(ids, options);
  const table = tablePrinter<QueueRow>([
    { title: 'DELIVERY', value: (row) => row.delivery },
    { title: 'AGE', value: (row) => ageText(row.accepted, now), right: true },
    { title: 'STATE', value: (row) => row.state },
    { title: 'SENDER', value: (row) => row.sender.join(', ') || row.reversePath || '<>' },
    { title: 'RECIPIENT', value: (row) => row.recipient },
    { title: 'DECISION', value: (row) => row.decision },
    { title: 'NEXT', value: (row) => timeText(row.next) },
    { title: 'BECAUSE', value: (row) => row.because || row.status },
  ]);
  const { rows } = await ask<{ rows: number }>(
    options,
    'read',
    'queue.list',
    { ...what, ...(limit !== undefined && { limit }) },
    async (page) => {
      if (!options.json) return table(page as QueueRow[]);
      for (const row of page) await printJson(row);
    },
  );
  if (options.json) return;
  say(
    rows === 0 ? 'nothing waits' : `${rows} ${rows === 1 ? 'delivery' : 'deliveries'}; next: sealrelay queue show ID`,
  );
}

function registerShow(queue: Command): void {
  const command = queue
    .command('show')
    .description('Shows one message and its deliveries. Never its subject or body.')
    .argument('<id>', 'queue id or delivery id')
    .action(async (id: string, options: DaemonOptions & { json?: boolean }) => {
      const view = await ask<MessageView>(options, 'read', 'queue.show', { id });
      if (options.json) await printJson(view);
      else await show(view);
    });
  example(
    withJson(withDaemon(command)),
    ['sealrelay queue show 05tq3m8k2v0c9a1b2c3d4e5f'],
    'Next: sealrelay trace ID, explain ID.',
  );
}

async function show(view: MessageView): Promise<void> {
  await printPairs([
    ['queue id', view.queueId],
    ['organization', view.organization],
    ['stage', view.stage],
    ['accepted', `${timeText(view.accepted)} by ${view.acceptedBy}, ${view.received.with}`],
    ['sender', view.sender.join(', ') || '-'],
    ['reverse-path', `<${view.reversePath}>`],
    ['size', sizeText(view.size)],
    ['Message-ID', view.messageId ?? '-'],
    ['findings', view.findings.map((one) => `${one.distinct} ${one.type} (${one.confidence})`).join(', ') || 'none'],
    ['coverage', view.coverage ?? 'not examined'],
  ]);
  await print('');
  await tablePrinter<MessageView['deliveries'][number]>([
    { title: 'DELIVERY', value: (row) => row.delivery },
    { title: 'RECIPIENT', value: (row) => row.recipient },
    { title: 'STATE', value: (row) => (row.inDoubt ? `${row.state} (in doubt)` : row.state) },
    { title: 'DECISION', value: (row) => row.decision },
    { title: 'RULE', value: (row) => row.rule },
    { title: 'TRIED', value: (row) => row.attempts, right: true },
    { title: 'NEXT', value: (row) => timeText(row.next) },
    { title: 'EXPIRES', value: (row) => timeText(isEnded(row.state) ? null : row.expires) },
    { title: 'STATUS', value: (row) => row.status },
    { title: 'BECAUSE', value: (row) => row.because },
  ])(view.deliveries);
}

function change(queue: Command, verb: string, description: string, what: string, final = false): Command {
  const command = changeOptions(queue.command(verb), final)
    .description(description)
    .action((ids: readonly string[], options: ChangeOptions) => runChange(`queue.${verb}`, verb, ids, options, final));
  const id = 'sealrelay queue list';
  return example(
    command,
    [
      `sealrelay queue ${verb} ${what} --dry-run`,
      `sealrelay queue ${verb} 05tq3m8k2v0c9a1b2c3d4e5f${final ? ' --reason "…"' : ''}`,
    ],
    `Conditions must all hold. Next: ${id}. Exit code 3: some could not be changed.`,
  );
}

export function changeOptions(command: Command, final: boolean): Command {
  const selected = select(command.argument('[id...]', 'queue ids (all recipients) or delivery ids (one)'));
  return withJson(
    withDaemon(
      selected
        .option('--all', 'mean every delivery')
        .option(
          '--reason <TEXT>',
          `why; stands in the audit${final ? ' (required); the sender reads that of a bounce' : ''}`,
        )
        .option('--dry-run', 'only count what would change')
        .option('--yes', 'do not ask'),
    ),
  );
}

/** Counts first where a condition, not a person, picked the deliveries, or where it cannot be undone; then does it. */
export async function runChange(
  name: string,
  verb: string,
  ids: readonly string[],
  options: ChangeOptions,
  final: boolean,
): Promise<void> {
  if (final && !options.dryRun && (options.reason ?? '').trim() === '') {
    throw usage(`${verb} needs --reason`, `sealrelay ${name.replace('.', ' ')} … --reason "why"`);
  }
  const args = {
    ...(await selection(ids, options)),
    reason: options.reason ?? (options.dryRun ? 'dry run' : ''),
    ...(options.deliver !== undefined && { deliver: options.deliver }),
  };
  const send = (dryRun: boolean) => ask<ChangedView>(options, 'write', name, { ...args, dryRun });
  if (options.dryRun || (!options.yes && (final || ids.length === 0))) {
    const would = await send(true);
    if (options.dryRun || would.changed === 0) return report(verb, would, options.json);
    if (!(await confirm(`${verb} ${count(would.changed)}?`, options.yes))) {
      say('nothing was changed');
      process.exitCode = EXIT.failed;
      return;
    }
  }
  await report(verb, await send(false), options.json);
}

function count(n: number): string {
  return `${n} ${n === 1 ? 'delivery' : 'deliveries'}`;
}

async function report(verb: string, done: ChangedView, json: boolean | undefined): Promise<void> {
  if (done.refused > 0) process.exitCode = done.changed > 0 ? EXIT.warnings : EXIT.failed;
  if (json) return printJson(done);
  for (const one of done.refusals) await print(`${mark('problem')} ${one.delivery}  ${plain(one.why)}`);
  const what = done.dryRun ? `would ${verb}` : verb;
  await print(`${mark(done.refused > 0 ? 'warning' : 'ok')} ${what}: ${count(done.changed)}, ${done.refused} refused`);
  if (done.dryRun && done.changed > 0) say('next: the same without --dry-run');
}
