// `sealrelay restore`: a backup on an empty machine, without a running gateway; and with one, the word that lets go what the
// backup knew as unfinished.

import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Manifest } from '../../store/backup/manifest.ts';
import type { Restored } from '../../store/backup/restore.ts';
import { CliError, usage } from '../errors.ts';
import { example, withDaemon, withJson } from '../help.ts';
import { mark, plain, print, printJson, say, sizeText, timeText } from '../output.ts';
import { select } from '../queue.ts';
import { count, offlineDeps, refuseBesideGateway, withNext } from '../recover/offline.ts';
import { type Options, release } from './release.ts';

type Report = Omit<Manifest, 'files' | 'format' | 'sha256'> & {
  readonly dryRun: boolean;
  readonly to: string;
  readonly files: number;
  readonly octets: number;
  /** Why it cannot be restored here now. */
  readonly hindrance: string | null;
  readonly restored: Restored | null;
};

export function register(program: Command): void {
  const command = select(
    program
      .command('restore')
      .argument('[backup-or-id...]', 'folder of the backup; with --release: queue or delivery ids'),
  )
    .description(
      'Puts a backup into an empty storage folder. Only checks it, until --yes is given, also beside a running gateway. The gateway then starts closed: what was unfinished is held and in doubt until it is released.',
    )
    .option('--yes', 'do it')
    .option('--to <FOLDER>', 'instead of the storage folder of the configuration')
    .option('--master <FILE>', 'the master key file, where that of the configuration is there only for the service')
    .option(
      '--anchors <FILE>',
      'anchors that the old gateway sent off, as its `anchors` made them: what it retracted is retracted again',
    )
    .option('--release', 'let restored deliveries of the running gateway go')
    .option('--all', 'with --release: all of them')
    .option(
      '--delivered <FILE>',
      'with --release: what is known as delivered, and stays held: queue ids, delivery ids or Message-IDs, one a line, or the output of log search --csv or --json; - is stdin',
    )
    .option('--drop-delivered', 'with --delivered: end those without telling anyone, instead of keeping them held')
    .option('--reason <TEXT>', 'why; stands in the audit (required with --release --yes)')
    .action(run);
  example(
    withJson(withDaemon(command)),
    [
      'sealrelay restore /mnt/backup/2026-11-24 --config /etc/sealrelay/gateway.yaml',
      'sealrelay restore /mnt/backup/2026-11-24 --yes --master /etc/sealrelay/master.key --anchors anchors.jsonl',
      'sealrelay restore --release --all --delivered sent.csv',
      'sealrelay restore --release --all --delivered sent.csv --yes --reason "disk lost on Tuesday"',
    ],
    'Without --yes, exit code 0: the backup is whole, and the master key opens it. Exit code 1: refused, and why; nothing is overwritten. The whole way: systemd/README.md.',
  );
}

async function run(given: readonly string[], options: Options): Promise<void> {
  if (options.release) return release(given, options);
  const [from, ...more] = given;
  if (from === undefined || more.length > 0)
    throw usage('one folder of a backup is wanted', 'sealrelay restore FOLDER only checks it');
  if (options.all || options.delivered !== undefined || options.dropDelivered || options.reason !== undefined) {
    throw usage('--all, --delivered, --drop-delivered and --reason go with --release');
  }
  const anchors = options.anchors === undefined ? [] : readLines(options.anchors);
  if (options.yes) await refuseBesideOld(options);
  const { path, ...offline } = await offlineDeps(options);
  const to = resolve(options.to ?? path);
  const deps = { ...offline, from: resolve(from), to, anchors, progress };
  const { checkBackup, restoreBackup } = await import('../../store/backup/restore.ts');
  const checked = options.yes ? null : await withNext(checkBackup(deps));
  const done = checked ? { ...checked.manifest, restored: null } : await withNext(restoreBackup(deps));
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  const { files, format: _, sha256: __, ...about } = done;
  const octets = files.reduce((sum, { size }) => sum + size, 0);
  const hindrance = checked?.hindrance?.message ?? null;
  const report: Report = { dryRun: checked !== null, to, ...about, files: files.length, octets, hindrance };
  if (options.json) return printJson(report);
  await show(report);
}

async function refuseBesideOld(options: Options): Promise<void> {
  await refuseBesideGateway(options).catch(() => {
    throw new CliError(
      'a gateway is running with this configuration',
      'stop it for good first: two nodes that go on from one backup deliver mail twice',
    );
  });
}

/** Lines of anchors; around them may stand what a mail says. */
function readLines(file: string): string[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    throw new CliError(`cannot read ${file}`, 'name a file that is there');
  }
  const lines = text.split('\n').map((line) => line.trim());
  const anchors = lines.filter((line) => line.startsWith('{"no"'));
  if (anchors.length > 0) return anchors;
  throw new CliError(
    `${file} holds no anchor`,
    'name the file that anchors: of the old gateway filled, or leave --anchors out',
  );
}

let shown = 0;

function progress(stage: string, done: number, of: number): void {
  const now = Date.now();
  if (!process.stderr.isTTY || now - shown < 100) return;
  shown = now;
  process.stderr.write(`\r${stage}: ${sizeText(done)} of ${sizeText(of)}\u001b[K`);
}

async function show(report: Report): Promise<void> {
  const { version, node, storage, at, audit, files, octets, restored, to } = report;
  await print(
    `${mark('ok')} whole: ${files} files, ${sizeText(octets)}, of ${timeText(at)}, node ${plain(node)}, Sealrelay ${plain(version)}, audit up to entry ${audit.seq} of epoch ${audit.epoch}`,
  );
  if (report.hindrance !== null) {
    say(`here it would not be restored now: ${plain(report.hindrance)}`);
    return say('next: nothing, if you only wanted to know whether it is whole; how to restore it: systemd/README.md');
  }
  if (restored === null) {
    await print(`${mark('warning')} Is the gateway that it was made of stopped for good, wherever it ran?`);
    await print(`  It worked on ${plain(storage)}. If it goes on beside this one, mail is delivered twice.`);
    say(`nothing was changed; if it is stopped: the same with --yes restores into ${plain(to)}`);
    return;
  }
  const { held, heldBefore, noticing, dropped, epoch, void: gone, retracted, lostEntries } = restored;
  await print(`${mark('ok')} restored into ${plain(to)}; the audit goes on in epoch ${epoch}`);
  await print(
    `  ${count(held, 'delivery was', 'deliveries were')} unfinished: held and in doubt until they are released`,
  );
  if (noticing > 0) await print(`  ${count(noticing, 'delivery waits', 'deliveries wait')} for a notice that is held`);
  if (dropped > 0) await print(`  ${count(dropped, 'mail', 'mails')} with a void code ended`);
  if (heldBefore > 0) await print(`  ${count(heldBefore, 'delivery was', 'deliveries were')} held before, and still`);
  await print(
    `  void: ${count(gone.sessions, 'login session')}, ${count(gone.codes, 'pick-up code')}, the tokens of ${count(gone.operators, 'operator')}`,
  );
  if (retracted > 0) await print(`  ${count(retracted, 'message')} retracted again, as the anchors say`);
  if (lostEntries > 0)
    await print(
      `${mark('warning')} the old gateway wrote at least ${count(lostEntries, 'more entry', 'more entries')} of the audit after the backup; they are lost`,
    );
  await print('  in force again as the backup has them: submission logins, keys of correspondents, links of parcels;');
  await print('  what was removed or retracted since must be so again');
  if (process.getuid?.() === 0 && statSync(to).uid === 0) {
    await print(
      `${mark('warning')} ${plain(to)} belongs to root; for a service with a user of its own: chown -R sealrelay: ${plain(to)}`,
    );
  }
  say(
    'next: start the gateway; sealrelay user add NAME --role admin --write; keep the new first key too (sealrelay log key); sealrelay restore --release --all',
  );
}
