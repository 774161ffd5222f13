// The keys of the keyring, opened: KeyObjects in memory, found by what they are for, or by the id that a box names. Rows come
// in by `take`, in the order in which they wrap each other; nothing is made here. What the rows say of generations is held here
// too. Logs nothing; its errors name organizations and key ids only.

import { createSecretKey, type KeyObject } from 'node:crypto';
import { type BoxKey, boxKey, keyOfBox, openBox } from '../crypto/box.ts';
import { type BoxPlace, type FieldsKey, VaultError } from '../crypto/vault.ts';
import { GATEWAY, type OrganizationName } from '../domain/ids.ts';
import { MasterKeyError, type MasterKeys } from './master.ts';
import type { KeyRow } from './port.ts';

/** Made for every organization; besides them `fields lasting`, and `fields YYYY-MM` as months come. */
export const PURPOSES = ['index', 'code', 'digest'] as const;
export type Purpose = (typeof PURPOSES)[number];
/** Stands among the months: a key like theirs, in generations like theirs, for what outlives its month. */
export const LASTING = 'lasting';

/** Opened keys of one organization. */
type Held = {
  /** Wraps; the newest generation. */
  organization: BoxKey | undefined;
  generation: number;
  /** Id of the master key that wraps it. */
  wrappedBy: string;
  /** Every key that opens boxes, by its id as a number: generations of the organization key and `fields`. */
  readonly byId: Map<number, BoxKey>;
  /** Earlier generations of the organization key, by id. */
  readonly earlier: Map<number, BoxKey>;
  /** Of each month, and of `lasting`, the key of the newest generation, which boxes. */
  readonly fields: Map<string, { readonly key: BoxKey; readonly generation: number }>;
  readonly purposes: Map<Purpose, KeyObject>;
};

export class OpenedKeys {
  master: MasterKeys;
  readonly #held = new Map<OrganizationName, Held>();
  #organizationRows: KeyRow[] = [];
  /** `organization month` of the keys that make no box for the moment. */
  readonly #resting = new Set<string>();

  constructor(master: MasterKeys) {
    this.master = master;
  }

  // ── rows ──

  /** Opens a row and keeps its key. Throws MasterKeyError. */
  take(row: KeyRow): void {
    const bytes = openRow(this.#wrapping(row), row);
    const key = boxKey(bytes);
    if (hexOf(key) !== row.id) {
      throw new MasterKeyError(`key ${row.id} of ${ownerOf(row)} is not the key it says it is`);
    }
    const held = this.#heldOf(row.organization);
    if (row.purpose === 'organization') {
      this.#organizationRows.push(row);
      held.byId.set(numberOf(key), key);
      const { organization: before } = held;
      const isNewest = row.generation > held.generation;
      const earlier = isNewest ? before : key;
      if (earlier) held.earlier.set(numberOf(earlier), earlier);
      if (isNewest) {
        held.organization = key;
        held.generation = row.generation;
        held.wrappedBy = row.wrappedBy;
      }
    } else if (row.purpose.startsWith('fields ')) {
      held.byId.set(numberOf(key), key);
      const month = row.purpose.slice('fields '.length);
      if (row.generation > (held.fields.get(month)?.generation ?? 0)) {
        held.fields.set(month, { key, generation: row.generation });
      }
    } else {
      held.purposes.set(row.purpose as Purpose, createSecretKey(bytes));
    }
    bytes.fill(0);
  }

  #wrapping(row: KeyRow): BoxKey {
    const what = `key ${row.id} (${row.purpose}) of ${ownerOf(row)}`;
    if (row.purpose === 'organization') {
      const master = this.master.find((key) => hexOf(key) === row.wrappedBy);
      if (master) return master;
      const has = this.master.map(hexOf).join(', ');
      throw new MasterKeyError(
        `${what} is wrapped by master key ${row.wrappedBy}, which the master key file lacks: it holds ${has}`,
        'put the right file in its place, or restore it: sealrelay keys master check --from-paper --write FILE',
      );
    }
    const held = this.of(row.organization)?.byId.get(Number.parseInt(row.wrappedBy, 16));
    if (held) return held;
    throw new MasterKeyError(`${what} is wrapped by key ${row.wrappedBy}, which the keyring lacks`);
  }

  #heldOf(organization: OrganizationName): Held {
    let held = this.#held.get(organization);
    if (!held) {
      const maps = { byId: new Map(), earlier: new Map(), fields: new Map(), purposes: new Map() };
      held = { organization: undefined, generation: 0, wrappedBy: '', ...maps };
      this.#held.set(organization, held);
    }
    return held;
  }

  /** Of organization keys, all generations. */
  get organizationRows(): readonly KeyRow[] {
    return [...this.#organizationRows];
  }

  /** These rows of organization keys are deleted; what they opened stays open, for boxes in hand. */
  forget(rows: readonly KeyRow[]): void {
    const ids = new Set(rows.map((row) => `${row.organization} ${row.id}`));
    this.#organizationRows = this.#organizationRows.filter((row) => !ids.has(`${row.organization} ${row.id}`));
  }

  // ── what is held ──

  organizations(): readonly OrganizationName[] {
    return [...this.#held.keys()];
  }

  /** Whether another master key wraps its key than the first. */
  isBehind(organization: OrganizationName): boolean {
    const held = this.of(organization);
    return held?.organization !== undefined && held.wrappedBy !== hexOf(this.master[0]);
  }

  of(organization: OrganizationName): Readonly<Held> | undefined {
    return this.#held.get(organization);
  }

  // ── keys to use; each throws VaultError where there is none ──

  organization(name: OrganizationName): BoxKey {
    return this.of(name)?.organization ?? lacks(name, 'the organization');
  }

  /** Of a month, or `lasting`. */
  fields(name: OrganizationName, month: string): BoxKey {
    return this.of(name)?.fields.get(month)?.key ?? lacks(name, `fields ${month}`);
  }

  purpose(name: OrganizationName, purpose: Purpose): KeyObject {
    return this.of(name)?.purposes.get(purpose) ?? lacks(name, purpose);
  }

  opening(name: OrganizationName, box: Uint8Array): BoxKey {
    return this.of(name)?.byId.get(keyOfBox(box)) ?? lacks(name, 'this box');
  }

  // ── keys that rest (crypto/vault.ts) ──

  isResting(organization: OrganizationName, month: string): boolean {
    return this.#resting.has(`${organization} ${month}`);
  }

  rest(keys: readonly FieldsKey[]): (gone: readonly FieldsKey[]) => void {
    const put: (() => void)[] = [];
    const names = new Set(keys.map(({ organization, month }) => `${organization} ${month}`));
    for (const { organization, month } of keys) {
      const held = this.of(organization);
      const boxes = held?.fields.get(month);
      if (!held || !boxes) continue;
      held.fields.delete(month);
      put.push(() => {
        if (held.byId.has(numberOf(boxes.key))) held.fields.set(month, boxes);
      });
    }
    for (const name of names) this.#resting.add(name);
    return (gone) => {
      for (const { organization, id } of gone) this.#heldOf(organization).byId.delete(Number.parseInt(id, 16));
      for (const again of put) again();
      for (const name of names) this.#resting.delete(name);
    };
  }
}

/** 8 hex, as in rows. */
export function hexOf(key: BoxKey): string {
  return key.id.toString('hex');
}

/** As `keyOfBox` gives it. */
export function numberOf(key: BoxKey): number {
  return key.id.readUInt32BE();
}

/** Throws VaultError. */
export function lacks(organization: OrganizationName, what: string): never {
  throw new VaultError('no key', `organization ${organization} has no key for ${what}`);
}

/** Where the box of a row stands. */
export function placeOf(row: Pick<KeyRow, 'organization' | 'purpose' | 'generation' | 'id'>): BoxPlace {
  const { organization, purpose, generation, id } = row;
  return { organization, table: 'keyring', row: `${purpose} ${generation} ${id}`, column: 'key' };
}

function openRow(wrapping: BoxKey, row: KeyRow): Buffer {
  try {
    return openBox(wrapping, placeOf(row), row.box);
  } catch {
    const what = `key ${row.id} (${row.purpose}) of ${ownerOf(row)}`;
    throw new MasterKeyError(`${what} does not open: its row was changed or is damaged`);
  }
}

function ownerOf({ organization }: Pick<KeyRow, 'organization'>): string {
  return organization === GATEWAY ? 'the gateway' : `organization ${organization}`;
}
