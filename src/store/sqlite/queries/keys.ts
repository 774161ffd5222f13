// Reading keys of correspondents and of organizations, by their clear columns and tags; a private one only by its id.

import type Database from 'better-sqlite3';
import type { AddressKeyRow } from '../calls/keys.ts';

/** Conditions that must all hold, of tags any. In the order in which keys were added, behind the one with id `after`. */
export type AddressKeysCall = {
  readonly organization?: string;
  readonly tags?: readonly Uint8Array[];
  readonly kind?: string;
  readonly own?: boolean;
  readonly after?: string;
  readonly limit: number;
};

export function keyQueries(db: Database.Database) {
  const byId = db.prepare<[string], AddressKeyRow>('SELECT id, organization, box FROM address_key WHERE id = ?');
  const secret = db.prepare<[string], Uint8Array | null>('SELECT private FROM address_key WHERE id = ?').pluck();
  const organizations = db.prepare<[], string>('SELECT DISTINCT organization FROM address_key').pluck();

  function addressKeys(call: AddressKeysCall): AddressKeyRow[] {
    const { sql, values } = conditions(call);
    return db
      .prepare<unknown[], AddressKeyRow>(`SELECT id, organization, box FROM address_key ${sql} ORDER BY n LIMIT ?`)
      .all(...values, call.limit);
  }

  return {
    addressKeys,
    addressKey: ([id]: readonly [string]) => byId.get(id) ?? null,
    privateKey: ([id]: readonly [string]) => secret.get(id) ?? null,
    keyOrganizations: () => organizations.all(),
  };
}

function conditions(call: AddressKeysCall): { sql: string; values: unknown[] } {
  const parts: string[] = [];
  const values: unknown[] = [];
  const add = (sql: string, ...more: unknown[]) => {
    parts.push(sql);
    values.push(...more);
  };
  if (call.tags) add(`tag IN (${call.tags.map(() => '?').join(', ')})`, ...call.tags);
  if (call.organization !== undefined) add('organization = ?', call.organization);
  if (call.kind !== undefined) add('kind = ?', call.kind);
  if (call.own !== undefined) add('own = ?', call.own ? 1 : 0);
  if (call.after !== undefined) add('n > (SELECT n FROM address_key WHERE id = ?)', call.after);
  return { sql: parts.length > 0 ? `WHERE ${parts.join(' AND ')}` : '', values };
}
