// `sealrelay usage`: what each organization sent, by month.

import type { Command } from 'commander';
import type { UsageRow } from '../../store/watch/port.ts';
import { ask, type DaemonOptions } from '../client.ts';
import { usage } from '../errors.ts';
import { example, withDaemon, withJson } from '../help.ts';
import { print, printJson, say, sizeText, tablePrinter } from '../output.ts';

type Options = DaemonOptions & {
  readonly json?: boolean;
  readonly csv?: boolean;
  readonly month?: string;
  readonly organization?: string;
};

/** One line: an organization's month. Recipients by protection are those to whom mail left that way in that month. */
type Line = {
  readonly month: string;
  readonly organization: string;
  messages: number;
  recipients: number;
  octets: number;
  tls: number;
  pgp: number;
  smime: number;
  portal: number;
};

const COLUMNS = ['month', 'organization', 'messages', 'recipients', 'octets', 'tls', 'pgp', 'smime', 'portal'] as const;

export function register(program: Command): void {
  const command = program
    .command('usage')
    .description(
      'Counts what each organization sent in a month (UTC): messages, recipients and octets that it handed over, and recipients by the protection in which mail left.',
    )
    .option('--month <YYYY-MM>', 'that month alone')
    .option('--organization <NAME>', 'that organization alone')
    .option('--csv', 'comma-separated values, with a header line')
    .action(run);
  example(
    withJson(withDaemon(command)),
    ['sealrelay usage', 'sealrelay usage --month 2026-11 --csv > usage.csv'],
    'Exit code 0: shown; 1: failed. Mail of ours (notices, DSNs, notes) is not counted.',
  );
}

async function run(options: Options): Promise<void> {
  const { month, organization } = options;
  if (month !== undefined && !/^\d{4}-(0[1-9]|1[0-2])$/.test(month)) {
    throw usage(`--month ${month} is not a month`, 'such as --month 2026-11');
  }
  if (options.csv && options.json) throw usage('--csv and --json exclude each other');
  const { usage: rows } = await ask<{ usage: readonly UsageRow[] }>(options, 'read', 'usage', {
    ...(month !== undefined && { from: month, to: month }),
    ...(organization !== undefined && { organization }),
  });
  const lines = linesOf(rows);
  if (options.json) for (const one of lines) await printJson(one);
  else if (options.csv) await printCsv(lines);
  else await show(lines);
}

function linesOf(rows: readonly UsageRow[]): Line[] {
  const lines = new Map<string, Line>();
  for (const { month, organization, what, messages, recipients, octets } of rows) {
    const key = `${month} ${organization}`;
    const line = lines.get(key) ?? {
      ...{ month, organization, messages: 0, recipients: 0, octets: 0, tls: 0, pgp: 0, smime: 0, portal: 0 },
    };
    lines.set(key, line);
    if (what === 'accepted') Object.assign(line, { messages, recipients, octets });
    else line[what === 'portal+' ? 'portal' : what] += recipients;
  }
  return [...lines.values()];
}

async function printCsv(lines: readonly Line[]): Promise<void> {
  await print(COLUMNS.join(','));
  for (const line of lines) await print(COLUMNS.map((column) => csvField(String(line[column]))).join(','));
}

/** RFC 4180; what a spreadsheet would take for a formula is kept from it. */
function csvField(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

async function show(lines: readonly Line[]): Promise<void> {
  if (lines.length === 0) return say('nothing was sent in that time');
  await tablePrinter<Line>([
    { title: 'MONTH', value: (one) => one.month },
    { title: 'ORGANIZATION', value: (one) => one.organization },
    { title: 'MESSAGES', value: (one) => one.messages, right: true },
    { title: 'RECIPIENTS', value: (one) => one.recipients, right: true },
    { title: 'SIZE', value: (one) => sizeText(one.octets), right: true },
    { title: 'TLS', value: (one) => one.tls, right: true },
    { title: 'PGP', value: (one) => one.pgp, right: true },
    { title: 'S/MIME', value: (one) => one.smime, right: true },
    { title: 'PORTAL', value: (one) => one.portal, right: true },
  ])(lines);
}
