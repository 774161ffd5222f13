// `sealrelay keys`: keys of correspondents and of organizations (keys/), and the master key, made once and kept outside the
// data folder and its backups.

import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { CliError } from './errors.ts';
import { example, withJson } from './help.ts';
import { registerBook } from './keys/book.ts';
import { registerImport } from './keys/import.ts';
import { print, printJson, say } from './output.ts';

export function register(program: Command): void {
  const keys = program
    .command('keys')
    .description('Keys of correspondents and organizations, and of the gateway itself.');
  example(
    keys,
    ['sealrelay keys import carol.asc --pin', 'sealrelay keys check'],
    'Every change stands in the audit. Private keys go in and never come out.',
  );
  registerImport(keys);
  registerBook(keys);
  registerMaster(keys);
}

function registerMaster(keys: Command): void {
  const master = keys.command('master').description('The master key, which wraps all others.');
  example(master, ['sealrelay keys master create /etc/sealrelay/master.key']);
  const create = master
    .command('create')
    .description('Makes a master key file, mode 0600; never overwrites one. Prints the id of the key.')
    .argument('<file>', 'where to, outside the data folder and its backups')
    .action(async (file: string, options: { json?: boolean }) => {
      const { createMasterFile, MasterKeyError } = await import('../keys/master.ts');
      const path = resolve(file);
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
    });
  example(
    withJson(create),
    ['sealrelay keys master create /etc/sealrelay/master.key'],
    'Next: name it in the configuration, keep a copy apart.',
  );
}
