// Whether lines can be added to a file, for `doctor`.

import { constants, promises } from 'node:fs';
import { dirname } from 'node:path';
import { DeadlineError, within } from '../net/deadline.ts';

/** It may be on another machine's disk, which does not answer. */
const ANSWERS = 5_000;

/** Who asks meanwhile waits for the same look: each that hangs holds one of the few threads by which this process reads files. */
const underWay = new Map<string, Promise<void>>();

/** Why a line could not be added to that file now, as a code or in words; null when it could. Makes no file. */
export async function appendFault(path: string): Promise<string | null> {
  const looking = underWay.get(path) ?? look(path).finally(() => underWay.delete(path));
  underWay.set(path, looking);
  try {
    await within(ANSWERS, 'file', () => looking);
    return null;
  } catch (error) {
    if (error instanceof DeadlineError) return 'it does not answer';
    return (error as { code?: string }).code ?? 'unknown';
  }
}

async function look(path: string): Promise<void> {
  const { O_APPEND, O_WRONLY, W_OK, X_OK } = constants;
  try {
    await (await promises.open(path, O_WRONLY | O_APPEND)).close();
  } catch (error) {
    if ((error as { code?: string }).code !== 'ENOENT') throw error;
    await promises.access(dirname(path), W_OK | X_OK);
  }
}
