// Boxed keys as rows on SQLite. Boxes go in and out; nothing here opens one.

import type { KeyRow, Keyring } from '../../keys/port.ts';
import { verbId } from '../queue/port.ts';
import type { Access } from '../sqlite/access.ts';
import type { StoredKey } from '../sqlite/calls/keys.ts';
import { toOctets } from '../sqlite/calls/octets.ts';

export function rowOf(stored: StoredKey): KeyRow {
  return {
    organization: stored.organization,
    purpose: stored.purpose,
    generation: stored.generation,
    id: stored.id,
    wrappedBy: stored.wrapped_by,
    box: Buffer.from(stored.box),
    createdAt: stored.created_at,
  };
}

export function openKeyring(access: Access): Keyring {
  return {
    all: async () => (await access.read<StoredKey[]>('keys', null)).map(rowOf),
    add: async ({ organization, purpose, generation, id, wrappedBy, box, createdAt }) => {
      const verb = verbId(access);
      const call = [organization, purpose, generation, id, wrappedBy, toOctets(box), createdAt] as const;
      return rowOf(await access.write('addKey', verb, call));
    },
  };
}
