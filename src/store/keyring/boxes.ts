// The boxes under organization keys on SQLite, made anew at a rotation, and those that move under `fields lasting`: read in
// pages, boxed on the main thread, put back in batches, each only where its row is as it was read. Logs nothing; what does not
// open stays, and is counted.

import { type BoxPlace, type Vault, VaultError } from '../../crypto/vault.ts';
import { GATEWAY } from '../../domain/ids.ts';
import type { BodyRef } from '../../domain/types.ts';
import type { AddressKeyId } from '../../keys/book-port.ts';
import type { KeyBoxes, KeyRow, Moved, Renewed, RotationMark } from '../../keys/port.ts';
import { loginPlace, operatorPlace } from '../accounts/sqlite.ts';
import { grantPlace } from '../parcels/port.ts';
import { verbId } from '../queue/port.ts';
import { boxJson, place } from '../queue/rows.ts';
import { type Access, readyVault } from '../sqlite/access.ts';
import type { BoxKind, KeyBoxPage, KeyBoxRow, LastingKind, StoredKey } from '../sqlite/calls/keys.ts';
import { toOctets } from '../sqlite/calls/octets.ts';
import { keyPlace } from './book.ts';
import { rowOf } from './sqlite.ts';

/** Boxes made at a time before others get their turn, and put into one call. */
const BATCH = 200;

type Kind = BoxKind | LastingKind;
const QUERY: Record<Kind, string> = {
  body: 'bodyBoxes',
  grant: 'grantBoxes',
  private: 'privateBoxes',
  addressKey: 'addressKeyBoxes',
  operator: 'operatorBoxes',
  login: 'loginBoxes',
};
const LASTING: Readonly<Record<LastingKind, (organization: string, id: string) => BoxPlace>> = {
  addressKey: (organization, id) => keyPlace(organization, id as AddressKeyId, 'box'),
  operator: (_, name) => operatorPlace(name),
  login: loginPlace,
};

function isLasting(kind: Kind): kind is LastingKind {
  return kind in LASTING;
}

type Change = readonly [row: number | string, before: string, after: string];

/** Null: it stays as it is. Throws VaultError. */
function changeOf(vault: Vault, kind: Kind, one: KeyBoxRow): Change | null {
  const { row, id, organization, box, body } = one;
  if (kind === 'body') {
    const ref = JSON.parse(body as string) as BodyRef;
    // Its bytes may still lie in a segment: a key of what was removed is no use and some harm.
    const key = one.gone ? '' : renewedKey(vault, organization, ref);
    return key === null ? null : [row as number, body as string, JSON.stringify({ ...ref, key })];
  }
  const before = box as Uint8Array;
  const after = isLasting(kind)
    ? vault.rekeep(LASTING[kind](organization, id), before)
    : vault.rewrap(wrappedPlace(kind, organization, id), before);
  if (after === null) return null;
  return [typeof row === 'number' ? row : toOctets(row), toOctets(before), toOctets(after)];
}

function wrappedPlace(kind: Exclude<BoxKind, 'body'>, organization: string, id: string): BoxPlace {
  return kind === 'grant' ? grantPlace({ organization, locator: id }) : keyPlace(organization, id, 'private');
}

function renewedKey(vault: Vault, organization: string, { object, key }: BodyRef): string | null {
  const box = vault.rewrapDataKey(organization, object, Buffer.from(key, 'base64url'));
  return box && Buffer.from(box).toString('base64url');
}

export function openKeyBoxes(access: Access): KeyBoxes {
  async function renewKind(
    kind: Kind,
    looked: (rows: number) => void,
    stop?: AbortSignal,
  ): Promise<[done: number, unreadable: number]> {
    const vault = access.vault();
    let [done, unreadable] = [0, 0];
    for (let after: KeyBoxPage['next'] = 0; after !== null; ) {
      const page: KeyBoxPage = await access.read<KeyBoxPage>(QUERY[kind], [after]);
      for (let from = 0; from < page.rows.length; from += BATCH) {
        if (stop?.aborted) return [done, unreadable];
        const rows = page.rows.slice(from, from + BATCH);
        const changes: Change[] = [];
        if (isLasting(kind)) await readyFor(rows);
        for (const row of rows) {
          try {
            const change = changeOf(vault, kind, row);
            if (change) changes.push(change);
          } catch (error) {
            if (!(error instanceof VaultError)) throw error;
            unreadable += 1;
          }
        }
        if (changes.length > 0) done += await access.write('replaceBoxes', verbId(access), [kind, changes]);
        looked(rows.length);
      }
      after = page.next;
    }
    return [done, unreadable];
  }

  /** Their organizations may have no key `fields lasting` yet. */
  async function readyFor(rows: readonly KeyBoxRow[]): Promise<void> {
    for (const name of new Set(rows.map(({ organization }) => organization)))
      await readyVault(access, name, access.clock.now());
  }

  async function renewKeys(rewrapRow: (row: KeyRow) => KeyRow | null): Promise<number> {
    const rows = (await access.read<StoredKey[]>('keys', null)).map(rowOf);
    const calls = rows
      .filter((row) => row.purpose !== 'organization')
      .flatMap((row) => {
        const after = rewrapRow(row);
        if (after === null) return [];
        const { organization, purpose, generation } = row;
        return [[organization, purpose, generation, toOctets(row.box), after.wrappedBy, toOctets(after.box)] as const];
      });
    // Also when there are none: what was posted before is committed then, and the pages that follow show it.
    return access.write('rewrapKeys', verbId(access), calls);
  }

  return {
    async mark() {
      const text = await access.read<string | null>('rotation', null);
      return text === null ? null : (JSON.parse(text) as RotationMark);
    },
    async begin(mark, reason) {
      const vault = await readyVault(access, GATEWAY, mark.begunAt);
      const boxed = boxJson(vault, place.entry(GATEWAY, '-', 'key.rotation_begun'), { reason }, mark.begunAt);
      const detail = JSON.stringify({ from: mark.from, to: mark.to });
      await access.write('beginRotation', verbId(access), [JSON.stringify(mark), mark.actor, detail, boxed]);
    },
    async renew(rewrapRow, looked): Promise<Renewed> {
      const keys = await renewKeys(rewrapRow);
      const [addressKeys, badKeys] = await renewKind('private', looked);
      const [grants, badGrants] = await renewKind('grant', looked);
      const [bodies, badBodies] = await renewKind('body', looked);
      return { keys, addressKeys, grants, bodies, unreadable: badKeys + badGrants + badBodies };
    },
    async moveLasting(stop) {
      const total = { moved: 0, unreadable: 0 };
      for (const kind of Object.keys(LASTING) as LastingKind[]) {
        const [moved, unreadable] = await renewKind(kind, () => {}, stop);
        total.moved += moved;
        total.unreadable += unreadable;
      }
      return total satisfies Moved;
    },
    async retire(rows, actor) {
      const keys = rows.map(({ organization, generation, id }) => [organization, generation, id] as const);
      await access.write('retireKeys', verbId(access), [actor, keys]);
    },
    // Without an id: a second try has to try.
    emptyLog: () => access.write('emptyLog', '', null),
    async end(mark, detail) {
      const clear = JSON.stringify({ from: mark.from, to: mark.to, ...detail });
      await access.write('endRotation', verbId(access), [mark.actor, clear]);
    },
  };
}
