// Makes the keys that an organization lacks, and new generations of them at a rotation, one after another: each is wrapped by
// one that stands in the keyring already, and stands there itself, durable, before it is used. Of what two processes make at
// the same time the first stands. Logs nothing.

import { boxKey, makeBox } from '../crypto/box.ts';
import type { OrganizationName, Time } from '../domain/ids.ts';
import { monthOf } from '../domain/months.ts';
import type { Random } from '../domain/types.ts';
import { hexOf, LASTING, lacks, numberOf, type OpenedKeys, PURPOSES, placeOf } from './opened.ts';
import type { KeyRow, Keyring } from './port.ts';

export type MakerDeps = {
  readonly keys: OpenedKeys;
  readonly keyring: Keyring;
  readonly random: Random;
  readonly nonce: () => Uint8Array;
  /** Called with all boxed organization keys whenever one is added, before it is used. */
  readonly copy: (rows: readonly KeyRow[]) => Promise<void>;
};

const DONE = Promise.resolve();

export class KeyMaker {
  readonly #deps: MakerDeps;
  readonly #making = new Map<OrganizationName, Promise<void>>();

  constructor(deps: MakerDeps) {
    this.#deps = deps;
  }

  /** What is missing for the month of `at`; cheap when nothing is. */
  ready(organization: OrganizationName, at: Time): Promise<void> {
    if (this.#isComplete(organization, monthOf(at))) return DONE;
    return this.#inTurn(organization, () => this.#make(organization, at));
  }

  /** A new generation of the organization's key where it is behind, then of the keys of the month and of what lasts where the
   *  organization's is newer. May be repeated. */
  renew(organization: OrganizationName, at: Time): Promise<void> {
    return this.#inTurn(organization, async () => {
      const { keys } = this.#deps;
      const held = keys.of(organization);
      if (!held?.organization) return;
      if (keys.isBehind(organization)) await this.#addOrganization(organization, at, held.generation + 1);
      for (const name of [LASTING, monthOf(at)]) {
        const fields = held.fields.get(name);
        if (fields === undefined || fields.generation >= held.generation) continue;
        keys.take(await this.#add(organization, `fields ${name}`, at, held.generation));
      }
    });
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

  #isComplete(organization: OrganizationName, month: string): boolean {
    const held = this.#deps.keys.of(organization);
    if (held?.organization === undefined || held.purposes.size < PURPOSES.length) return false;
    return held.fields.has(month) && held.fields.has(LASTING);
  }

  async #make(organization: OrganizationName, at: Time): Promise<void> {
    const { keys } = this.#deps;
    const month = monthOf(at);
    if (this.#isComplete(organization, month)) return;
    if (keys.isResting(organization, month)) lacks(organization, `fields ${month} now`);
    if (!keys.of(organization)?.organization) await this.#addOrganization(organization, at, 1);
    const held = keys.of(organization)!;
    const purposes = PURPOSES.filter((purpose) => !held.purposes.has(purpose));
    const months = [LASTING, month].filter((name) => !held.fields.has(name));
    for (const purpose of purposes) keys.take(await this.#add(organization, purpose, at, 1));
    // A fields key is of the generation of the organization key under which it is made.
    for (const name of months) keys.take(await this.#add(organization, `fields ${name}`, at, held.generation));
  }

  async #addOrganization(organization: OrganizationName, at: Time, generation: number): Promise<void> {
    const { keys, copy } = this.#deps;
    const row = await this.#add(organization, 'organization', at, generation);
    await copy([...keys.organizationRows, row]);
    keys.take(row);
  }

  /** The row that stands afterwards, ours or that of who came first. */
  async #add(organization: OrganizationName, purpose: string, at: Time, generation: number): Promise<KeyRow> {
    const { keys, keyring, random, nonce } = this.#deps;
    const wrapping = purpose === 'organization' ? keys.master[0] : keys.organization(organization);
    const bytes = Buffer.from(random.bytes(32));
    const key = boxKey(bytes);
    // Ids are four octets: among an organization's keys they must not meet.
    if (keys.of(organization)?.byId.has(numberOf(key))) return this.#add(organization, purpose, at, generation);
    const row = { organization, purpose, generation, id: hexOf(key) };
    const box = makeBox(wrapping, placeOf(row), bytes, nonce());
    bytes.fill(0);
    return keyring.add({ ...row, wrappedBy: hexOf(wrapping), box, createdAt: at });
  }
}
