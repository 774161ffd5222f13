// A real ring over a keyring in memory, with the organizations `clinic` and `practice` ready.

import { randomBytes } from 'node:crypto';
import { boxKey } from '../../src/crypto/box.ts';
import type { Random } from '../../src/domain/types.ts';
import type { KeyRow, Keyring } from '../../src/keys/port.ts';
import { openRing, type Ring } from '../../src/keys/ring.ts';

export const random: Random = { bytes: (n) => randomBytes(n), fraction: Math.random };
export const NOON = Date.UTC(2026, 4, 1, 12);

export function memoryKeyring(rows: KeyRow[] = []): Keyring {
  return {
    all: async () => rows,
    add: async (row) => {
      rows.push(row);
      return row;
    },
  };
}

export async function readyVault(): Promise<Ring> {
  const ring = await openRing({ master: [boxKey(randomBytes(32))], keyring: memoryKeyring(), random });
  for (const organization of ['clinic', 'practice']) await ring.ready(organization, NOON);
  return ring;
}
