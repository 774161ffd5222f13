// `sealrelay keys master check`: whether the key that is there, or the one on paper, is the one that the data needs.

import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { MasterCheck } from '../../keys/check.ts';
import type { MasterKeys } from '../../keys/master.ts';
import type { KeyRow, RotationMark } from '../../keys/port.ts';
import { CliError, EXIT, usage } from '../errors.ts';
import { example, withJson } from '../help.ts';
import { fileOctets } from '../input.ts';
import { mark, plain, print, printJson, say } from '../output.ts';
import { storageFolder } from '../place.ts';
import { inWords } from './master-create.ts';
import { masterOf } from './master-source.ts';

type Options = {
  readonly config?: string;
  readonly master?: string;
  readonly fromPaper?: boolean;
  readonly write?: string;
  readonly json?: boolean;
};
type Stored = { readonly rows: readonly KeyRow[]; readonly rotation: RotationMark | null };

const random = { bytes: (n: number) => randomBytes(n), fraction: Math.random };
const MOST = 65_536;

export function registerCheck(master: Command): void {
  const command = master
    .command('check')
    .description(
      'Is the master key there, may only its owner read it, and does it open every key of the data? Changes nothing, and needs no running gateway.',
    )
    .option('--from-paper', 'check the recovery copy, typed or scanned, that comes by stdin, instead of the file')
    .option('--write <FILE>', 'with --from-paper: restore the key file, mode 0600; never overwrites one')
    .option('--master <FILE>', 'the key file, where that of the configuration is there only for the service')
    .option('--config <FILE>', 'configuration of the gateway (default: SEALRELAY_CONFIG, else config/gateway.yaml)')
    .action(check);
  example(
    withJson(command),
    [
      'sealrelay keys master check',
      'sealrelay keys master check --from-paper',
      'sealrelay keys master check --from-paper --write /etc/sealrelay/master.key < scanned.txt',
    ],
    'Exit code 1: a key is missing, wrong, or mistyped; 3: all opens, and something is to be done.',
  );
}

async function check(options: Options): Promise<void> {
  if (options.write !== undefined && !options.fromPaper) throw usage('--write goes with --from-paper');
  if (options.master !== undefined && options.fromPaper) throw usage('--master or --from-paper, not both');
  if (options.fromPaper) return fromPaper(options);
  const { readMasterFile } = await import('../../keys/master.ts');
  const { master: file } = options;
  const source =
    file === undefined
      ? await masterOf(options)
      : { name: resolve(file), read: async () => readMasterFile(resolve(file), process.env.CREDENTIALS_DIRECTORY) };
  const next = 'put the right file in its place, or restore it: sealrelay keys master check --from-paper --write FILE';
  await refuseNewKey(source);
  const keys = await inWords(next, () => source.read());
  await tell(source.name, keys, await storedKeys(options), options);
}

/** Evaluation mode would make a new one, and then it would be there. */
async function refuseNewKey({ name, isFile }: { readonly name: string; readonly isFile?: boolean }): Promise<void> {
  const { existsSync } = await import('node:fs');
  if (isFile && !existsSync(name)) {
    throw new CliError(
      `there is no master key file ${name}`,
      'sealrelay keys master create for a new gateway; else sealrelay keys master check --from-paper --write FILE',
    );
  }
}

// ── what the data needs ──

/** Null when there is no database. */
async function storedKeys(options: Options): Promise<Stored | null> {
  const { readStoredKeys } = await import('../../store/sqlite/offline.ts');
  return readStoredKeys(storageFolder(options.config));
}

async function tell(name: string, keys: MasterKeys, stored: Stored | null, options: Options): Promise<void> {
  const { checkMaster } = await import('../../keys/check.ts');
  const ids = keys.map((key) => key.id.toString('hex'));
  const found = stored === null ? null : await checkMaster(keys, stored.rows, random);
  const rotation = stored?.rotation ?? null;
  if (found?.wrong) process.exitCode = EXIT.failed;
  else if ((found?.idle.length ?? 0) > 0 || rotation !== null) process.exitCode = EXIT.warnings;
  if (options.json) return printJson({ from: name, ids, ...found, rotation });
  await print(
    `${mark('ok')} ${plain(name)}: ${ids.length === 1 ? `key ${ids[0]}` : `keys ${ids.join(', ')}; the first wraps`}`,
  );
  await tellFound(found, ids, options);
  if (rotation !== null) {
    await print(`${mark('warning')} a rotation from ${rotation.from.join(', ')} to ${rotation.to} is under way`);
    say('next: a running gateway goes on with it; sealrelay keys master rotate joins it');
  }
}

async function tellFound(found: MasterCheck | null, ids: readonly string[], options: Options): Promise<void> {
  if (found === null || found.needed.length === 0) {
    return print(`  there is no data yet in ${plain(storageFolder(options.config))}: nothing to compare it with`);
  }
  if (found.wrong !== null) {
    await print(`${mark('problem')} ${plain(found.wrong)}`);
    say(`next: the data needs ${found.needed.join(', ')}: look for that file, or for its recovery copy`);
    return;
  }
  await print(
    `${mark('ok')} opens all ${found.keys} keys of ${found.organizations} ${found.organizations === 1 ? 'organization' : 'organizations'}`,
  );
  for (const id of found.idle) {
    const what =
      id === ids[0]
        ? 'is in front and wraps nothing yet: the gateway rotates to it when it starts'
        : `wraps nothing here any more: unless an old backup needs it, take its line away: sed -i '/^srk1 ${id} /d' FILE`;
    await print(`${mark('warning')} key ${id} ${what}`);
  }
}

// ── from paper ──

async function fromPaper(options: Options): Promise<void> {
  const { readPaper } = await import('../../keys/paper.ts');
  const { boxKey } = await import('../../crypto/box.ts');
  const { writeMasterFile } = await import('../../keys/master.ts');
  if (process.stdin.isTTY) say('type the line "key …" and the four lines, then Ctrl-D:');
  const text = await fileOctets('-', '--from-paper', MOST);
  const read = readPaper(text);
  text.fill(0);
  if (!read.ok) {
    process.exitCode = EXIT.failed;
    if (options.json) return printJson({ from: 'paper', wrong: read.wrong });
    for (const one of read.wrong) await print(`${mark('problem')} ${one}`);
    const none = read.wrong.filter((one) => one.endsWith('is missing')).length === 4;
    say(
      none
        ? 'next: give each line with its number in front, such as "1 ABCD EFGH JKMN PQRS", or what the QR code says'
        : 'next: correct these lines, and give all of it again',
    );
    return;
  }
  try {
    const key = boxKey(read.secret);
    await tell('the recovery copy', [key], await storedKeys(options), options);
    if (options.write === undefined) return;
    if (process.exitCode === EXIT.failed) throw new CliError('not written: it is not the key that the data needs');
    const path = resolve(options.write);
    await inWords('name a path that does not exist yet', () => writeMasterFile(path, read.secret));
    say(`made ${path} with key ${read.id}; next: give it to the user of the gateway (chown), and start it`);
  } finally {
    read.secret.fill(0);
  }
}
