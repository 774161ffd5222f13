// What a command needs that works on a storage folder without a running gateway: the configuration and the master key.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ask, type DaemonOptions, isNotRunning } from '../client.ts';
import { CliError } from '../errors.ts';
import { configFile } from '../place.ts';

export type OfflineOptions = DaemonOptions & { readonly master?: string };

/** Throws CliError when the gateway of the configuration answers. */
export async function refuseBesideGateway(options: DaemonOptions): Promise<void> {
  try {
    await ask(options, 'read', 'status', {});
  } catch (error) {
    if (isNotRunning(error)) return;
  }
  throw new CliError('a gateway is running on this folder', 'stop it first: systemctl stop sealrelay');
}

/** Storage folder, node, master key, clock and chance. Throws CliError, MasterKeyError. */
export async function offlineDeps({ config: given, master: file }: OfflineOptions) {
  const { loadConfig } = await import('../../config/load.ts');
  const { machineDeps } = await import('../../config/files.ts');
  const { createSecrets } = await import('../../config/secrets.ts');
  const { problemText } = await import('../../config/problem.ts');
  const { openMaster } = await import('../../keys/open.ts');
  const { readMasterFile } = await import('../../keys/master.ts');
  const { randomBytes } = await import('node:crypto');
  const machine = machineDeps();
  const secrets = createSecrets(machine);
  const path = configFile(given);
  const loaded = await loadConfig(path, { ...machine, secrets });
  if ('problems' in loaded) {
    const [first] = loaded.problems;
    throw new CliError(first ? problemText(first) : `${path} is refused`, `sealrelay config check --config ${path}`);
  }
  const { config } = loaded;
  const random = { bytes: (n: number) => randomBytes(n), fraction: Math.random };
  const credentials = process.env.CREDENTIALS_DIRECTORY;
  if (file === undefined && config.keys.master === undefined) refuseNewMaster(config.storage.path);
  return {
    path: config.storage.path,
    fourEyes: config.four_eyes,
    node: config.node,
    master: file !== undefined ? readMasterFile(file) : await openMaster(config, { secrets, random, credentials }),
    clock: { now: Date.now, sleep: () => Promise.resolve() },
    random,
  };
}

/** Evaluation mode would make a new key, which opens nothing. */
function refuseNewMaster(storage: string): void {
  const file = join(storage, 'evaluation-master.key');
  if (!existsSync(file)) throw new CliError(`the master key (${file}) is lost: nothing opens without it`);
}

/** An error of the store in words, with what to do next. */
export async function withNext<T>(working: Promise<T>): Promise<T> {
  try {
    return await working;
  } catch (error) {
    const { message, next } = error as Error & { next?: string };
    throw next === undefined ? error : new CliError(message, next);
  }
}

export const count = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`;
