// The ring as a rotation sees it (rotate.ts): which master key wraps, which organizations stand under another, new
// generations of their keys, and the boxes of before made anew. Logs nothing.

import { keyOfBox } from '../crypto/box.ts';
import { type Vault, VaultError } from '../crypto/vault.ts';
import type { OrganizationName, Time } from '../domain/ids.ts';
import type { KeyMaker } from './make.ts';
import { MasterKeyError, type MasterKeys } from './master.ts';
import { hexOf, type OpenedKeys, placeOf } from './opened.ts';
import type { KeyRow } from './port.ts';

export type GenerationsDeps = {
  readonly keys: OpenedKeys;
  readonly maker: KeyMaker;
  readonly vault: Pick<Vault, 'rewrap' | 'rewrapDataKey'>;
  /** Called with all boxed organization keys that are left when some are deleted. */
  readonly copy: (rows: readonly KeyRow[]) => Promise<void>;
};

export class Generations {
  readonly #deps: GenerationsDeps;

  constructor(deps: GenerationsDeps) {
    this.#deps = deps;
  }

  organizations(): readonly OrganizationName[] {
    return this.#deps.keys.organizations();
  }

  /** Ids of the master keys, the wrapping one first. */
  get masterIds(): readonly string[] {
    return this.#deps.keys.master.map(hexOf);
  }

  /** Ids of the master keys that wrap organization keys. */
  wrappers(): readonly string[] {
    return [...new Set(this.#deps.keys.organizationRows.map((row) => row.wrappedBy))];
  }

  /** From now on the first of these wraps. Throws MasterKeyError when one that wraps a key is not among them. */
  useMaster(master: MasterKeys): void {
    const ids = master.map(hexOf);
    const lacking = this.wrappers().find((id) => !ids.includes(id));
    if (lacking) throw new MasterKeyError(`the master key file lacks key ${lacking}, which is still needed`);
    this.#deps.keys.master = master;
  }

  /** Organizations whose keys another master key wraps than the first. */
  behind(): readonly OrganizationName[] {
    const { keys } = this.#deps;
    return keys.organizations().filter((organization) => keys.isBehind(organization));
  }

  /** A new generation of the organization's key where it is behind, of the month's `fields` key and of `fields lasting`; what
   *  stands may be repeated. */
  renew(organization: OrganizationName, at: Time): Promise<void> {
    return this.#deps.maker.renew(organization, at);
  }

  /** Rows of organization keys that are not the newest generation. */
  earlierRows(): readonly KeyRow[] {
    const { keys } = this.#deps;
    return keys.organizationRows.filter((row) => row.generation < keys.of(row.organization)!.generation);
  }

  /** The row of a purpose key under the present organization key; null when it stands under it already. */
  rewrapRow(row: KeyRow): KeyRow | null {
    const { keys, vault } = this.#deps;
    const box = vault.rewrap(placeOf(row), row.box);
    return box && { ...row, box, wrappedBy: hexOf(keys.organization(row.organization)) };
  }

  /** As `rewrapDataKey`, of an object whose organization is not known; null also when none of ours opens it. */
  rewrapObject(object: string, box: Uint8Array): Uint8Array | null {
    const { keys, vault } = this.#deps;
    const id = keyOfBox(box);
    for (const organization of keys.organizations()) {
      if (!keys.of(organization)!.earlier.has(id)) continue;
      try {
        return vault.rewrapDataKey(organization, object, box);
      } catch (error) {
        if (!(error instanceof VaultError)) throw error;
      }
    }
    return null;
  }

  /** These rows are deleted: the copy goes on without them. */
  async drop(rows: readonly KeyRow[]): Promise<void> {
    const { keys, copy } = this.#deps;
    keys.forget(rows);
    await copy(keys.organizationRows);
  }
}
