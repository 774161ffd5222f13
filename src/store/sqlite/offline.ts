// What a data folder tells without its gateway, or beside one that runs: its audit, to be verified, and its boxed keys. Reads
// only.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { KeyRow, RotationMark } from '../../keys/port.ts';
import type { Audit, Verification } from '../audit/port.ts';
import { proofOf } from '../audit/sqlite.ts';
import { rowOf } from '../keyring/sqlite.ts';
import type { StoredKey } from './calls/keys.ts';
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

/** The boxed keys of that folder, and the rotation that is under way. Null when there is no queue. Reads only. */
export async function readStoredKeys(
  path: string,
): Promise<{ readonly rows: readonly KeyRow[]; readonly rotation: RotationMark | null } | null> {
  const database = join(path, 'queue.db');
  if (!existsSync(database)) return null;
  const reader = await startThread(new URL('./reader.ts', import.meta.url), { path: database }, () => {});
  try {
    const rows: readonly StoredKey[] = await reader.call('keys', '', 0, null);
    const mark: string | null = await reader.call('rotation', '', 0, null);
    return { rows: rows.map(rowOf), rotation: mark === null ? null : (JSON.parse(mark) as RotationMark) };
  } finally {
    await reader.close();
  }
}
