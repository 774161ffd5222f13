// Whether lines can be added to a file, for `doctor`.

import { constants, promises } from 'node:fs';
import { dirname } from 'node:path';
import { DeadlineError, within } from '../net/deadline.ts';

/** It may be on another machine's disk, which does not answer. */
const ANSWERS = 5_000;

/** Why a line could not be added to that file now, as a code or in words; null when it could. Makes no file. */
export async function appendFault(path: string): Promise<string | null> {
  const { O_APPEND, O_WRONLY, W_OK, X_OK } = constants;
  try {
    await within(ANSWERS, 'file', async () => {
      try {
        await (await promises.open(path, O_WRONLY | O_APPEND)).close();
      } catch (error) {
        if ((error as { code?: string }).code !== 'ENOENT') throw error;
        await promises.access(dirname(path), W_OK | X_OK);
      }
    });
    return null;
  } catch (error) {
    if (error instanceof DeadlineError) return 'it does not answer';
    return (error as { code?: string }).code ?? 'unknown';
  }
}
