// Where the master key comes from at start: the secret of the configuration, or in evaluation mode a throw-away key that
// is made in the storage folder, so that a restart opens what the last run sealed.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config/schema.ts';
import { DEMO_MARK, type Secrets } from '../config/secrets.ts';
import type { Random } from '../domain/types.ts';
import { createMasterFile, MasterKeyError, type MasterKeys, parseMaster, readMasterFile } from './master.ts';

type Deps = { readonly secrets: Secrets; readonly random: Random; readonly credentials: string | undefined };

/** Where the keys are read, and whether a rotation can write there. */
export type MasterSource = {
  /** As messages call it. */
  readonly name: string;
  /** The file that can be changed; null for a credential or a variable, which somebody else provides. */
  readonly file: string | null;
  /** Throws MasterKeyError, in words for the operator. */
  read(): Promise<MasterKeys>;
};

/** Throws MasterKeyError when live mode has none. */
export function masterSource(config: Pick<Config, 'keys' | 'mode' | 'storage'>, deps: Deps): MasterSource {
  const { master } = config.keys;
  if (master === undefined) {
    if (config.mode === 'live') {
      throw new MasterKeyError('keys.master is missing; make a key with: sealrelay keys master create --file FILE');
    }
    const path = join(config.storage.path, 'evaluation-master.key');
    return { name: path, file: path, read: async () => throwAwayKey(path, deps.random) };
  }
  if ('file' in master) {
    const { file } = master;
    const { credentials } = deps;
    const isCredential = credentials !== undefined && file.startsWith(`${credentials}/`);
    return { name: file, file: isCredential ? null : file, read: async () => readMasterFile(file, credentials) };
  }
  const name = `environment variable ${master.env}`;
  const read = async () => {
    const secret = await deps.secrets.read(master);
    if (!secret.ok) throw new MasterKeyError(`keys.master: ${secret.wrong}`);
    return parseMaster(secret.value, name);
  };
  return { name, file: null, read };
}

/** Throws MasterKeyError, in words for the operator. */
export async function openMaster(config: Pick<Config, 'keys' | 'mode' | 'storage'>, deps: Deps): Promise<MasterKeys> {
  return masterSource(config, deps).read();
}

function throwAwayKey(path: string, random: Random): MasterKeys {
  if (!existsSync(path)) createMasterFile(path, random, `${DEMO_MARK}: made by evaluation mode; live mode refuses it`);
  return readMasterFile(path);
}
