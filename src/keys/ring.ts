// The ring: every key of every organization, opened, behind the Vault port. At start it unwraps what the keyring holds (opened.ts);
// `ready` makes what is missing, durable before it resolves (make.ts); after that all is synchronous, from maps of KeyObjects
// (src/README.md, "Keys"). Logs nothing; its errors name organizations and key ids only. It cannot know a key that another
// process added after it was opened, except by meeting it in `ready`. At a rotation (generations.ts) new keys are made and it
// goes on opening what is boxed by the old ones, in memory also when they are deleted: work in hand may hold such a box.

import { createHmac } from 'node:crypto';
import { keyOfBox, makeBox, openBox } from '../crypto/box.ts';
import { join } from '../crypto/derive.ts';
import { nonces } from '../crypto/nonces.ts';
import type { BoxPlace, FieldsKey, Vault } from '../crypto/vault.ts';
import type { OrganizationName, Time } from '../domain/ids.ts';
import { monthOf } from '../domain/months.ts';
import type { Random } from '../domain/types.ts';
import { Generations } from './generations.ts';
import { KeyMaker } from './make.ts';
import type { MasterKeys } from './master.ts';
import { LASTING, numberOf, OpenedKeys } from './opened.ts';
import type { KeyRow, Keyring } from './port.ts';

export type RingDeps = {
  readonly master: MasterKeys;
  readonly keyring: Keyring;
  readonly random: Random;
  /** Called with all boxed organization keys at opening and whenever one is added, before it is used: a copy outside the
   *  database, for recovery. */
  readonly copy?: (rows: readonly KeyRow[]) => Promise<void>;
};

/** Reads and unwraps all rows. Throws MasterKeyError when the master key file lacks a key that is needed. */
export async function openRing(deps: RingDeps): Promise<Ring> {
  const keys = new OpenedKeys(deps.master);
  const rows = await deps.keyring.all();
  for (const row of rows) if (row.purpose === 'organization') keys.take(row);
  for (const row of rows) if (row.purpose !== 'organization') keys.take(row);
  if (keys.organizationRows.length > 0) await deps.copy?.(keys.organizationRows);
  return new Ring(deps, keys);
}

export class Ring implements Vault {
  readonly #random: Random;
  readonly #keys: OpenedKeys;
  readonly #maker: KeyMaker;
  readonly #nonce: () => Uint8Array;
  /** For a rotation. */
  readonly generations: Generations;

  constructor({ random, keyring, copy = async () => {} }: RingDeps, keys: OpenedKeys) {
    this.#random = random;
    this.#keys = keys;
    this.#nonce = nonces(random, 12);
    this.#maker = new KeyMaker({ keys, keyring, random, nonce: this.#nonce, copy });
    this.generations = new Generations({ keys, maker: this.#maker, vault: this, copy });
  }

  ready(organization: OrganizationName, at: Time): Promise<void> {
    return this.#maker.ready(organization, at);
  }

  rest(keys: readonly FieldsKey[]): (gone: readonly FieldsKey[]) => void {
    return this.#keys.rest(keys);
  }

  // ── boxes ──

  box(place: BoxPlace, plain: Uint8Array, at: Time): Uint8Array {
    return makeBox(this.#keys.fields(place.organization, monthOf(at)), place, plain, this.#nonce());
  }

  keep(place: BoxPlace, plain: Uint8Array): Uint8Array {
    return makeBox(this.#keys.fields(place.organization, LASTING), place, plain, this.#nonce());
  }

  rekeep(place: BoxPlace, box: Uint8Array): Uint8Array | null {
    const key = this.#keys.fields(place.organization, LASTING);
    if (keyOfBox(box) === numberOf(key)) return null;
    const plain = this.open(place, box);
    const made = makeBox(key, place, plain, this.#nonce());
    plain.fill(0);
    return made;
  }

  wrap(place: BoxPlace, plain: Uint8Array): Uint8Array {
    return makeBox(this.#keys.organization(place.organization), place, plain, this.#nonce());
  }

  rewrap(place: BoxPlace, box: Uint8Array): Uint8Array | null {
    const held = this.#keys.of(place.organization);
    const key = held && held.earlier.size > 0 ? held.earlier.get(keyOfBox(box)) : undefined;
    if (!held || !key) return null;
    const plain = openBox(key, place, box);
    const made = makeBox(held.organization!, place, plain, this.#nonce());
    plain.fill(0);
    return made;
  }

  open(place: BoxPlace, box: Uint8Array): Uint8Array {
    return openBox(this.#keys.opening(place.organization, box), place, box);
  }

  // ── tags, codes, digests ──

  tag(organization: OrganizationName, column: string, value: string): Uint8Array {
    const hmac = createHmac('sha256', this.#keys.purpose(organization, 'index'));
    return hmac.update(join(column, value)).digest().subarray(0, 16);
  }

  code(organization: OrganizationName, challenge: Uint8Array, code: string): Uint8Array {
    return createHmac('sha256', this.#keys.purpose(organization, 'code')).update(join(challenge, code)).digest();
  }

  digest(organization: OrganizationName): { update(chunk: Uint8Array): void; end(): Uint8Array } {
    const hmac = createHmac('sha256', this.#keys.purpose(organization, 'digest'));
    return {
      update: (chunk) => {
        hmac.update(chunk);
      },
      end: () => hmac.digest(),
    };
  }

  // ── data keys ──

  newDataKey(organization: OrganizationName, object: string): { readonly key: Uint8Array; readonly box: Uint8Array } {
    const key = this.#random.bytes(32);
    return { key, box: this.wrap(dataKeyPlace(organization, object), key) };
  }

  openDataKey(organization: OrganizationName, object: string, box: Uint8Array): Uint8Array {
    return this.open(dataKeyPlace(organization, object), box);
  }

  rewrapDataKey(organization: OrganizationName, object: string, box: Uint8Array): Uint8Array | null {
    return this.rewrap(dataKeyPlace(organization, object), box);
  }
}

function dataKeyPlace(organization: OrganizationName, object: string): BoxPlace {
  return { organization, table: 'body', row: object, column: 'key' };
}
