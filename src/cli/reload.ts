// `sealrelay reload`: validate first, keep the last good one.

import type { Command } from 'commander';
import type { ReloadReport } from '../control/deps.ts';
import { ask, type DaemonOptions } from './client.ts';
import { EXIT } from './errors.ts';
import { example, withBreakGlass, withDaemon, withJson } from './help.ts';
import { mark, plain, print, printJson, say } from './output.ts';

type Options = DaemonOptions & { readonly json?: boolean; readonly acceptWeaker?: boolean; readonly reason?: string };

export function register(program: Command): void {
  const command = program
    .command('reload')
    .description('Reads configuration and policy again. What is wrong, or weaker in live mode, is not applied.')
    .option('--accept-weaker', 'apply it although some mail would be less protected (needs --reason)')
    .option('--reason <TEXT>', 'why; stands in the audit')
    .action(async (options: Options) => {
      const report = await ask<ReloadReport>(options, 'write', 'reload', {
        acceptWeaker: options.acceptWeaker ?? false,
        reason: options.reason ?? '',
      });
      if (options.json) await printJson(report);
      else await show(report);
      if (!report.applied) process.exitCode = EXIT.failed;
      else if (report.weaker.length > 0 || report.needsRestart.length > 0) process.exitCode = EXIT.warnings;
    });
  example(
    withJson(withDaemon(withBreakGlass(command))),
    ['sealrelay reload', 'sealrelay reload --accept-weaker --reason "ticket 4711: lab moved to TLS"'],
    'Exit code 0: applied; 1: kept the old one; 3: applied, with warnings; 4: another operator has to confirm it. Try first: sealrelay config check, policy check.',
  );
}

async function show(report: ReloadReport): Promise<void> {
  for (const problem of report.problems) await print(`${mark('problem')} ${plain(problem)}`);
  for (const change of report.changes) await print(`  changed: ${plain(change)}`);
  for (const one of report.weaker) {
    await print(
      `${mark('warning')} weaker by rule "${plain(one.rule)}": ${one.messages} messages, such as ${plain(one.example)}`,
    );
  }
  for (const key of report.needsRestart)
    await print(`${mark('warning')} takes effect at the next start: ${plain(key)}`);
  if (report.applied) await print(`${mark('ok')} reloaded${report.changes.length === 0 ? ', nothing differs' : ''}`);
  else {
    await print(`${mark('problem')} not applied: the configuration and policy of before go on`);
    if (report.weaker.length > 0) say('next: correct the rules, or sealrelay reload --accept-weaker --reason "…"');
  }
}
