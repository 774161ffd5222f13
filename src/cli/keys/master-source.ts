// Where the gateway's master key comes from, by its configuration, for commands that work without the gateway.

import { randomBytes } from 'node:crypto';
import { CliError } from '../errors.ts';
import { configFile } from '../place.ts';

/** Throws CliError. */
export async function masterOf({ config: given }: { readonly config?: string }) {
  const { loadConfig } = await import('../../config/load.ts');
  const { machineDeps } = await import('../../config/files.ts');
  const { createSecrets } = await import('../../config/secrets.ts');
  const { problemText } = await import('../../config/problem.ts');
  const { masterSource } = await import('../../keys/open.ts');
  const { MasterKeyError } = await import('../../keys/master.ts');
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
  try {
    const source = masterSource(config, { secrets, random, credentials });
    const isFile = config.keys.master === undefined || 'file' in config.keys.master;
    return { ...source, isFile, storage: config.storage.path };
  } catch (error) {
    if (error instanceof MasterKeyError) throw new CliError(error.message);
    throw error;
  }
}
