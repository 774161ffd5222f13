// `sealrelay log erase`, `log destroyed`, `log months`: what is destroyed of the audit, and what was.

import type { Command } from 'commander';
import type { MonthView } from '../../control/log.ts';
import type { EntryView } from '../../control/views.ts';
import { ask, type DaemonOptions } from '../client.ts';
import { EXIT, usage } from '../errors.ts';
import { example, withBreakGlass, withDaemon, withJson } from '../help.ts';
import { confirm, fromStdin } from '../input.ts';
import { mark, print, printJson, say, tablePrinter, timeText } from '../output.ts';

type Options = DaemonOptions & { readonly json?: boolean };
type EraseOptions = Options & {
  readonly organization: string;
  readonly reason?: string;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
};
type Erased = {
  readonly dryRun: boolean;
  readonly entries: number;
  readonly messages: number;
  readonly waiting: number;
};

export function registerErase(log: Command): void {
  const command = log
    .command('erase')
    .description('Destroys what is boxed of one person: in entries of the audit and in messages that are over.')
    .argument('<address>', 'to or from whom; - reads it from stdin')
    .requiredOption('--organization <NAME>', 'organization')
    .option('--reason <TEXT>', 'why, without the address; stands in the audit (required)')
    .option('--dry-run', 'only count')
    .option('--yes', 'do not ask')
    .action(erase);
  example(
    withJson(withDaemon(withBreakGlass(command))),
    [
      'sealrelay log erase --organization clinic --dry-run - < address.txt',
      'sealrelay log erase --organization clinic --reason "request 88" --yes - < address.txt',
    ],
    'The chain still verifies: an entry names what was erased. It takes the detail of whole messages, thus of their other ' +
      'recipients too; addresses in operators’ searches and reasons, keys of correspondents and backups are not touched. ' +
      'A legal hold refuses it. Exit code 3: some messages are still under way; make it again later.',
  );
}

async function erase(given: string, options: EraseOptions): Promise<void> {
  const { organization } = options;
  const reason = options.reason ?? (options.dryRun ? 'dry run' : '');
  if (reason.trim() === '') throw usage('erase needs --reason', 'sealrelay log erase … --reason "why"');
  const address = await fromStdin(given, 'ADDRESS');
  const send = (dryRun: boolean) =>
    ask<Erased>(options, 'write', 'log.erase', { organization, address, reason, dryRun });
  if (options.dryRun || !options.yes) {
    const would = await send(true);
    if (options.dryRun || would.messages === 0) return report(would, options.json);
    if (!(await confirm(`erase the detail of ${would.messages} messages for good?`, options.yes))) {
      say('nothing was changed');
      process.exitCode = EXIT.failed;
      return;
    }
  }
  await report(await send(false), options.json);
}

async function report(done: Erased, json: boolean | undefined): Promise<void> {
  if (done.waiting > 0) process.exitCode = EXIT.warnings;
  if (json) return printJson(done);
  const what = done.dryRun ? 'would erase' : 'erased';
  await print(
    `${mark(done.waiting > 0 ? 'warning' : 'ok')} ${what}: detail of ${done.messages} messages, ${done.entries} entries`,
  );
  if (done.waiting > 0)
    say(`${done.waiting} messages are still under way and were left as they are: make it again later`);
  else if (done.messages === 0) say('nothing of that address is there, or nothing is left of it');
  else say(done.dryRun ? 'next: the same without --dry-run' : 'next: sealrelay log verify');
}

const WORDS: Readonly<Record<string, (detail: EntryView['detail'], entry: EntryView) => string>> = {
  'log.pruned': (one) =>
    `audit of ${one.month}: ${one.entries} entries and ${one.messages} messages, kept ${one.months} months`,
  'log.erased': (one) => `detail of ${one.count} entries of ${one.messages} messages, at a person's request`,
  'key.removed': (one, { organization }) =>
    `key "${one.purpose}" of ${organization === '-' ? 'the gateway' : organization}: what was under it opens in older backups only`,
  'retention.destroyed': (one) => `${one.bodies} bodies of finished messages, ${one.parcels} expired parcels`,
};

export function registerDestroyed(log: Command): void {
  const command = log
    .command('destroyed')
    .description('The destruction record: what retention and erasure destroyed, when, and from which time it was.')
    .action(async (options: Options) => {
      const table = tablePrinter<EntryView>([
        { title: 'DESTROYED', value: (row) => timeText(row.at) },
        { title: 'WHAT', value: (row) => WORDS[row.event]?.(row.detail, row) ?? row.event },
        { title: 'FROM', value: (row) => dateOf(row.detail.since) },
        { title: 'TO', value: (row) => dateOf(row.detail.until) },
        { title: 'BY', value: (row) => row.actor },
        { title: 'ENTRY', value: (row) => row.seq, right: true },
      ]);
      const { entries } = await ask<{ entries: number }>(options, 'read', 'log.destroyed', {}, async (page) => {
        if (!options.json) return table(page as EntryView[]);
        for (const row of page) await printJson(row);
      });
      if (!options.json) say(entries === 0 ? 'nothing was destroyed yet' : 'next: sealrelay log verify counts it too');
    });
  example(
    withJson(withDaemon(command)),
    ['sealrelay log destroyed', 'sealrelay log destroyed --json > destruction.jsonl'],
    'Each line is an entry of the audit. What is destroyed when: retention and portal.keep in sealrelay config show --effective.',
  );
}

function dateOf(at: unknown): string {
  return typeof at === 'number' ? new Date(at).toISOString().slice(0, 10) : '-';
}

export function registerMonths(log: Command): void {
  const command = log
    .command('months')
    .description('Lists the closed months of the audit, each a file of its own in the folder audit/.')
    .action(async (options: Options) => {
      const months = await ask<MonthView[]>(options, 'read', 'log.months', {});
      if (options.json) {
        for (const one of months) await printJson(one);
        return;
      }
      await tablePrinter<MonthView>([
        { title: 'MONTH', value: (row) => row.month },
        { title: 'FILE', value: (row) => (row.state === 'pruned' ? 'destroyed' : `${row.segment}.db`) },
        { title: 'ENTRIES', value: (row) => row.entries, right: true },
        { title: 'MESSAGES', value: (row) => row.messages, right: true },
        { title: 'FROM', value: (row) => timeText(row.since) },
        { title: 'TO', value: (row) => timeText(row.until) },
      ])(months);
      say(
        months.length === 0 ? 'no month is closed yet: it is, two days after its end' : 'next: sealrelay log destroyed',
      );
    });
  example(
    withJson(withDaemon(command)),
    ['sealrelay log months'],
    'Searches, traces, exports and verification read them as if they stood with the rest.',
  );
}
