// `sealrelay keys master create` and `paper`: the key with which all begins, and its recovery copy.

import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { CliError, usage } from '../errors.ts';
import { example, withJson } from '../help.ts';
import { plain, print, printJson, say } from '../output.ts';
import { keyPlaces } from '../place.ts';
import { masterOf } from './master-source.ts';

const PAPER = 'a file for the recovery copy, mode 0600, to be printed and removed';

type CreateOptions = {
  readonly config?: string;
  readonly file?: string;
  readonly paper?: string;
  readonly show?: boolean;
  readonly json?: boolean;
};

export function registerCreate(master: Command): void {
  const command = master
    .command('create')
    .description(
      'Makes a master key file, mode 0600; never overwrites one. Prints the id of the key, and its recovery copy when asked.',
    )
    .option(
      '--file <FILE>',
      'where to, outside the data folder and its backups (default: keys.master of the configuration)',
    )
    .option('--config <FILE>', 'the configuration that names the file')
    .option('--show', 'show the recovery copy on the terminal, as text and QR code')
    .option('--paper <FILE>', PAPER)
    .action(create);
  example(
    withJson(command),
    [
      'sealrelay keys master create --file /etc/sealrelay/master.key --show',
      'sealrelay keys master create --file /etc/sealrelay/master.key --paper /root/master.txt',
    ],
    'Next: name it in the configuration, keep the recovery copy in a safe.',
  );
}

async function create(options: CreateOptions): Promise<void> {
  const { createMasterFile } = await import('../../keys/master.ts');
  const wantsPaper = options.show || options.paper !== undefined;
  if (options.show && options.paper !== undefined) throw usage('--show or --paper, not both');
  if (wantsPaper) {
    const { refuseElsewhere } = await import('./paper.ts');
    refuseElsewhere(options.paper, '--paper');
  }
  if (options.file === undefined) await refuseBesideData(options);
  const path = resolve(options.file ?? (await fileOf(options)));
  const id = await inWords('choose a path that does not exist yet', () =>
    createMasterFile(path, { bytes: (n) => randomBytes(n), fraction: Math.random }),
  );
  if (wantsPaper) await paperOf(path, undefined, options.paper);
  if (options.json) return printJson({ id, file: path, paper: options.paper ?? null });
  if (!options.show) await print(id);
  say(`made ${path}: without it nothing can be read again`);
  if (!wantsPaper) say(`no recovery copy yet: sealrelay keys master paper --master ${path}`);
  if (options.paper !== undefined) say(`print ${options.paper}, and remove it`);
  say(`next: keys: { master: { file: ${path} } } in the configuration, then sealrelay config check`);
}

/** A new key in the place of a lost one would only look as if all were well. */
async function refuseBesideData(options: { readonly config?: string }): Promise<void> {
  const { readStoredKeys } = await import('../../store/sqlite/offline.ts');
  const { storage } = keyPlaces(options.config);
  const rows = (await readStoredKeys(storage))?.rows ?? [];
  const needed = [...new Set(rows.filter(({ purpose }) => purpose === 'organization').map((row) => row.wrappedBy))];
  if (needed.length === 0) return;
  throw new CliError(
    `the data in ${storage} needs key ${needed.join(', ')}: a new one opens nothing of it`,
    'restore it: sealrelay keys master check --from-paper --write FILE; for a new key: sealrelay keys master rotate',
  );
}

/** Of the configuration, when that names a file. */
async function fileOf(options: { readonly config?: string }): Promise<string> {
  const source = await masterOf(options);
  if (source.isFile) return source.name;
  throw usage(`the configuration takes the master key from ${source.name}`, 'name a file for it: --file FILE');
}

type PaperOptions = {
  readonly config?: string;
  readonly master?: string;
  readonly key?: string;
  readonly to?: string;
  readonly json?: boolean;
};

export function registerPaper(master: Command): void {
  const command = master
    .command('paper')
    .description(
      'Shows the recovery copy of the master key on the terminal, as text and QR code, or writes it to a file.',
    )
    .option('--to <FILE>', PAPER)
    .option('--key <ID>', 'that key of the file (default: the first, which wraps)')
    .option('--master <FILE>', 'the key file, where that of the configuration is there only for the service')
    .option('--config <FILE>', 'the configuration that names the file')
    .action(async (options: PaperOptions) => {
      const { refuseElsewhere } = await import('./paper.ts');
      if (options.json && options.to === undefined) throw usage('--json tells of a file only', 'name one: --to FILE');
      refuseElsewhere(options.to, '--to');
      const path = resolve(options.master ?? (await fileOf(options)));
      const id = await paperOf(path, options.key, options.to);
      if (options.json) return printJson({ id, file: resolve(options.to as string) });
      if (options.to !== undefined) say(`key ${id}: print ${plain(options.to)}, and remove it`);
      say('next: try it: sealrelay keys master check --from-paper');
    });
  example(
    withJson(command),
    ['sealrelay keys master paper', 'sealrelay keys master paper --to /root/master.txt'],
    'Keep it in a safe, apart from the backups. After a rotation make a new one.',
  );
}

/** Shows or writes the copy of one key of the file, and gives its id. */
async function paperOf(path: string, wanted: string | undefined, to: string | undefined): Promise<string> {
  const { readMasterFile } = await import('../../keys/master.ts');
  const { showPaper } = await import('./paper.ts');
  const keys = await inWords('sealrelay keys master check', () =>
    readMasterFile(path, process.env.CREDENTIALS_DIRECTORY),
  );
  const key = wanted === undefined ? keys[0] : keys.find(({ id }) => id.toString('hex') === wanted.toLowerCase());
  if (key === undefined) throw usage(`--key: ${plain(path)} has no such key`, 'sealrelay keys master check lists them');
  showPaper(key.secret.export(), to === undefined ? undefined : resolve(to));
  return key.id.toString('hex');
}

/** What goes wrong with key files is told in their words; `next`: where these know nothing better to do. */
export async function inWords<T>(next: string, work: () => T | Promise<T>): Promise<T> {
  const { MasterKeyError, NEXT } = await import('../../keys/master.ts');
  try {
    return await work();
  } catch (error) {
    if (error instanceof MasterKeyError) throw new CliError(error.message, error.next === NEXT ? next : error.next);
    throw error;
  }
}
