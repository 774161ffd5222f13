// `sealrelay keys master`: the key that wraps all others: made, changed, looked after, and kept on paper.

import type { Command } from 'commander';
import { example } from '../help.ts';
import { registerCheck } from './master-check.ts';
import { registerCreate, registerPaper } from './master-create.ts';
import { registerRotate } from './master-rotate.ts';

export function registerMaster(keys: Command): void {
  const master = keys.command('master').description('The master key, which wraps all others.');
  example(
    master,
    ['sealrelay keys master create --file /etc/sealrelay/master.key', 'sealrelay keys master check'],
    'It is kept outside the data folder and in no backup: without it nothing can be read again.',
  );
  registerCreate(master);
  registerCheck(master);
  registerRotate(master);
  registerPaper(master);
}
