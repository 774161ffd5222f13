// The ring: every key of every organization, opened, behind the Vault port. At start it unwraps what the keyring holds;
// `ready` makes what is missing, durable before it resolves; after that all is synchronous, from maps of KeyObjects
// (src/README.md, "Keys"). Logs nothing; its errors name organizations and key ids only. It cannot rotate keys yet, and it
// cannot know a key that another process added after it was opened, except by meeting it in `ready`.

import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { type BoxKey, boxKey, keyOfBox, makeBox, openBox } from '../crypto/box.ts';
import { join } from '../crypto/derive.ts';
import { nonces } from '../crypto/nonces.ts';
import { type BoxPlace, type Vault, VaultError } from '../crypto/vault.ts';
import type { OrganizationName, Time } from '../domain/ids.ts';
import type { Random } from '../domain/types.ts';
import { MasterKeyError, type MasterKeys } from './master.ts';
import type { KeyRow, Keyring } from './port.ts';

export type RingDeps = {
  readonly master: MasterKeys;
  readonly keyring: Keyring;
  readonly random: Random;
  /** Called with all boxed organization keys at opening and whenever one is added, before it is used: a copy outside the
   *  database, for recovery. */
  readonly copy?: (rows: readonly KeyRow[]) => Promise<void>;
};

/** Made for every organization; besides them `fields YYYY-MM` as months come. */
const PURPOSES = ['index', 'code', 'digest'] as const;
type Purpose = (typeof PURPOSES)[number];

/** Opened keys of one organization. */
type Held = {
  /** Wraps; the newest generation. */
  organization: BoxKey | undefined;
  generation: number;
  /** Every key that opens boxes, by its id as a number: generations of the organization key and `fields`. */
  readonly byId: Map<number, BoxKey>;
  readonly fields: Map<string, BoxKey>;
  readonly purposes: Map<Purpose, KeyObject>;
};

const DONE = Promise.resolve();

/** `YYYY-MM` in UTC. */
export function monthOf(at: Time): string {
  return new Date(at).toISOString().slice(0, 7);
}

/** Reads and unwraps all rows. Throws MasterKeyError when the master key file lacks a key that is needed. */
export async function openRing(deps: RingDeps): Promise<Ring> {
  const ring = new Ring(deps);
  const rows = await deps.keyring.all();
  for (const row of rows) if (row.purpose === 'organization') ring.take(row);
  for (const row of rows) if (row.purpose !== 'organization') ring.take(row);
  if (ring.exportRows().length > 0) await deps.copy?.(ring.exportRows());
  return ring;
}

export class Ring implements Vault {
  readonly #deps: RingDeps;
  readonly #held = new Map<OrganizationName, Held>();
  readonly #organizationRows: KeyRow[] = [];
  readonly #making = new Map<OrganizationName, Promise<void>>();
  /** The month last asked for: [from, to) in milliseconds and its name. */
  #month = { from: 0, to: 0, name: '' };
  readonly #nonce: () => Uint8Array;

  constructor(deps: RingDeps) {
    this.#deps = deps;
    this.#nonce = nonces(deps.random, 12);
  }

  // ── making and taking keys ──

  /** Boxed organization keys, for the copy beside the bodies. */
  exportRows(): readonly KeyRow[] {
    return [...this.#organizationRows];
  }

  ready(organization: OrganizationName, at: Time): Promise<void> {
    if (this.#complete(organization, this.#monthName(at))) return DONE;
    const before = this.#making.get(organization) ?? DONE;
    const making = before.catch(() => {}).then(() => this.#make(organization, at));
    this.#making.set(organization, making);
    const forget = () => {
      if (this.#making.get(organization) === making) this.#making.delete(organization);
    };
    making.then(forget, forget);
    return making;
  }

  #complete(organization: OrganizationName, month: string): boolean {
    const held = this.#held.get(organization);
    return held?.organization !== undefined && held.fields.has(month) && held.purposes.size === PURPOSES.length;
  }

  /** One after another: each key is wrapped by one that stands in the keyring already. */
  async #make(organization: OrganizationName, at: Time): Promise<void> {
    const month = this.#monthName(at);
    if (this.#complete(organization, month)) return;
    if (!this.#held.get(organization)?.organization) {
      const row = await this.#add(organization, 'organization', at);
      await this.#deps.copy?.([...this.#organizationRows, row]);
      this.take(row);
    }
    const held = this.#held.get(organization)!;
    const missing: string[] = PURPOSES.filter((purpose) => !held.purposes.has(purpose));
    if (!held.fields.has(month)) missing.push(`fields ${month}`);
    for (const purpose of missing) this.take(await this.#add(organization, purpose, at));
  }

  /** The row that stands afterwards, ours or that of who came first. */
  async #add(organization: OrganizationName, purpose: string, at: Time): Promise<KeyRow> {
    const held = this.#held.get(organization);
    const wrapping = purpose === 'organization' ? this.#deps.master[0] : held!.organization!;
    const bytes = Buffer.from(this.#deps.random.bytes(32));
    const key = boxKey(bytes);
    // Ids are four octets: among an organization's keys they must not meet.
    if (held?.byId.has(key.id.readUInt32BE())) return this.#add(organization, purpose, at);
    const row = { organization, purpose, generation: 1, id: key.id.toString('hex') };
    const box = makeBox(wrapping, placeOf(row), bytes, this.#nonce());
    bytes.fill(0);
    return this.#deps.keyring.add({ ...row, wrappedBy: wrapping.id.toString('hex'), box, createdAt: at });
  }

  /** Opens a row and keeps its key. */
  take(row: KeyRow): void {
    const bytes = openRow(this.#wrapping(row), row);
    const key = boxKey(bytes);
    if (key.id.toString('hex') !== row.id) {
      throw new MasterKeyError(`key ${row.id} of organization ${row.organization} is not the key it says it is`);
    }
    const held = this.#heldOf(row.organization);
    if (row.purpose === 'organization') {
      this.#organizationRows.push(row);
      held.byId.set(key.id.readUInt32BE(), key);
      if (row.generation > held.generation) {
        held.organization = key;
        held.generation = row.generation;
      }
    } else if (row.purpose.startsWith('fields ')) {
      held.byId.set(key.id.readUInt32BE(), key);
      held.fields.set(row.purpose.slice('fields '.length), key);
    } else {
      held.purposes.set(row.purpose as Purpose, createSecretKey(bytes));
    }
    bytes.fill(0);
  }

  #wrapping(row: KeyRow): BoxKey {
    const what = `key ${row.id} (${row.purpose}) of organization ${row.organization}`;
    if (row.purpose === 'organization') {
      const master = this.#deps.master.find((key) => key.id.toString('hex') === row.wrappedBy);
      if (master) return master;
      throw new MasterKeyError(`${what} is wrapped by master key ${row.wrappedBy}, which the master key file lacks`);
    }
    const held = this.#held.get(row.organization)?.byId.get(Number.parseInt(row.wrappedBy, 16));
    if (held) return held;
    throw new MasterKeyError(`${what} is wrapped by key ${row.wrappedBy}, which the keyring lacks`);
  }

  #heldOf(organization: OrganizationName): Held {
    let held = this.#held.get(organization);
    if (!held) {
      held = { organization: undefined, generation: 0, byId: new Map(), fields: new Map(), purposes: new Map() };
      this.#held.set(organization, held);
    }
    return held;
  }

  // ── boxes, tags, digests, data keys ──

  box(place: BoxPlace, plain: Uint8Array, at: Time): Uint8Array {
    const key = this.#held.get(place.organization)?.fields.get(this.#monthName(at));
    if (!key) throw this.#lacks(place.organization, `fields ${this.#monthName(at)}`);
    return makeBox(key, place, plain, this.#nonce());
  }

  wrap(place: BoxPlace, plain: Uint8Array): Uint8Array {
    const key = this.#held.get(place.organization)?.organization;
    if (!key) throw this.#lacks(place.organization, 'the organization');
    return makeBox(key, place, plain, this.#nonce());
  }

  open(place: BoxPlace, box: Uint8Array): Uint8Array {
    const key = this.#held.get(place.organization)?.byId.get(keyOfBox(box));
    if (!key) throw this.#lacks(place.organization, 'this box');
    return openBox(key, place, box);
  }

  tag(organization: OrganizationName, column: string, value: string): Uint8Array {
    const hmac = createHmac('sha256', this.#purpose(organization, 'index'));
    return hmac.update(join(column, value)).digest().subarray(0, 16);
  }

  code(organization: OrganizationName, challenge: Uint8Array, code: string): Uint8Array {
    return createHmac('sha256', this.#purpose(organization, 'code')).update(join(challenge, code)).digest();
  }

  digest(organization: OrganizationName): { update(chunk: Uint8Array): void; end(): Uint8Array } {
    const hmac = createHmac('sha256', this.#purpose(organization, 'digest'));
    return {
      update: (chunk) => {
        hmac.update(chunk);
      },
      end: () => hmac.digest(),
    };
  }

  newDataKey(organization: OrganizationName, object: string): { readonly key: Uint8Array; readonly box: Uint8Array } {
    const key = this.#deps.random.bytes(32);
    return { key, box: this.wrap(dataKeyPlace(organization, object), key) };
  }

  openDataKey(organization: OrganizationName, object: string, box: Uint8Array): Uint8Array {
    return this.open(dataKeyPlace(organization, object), box);
  }

  #purpose(organization: OrganizationName, purpose: Purpose): KeyObject {
    const key = this.#held.get(organization)?.purposes.get(purpose);
    if (!key) throw this.#lacks(organization, purpose);
    return key;
  }

  #lacks(organization: OrganizationName, what: string): VaultError {
    return new VaultError('no key', `organization ${organization} has no key for ${what}`);
  }

  #monthName(at: Time): string {
    if (at >= this.#month.from && at < this.#month.to) return this.#month.name;
    const day = new Date(at);
    const from = Date.UTC(day.getUTCFullYear(), day.getUTCMonth());
    const to = Date.UTC(day.getUTCFullYear(), day.getUTCMonth() + 1);
    this.#month = { from, to, name: monthOf(at) };
    return this.#month.name;
  }
}

function openRow(wrapping: BoxKey, row: KeyRow): Buffer {
  try {
    return openBox(wrapping, placeOf(row), row.box);
  } catch {
    const what = `key ${row.id} (${row.purpose}) of organization ${row.organization}`;
    throw new MasterKeyError(`${what} does not open: its row was changed or is damaged`);
  }
}

function placeOf(row: Pick<KeyRow, 'organization' | 'purpose' | 'generation' | 'id'>): BoxPlace {
  const { organization, purpose, generation, id } = row;
  return { organization, table: 'keyring', row: `${purpose} ${generation} ${id}`, column: 'key' };
}

function dataKeyPlace(organization: OrganizationName, object: string): BoxPlace {
  return { organization, table: 'body', row: object, column: 'key' };
}
