// `sealrelay trace`: a message's life as a timeline, from the audit.

import type { Command } from 'commander';
import type { EntryView } from '../control/views.ts';
import { ask, type DaemonOptions } from './client.ts';
import { example, withDaemon, withJson } from './help.ts';
import { plain, print, printJson, say, styled, timeText } from './output.ts';

type Answer = {
  readonly queueId: string;
  readonly organization: string;
  readonly sender: readonly string[];
  readonly recipients: readonly { readonly delivery: string; readonly recipient: string; readonly state: string }[];
  readonly entries: readonly EntryView[];
};

export function register(program: Command): void {
  const command = program
    .command('trace')
    .description("Shows a message's life: accepted, examined, decided, every attempt with its TLS, delivered or not.")
    .argument('<queue-id>', 'queue id')
    .action(async (id: string, options: DaemonOptions & { json?: boolean }) => {
      const answer = await ask<Answer>(options, 'read', 'trace', { id });
      if (options.json) return printJson(answer);
      await show(answer);
    });
  example(
    withJson(withDaemon(command)),
    ['sealrelay trace 05tq3m8k2v0c9a1b2c3d4e5f'],
    'Times are UTC. Next: sealrelay explain ID says why it was decided so.',
  );
}

async function show(answer: Answer): Promise<void> {
  const recipients = new Map(answer.recipients.map((one) => [one.delivery, one.recipient]));
  await print(styled('bold', `${answer.queueId}  ${plain(answer.organization)}`));
  await print(`from ${plain(answer.sender.join(', ')) || '-'}`);
  for (const one of answer.recipients) await print(`to   ${plain(one.recipient)}  ${one.state}`);
  await print('');
  for (const entry of answer.entries) {
    const who = entry.delivery === null ? '' : `  ${plain(recipients.get(entry.delivery) ?? entry.delivery)}`;
    await print(`${timeText(entry.at)}  ${styled('bold', entry.event.padEnd(20))}${who}  (${plain(entry.actor)})`);
    for (const line of details(withTimes({ ...entry.detail, ...(entry.boxed ?? {}) }))) await print(`    ${line}`);
  }
  if (answer.entries.length === 0) say('the audit holds nothing of it any more');
}

const TIMES = new Set(['expires', 'before', 'until', 'kept', 'notBefore']);

/** Milliseconds as people read times. */
function withTimes(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const pairs = Object.entries(values).map(([name, value]) =>
    TIMES.has(name) && typeof value === 'number' ? [name, timeText(new Date(value).toISOString())] : [name, value],
  );
  return Object.fromEntries(pairs);
}

/** `name: value` of each detail, nested values as JSON. */
export function details(values: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(values)
    .filter(([, value]) => value !== null && value !== undefined && value !== '')
    .map(([name, value]) => plain(`${name}: ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`));
}
