// Where the gateway's master key comes from, by its configuration, for commands that work without the gateway. Reads only
// that much of the file: when the key is lost, the rest of it is refused.

import { randomBytes } from 'node:crypto';
import { machineDeps } from '../../config/files.ts';
import { createSecrets } from '../../config/secrets.ts';
import type { MasterSource } from '../../keys/open.ts';
import { CliError } from '../errors.ts';
import { keyPlaces } from '../place.ts';

/** `isFile`: its name is that of a file, whoever may write it. Throws CliError. */
export async function masterOf(options: {
  readonly config?: string;
}): Promise<MasterSource & { readonly isFile: boolean }> {
  const { masterSource } = await import('../../keys/open.ts');
  const { MasterKeyError } = await import('../../keys/master.ts');
  const { master, mode, storage } = keyPlaces(options.config);
  const random = { bytes: (n: number) => randomBytes(n), fraction: Math.random };
  const deps = { secrets: createSecrets(machineDeps()), random, credentials: process.env.CREDENTIALS_DIRECTORY };
  try {
    const source = masterSource({ keys: { ...(master && { master }) }, mode, storage: { path: storage } }, deps);
    return { ...source, isFile: master === undefined || 'file' in master };
  } catch (error) {
    if (error instanceof MasterKeyError) throw new CliError(error.message, error.next);
    throw error;
  }
}
