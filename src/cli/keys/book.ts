// `sealrelay keys list|show|pin|revoke|check`: the keys that are known, and what people decide about them.

import { type Command, Option } from 'commander';
import type { CheckedKey, KeyView } from '../../control/key-views.ts';
import type { ChangedKey, CheckView } from '../../control/keys.ts';
import { ask, type DaemonOptions } from '../client.ts';
import { EXIT, usage } from '../errors.ts';
import { example, withDaemon, withJson } from '../help.ts';
import { fromStdin, wholeNumber } from '../input.ts';
import { mark, plain, print, printJson, say, tablePrinter } from '../output.ts';
import { kindText, showKey, stateMark, stateText } from './words.ts';

type Json = { readonly json?: boolean };
type SelectOptions = DaemonOptions &
  Json & {
    readonly organization?: string;
    readonly kind?: string;
    readonly own?: boolean;
  };
type ListOptions = SelectOptions & { readonly for?: string; readonly limit?: string };
type ChangeOptions = DaemonOptions & Json & { readonly reason?: string };

const ID = 'id of a key: sealrelay keys list';
const EXAMPLE = 'b2mz7kq4xw5nh3ta';

export function registerBook(keys: Command): void {
  registerList(keys);
  const show = keys
    .command('show')
    .description('Shows what is known of one key. Never the key itself.')
    .argument('<id>', ID)
    .action(async (key: string, options: DaemonOptions & Json) => {
      const view = await ask<KeyView>(options, 'read', 'keys.show', { key });
      await (options.json ? printJson(view) : showKey(view));
    });
  example(withJson(withDaemon(show)), [`sealrelay keys show ${EXAMPLE}`], 'Next: sealrelay keys pin ID, revoke ID.');
  registerPin(keys);
  registerRevoke(keys);
  registerCheck(keys);
}

function select(command: Command): Command {
  return command
    .option('--organization <NAME>', 'organization')
    .addOption(new Option('--kind <KIND>', 'kind of key').choices(['pgp', 'smime']))
    .option('--own', "organizations' own keys alone")
    .option('--no-own', "correspondents' keys alone");
}

function conditions({ organization, kind, own }: SelectOptions): Record<string, unknown> {
  return {
    ...(organization !== undefined && { organization }),
    ...(kind !== undefined && { kind }),
    ...(own !== undefined && { own }),
  };
}

function registerList(keys: Command): void {
  const command = select(keys.command('list'))
    .description('Lists the keys that are known, in the order in which they were added.')
    .option('--for <ADDRESS>', 'those kept for this address or @domain; - reads it from stdin')
    .option('--limit <N>', 'at most so many')
    .action(list);
  example(
    withJson(withDaemon(command)),
    ['sealrelay keys list --for carol@partner.example', 'sealrelay keys list --own'],
    'Next: sealrelay keys show ID.',
  );
}

async function list(options: ListOptions): Promise<void> {
  const limit = options.limit === undefined ? undefined : wholeNumber(options.limit, '--limit');
  const args = {
    ...conditions(options),
    ...(options.for !== undefined && { for: await fromStdin(options.for, '--for') }),
    ...(limit !== undefined && { limit }),
  };
  const table = tablePrinter<KeyView>([
    { title: 'KEY', value: (row) => row.key },
    { title: 'ORGANIZATION', value: (row) => row.organization },
    { title: 'FOR', value: (row) => row.for },
    { title: 'KIND', value: kindText },
    { title: 'PINNED', value: (row) => (row.pinned ? 'yes' : 'no') },
    { title: 'ALGORITHM', value: (row) => row.algorithm },
    { title: 'STATE', value: stateText },
  ]);
  const { rows } = await ask<{ rows: number }>(options, 'read', 'keys.list', args, async (page) => {
    if (!options.json) return table(page as KeyView[]);
    for (const row of page) await printJson(row);
  });
  if (options.json) return;
  say(rows === 0 ? 'no keys; next: sealrelay keys import FILE' : `${count(rows)}; next: sealrelay keys show ID`);
}

function registerPin(keys: Command): void {
  const command = keys
    .command('pin')
    .description('Vouches for a key: it goes before others, and needs no authority that issued it.')
    .argument('<id>', ID)
    .option('--unpin', 'no longer vouch for it')
    .option('--reason <TEXT>', 'why; stands in the audit')
    .action(async (key: string, options: ChangeOptions & { readonly unpin?: boolean }) => {
      const pinned = !options.unpin;
      const done = await ask<ChangedKey>(options, 'write', 'keys.pin', { key, pinned, reason: options.reason ?? '' });
      await report(done, pinned ? ['pinned', 'pinned already'] : ['no longer pinned', 'not pinned'], options.json);
      if (pinned)
        for (const other of done.othersPinned) say(`${other} is pinned for the same: keys pin ${other} --unpin`);
    });
  example(
    withJson(withDaemon(command)),
    [`sealrelay keys pin ${EXAMPLE} --reason "fingerprint compared by phone"`, `sealrelay keys pin ${EXAMPLE} --unpin`],
    'A pin does not make an expired, revoked or weak key usable. Next: sealrelay keys check.',
  );
}

function registerRevoke(keys: Command): void {
  const command = keys
    .command('revoke')
    .description('Stops using a key, for good.')
    .argument('<id>', ID)
    .option('--reason <TEXT>', 'why; stands in the audit (required)')
    .action(async (key: string, options: ChangeOptions) => {
      const reason = (options.reason ?? '').trim();
      if (reason === '') throw usage('revoke needs --reason', `sealrelay keys revoke ${key} --reason "why"`);
      const done = await ask<ChangedKey>(options, 'write', 'keys.revoke', { key, reason });
      await report(done, ['revoked', 'revoked already'], options.json);
    });
  example(
    withJson(withDaemon(command)),
    [`sealrelay keys revoke ${EXAMPLE} --reason "its owner lost it"`],
    'The same key cannot be imported again. Next: sealrelay keys import the one in its place.',
  );
}

/** `said`: when something changed, and when it was so before. */
async function report(
  done: ChangedKey,
  [now, before]: readonly [string, string],
  json: boolean | undefined,
): Promise<void> {
  if (json) return printJson(done);
  const what = done.changed ? now : before;
  await print(
    `${mark(done.changed ? 'ok' : 'warning')} ${done.key}  ${plain(`${what}, for ${done.for}: ${stateText(done)}`)}`,
  );
  say('next: sealrelay keys check');
}

function registerCheck(keys: Command): void {
  const command = select(keys.command('check'))
    .description('Judges every key by the clock and the configured authorities.')
    .option('--strict', 'exit code 3 when a key is not usable, or soon will not be, and no other stands in its place')
    .action(check);
  example(
    withJson(withDaemon(command)),
    ['sealrelay keys check', 'sealrelay keys check --strict --json | jq "select(.attention)"'],
    'Next: ask owners for new keys, sealrelay keys import FILE.',
  );
}

async function check(options: SelectOptions & { readonly strict?: boolean }): Promise<void> {
  const done = await ask<CheckView>(options, 'read', 'keys.check', conditions(options), async (page) => {
    for (const key of page as CheckedKey[]) {
      if (options.json) await printJson(key);
      else await print(`${stateMark(key)} ${key.key}  ${plain(`${key.for} (${kindText(key)}): ${stateText(key)}`)}`);
    }
  });
  if (options.strict && done.attention > 0) process.exitCode = EXIT.warnings;
  if (options.json) return;
  if (done.rows === 0) return say('no keys; next: sealrelay keys import FILE');
  const { attention } = done;
  const wants = `${attention} ${attention === 1 ? 'wants' : 'want'} attention`;
  say(
    attention === 0
      ? `${count(done.rows)}, none wants attention`
      : `${count(done.rows)}, ${wants}; next: sealrelay keys show ID`,
  );
}

function count(rows: number): string {
  return `${rows} ${rows === 1 ? 'key' : 'keys'}`;
}
