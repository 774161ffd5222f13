// The ring: every key of every organization, opened, behind the Vault port. At start it unwraps what the keyring holds;
// `ready` makes what is missing, durable before it resolves; after that all is synchronous, from maps of KeyObjects
// (src/README.md, "Keys"). Logs nothing; its errors name organizations and key ids only. It cannot know a key that another
// process added after it was opened, except by meeting it in `ready`. At a rotation (rotate.ts) it makes the new keys and
// goes on opening what is boxed by the old ones, in memory also when they are deleted: work in hand may hold such a box.

import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { type BoxKey, boxKey, keyOfBox, makeBox, openBox } from '../crypto/box.ts';
import { join } from '../crypto/derive.ts';
import { nonces } from '../crypto/nonces.ts';
import { type BoxPlace, type FieldsKey, type Vault, VaultError } from '../crypto/vault.ts';
import { GATEWAY, type OrganizationName, type Time } from '../domain/ids.ts';
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

/** Made for every organization; besides them `fields lasting`, and `fields YYYY-MM` as months come. */
const PURPOSES = ['index', 'code', 'digest'] as const;
type Purpose = (typeof PURPOSES)[number];
/** Stands among the months: a key like theirs, in generations like theirs, for what outlives its month. */
const LASTING = 'lasting';

/** Opened keys of one organization. */
type Held = {
  /** Wraps; the newest generation. */
  organization: BoxKey | undefined;
  generation: number;
  /** Every key that opens boxes, by its id as a number: generations of the organization key and `fields`. */
  readonly byId: Map<number, BoxKey>;
  /** Earlier generations of the organization key, by id. */
  readonly earlier: Map<number, BoxKey>;
  /** Of each month, and of `lasting`, the key of the newest generation, which boxes. */
  readonly fields: Map<string, { readonly key: BoxKey; readonly generation: number }>;
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
  #organizationRows: KeyRow[] = [];
  #master: MasterKeys;
  readonly #making = new Map<OrganizationName, Promise<void>>();
  /** The month last asked for: [from, to) in milliseconds and its name. */
  #month = { from: 0, to: 0, name: '' };
  readonly #nonce: () => Uint8Array;
  /** `organization month` of the keys that make no box for the moment. */
  readonly #resting = new Set<string>();

  constructor(deps: RingDeps) {
    this.#deps = deps;
    this.#master = deps.master;
    this.#nonce = nonces(deps.random, 12);
  }

  // ── making and taking keys ──

  /** Boxed organization keys, for the copy beside the bodies. */
  exportRows(): readonly KeyRow[] {
    return [...this.#organizationRows];
  }

  ready(organization: OrganizationName, at: Time): Promise<void> {
    if (this.#complete(organization, this.#monthName(at))) return DONE;
    return this.#inTurn(organization, () => this.#make(organization, at));
  }

  /** After what is being made for the organization. */
  #inTurn(organization: OrganizationName, make: () => Promise<void>): Promise<void> {
    const before = this.#making.get(organization) ?? DONE;
    const making = before.catch(() => {}).then(make);
    this.#making.set(organization, making);
    const forget = () => {
      if (this.#making.get(organization) === making) this.#making.delete(organization);
    };
    making.then(forget, forget);
    return making;
  }

  #complete(organization: OrganizationName, month: string): boolean {
    const held = this.#held.get(organization);
    if (held?.organization === undefined || held.purposes.size < PURPOSES.length) return false;
    return held.fields.has(month) && held.fields.has(LASTING);
  }

  /** One after another: each key is wrapped by one that stands in the keyring already. */
  async #make(organization: OrganizationName, at: Time): Promise<void> {
    const month = this.#monthName(at);
    if (this.#complete(organization, month)) return;
    if (this.#resting.has(`${organization} ${month}`)) throw this.#lacks(organization, `fields ${month} now`);
    if (!this.#held.get(organization)?.organization) {
      const row = await this.#add(organization, 'organization', at);
      await this.#deps.copy?.([...this.#organizationRows, row]);
      this.take(row);
    }
    const held = this.#held.get(organization)!;
    const missing: string[] = PURPOSES.filter((purpose) => !held.purposes.has(purpose));
    for (const name of [LASTING, month]) if (!held.fields.has(name)) missing.push(`fields ${name}`);
    for (const purpose of missing) this.take(await this.#add(organization, purpose, at, generationOf(held, purpose)));
  }

  /** The row that stands afterwards, ours or that of who came first. */
  async #add(organization: OrganizationName, purpose: string, at: Time, generation = 1): Promise<KeyRow> {
    const held = this.#held.get(organization);
    const wrapping = purpose === 'organization' ? this.#master[0] : held!.organization!;
    const bytes = Buffer.from(this.#deps.random.bytes(32));
    const key = boxKey(bytes);
    // Ids are four octets: among an organization's keys they must not meet.
    if (held?.byId.has(key.id.readUInt32BE())) return this.#add(organization, purpose, at, generation);
    const row = { organization, purpose, generation, id: key.id.toString('hex') };
    const box = makeBox(wrapping, placeOf(row), bytes, this.#nonce());
    bytes.fill(0);
    return this.#deps.keyring.add({ ...row, wrappedBy: hex(wrapping), box, createdAt: at });
  }

  /** Opens a row and keeps its key. */
  take(row: KeyRow): void {
    const bytes = openRow(this.#wrapping(row), row);
    const key = boxKey(bytes);
    if (key.id.toString('hex') !== row.id) {
      throw new MasterKeyError(`key ${row.id} of ${ownerOf(row)} is not the key it says it is`);
    }
    const held = this.#heldOf(row.organization);
    if (row.purpose === 'organization') {
      this.#organizationRows.push(row);
      held.byId.set(key.id.readUInt32BE(), key);
      const { organization: before } = held;
      const isNewest = row.generation > held.generation;
      const earlier = isNewest ? before : key;
      if (earlier) held.earlier.set(earlier.id.readUInt32BE(), earlier);
      if (isNewest) {
        held.organization = key;
        held.generation = row.generation;
      }
    } else if (row.purpose.startsWith('fields ')) {
      held.byId.set(key.id.readUInt32BE(), key);
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
      const master = this.#master.find((key) => hex(key) === row.wrappedBy);
      if (master) return master;
      const has = this.#master.map(hex).join(', ');
      throw new MasterKeyError(
        `${what} is wrapped by master key ${row.wrappedBy}, which the master key file lacks: it holds ${has}`,
        'put the right file in its place, or restore it: sealrelay keys master check --from-paper --write FILE',
      );
    }
    const held = this.#held.get(row.organization)?.byId.get(Number.parseInt(row.wrappedBy, 16));
    if (held) return held;
    throw new MasterKeyError(`${what} is wrapped by key ${row.wrappedBy}, which the keyring lacks`);
  }

  #heldOf(organization: OrganizationName): Held {
    let held = this.#held.get(organization);
    if (!held) {
      const maps = { byId: new Map(), earlier: new Map(), fields: new Map(), purposes: new Map() };
      held = { organization: undefined, generation: 0, ...maps };
      this.#held.set(organization, held);
    }
    return held;
  }

  // ── rotation ──

  organizations(): readonly OrganizationName[] {
    return [...this.#held.keys()];
  }

  /** Ids of the master keys, the wrapping one first. */
  get masterIds(): readonly string[] {
    return this.#master.map(hex);
  }

  /** Ids of the master keys that wrap organization keys. */
  wrappers(): readonly string[] {
    return [...new Set(this.#organizationRows.map((row) => row.wrappedBy))];
  }

  /** From now on the first of these wraps. Throws MasterKeyError when one that wraps a key is not among them. */
  useMaster(master: MasterKeys): void {
    const ids = master.map(hex);
    const lacking = this.wrappers().find((id) => !ids.includes(id));
    if (lacking) throw new MasterKeyError(`the master key file lacks key ${lacking}, which is still needed`);
    this.#master = master;
  }

  /** Organizations whose keys another master key wraps than the first. */
  behind(): readonly OrganizationName[] {
    const newest = new Map<OrganizationName, KeyRow>();
    for (const row of this.#organizationRows) {
      if (row.generation > (newest.get(row.organization)?.generation ?? 0)) newest.set(row.organization, row);
    }
    const first = hex(this.#master[0]);
    return [...newest.values()].filter((row) => row.wrappedBy !== first).map((row) => row.organization);
  }

  /** A new generation of the organization's key, of the month's `fields` key and of `fields lasting`; what stands may be
   *  repeated. */
  renew(organization: OrganizationName, at: Time): Promise<void> {
    return this.#inTurn(organization, async () => {
      const held = this.#held.get(organization);
      if (!held?.organization) return;
      if (this.behind().includes(organization)) {
        const row = await this.#add(organization, 'organization', at, held.generation + 1);
        await this.#deps.copy?.([...this.#organizationRows, row]);
        this.take(row);
      }
      for (const name of [LASTING, this.#monthName(at)]) {
        const fields = held.fields.get(name);
        if (fields === undefined || fields.generation >= held.generation) continue;
        this.take(await this.#add(organization, `fields ${name}`, at, held.generation));
      }
    });
  }

  /** Rows of organization keys that are not the newest generation. */
  earlierRows(): readonly KeyRow[] {
    return this.#organizationRows.filter((row) => row.generation < this.#held.get(row.organization)!.generation);
  }

  /** The row of a purpose key under the present organization key; null when it stands under it already. */
  rewrapRow(row: KeyRow): KeyRow | null {
    const box = this.rewrap(placeOf(row), row.box);
    return box && { ...row, box, wrappedBy: hex(this.#held.get(row.organization)!.organization!) };
  }

  /** As `rewrapDataKey`, of an object whose organization is not known; null also when none of ours opens it. */
  rewrapObject(object: string, box: Uint8Array): Uint8Array | null {
    const id = keyOfBox(box);
    for (const [organization, held] of this.#held) {
      if (!held.earlier.has(id)) continue;
      try {
        return this.rewrapDataKey(organization, object, box);
      } catch (error) {
        if (!(error instanceof VaultError)) throw error;
      }
    }
    return null;
  }

  /** These rows are deleted: the copy goes on without them. */
  async drop(rows: readonly KeyRow[]): Promise<void> {
    const ids = new Set(rows.map((row) => `${row.organization} ${row.id}`));
    this.#organizationRows = this.#organizationRows.filter((row) => !ids.has(`${row.organization} ${row.id}`));
    await this.#deps.copy?.(this.#organizationRows);
  }

  // ── boxes, tags, digests, data keys ──

  box(place: BoxPlace, plain: Uint8Array, at: Time): Uint8Array {
    const key = this.#held.get(place.organization)?.fields.get(this.#monthName(at))?.key;
    if (!key) throw this.#lacks(place.organization, `fields ${this.#monthName(at)}`);
    return makeBox(key, place, plain, this.#nonce());
  }

  keep(place: BoxPlace, plain: Uint8Array): Uint8Array {
    return makeBox(this.#lasting(place.organization), place, plain, this.#nonce());
  }

  rekeep(place: BoxPlace, box: Uint8Array): Uint8Array | null {
    const key = this.#lasting(place.organization);
    if (keyOfBox(box) === key.id.readUInt32BE()) return null;
    const plain = this.open(place, box);
    const made = makeBox(key, place, plain, this.#nonce());
    plain.fill(0);
    return made;
  }

  #lasting(organization: OrganizationName): BoxKey {
    const key = this.#held.get(organization)?.fields.get(LASTING)?.key;
    if (!key) throw this.#lacks(organization, `fields ${LASTING}`);
    return key;
  }

  rest(keys: readonly FieldsKey[]): (gone: readonly FieldsKey[]) => void {
    const put: (() => void)[] = [];
    const names = new Set(keys.map(({ organization, month }) => `${organization} ${month}`));
    for (const { organization, month } of keys) {
      const held = this.#held.get(organization);
      const boxes = held?.fields.get(month);
      if (!held || !boxes) continue;
      held.fields.delete(month);
      put.push(() => {
        if (held.byId.has(boxes.key.id.readUInt32BE())) held.fields.set(month, boxes);
      });
    }
    for (const name of names) this.#resting.add(name);
    return (gone) => {
      for (const { organization, id } of gone) this.#heldOf(organization).byId.delete(Number.parseInt(id, 16));
      for (const again of put) again();
      for (const name of names) this.#resting.delete(name);
    };
  }

  wrap(place: BoxPlace, plain: Uint8Array): Uint8Array {
    const key = this.#held.get(place.organization)?.organization;
    if (!key) throw this.#lacks(place.organization, 'the organization');
    return makeBox(key, place, plain, this.#nonce());
  }

  rewrap(place: BoxPlace, box: Uint8Array): Uint8Array | null {
    const held = this.#held.get(place.organization);
    const key = held && held.earlier.size > 0 ? held.earlier.get(keyOfBox(box)) : undefined;
    if (!held || !key) return null;
    const plain = openBox(key, place, box);
    const made = makeBox(held.organization!, place, plain, this.#nonce());
    plain.fill(0);
    return made;
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

  rewrapDataKey(organization: OrganizationName, object: string, box: Uint8Array): Uint8Array | null {
    return this.rewrap(dataKeyPlace(organization, object), box);
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

function hex(key: BoxKey): string {
  return key.id.toString('hex');
}

/** A month's `fields` key is of the generation of the organization key under which it was made. */
function generationOf(held: Held, purpose: string): number {
  return purpose.startsWith('fields ') ? held.generation : 1;
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

function placeOf(row: Pick<KeyRow, 'organization' | 'purpose' | 'generation' | 'id'>): BoxPlace {
  const { organization, purpose, generation, id } = row;
  return { organization, table: 'keyring', row: `${purpose} ${generation} ${id}`, column: 'key' };
}

function dataKeyPlace(organization: OrganizationName, object: string): BoxPlace {
  return { organization, table: 'body', row: object, column: 'key' };
}
