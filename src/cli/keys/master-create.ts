// `sealrelay keys master create`: the key with which all begins.

import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { CliError } from '../errors.ts';
import { example, withJson } from '../help.ts';
import { print, printJson, say } from '../output.ts';

type Options = { readonly file?: string; readonly json?: boolean };

export function registerCreate(master: Command): void {
  const command = master
    .command('create')
    .description('Makes a master key file, mode 0600; never overwrites one. Prints the id of the key.')
    .requiredOption('--file <FILE>', 'where to, outside the data folder and its backups')
    .action(create);
  example(
    withJson(command),
    ['sealrelay keys master create --file /etc/sealrelay/master.key'],
    'Next: name it in the configuration, keep a copy apart.',
  );
}

async function create(options: Options): Promise<void> {
  const { createMasterFile, MasterKeyError } = await import('../../keys/master.ts');
  const path = resolve(options.file as string);
  let id: string;
  try {
    id = createMasterFile(path, { bytes: (n) => randomBytes(n), fraction: Math.random });
  } catch (error) {
    if (error instanceof MasterKeyError) throw new CliError(error.message, 'choose a path that does not exist yet');
    throw error;
  }
  if (options.json) return printJson({ id, file: path });
  await print(id);
  say(`made ${path}: without it nothing can be read again; keep a copy apart from the backups`);
  say(`next: keys: { master: { file: ${path} } } in the configuration, then sealrelay config check`);
}
