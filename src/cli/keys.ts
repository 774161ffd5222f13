// `sealrelay keys`: keys of correspondents and of organizations, and the master key, which is kept outside the data folder
// and its backups. All in keys/.

import type { Command } from 'commander';
import { example } from './help.ts';
import { registerBook } from './keys/book.ts';
import { registerImport } from './keys/import.ts';
import { registerMaster } from './keys/master.ts';

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
