// `sealrelay user`: operators and their tokens.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Command, Option } from 'commander';
import { ask, type DaemonOptions, tokenFile } from './client.ts';
import { CliError } from './errors.ts';
import { example, withBreakGlass, withDaemon, withJson } from './help.ts';
import { print, printJson, say, tablePrinter, timeText } from './output.ts';

type ChangeOptions = DaemonOptions & { readonly reason?: string; readonly json?: boolean };
type AddOptions = ChangeOptions & { readonly role: string; readonly write?: string | true };
type Row = { readonly name: string; readonly role: string; readonly created: string };

export function register(program: Command): void {
  const user = program.command('user').description('Operators: who may ask this gateway, by token.');
  example(
    user,
    ['sealrelay user add ann --role admin --write', 'sealrelay user list'],
    'While there is no operator, the first may be added by whoever may open control.sock.',
  );
  registerAdd(user);
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
    .description('Adds an operator and prints the token, this once.')
    .argument('<name>', 'name: a-z, 0-9, dot, dash, underscore')
    .addOption(
      new Option('--role <ROLE>', 'admin: everything; auditor: reads, changes nothing')
        .choices(['admin', 'auditor'])
        .makeOptionMandatory(),
    )
    .option('--write [FILE]', `write the token to FILE, mode 0600, instead of printing it (default: ${tokenFile()})`)
    .option('--reason <TEXT>', 'why; stands in the audit')
    .action(addUser);
  example(
    withJson(withDaemon(withBreakGlass(add))),
    ['sealrelay user add ann --role admin --write', 'sealrelay user add bob --role auditor'],
    'Next: the operator puts the token into ~/.config/sealrelay/token, mode 0600; then sealrelay status.',
  );
}

async function addUser(name: string, options: AddOptions): Promise<void> {
  const file = options.write === true ? tokenFile() : options.write;
  // Claimed before the operator is made: a token that cannot be kept would be lost.
  if (file !== undefined) claim(file);
  const args = { name, role: options.role, reason: options.reason ?? '' };
  let made: { name: string; role: string; token: string };
  try {
    made = await ask(options, 'write', 'user.add', args);
  } catch (error) {
    if (file !== undefined) rmSync(file, { force: true });
    throw error;
  }
  const { token, ...shown } = made;
  if (file !== undefined) writeFileSync(file, `${token}\n`, { mode: 0o600 });
  if (options.json) return printJson(file === undefined ? made : { ...shown, file });
  if (file === undefined) {
    await print(token);
    say(`${name} (${options.role}): shown once; put it into ~/.config/sealrelay/token of that person, mode 0600`);
    return;
  }
  say(`${name} (${options.role}): token in ${file}; next: sealrelay status`);
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
