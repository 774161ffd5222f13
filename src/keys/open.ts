// Where the master key comes from at start: the secret of the configuration, or in evaluation mode a throw-away key that
// is made in the storage folder, so that a restart opens what the last run sealed.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config/schema.ts';
import { DEMO_MARK, type Secrets } from '../config/secrets.ts';
import type { Random } from '../domain/types.ts';
import { createMasterFile, MasterKeyError, type MasterKeys, parseMaster, readMasterFile } from './master.ts';

/** Throws MasterKeyError, in words for the operator. */
export async function openMaster(
  config: Pick<Config, 'keys' | 'mode' | 'storage'>,
  deps: { readonly secrets: Secrets; readonly random: Random; readonly credentials: string | undefined },
): Promise<MasterKeys> {
  const { master } = config.keys;
  if (master === undefined) {
    if (config.mode === 'live') {
      throw new MasterKeyError('keys.master is missing; make a key with: sealrelay keys master create FILE');
    }
    return throwAwayKey(join(config.storage.path, 'evaluation-master.key'), deps.random);
  }
  if ('file' in master) return readMasterFile(master.file, deps.credentials);
  const secret = await deps.secrets.read(master);
  if (!secret.ok) throw new MasterKeyError(`keys.master: ${secret.wrong}`);
  return parseMaster(secret.value, `environment variable ${master.env}`);
}

function throwAwayKey(path: string, random: Random): MasterKeys {
  if (!existsSync(path)) createMasterFile(path, random, `${DEMO_MARK}: made by evaluation mode; live mode refuses it`);
  return readMasterFile(path);
}
