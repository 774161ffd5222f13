// `sealrelay backup`: the running gateway into a folder, while it goes on.

import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { BackupProgress, BackupView } from '../../control/backup.ts';
import { ask, type DaemonOptions } from '../client.ts';
import { EXIT } from '../errors.ts';
import { example, withDaemon, withJson } from '../help.ts';
import { mark, plain, print, printJson, say, sizeText } from '../output.ts';

type Options = DaemonOptions & { readonly json?: boolean };

export function register(program: Command): void {
  const command = program
    .command('backup')
    .argument('<target>', 'a folder of this machine that is new or empty')
    .description(
      'Copies the running gateway into a folder: queue, bodies, keys as they stand boxed, policies that were used, audit. Mail goes on meanwhile. Never the master key, without which nothing of it opens: keep that elsewhere.',
    )
    .action(run);
  example(
    withJson(withDaemon(command)),
    ['sealrelay backup /var/backups/sealrelay/2026-11-24', 'sealrelay backup /mnt/backup/$(date +%F) --json'],
    'The gateway writes it, so its service must be allowed to: systemd/README.md. It ends whole with manifest.json, or it is none. Exit code 1: no backup was made; 3: made, but something in the storage folder was left out. Next: keep it off this machine; try sealrelay restore with it.',
  );
}

async function run(target: string, options: Options): Promise<void> {
  const folder = resolve(target);
  const show = async (page: readonly unknown[]) => {
    if (!process.stderr.isTTY) return;
    const { stage, done, of } = page.at(-1) as BackupProgress;
    process.stderr.write(`\r${stage}: ${sizeText(done)} of ${sizeText(of)}\u001b[K`);
  };
  const made = await ask<BackupView>(options, 'write', 'backup', { target: folder }, show);
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  if (made.others.length > 0) process.exitCode = EXIT.warnings;
  if (options.json) return printJson(made);
  const { files, octets, took, audit, others, masterKey } = made;
  await print(
    `${mark('ok')} ${files} files, ${sizeText(octets)}, in ${plain(folder)} (${(took / 1000).toFixed(1)} s; audit up to entry ${audit.seq} of epoch ${audit.epoch})`,
  );
  for (const other of others) await print(`${mark('warning')} left out, neither file nor folder: ${plain(other)}`);
  await print(`${mark('warning')} the master key is not in it, and nothing in it opens without that key.`);
  await print(`  It is kept in ${plain(masterKey)}: keep a copy of it apart from the backups.`);
  await print('  Not in it either: the configuration and the files it names.');
  say(`next: copy ${plain(folder)} off this machine; sealrelay restore ${plain(folder)} says whether it is whole`);
}
