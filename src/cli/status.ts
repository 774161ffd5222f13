// `sealrelay status`: is mail flowing?

import type { Command } from 'commander';
import { ALARMS } from '../watch/alarms.ts';
import { ask, type DaemonOptions } from './client.ts';
import { EXIT } from './errors.ts';
import { example, withDaemon, withJson } from './help.ts';
import { ageText, mark, plain, print, printJson, printPairs, say, timeText } from './output.ts';

type Status = {
  readonly version: string;
  readonly node: string;
  readonly mode: string;
  readonly pid: number;
  readonly startedAt: string;
  readonly configLoadedAt: string;
  readonly policyVersion: string;
  readonly listeners: readonly { readonly name: string; readonly address: string }[];
  readonly ready: boolean;
  readonly reasons: readonly string[];
  readonly alarms: readonly {
    readonly name: string;
    readonly count: number;
    readonly at: string;
    readonly standing: boolean;
  }[];
  readonly queue: {
    readonly stages: Readonly<Record<string, number>>;
    readonly states: Readonly<Record<string, number>>;
    readonly oldest: string | null;
    readonly lanes: number;
  };
};

export function register(program: Command): void {
  const command = program
    .command('status')
    .description('Shows how the running gateway is: ready or why not, listeners, queue, alarms since its start.')
    .action(async (options: DaemonOptions & { json?: boolean }) => {
      const status = await ask<Status>(options, 'read', 'status', {});
      if (options.json) await printJson(status);
      else await show(status);
      if (!status.ready) process.exitCode = EXIT.failed;
      else if (status.alarms.length > 0) process.exitCode = EXIT.warnings;
    });
  example(
    withJson(withDaemon(command)),
    ['sealrelay status', 'sealrelay status --json'],
    'Exit code 0: ready; 1: not ready; 3: ready, but there were alarms.',
  );
}

async function show(status: Status): Promise<void> {
  const now = Date.now();
  const { states, oldest, lanes } = status.queue;
  await print(
    `${mark(status.ready ? 'ok' : 'problem')} sealrelay ${status.version} on ${plain(status.node)}, ${status.mode} mode`,
  );
  for (const reason of status.reasons) await print(`  not ready: ${plain(reason)}`);
  await printPairs([
    ['running since', `${timeText(status.startedAt)} (pid ${status.pid})`],
    ['configuration', `read ${timeText(status.configLoadedAt)}, policy ${status.policyVersion}`],
    ['listening', status.listeners.map((one) => `${one.name} ${one.address}`).join(', ') || 'nowhere'],
    [
      'waiting',
      `${states.ready ?? 0} ready, ${states.leased ?? 0} under way, ${states.undecided ?? 0} undecided, ${lanes} lanes`,
    ],
    ['held', String(states.held ?? 0)],
    ['oldest', ageText(oldest, now)],
  ]);
  for (const alarm of status.alarms) {
    const since = alarm.standing ? 'is so since' : `${alarm.count} ${alarm.count === 1 ? 'time' : 'times'}, last`;
    await print(`${mark('warning')} ${plain(alarm.name)}: ${since} ${timeText(alarm.at)}`);
    const words = ALARMS[alarm.name as keyof typeof ALARMS];
    if (words) await print(`  ${words.means}\n  next: ${words.next}`);
  }
  if (status.alarms.some(({ standing }) => standing)) say('next: sealrelay doctor --brief shows how it stands now');
  if ((states.held ?? 0) > 0) say('next: sealrelay queue list --state held');
}
