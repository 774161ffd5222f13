// Keys of correspondents and of organizations on SQLite. All of a key but its id, organization, kind, times and pin stands
// in a box, also pin and revocation, of which the columns are copies for search: who can write rows can remove a key, but not
// trust one, revive it or give it to another address. The box is under `fields lasting`. Private octets are boxed apart, by the
// organization key.

import { type BoxPlace, type Vault, VaultError } from '../../crypto/vault.ts';
import type { OrganizationName, Time } from '../../domain/ids.ts';
import type { KeyKind } from '../../domain/keys.ts';
import type { AddressKey, AddressKeyId, KeyBook, KeyChange, NewAddressKey } from '../../keys/book-port.ts';
import { covers } from '../../keys/judge.ts';
import { QueueError, verbId } from '../queue/port.ts';
import { boxJson, keepJson, openJson, place } from '../queue/rows.ts';
import { type Access, readyVault } from '../sqlite/access.ts';
import type { AddressKeyRow } from '../sqlite/calls/keys.ts';
import { type Octets, toOctets } from '../sqlite/calls/octets.ts';
import type { AddressKeysCall } from '../sqlite/queries/keys.ts';

type Boxed = Omit<AddressKey, 'id' | 'organization' | 'public'> & { readonly public: string };
type Event = 'key.imported' | 'key.pinned' | 'key.revoked';

/** Rows read at once. */
const PAGE = 500;
/** Times a change is made anew because another came before it. */
const TRIES = 10;

/** Place of a key's box, or of its private octets, under the organization key. */
export const keyPlace = (organization: OrganizationName, id: AddressKeyId, column: 'box' | 'private'): BoxPlace => ({
  organization,
  table: 'address_key',
  row: id,
  column,
});

function boxedOf({ id, organization, public: octets, ...rest }: AddressKey): Boxed {
  return { ...rest, public: Buffer.from(octets).toString('base64') };
}

/** Throws VaultError. */
function keyFrom(vault: Vault, { id, organization, box }: AddressKeyRow): AddressKey {
  const { public: octets, ...rest } = openJson<Boxed>(vault, keyPlace(organization, id, 'box'), box);
  return { id, organization, ...rest, public: Buffer.from(octets, 'base64') };
}

function wrapped(vault: Vault, { organization, id }: AddressKey, secret: Uint8Array): Octets {
  return toOctets(vault.wrap(keyPlace(organization, id, 'private'), secret));
}

const newestFirst = (a: AddressKey, b: AddressKey) => b.addedAt - a.addedAt;

type Rows = ReturnType<typeof makeRows>;

/** Rows by tags and clear columns, and what opens them. */
function makeRows(access: Access) {
  const read = (call: AddressKeysCall) => access.read<AddressKeyRow[]>('addressKeys', call);

  async function tagOf(organization: OrganizationName, subject: string): Promise<Uint8Array> {
    const vault = await readyVault(access, organization, access.clock.now());
    // A copy: a view of a pooled buffer would take its whole pool along to the other thread.
    return Uint8Array.from(vault.tag(organization, 'key', subject));
  }

  /** Tells a person of a key that does not open, and throws VaultError. */
  function opened(row: AddressKeyRow): AddressKey {
    try {
      return keyFrom(access.vault(), row);
    } catch (error) {
      if (error instanceof VaultError) access.alarm(`the box of key ${row.id} does not open: it is not used`);
      throw error;
    }
  }

  /** Null when it does not open, and a person is told. */
  function openedOrNot(row: AddressKeyRow): AddressKey | null {
    try {
      return opened(row);
    } catch (error) {
      if (error instanceof VaultError) return null;
      throw error;
    }
  }

  /** All that match the clear columns, page by page, as they were added. */
  async function all(call: Omit<AddressKeysCall, 'after' | 'limit'>): Promise<AddressKeyRow[]> {
    const rows: AddressKeyRow[] = [];
    for (;;) {
      const page = await read({ ...call, ...(rows.length > 0 && { after: rows.at(-1)!.id }), limit: PAGE });
      rows.push(...page);
      if (page.length < PAGE) return rows;
    }
  }

  const row = (id: AddressKeyId) => access.read<AddressKeyRow | null>('addressKey', [id]);

  return { read, all, row, tagOf, opened, openedOrNot };
}

function makeReading(access: Access, rows: Rows): Pick<KeyBook, 'forAddress' | 'own' | 'list'> {
  const { all, opened, openedOrNot, read, tagOf } = rows;

  /** One that does not open is an error here: what is asked for might stand in it, and nobody may take it for "none". */
  async function forAddress(organization: OrganizationName, address: string): Promise<AddressKey[]> {
    const subjects = [address, address.slice(address.lastIndexOf('@'))];
    const tags = await Promise.all(subjects.map((subject) => tagOf(organization, subject)));
    const keys = (await all({ organization, tags, own: false })).map(opened).filter((key) => {
      if (covers(key.subject, address) && !key.own) return true;
      access.alarm(`the row of key ${key.id} says that it is another's: it is not used`);
      return false;
    });
    const isDomain = (key: AddressKey) => Number(key.subject.startsWith('@'));
    return keys.sort((a, b) => isDomain(a) - isDomain(b) || newestFirst(a, b));
  }

  async function own(organization: OrganizationName, kind: KeyKind): Promise<AddressKey[]> {
    const keys = (await all({ organization, kind, own: true })).map(opened);
    return keys.filter((key) => key.own && key.facts.kind === kind).sort(newestFirst);
  }

  async function list(what: Parameters<KeyBook['list']>[0]): Promise<AddressKey[]> {
    const { organization, subject, kind, limit } = what;
    let tags: Uint8Array[] | undefined;
    if (subject !== undefined) {
      const names = organization === undefined ? await access.read<string[]>('keyOrganizations', null) : [organization];
      tags = await Promise.all(names.map((name) => tagOf(name, subject)));
      if (tags.length === 0) return [];
    }
    const isMeant = (key: AddressKey) =>
      (subject === undefined || key.subject === subject) &&
      (kind === undefined || key.facts.kind === kind) &&
      (what.own === undefined || key.own === what.own);
    const found: AddressKey[] = [];
    let after = what.after;
    while (found.length < limit) {
      const wanted = limit - found.length;
      const conditions = { ...(organization !== undefined && { organization }), ...(kind !== undefined && { kind }) };
      const rows = await read({
        ...conditions,
        ...(what.own !== undefined && { own: what.own }),
        ...(tags && { tags }),
        ...(after !== undefined && { after }),
        limit: wanted,
      });
      found.push(...(rows.map(openedOrNot).filter((key) => key !== null && isMeant(key)) as AddressKey[]));
      if (rows.length < wanted) break;
      after = rows.at(-1)!.id;
    }
    return found;
  }

  return { forAddress, own, list };
}

function makeChanges(access: Access, rows: Rows): Pick<KeyBook, 'add' | 'renew' | 'pin' | 'revoke'> {
  const { all, row, opened, openedOrNot, tagOf } = rows;

  /** Clear and boxed detail of an entry. A fingerprint leads to its owner's address by any key server. */
  function entry(vault: Vault, key: AddressKey, event: Event, reason: string, at: Time): readonly [string, Octets] {
    const { id, organization, subject, own, pinned, facts } = key;
    const { kind, validUntil, fingerprint } = facts;
    const boxed = boxJson(vault, place.entry(organization, '-', event), { reason, for: subject, fingerprint }, at);
    return [JSON.stringify({ key: id, kind, own, pinned, validUntil }), boxed];
  }

  async function add(given: NewAddressKey, { actor, reason }: KeyChange): Promise<AddressKeyId> {
    const { private: secret, ...rest } = given;
    const { id, organization, subject, own, facts, pinned } = rest;
    const tag = await tagOf(organization, subject);
    for (let tries = 0; tries < TRIES; tries++) {
      const standing = await all({ organization, tags: [tag] });
      const same = standing.map(openedOrNot).find((one) => one !== null && isSame(one, rest));
      if (same) return same.id;
      const at = access.clock.now();
      const vault = await readyVault(access, organization, at);
      const key: AddressKey = { ...rest, revoked: null, addedAt: at, addedBy: actor };
      const box = keepJson(vault, keyPlace(organization, id, 'box'), boxedOf(key));
      const secretBox = own && secret ? wrapped(vault, key, secret) : null;
      const [detail, why] = entry(vault, key, 'key.imported', reason, at);
      const done = await access.write('addAddressKey', verbId(access), [
        ...([id, organization, facts.kind, own ? 1 : 0, toOctets(tag), standing.length] as const),
        ...([pinned ? 1 : 0, facts.validUntil, box, secretBox, actor, detail, why] as const),
      ]);
      if (done) return id;
    }
    throw new QueueError('wrong state', 'the keys of that address are being changed by others');
  }

  /** `make` gives what the key becomes, null when it is so already. */
  async function change(
    id: AddressKeyId,
    event: Event,
    make: (key: AddressKey, at: Time) => AddressKey | null,
    { actor, reason }: KeyChange,
    secret?: Uint8Array,
  ): Promise<void> {
    for (let tries = 0; tries < TRIES; tries++) {
      const before = await row(id);
      if (before === null) throw new QueueError('not found', `no key ${id}`);
      const at = access.clock.now();
      const key = make(opened(before), at);
      if (key === null) return;
      const vault = await readyVault(access, key.organization, at);
      const box = keepJson(vault, keyPlace(key.organization, id, 'box'), boxedOf(key));
      const [detail, why] = entry(vault, key, event, reason, at);
      const secretBox = key.own && secret ? wrapped(vault, key, secret) : null;
      const done = await access.write('changeAddressKey', verbId(access), [
        ...([id, toOctets(before.box), box, secretBox, key.pinned ? 1 : 0] as const),
        ...([key.facts.validUntil, key.revoked?.at ?? null, actor, event, detail, why] as const),
      ]);
      if (done) return;
    }
    throw new QueueError('wrong state', `key ${id} is being changed by others`);
  }

  return {
    add,
    renew: (id, { facts, public: octets, private: secret }, why) => {
      const renew = (key: AddressKey) => {
        if (key.facts.fingerprint !== facts.fingerprint || key.facts.kind !== facts.kind) {
          throw new QueueError('wrong state', `key ${id} is another key`);
        }
        return { ...key, facts, public: octets };
      };
      return change(id, 'key.imported', renew, why, secret);
    },
    pin: (id, pinned, why) =>
      change(id, 'key.pinned', (key) => (key.pinned === pinned ? null : { ...key, pinned }), why),
    revoke: (id, why) => {
      const revoke = (key: AddressKey, at: Time) =>
        key.revoked ? null : { ...key, revoked: { at, reason: why.reason } };
      return change(id, 'key.revoked', revoke, why);
    },
  };
}

export function openBook(access: Access): KeyBook {
  const rows = makeRows(access);
  return {
    ...makeReading(access, rows),
    ...makeChanges(access, rows),
    async byId(id) {
      const found = await rows.row(id);
      return found === null ? null : rows.opened(found);
    },
    async privateOf({ id, organization }) {
      const box = await access.read<Uint8Array | null>('privateKey', [id]);
      return box === null ? null : access.vault().open(keyPlace(organization, id, 'private'), box);
    },
  };
}

function isSame(one: AddressKey, other: NewAddressKey): boolean {
  return (
    one.organization === other.organization &&
    one.subject === other.subject &&
    one.own === other.own &&
    one.facts.kind === other.facts.kind &&
    one.facts.fingerprint === other.facts.fingerprint
  );
}
