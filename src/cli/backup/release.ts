// `sealrelay restore --release`: lets go what a restore held, but for what is known to have been delivered.

import type { ChangedView } from '../../control/queue.ts';
import { ask } from '../client.ts';
import { EXIT, usage } from '../errors.ts';
import { mark, plain, print, printJson, say } from '../output.ts';
import { type SelectOptions, selection } from '../queue.ts';
import { count } from '../recover/offline.ts';

export type Options = SelectOptions & {
  readonly yes?: boolean;
  readonly to?: string;
  readonly master?: string;
  readonly release?: boolean;
  readonly delivered?: string;
  readonly reason?: string;
};

export async function release(ids: readonly string[], options: Options): Promise<void> {
  const reason = (options.reason ?? '').trim();
  if (options.yes && reason === '') throw usage('--yes needs --reason here', 'say why: it stands in the audit');
  const args = { ...(await selection(ids, options)), reason, dryRun: options.yes !== true };
  const done = await ask<ChangedView>(options, 'write', 'recover.release', args);
  if (done.refused > 0) process.exitCode = done.changed > 0 ? EXIT.warnings : EXIT.failed;
  if (options.json) return printJson(done);
  for (const one of done.refusals) await print(`${mark('problem')} ${one.delivery}  ${plain(one.why)}`);
  const verb = done.dryRun ? 'would release' : 'released';
  await print(`${mark('ok')} ${verb} ${count(done.changed, 'restored delivery', 'restored deliveries')}`);
  if (done.dryRun && done.changed > 0) say('each may have been delivered; next: the same with --yes --reason "why"');
}
