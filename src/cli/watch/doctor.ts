// `sealrelay doctor`: is everything as it should be, and if not, what does one do? With the gateway running and without.

import type { Command } from 'commander';
import type { Config } from '../../config/schema.ts';
import { type Check, examine, GROUPS, type RuntimeFacts } from '../../watch/doctor.ts';
import type { Figure } from '../../watch/figures.ts';
import { ask, type DaemonOptions, isNotRunning } from '../client.ts';
import { CliError, EXIT } from '../errors.ts';
import { example, withDaemon, withJson } from '../help.ts';
import { mark, plain, print, printJson, say, styled } from '../output.ts';

type Options = DaemonOptions & { readonly json?: boolean; readonly brief?: boolean };
type Answer = {
  readonly runtime: RuntimeFacts;
  readonly anchorFault: string | null;
  readonly figures: readonly (Figure & { readonly group: 'keys' | 'watched' })[];
};

const MARK = { green: 'ok', yellow: 'warning', red: 'problem' } as const;

export function register(program: Command): void {
  const command = program
    .command('doctor')
    .description(
      'Looks at runtime, configuration, storage, keys and the watched figures: green, yellow or red, what each means and what to do.',
    )
    .option('--brief', 'only what is not green')
    .action(run);
  example(
    withJson(withDaemon(command)),
    [
      'sealrelay doctor',
      'sealrelay doctor --brief',
      'sudo -u sealrelay sealrelay doctor --config /etc/sealrelay/gateway.yaml',
    ],
    'Exit code 0: all green; 1: something is red; 3: something is yellow, nothing red. Also while the gateway is stopped.',
  );
}

async function run(options: Options): Promise<void> {
  const { gather } = await import('./facts.ts');
  const { answer, check, running } = await askGateway(options);
  const { facts, config } = await gather(options.config, answer?.runtime ?? null, running, answer?.anchorFault);
  const checks = [
    ...(check === null ? [] : [check]),
    ...examine(facts),
    ...(answer?.figures ?? (config === null ? [] : await certificates(config))),
  ];
  const sorted = GROUPS.flatMap((group) => checks.filter((one) => one.group === group));
  if (options.json) for (const one of sorted) await printJson(one);
  else await show(sorted, options.brief === true);
  const lights = new Set(sorted.map(({ light }) => light));
  if (lights.has('red')) process.exitCode = EXIT.failed;
  else if (lights.has('yellow')) process.exitCode = EXIT.warnings;
}

/** What the gateway says; a check in its place when it does not answer. */
async function askGateway(
  options: DaemonOptions,
): Promise<{ answer: Answer | null; check: Check | null; running: boolean }> {
  try {
    return { answer: await ask<Answer>(options, 'read', 'doctor', {}), check: null, running: true };
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    const means = 'What only the living gateway knows (the watched figures) is not shown.';
    const running = !isNotRunning(error);
    const value = running ? `does not tell: ${error.message}` : 'does not run';
    const next = error.next ?? 'sealrelay status';
    const check: Check = { group: 'runtime', name: 'gateway', light: 'yellow', value, means, next };
    return { answer: null, check, running };
  }
}

/** Those of the files, when no gateway tells of them. */
async function certificates(config: Config): Promise<Check[]> {
  const { certificateEndings } = await import('../../watch/endings.ts');
  const { judgeEndings } = await import('../../watch/figures.ts');
  const endings = await certificateEndings(config);
  return judgeEndings(Date.now(), endings, config.alerts.expiry).map(({ name, light, value, means, next }) => ({
    ...{ group: 'keys' as const, name, light, value, means, next },
  }));
}

async function show(checks: readonly Check[], brief: boolean): Promise<void> {
  const width = Math.max(...checks.map(({ name }) => name.length));
  for (const group of GROUPS) {
    const shown = checks.filter((one) => one.group === group && !(brief && one.light === 'green'));
    if (shown.length === 0) continue;
    await print(styled('bold', group));
    for (const { name, light, value, means, next } of shown) {
      await print(`  ${mark(MARK[light])} ${plain(name).padEnd(width)}  ${plain(value)}`);
      await print(styled('dim', `    ${' '.repeat(width)}  ${plain(means)}`));
      if (next !== null) await print(`    ${' '.repeat(width)}  next: ${plain(next)}`);
    }
  }
  const count = (light: Check['light']) => checks.filter((one) => one.light === light).length;
  say(`${count('green')} green, ${count('yellow')} yellow, ${count('red')} red`);
}
