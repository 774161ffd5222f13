// `sealrelay log verify` on the data folder itself.

import type { Verification } from '../store/audit/port.ts';
import { verifyStored } from '../store/sqlite/offline.ts';
import { CliError } from './errors.ts';
import { storageFolder } from './place.ts';

export async function verifyFolder(
  options: { readonly config?: string },
  progress: (checked: number, total: number) => void,
): Promise<Verification> {
  const folder = storageFolder(options.config);
  try {
    return await verifyStored(folder, progress);
  } catch (error) {
    throw new CliError(
      error instanceof Error ? error.message : String(error),
      'name the gateway with --config FILE; its data folder must be readable for you',
    );
  }
}
