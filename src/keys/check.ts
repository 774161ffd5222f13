// Whether the master keys that are there are those that the data needs. Opens every key of the keyring once, and keeps
// none.

import type { Random } from '../domain/types.ts';
import { MasterKeyError, type MasterKeys } from './master.ts';
import type { KeyRow } from './port.ts';
import { openRing } from './ring.ts';

export type MasterCheck = {
  /** Ids of master keys that wrap organization keys. */
  readonly needed: readonly string[];
  /** Of these, the ones that are not there; and the ones that are there and wrap nothing. */
  readonly missing: readonly string[];
  readonly idle: readonly string[];
  readonly organizations: number;
  /** Keys that opened, when all did. */
  readonly keys: number;
  /** Why one does not open, in words; null when all do. */
  readonly wrong: string | null;
};

export async function checkMaster(master: MasterKeys, rows: readonly KeyRow[], random: Random): Promise<MasterCheck> {
  const ids = master.map((key) => key.id.toString('hex'));
  const organizations = rows.filter(({ purpose }) => purpose === 'organization');
  const needed = [...new Set(organizations.map(({ wrappedBy }) => wrappedBy))];
  const wrong = await whyNot(master, rows, random);
  return {
    needed,
    missing: needed.filter((id) => !ids.includes(id)),
    idle: ids.filter((id) => !needed.includes(id)),
    organizations: new Set(organizations.map(({ organization }) => organization)).size,
    keys: wrong === null ? rows.length : 0,
    wrong,
  };
}

async function whyNot(master: MasterKeys, rows: readonly KeyRow[], random: Random): Promise<string | null> {
  const refuse = () => Promise.reject(new Error('nothing is made here'));
  try {
    await openRing({ master, keyring: { all: async () => rows, add: refuse }, random });
    return null;
  } catch (error) {
    if (error instanceof MasterKeyError) return error.message;
    throw error;
  }
}
