// `sealrelay log verify` and `log key` on the data folder itself.

import { readStored, type StoredProof } from '../../store/sqlite/offline.ts';
import { CliError } from '../errors.ts';
import { storageFolder } from '../place.ts';

/** Hands over the audit of the folder that the configuration names. */
export async function readFolder<T>(
  options: { readonly config?: string },
  work: (audit: StoredProof) => Promise<T>,
): Promise<T> {
  const folder = storageFolder(options.config);
  try {
    return await readStored(folder, work);
  } catch (error) {
    throw new CliError(
      error instanceof Error ? error.message : String(error),
      'name the gateway with --config FILE; its data folder must be readable for you',
    );
  }
}
