// `sealrelay keys master rotate`: a new master key, while the gateway runs; or a key file with a new first line, for where
// the gateway cannot write its own.

import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { RotateReport, RotateStep } from '../../keys/rotate.ts';
import { ask, type DaemonOptions } from '../client.ts';
import { CliError, EXIT, usage } from '../errors.ts';
import { example, withDaemon, withJson } from '../help.ts';
import { canAsk, confirm } from '../input.ts';
import { mark, plain, print, printJson, say } from '../output.ts';
import { masterOf } from './master-source.ts';

type Options = DaemonOptions & {
  readonly reason?: string;
  readonly yes?: boolean;
  readonly file?: string;
  readonly master?: string;
  readonly json?: boolean;
};

export function registerRotate(master: Command): void {
  const command = master
    .command('rotate')
    .description(
      'Makes a new master key and boxes all keys anew, while the gateway runs; then the old key opens nothing any more. Goes on with a rotation that was stopped.',
    )
    .option('--reason <TEXT>', 'why; stands in the audit (required)')
    .option('--yes', 'do it without asking')
    .option(
      '--file <NEW>',
      'only write a copy of the key file with a new first line: for a systemd credential or a variable, which the gateway cannot change',
    )
    .option(
      '--master <FILE>',
      'with --file: the key file, where that of the configuration is there only for the service',
    )
    .action((options: Options) => (options.file === undefined ? rotate(options) : writeCopy(options, options.file)));
  example(
    withJson(withDaemon(command)),
    [
      'sealrelay keys master rotate --reason "an admin left"',
      'sealrelay keys master rotate --master /etc/sealrelay/master.key --file /etc/sealrelay/master.key.new',
    ],
    'Next: sealrelay keys master paper: the recovery copy of before restores old backups only.\n' +
      'Exit code 3: done, but lines of old keys are still to be removed where the key comes from, or a box did not open.',
  );
}

const SAID: Record<RotateStep, string> = {
  line: 'a new line in the key file',
  begin: 'begun',
  keys: 'new organization keys',
  boxes: 'boxing keys anew',
  again: 'looking once more',
  retire: 'deleting the old organization keys',
  copy: 'the copy beside the bodies',
  log: 'emptying the log of the database',
  file: 'the old line leaves the key file',
  end: 'done',
};

async function rotate(options: Options): Promise<void> {
  const reason = (options.reason ?? '').trim();
  if (reason === '') throw usage('--reason is missing', 'say why: it stands in the audit');
  if (!options.yes && !canAsk()) throw usage('Change the master key now?', 'add --yes to do it');
  if (!(await confirm('Change the master key now?', options.yes))) return;
  const report = await ask<RotateReport>(options, 'write', 'keys.master.rotate', { reason }, async (rows) => {
    if (process.stderr.isTTY) progress(rows as { step: RotateStep; rows: number }[]);
  });
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  if (report.linesLeft.length > 0 || report.renewed.unreadable > 0) process.exitCode = EXIT.warnings;
  if (options.json) return printJson(report);
  await show(report);
}

function progress(rows: readonly { step: RotateStep; rows: number }[]): void {
  const last = rows.at(-1);
  if (last === undefined) return;
  const count = last.rows > 0 ? `: ${last.rows} rows` : '';
  process.stderr.write(`\r${SAID[last.step]}${count}\u001b[K`);
}

async function show({ from, to, organizations, renewed, linesLeft }: RotateReport): Promise<void> {
  const { keys, bodies, grants, addressKeys, slots, dayKeys, unreadable } = renewed;
  await print(
    `${mark('ok')} master key ${plain(to)} wraps now; ${plain(from.join(', ') || 'the key of before')} opens nothing here any more`,
  );
  await print(
    `  boxed anew: ${keys} keys of ${organizations} ${organizations === 1 ? 'organization' : 'organizations'}, ${bodies} of bodies (${slots} beside them), ${grants} of links, ${addressKeys} private keys, ${dayKeys} of the audit`,
  );
  if (unreadable > 0)
    await print(
      `${mark('problem')} ${unreadable} boxes did not open with the key of before either, and stay as they are`,
    );
  for (const id of linesLeft)
    await print(`${mark('warning')} take the line "srk1 ${plain(id)} …" away where the gateway's key comes from`);
  say('next: sealrelay keys master paper, and sealrelay backup: backups of before still need the old key');
}

/** Two steps, where the gateway may not write: this is the first. */
async function writeCopy(options: Options, to: string): Promise<void> {
  const { copyWithNewLine } = await import('../../keys/master-file.ts');
  const { MasterKeyError, readChecked } = await import('../../keys/master.ts');
  const file = resolve(to);
  const source =
    options.master === undefined ? await masterOf(options) : { name: resolve(options.master), isFile: true };
  if (!source.isFile) {
    throw new CliError(
      `${source.name} is no file that can be copied here`,
      'make a key with sealrelay keys master create --file NEW, and put its line before those of the present key',
    );
  }
  try {
    const content = readChecked(source.name, process.env.CREDENTIALS_DIRECTORY);
    try {
      const keys = copyWithNewLine(content, file, { bytes: (n) => randomBytes(n), fraction: Math.random });
      const [id, ...rest] = keys.map((key) => key.id.toString('hex'));
      if (options.json) return await printJson({ file, id, rest });
      await print(`${mark('ok')} ${plain(file)}: key ${id} in front of ${rest.join(', ')}`);
      say(`next: mv ${plain(file)} to the place of the present one, and restart the gateway: it goes on by itself;`);
      say('  then sealrelay keys master check --master FILE says which line can go');
    } finally {
      content.fill(0);
    }
  } catch (error) {
    if (error instanceof MasterKeyError) throw new CliError(error.message, 'name a path that does not exist yet');
    throw error;
  }
}
