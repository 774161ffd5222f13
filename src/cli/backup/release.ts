// `sealrelay restore --release`: lets go what a restore held. What is known to have been delivered is listed first and stays
// held, or is ended without a word.

import { readFileSync } from 'node:fs';
import type { ChangedView } from '../../control/queue.ts';
import type { WaitingView } from '../../control/recover.ts';
import { ask } from '../client.ts';
import { CliError, EXIT, usage } from '../errors.ts';
import { mark, plain, print, printJson, say, tablePrinter, timeText } from '../output.ts';
import { type SelectOptions, selection } from '../queue.ts';
import { count } from '../recover/offline.ts';
import { isKnown, type Known, readKnown } from './delivered.ts';

export type Options = SelectOptions & {
  readonly yes?: boolean;
  readonly to?: string;
  readonly master?: string;
  readonly anchors?: string;
  readonly release?: boolean;
  readonly delivered?: string;
  readonly dropDelivered?: boolean;
  readonly reason?: string;
};
type Report = {
  readonly dryRun: boolean;
  /** Known as delivered; dropped only with --drop-delivered. */
  readonly delivered: readonly WaitingView[];
  readonly dropped: number;
  readonly released: number;
  readonly refusals: readonly { readonly delivery: string; readonly why: string }[];
};

/** Ids that one request may name. */
const SLICE = 1000;

export async function release(ids: readonly string[], options: Options): Promise<void> {
  const { yes = false, dropDelivered = false } = options;
  const reason = (options.reason ?? '').trim();
  if (yes && reason === '') throw usage('--yes needs --reason here', 'say why: it stands in the audit');
  if (dropDelivered && options.delivered === undefined) throw usage('--drop-delivered goes with --delivered');
  const known = options.delivered === undefined ? NOTHING : readKnown(textOf(options.delivered));
  const waiting: WaitingView[] = [];
  const what = await selection(ids, options);
  await ask(options, 'read', 'recover.waiting', what, async (page) => void waiting.push(...(page as WaitingView[])));
  const delivered = waiting.filter((one) => isKnown(known, one));
  const others = waiting.filter((one) => !isKnown(known, one));
  const change = (command: string, some: readonly WaitingView[]) =>
    changeAll(options, command, some, { reason: yes ? reason : 'not done yet', dryRun: !yes });
  const dropped = dropDelivered ? await change('queue.drop', delivered) : NONE;
  const released = await change('recover.release', others);
  const refusals = [...dropped.refusals, ...released.refusals];
  if (refusals.length > 0) process.exitCode = released.changed > 0 ? EXIT.warnings : EXIT.failed;
  const report = { dryRun: !yes, delivered, dropped: dropped.changed, released: released.changed, refusals };
  if (options.json) await printJson(report);
  else await show(report, dropDelivered);
}

const NOTHING: Known = { ids: new Set(), messageIds: new Set() };
type Changes = { changed: number; refusals: ChangedView['refusals'][number][] };
const NONE: Changes = { changed: 0, refusals: [] };

async function changeAll(
  options: Options,
  command: string,
  some: readonly WaitingView[],
  args: { readonly reason: string; readonly dryRun: boolean },
): Promise<Changes> {
  const sum: Changes = { changed: 0, refusals: [] };
  for (let from = 0; from < some.length; from += SLICE) {
    const ids = some.slice(from, from + SLICE).map(({ delivery }) => delivery);
    const done = await ask<ChangedView>(options, 'write', command, { ...args, ids });
    sum.changed += done.changed;
    sum.refusals.push(...done.refusals);
  }
  return sum;
}

function textOf(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch {
    throw new CliError(`cannot read ${file}`, 'name a file that is there, or - for stdin');
  }
}

async function show(report: Report, drop: boolean): Promise<void> {
  const { dryRun, delivered, dropped, released, refusals } = report;
  if (delivered.length > 0) {
    await print(`${mark('warning')} known as delivered, so not released:`);
    const table = tablePrinter<WaitingView>([
      { title: 'DELIVERY', value: (row) => row.delivery },
      { title: 'ACCEPTED', value: (row) => timeText(row.accepted) },
      { title: 'SENDER', value: (row) => row.sender || '<>' },
      { title: 'RECIPIENT', value: (row) => row.recipient },
    ]);
    await table(delivered);
  }
  for (const one of refusals) await print(`${mark('problem')} ${one.delivery}  ${plain(one.why)}`);
  if (drop)
    await print(`${mark('ok')} ${dryRun ? 'would drop' : 'dropped'} ${count(dropped, 'delivery', 'deliveries')}`);
  const verb = dryRun ? 'would release' : 'released';
  await print(`${mark('ok')} ${verb} ${count(released, 'restored delivery', 'restored deliveries')}`);
  if (dryRun) return say(nextOf(report));
  const kept = delivered.length - dropped;
  if (kept > 0) say(`${count(kept, 'stays', 'stay')} held; to end them: the same with --drop-delivered`);
}

function nextOf({ released, delivered }: Report): string {
  if (released + delivered.length === 0) return 'nothing waits for release';
  const known = delivered.length > 0 ? '' : '; --delivered FILE keeps back what an export or the other side shows';
  return `each may have been delivered since the backup${known}; next: the same with --yes --reason "why"`;
}
