// `sealrelay log`: the audit trail, searched, exported, verified. No cap on range or rows.

import { type Command, Option } from 'commander';
import type { EntryView, LogView } from '../control/views.ts';
import { ask, type DaemonOptions } from './client.ts';
import { usage } from './errors.ts';
import { example, withDaemon, withJson } from './help.ts';
import { fromStdin, moment } from './input.ts';
import { registerHold } from './log/hold.ts';
import { registerKey, registerVerify } from './log/proof.ts';
import { registerDestroyed, registerErase, registerMonths } from './log/retention.ts';
import { print, printJson, say, tablePrinter, timeText } from './output.ts';
import { oneState } from './queue.ts';

type RangeOptions = DaemonOptions & { readonly json?: boolean; readonly since?: string; readonly until?: string };
type SearchOptions = RangeOptions & {
  readonly csv?: boolean;
  readonly organization?: string;
  readonly sender?: string;
  readonly recipient?: string;
  readonly domain?: string;
  readonly id?: string;
  readonly state?: readonly string[];
  readonly protection?: string;
  readonly rule?: string;
  readonly limit?: string;
};

const PROTECTIONS = ['tls', 'pgp', 'smime', 'portal', 'portal+', 'none'];

export function register(program: Command): void {
  const log = program
    .command('log')
    .description('The audit trail: who got what, how protected, decided by which rule.');
  example(
    log,
    ['sealrelay log search --recipient - --since 90d < address.txt', 'sealrelay log verify'],
    'Every search, export and verification is itself in the trail.',
  );
  registerSearch(log);
  registerExport(log);
  registerVerify(log);
  registerKey(log);
  registerHold(log);
  registerErase(log);
  registerDestroyed(log);
  registerMonths(log);
}

function withRange(command: Command): Command {
  return command
    .option('--since <TIME>', 'accepted from then: 2026-11-01, 2026-11-01T08:00Z, or 2d ago')
    .option('--until <TIME>', 'accepted before then');
}

function range(options: RangeOptions): Record<string, number> {
  const now = Date.now();
  return {
    ...(options.since !== undefined && { since: moment(options.since, '--since', now) }),
    ...(options.until !== undefined && { until: moment(options.until, '--until', now) }),
  };
}

function registerSearch(log: Command): void {
  const command = withRange(log.command('search'))
    .description('Finds messages, one row a recipient, newest first; without --since and --id, of the last 48 hours.')
    .option('--organization <NAME>', 'organization')
    .option('--sender <ADDRESS>', 'sender or reverse-path; - reads it from stdin')
    .option('--recipient <ADDRESS>', 'recipient; - reads it from stdin')
    .option('--domain <DOMAIN>', 'recipient domain')
    .option('--id <QUEUE-ID>', 'one message')
    .addOption(
      new Option('--state <STATE>', 'state, may be repeated: delivered, noticed, held, bounced, …').argParser(oneState),
    )
    .addOption(new Option('--protection <NAME>', 'how protected; none: without TLS').choices(PROTECTIONS))
    .option('--rule <NAME>', 'rule that decided')
    .option('--limit <N>', 'at most so many')
    .option('--csv', 'comma-separated values; cells that a spreadsheet would calculate are defused')
    .action(search);
  example(
    withJson(withDaemon(command)),
    [
      'sealrelay log search --domain example.org --since 7d',
      'sealrelay log search --state held --since 2026-11-01 --csv > held.csv',
    ],
    'Times are UTC. Next: sealrelay trace QUEUE-ID.',
  );
}

const COLUMNS = [
  'accepted',
  'ended',
  'queueId',
  'delivery',
  'organization',
  'sender',
  'recipient',
  'destination',
  'size',
  'protection',
  'level',
  'state',
  'status',
  'rule',
] as const satisfies readonly (keyof LogView)[];

async function searchArgs(options: SearchOptions): Promise<Record<string, unknown>> {
  const { organization, domain, id, state, protection, rule } = options;
  const limit = options.limit === undefined ? undefined : Number(options.limit);
  if (limit !== undefined && !(Number.isInteger(limit) && limit > 0)) throw usage('--limit: a whole number is wanted');
  return {
    ...range(options),
    ...(options.sender !== undefined && { sender: await fromStdin(options.sender, '--sender') }),
    ...(options.recipient !== undefined && { recipient: await fromStdin(options.recipient, '--recipient') }),
    ...(organization !== undefined && { organization }),
    ...(domain !== undefined && { domain }),
    ...(id !== undefined && { id }),
    ...(state !== undefined && { states: state }),
    ...(protection !== undefined && { protection }),
    ...(rule !== undefined && { rule }),
    ...(limit !== undefined && { limit }),
  };
}

async function search(options: SearchOptions): Promise<void> {
  if (options.json && options.csv) throw usage('--json or --csv, not both');
  const args = await searchArgs(options);
  const show = options.csv ? await csvPrinter() : options.json ? printLines : logTable();
  const { rows } = await ask<{ rows: number }>(options, 'read', 'log.search', args, (page) => show(page as LogView[]));
  // A script that reads columns finds them in an empty answer too.
  if (options.csv && rows === 0) await print(COLUMNS.join(','));
  if (!options.json && !options.csv) {
    say(rows === 0 ? 'nothing found; widen it with --since 90d' : `${rows} found; next: sealrelay trace QUEUE-ID`);
  }
}

async function printLines(rows: readonly unknown[]): Promise<void> {
  for (const row of rows) await printJson(row);
}

function logTable(): (rows: readonly LogView[]) => Promise<void> {
  return tablePrinter<LogView>([
    { title: 'ACCEPTED', value: (row) => timeText(row.accepted) },
    { title: 'QUEUE ID', value: (row) => row.queueId },
    { title: 'SENDER', value: (row) => row.sender || '<>' },
    { title: 'RECIPIENT', value: (row) => row.recipient },
    { title: 'PROTECTED', value: protectedText },
    { title: 'STATE', value: (row) => row.state },
    { title: 'STATUS', value: (row) => row.status },
    { title: 'RULE', value: (row) => row.rule },
  ]);
}

/** What protected it; a delivery, or the notice of one, without TLS says so. */
function protectedText(row: LogView): string {
  if (row.state !== 'delivered' && row.state !== 'noticed') return row.protection ?? '-';
  // The level that was reached, not the least one that would have done.
  const name = (row.protection ?? 'tls').split(':', 1)[0];
  return `${name}: ${row.level ?? 'no TLS'}`;
}

async function csvPrinter(): Promise<(rows: readonly LogView[]) => Promise<void>> {
  const { stringify } = await import('csv-stringify/sync');
  let header = true;
  return async (rows) => {
    if (rows.length === 0) return;
    const text = stringify([...rows], { header, columns: [...COLUMNS], escape_formulas: true });
    header = false;
    await print(text.trimEnd());
  };
}

function registerExport(log: Command): void {
  const command = withRange(log.command('export'))
    .description('Writes all entries in order of the chain, one JSON object a line.')
    .action(async (options: RangeOptions) => {
      const print = (page: readonly unknown[]) => printLines(page as EntryView[]);
      const { entries } = await ask<{ entries: number }>(options, 'read', 'log.export', range(options), print);
      say(`${entries} entries`);
    });
  example(
    withJson(withDaemon(command)),
    ['sealrelay log export --since 2026-01-01 --until 2026-02-01 > january.jsonl'],
    'It holds addresses: keep it as you keep health information. Next: sealrelay log verify.',
  );
}
