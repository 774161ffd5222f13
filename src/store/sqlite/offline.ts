// Verifies the audit chain of a data folder whose gateway does not run, or beside one that does: reads only.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Audit, Verification } from '../audit/port.ts';
import { proofOf } from '../audit/sqlite.ts';
import { startThread } from './thread.ts';

export type StoredProof = Pick<Audit, 'verify' | 'checkAnchors' | 'firstKeys'>;

/** Hands the audit of that folder to `work`. Rejects with plain words when the folder holds no queue, or cannot be read. */
export async function readStored<T>(path: string, work: (audit: StoredProof) => Promise<T>): Promise<T> {
  const database = join(path, 'queue.db');
  if (!existsSync(database)) throw new Error(`there is no queue.db in ${path}`);
  const reader = await startThread(new URL('./reader.ts', import.meta.url), { path: database }, () => {});
  try {
    return await work(proofOf({ read: (query, args) => reader.call(query, '', 0, args) }));
  } finally {
    await reader.close();
  }
}

export function verifyStored(path: string, progress: Parameters<Audit['verify']>[0]): Promise<Verification> {
  return readStored(path, (audit) => audit.verify(progress));
}
