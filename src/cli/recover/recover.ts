// `sealrelay recover`: the queue out of the bodies when the database is lost, without a running gateway; and with one, the
// word that lets recovered mail go.

import type { Command } from 'commander';
import type { ChangedView } from '../../control/queue.ts';
import type { Survey } from '../../store/recovery/survey.ts';
import { ask } from '../client.ts';
import { EXIT, usage } from '../errors.ts';
import { example, withBreakGlass, withDaemon, withJson } from '../help.ts';
import { mark, plain, print, printJson, say, sizeText } from '../output.ts';
import { type SelectOptions, select, selection } from '../queue.ts';
import { count, offlineDeps, refuseBesideGateway, withNext } from './offline.ts';

type Options = SelectOptions & {
  readonly yes?: boolean;
  readonly reason?: string;
  readonly release?: boolean;
  readonly discard?: boolean;
  readonly master?: string;
};
type Report = Survey & { readonly dryRun: boolean; readonly epoch: number | null };

export function register(program: Command): void {
  const command = select(program.command('recover').argument('[id...]', 'with --release: queue ids or delivery ids'))
    .description(
      'Rebuilds the queue from the bodies when the database is lost. Only says what it would do, until --yes is given. What comes back is held and in doubt until it is released.',
    )
    .option('--yes', 'do it')
    .option('--master <FILE>', 'the master key file, where that of the configuration is there only for the service')
    .option('--release', 'let recovered deliveries of the running gateway go, decided anew under the present policy')
    .option('--all', 'with --release: all of them')
    .option('--discard', 'let the running gateway remove parcels and bodies that nothing opens any more')
    .option('--reason <TEXT>', 'why; stands in the audit (required with --release and --discard)')
    .action(run);
  example(
    withBreakGlass(withJson(withDaemon(command))),
    [
      'sealrelay recover --config /etc/sealrelay/gateway.yaml',
      'sealrelay recover --yes --master /etc/sealrelay/master.key',
      'sealrelay recover --release --all --yes --reason "database lost on Tuesday, senders were asked"',
    ],
    'Exit code 3: something could not be recovered. The whole way: systemd/README.md.',
  );
}

async function run(ids: readonly string[], options: Options): Promise<void> {
  if (options.release && options.discard) throw usage('--release or --discard, not both');
  if (!options.release && !options.discard) {
    if (ids.length > 0 || options.all) throw usage('ids and --all go with --release');
    return recover(options);
  }
  const reason = (options.reason ?? '').trim();
  if (options.yes && reason === '') throw usage('--yes needs --reason here', 'say why: it stands in the audit');
  if (options.discard) return discard(options, reason);
  return release(ids, options, reason);
}

// ── without a gateway ──

async function recover(options: Options): Promise<void> {
  await refuseBesideGateway(options);
  const deps = { ...(await offlineDeps(options)), progress };
  const { lookAt, rebuild } = await import('../../store/recovery/rebuild.ts');
  const done: Report = options.yes
    ? { dryRun: false, ...(await withNext(rebuild(deps))) }
    : { dryRun: true, epoch: null, ...(await withNext(lookAt(deps))) };
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  if (done.lost.length + done.parcels.length > 0) process.exitCode = EXIT.warnings;
  if (options.json) return printJson(done);
  await show(done);
}

function progress(stage: string, records: number): void {
  if (process.stderr.isTTY && records % 64 === 0) process.stderr.write(`\r${stage}: ${records} bodies\u001b[K`);
}

async function show(done: Report): Promise<void> {
  const { messages, deliveries, octets, dropped, repeated, parcels, lost, dryRun } = done;
  const verb = dryRun ? 'would come back' : 'came back';
  const what = `${count(messages, 'message')} for ${count(deliveries, 'recipient')} (${sizeText(octets)})`;
  await print(`${mark('ok')} ${what} ${verb}, held and in doubt`);
  if (dropped > 0)
    await print(
      `  ${count(dropped, 'notice, receipt or code', 'notices, receipts and codes')} do not come back: their links died with the database`,
    );
  if (repeated > 0)
    await print(`  ${count(repeated, 'body', 'bodies')} of mail of ours that is there twice, left to the sweep`);
  if (lost.length > 0) await print(`${mark('problem')} ${count(lost.length, 'body does', 'bodies do')} not open:`);
  for (const one of lost) {
    const where = `${one.segment}/${one.slot ?? '*'}`;
    await print(`    ${one.object ?? where}  ${plain(one.organization ?? '')}  ${plain(one.lost)}`);
  }
  if (parcels.length > 0) {
    await print(
      `${mark('warning')} ${count(parcels.length, 'parcel')} of the portal cannot be recovered without the database; senders must send again:`,
    );
  }
  for (const one of parcels) {
    await print(`    ${one.object}  ${plain(one.organization)}  ${new Date(one.createdAt).toISOString()}`);
  }
  await print(
    '  gone with the database: the audit trail before now, states and attempts, keys of correspondents and own',
  );
  await print('  keys, operators, submission logins');
  say(nextOf(done));
}

function nextOf({ dryRun, parcels, lost }: Report): string {
  if (dryRun) return 'nothing was changed; next: the same with --yes';
  const kept =
    parcels.length + lost.length > 0 ? '; what does not open is kept until: sealrelay recover --discard' : '';
  return `next: start the gateway; remove your old token and make a new one (sealrelay user add NAME --role admin --write); import the keys again; sealrelay queue list --state held; sealrelay recover --release${kept}`;
}

// ── with a running one ──

async function release(ids: readonly string[], options: Options, reason: string): Promise<void> {
  const args = { ...(await selection(ids, options)), reason, dryRun: options.yes !== true };
  const done = await ask<ChangedView>(options, 'write', 'recover.release', args);
  if (done.refused > 0) process.exitCode = done.changed > 0 ? EXIT.warnings : EXIT.failed;
  if (options.json) return printJson(done);
  for (const one of done.refusals) await print(`${mark('problem')} ${one.delivery}  ${plain(one.why)}`);
  const verb = done.dryRun ? 'would release' : 'released';
  await print(`${mark('ok')} ${verb} ${count(done.changed, 'recovered delivery', 'recovered deliveries')}`);
  if (done.dryRun && done.changed > 0)
    say('each may have been delivered before; next: the same with --yes --reason "why"');
}

async function discard(options: Options, reason: string): Promise<void> {
  const args = { reason, dryRun: options.yes !== true };
  const done = await ask<{ dryRun: boolean; objects: number }>(options, 'write', 'recover.discard', args);
  if (options.json) return printJson(done);
  const verb = done.dryRun ? 'would let go of' : 'let go of';
  await print(`${mark('ok')} ${verb} ${count(done.objects, 'object')} that nothing opens`);
  if (!done.dryRun && done.objects > 0) say('the next sweep removes them, within a day');
}
