// `sealrelay user`: operators and their tokens.

import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Command, Option } from 'commander';
import { ask, type DaemonOptions, tokenFile } from '../client.ts';
import { CliError, usage } from '../errors.ts';
import { example, withBreakGlass, withDaemon, withJson } from '../help.ts';
import { print, printJson, say, tablePrinter, timeText } from '../output.ts';

type ChangeOptions = DaemonOptions & { readonly reason?: string; readonly json?: boolean };
type AddOptions = ChangeOptions & {
  readonly role: 'admin' | 'auditor';
  readonly write?: string | true;
  readonly fingerprint?: string;
  readonly offline?: boolean;
  readonly master?: string;
};
/** `token` null: made by who will have it. */
type Added = { readonly name: string; readonly role: string; readonly token: string | null };
type Row = { readonly name: string; readonly role: string; readonly created: string };

export function register(program: Command): void {
  const user = program.command('user').description('Operators: who may ask this gateway, by token.');
  example(
    user,
    ['sealrelay user add ann --role admin --write', 'sealrelay user list'],
    'While there is no operator, the first may be added by whoever may open control.sock.',
  );
  registerAdd(user);
  registerToken(user);
  const list = user.command('list').description('Lists operators.').action(listUsers);
  example(withJson(withDaemon(list)), ['sealrelay user list']);
  const remove = user
    .command('remove')
    .description('Removes an operator; the token opens nothing from then on.')
    .argument('<name>', 'name')
    .option('--reason <TEXT>', 'why; stands in the audit')
    .action(async (name: string, options: ChangeOptions) => {
      const done = await ask(options, 'write', 'user.remove', { name, reason: options.reason ?? '' });
      if (options.json) return printJson(done);
      say(`removed ${name}; next: sealrelay user list`);
    });
  example(withJson(withDaemon(withBreakGlass(remove))), ['sealrelay user remove ann --reason "left the company"']);
}

function registerAdd(user: Command): void {
  const add = user
    .command('add')
    .description(
      'Adds an operator and prints the token, this once; or with --fingerprint takes one that its owner made and nobody else has seen.',
    )
    .argument('<name>', 'name: a-z, 0-9, dot, dash, underscore')
    .addOption(
      new Option('--role <ROLE>', 'admin: everything; auditor: reads, changes nothing')
        .choices(['admin', 'auditor'])
        .makeOptionMandatory(),
    )
    .option('--write [FILE]', `write the token to FILE, mode 0600, instead of printing it (default: ${tokenFile()})`)
    .option(
      '--fingerprint <HEX>',
      'of the token that this person made by: sealrelay user token (needed with four_eyes)',
    )
    .option(
      '--offline',
      'write it into the storage folder of a gateway that is stopped: when no admin has a token any more',
    )
    .option(
      '--master <FILE>',
      'with --offline: the master key file, where that of the configuration is there only for the service',
    )
    .option('--reason <TEXT>', 'why; stands in the audit (required with --offline)')
    .action(addUser);
  example(
    withJson(withDaemon(withBreakGlass(add))),
    [
      'sealrelay user add ann --role admin --write',
      'sealrelay user add bob --role auditor --fingerprint 7d1a54127b222502f5b79b5fb0803061152a44f92b37e23c6527baf665d4da9a',
      'sealrelay user add ann2 --role admin --offline --master /etc/sealrelay/master.key --write --reason "ann lost her token"',
    ],
    'Next: the operator puts the token into ~/.config/sealrelay/token, mode 0600; then sealrelay status.',
  );
}

async function addUser(name: string, options: AddOptions): Promise<void> {
  if (options.fingerprint !== undefined && options.write !== undefined)
    throw usage('--write has no token to write: with --fingerprint its owner has it');
  const file = options.write === true ? tokenFile() : options.write;
  // Claimed before the operator is made: a token that cannot be kept would be lost.
  if (file !== undefined) claim(file);
  let made: Added;
  try {
    made = await add(name, options);
  } catch (error) {
    if (file !== undefined) rmSync(file, { force: true });
    throw error;
  }
  const { token, ...shown } = made;
  if (token === null) {
    if (options.json) return printJson(shown);
    return say(`${name} (${options.role}): may use the token of that fingerprint; next, as ${name}: sealrelay status`);
  }
  if (file !== undefined) writeFileSync(file, `${token}\n`, { mode: 0o600 });
  if (options.json) return printJson(file === undefined ? made : { ...shown, file });
  if (file === undefined) {
    await print(token);
    say(`${name} (${options.role}): shown once; put it into ~/.config/sealrelay/token of that person, mode 0600`);
    return;
  }
  say(`${name} (${options.role}): token in ${file}; next: sealrelay status`);
}

async function add(name: string, options: AddOptions): Promise<Added> {
  const { role, fingerprint, reason = '' } = options;
  if (options.offline) {
    const { addOffline } = await import('./offline.ts');
    return addOffline({ name, role, fingerprint, reason }, options);
  }
  const args = { name, role, reason, ...(fingerprint !== undefined && { fingerprint }) };
  return ask<Added>(options, 'write', 'user.add', args);
}

function registerToken(user: Command): void {
  const token = user
    .command('token')
    .description(
      'Makes a token for yourself, which nobody else sees, and prints its fingerprint for the admin who adds you.',
    )
    .option('--write [FILE]', `file for the token, mode 0600 (default: ${tokenFile()})`)
    .action(makeToken);
  example(
    withJson(token),
    ['sealrelay user token', 'sealrelay user token --write ./bob.token'],
    'Next: give the fingerprint to an admin, for: sealrelay user add NAME --role ROLE --fingerprint FINGERPRINT. Exit code 1: the file is there already.',
  );
}

async function makeToken(options: { readonly write?: string | true; readonly json?: boolean }): Promise<void> {
  const { fingerprintOf, newToken } = await import('../../control/tokens.ts');
  const file = typeof options.write === 'string' ? options.write : tokenFile();
  claim(file);
  const token = newToken({ bytes: (n) => randomBytes(n), fraction: Math.random });
  writeFileSync(file, `${token}\n`, { mode: 0o600 });
  const fingerprint = fingerprintOf(token);
  if (options.json) return printJson({ fingerprint, file });
  await print(fingerprint);
  say(`the token is in ${file}; next, an admin: sealrelay user add NAME --role ROLE --fingerprint ${fingerprint}`);
}

function claim(file: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  try {
    writeFileSync(file, '', { mode: 0o600, flag: 'ax' });
  } catch {
    throw new CliError(`${file} exists or cannot be written`, 'name another with --write FILE, or remove it');
  }
}

async function listUsers(options: DaemonOptions & { json?: boolean }): Promise<void> {
  const table = tablePrinter<Row>([
    { title: 'NAME', value: (row) => row.name },
    { title: 'ROLE', value: (row) => row.role },
    { title: 'ADDED', value: (row) => timeText(row.created) },
  ]);
  await ask(options, 'read', 'user.list', {}, async (page) => {
    if (!options.json) return table(page as Row[]);
    for (const row of page) await printJson(row);
  });
}
