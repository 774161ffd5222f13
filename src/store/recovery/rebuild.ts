// `sealrelay recover`: makes a new database out of the bodies, their copy of the organization keys and the master key. It
// is filled in a folder of its own and put in its place by a rename, so that a crash leaves either no database or a whole
// one. One process at a time, and never over a database that is there. Logs nothing; its errors are words for operators.

import { chownSync, closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { GATEWAY, type OrganizationName } from '../../domain/ids.ts';
import type { Clock, Random } from '../../domain/types.ts';
import type { MasterKeys } from '../../keys/master.ts';
import type { KeyRow, Keyring } from '../../keys/port.ts';
import { openRing, type Ring } from '../../keys/ring.ts';
import { PIN_NAME } from '../audit/pin.ts';
import { readKeysFile, writeKeysFile } from '../bodies/keys-file.ts';
import { openReading, takeLock } from '../sqlite/database.ts';
import { openStore } from '../sqlite/open.ts';
import type { Unclaimed } from './port.ts';
import { type Survey, survey } from './survey.ts';

export type RebuildDeps = {
  /** The storage folder. */
  readonly path: string;
  readonly node: string;
  readonly master: MasterKeys;
  readonly clock: Clock;
  readonly random: Random;
  readonly progress?: (stage: 'reading' | 'writing', records: number) => void;
};

export class RecoverError extends Error {
  /** What to do about it. */
  readonly next: string;
  constructor(message: string, next: string) {
    super(message);
    this.next = next;
  }
}

/** A new database would put its own keys in the place of the copy beside the bodies, and with those the mail that is there
 *  is lost. Throws RecoverError when that is about to happen. */
export async function refuseLostDatabase(path: string, keyring: Keyring): Promise<void> {
  const dir = join(path, 'bodies');
  if ((await keyring.all()).length > 0 || (await readKeysFile(dir)).length === 0) return;
  throw new RecoverError(
    `the database in ${path} is gone or new, and ${dir} holds mail of one before it: move the folder away and bring back the last backup (sealrelay restore), rebuild the queue from that mail (sealrelay recover), or move the folder away to begin anew`,
    'sealrelay recover says what can be brought back, and changes nothing without --yes',
  );
}

const DATABASE = 'queue.db';
const FILES = ['', '-wal', '-shm'].map((end) => `${DATABASE}${end}`);
/** Object ids that the first entry of the audit names. */
const NAMED = 100;

/** What would be recovered; changes nothing. Throws RecoverError, MasterKeyError. */
export function lookAt(deps: RebuildDeps): Promise<Survey> {
  return locked(deps, async () => {
    const rows = await keyRows(deps);
    return read(deps, rows);
  });
}

/** Recovers. The epoch of the audit is the time in seconds: above all that the lost database can have counted. */
export function rebuild(deps: RebuildDeps): Promise<Survey & { readonly epoch: number }> {
  return locked(deps, async () => {
    const { path, clock } = deps;
    const rows = await keyRows(deps);
    const found = await read(deps, rows);
    const epoch = Math.floor(clock.now() / 1000);
    const made = join(path, 'recovering');
    rmSync(made, { recursive: true, force: true });
    await fill(deps, made, { rows, found, epoch });
    sync(join(made, DATABASE));
    // Only what a start without a database left: `locked` has looked.
    for (const file of [...FILES, PIN_NAME]) rmSync(join(path, file), { force: true });
    renameSync(join(made, DATABASE), join(path, DATABASE));
    sync(path);
    rmSync(made, { recursive: true, force: true });
    return { ...found, epoch };
  });
}

async function locked<T>({ path }: RebuildDeps, run: () => Promise<T>): Promise<T> {
  if (!existsSync(join(path, 'bodies'))) {
    throw new RecoverError(`there are no bodies in ${path}`, 'bring back a backup: sealrelay restore');
  }
  const lock = takeLock(join(path, 'lock.db'));
  try {
    if (holdsKeys(join(path, DATABASE))) {
      throw new RecoverError(
        `there is a database in ${path}, and recover never overwrites one`,
        `if it is damaged, move ${FILES.join(', ')} to another folder first; else start the gateway`,
      );
    }
    return await run();
  } finally {
    lock.close();
    ownAsFolder(path);
  }
}

/** False for none, and for the empty one that a refused start leaves: nothing can be in it without keys. */
function holdsKeys(path: string): boolean {
  if (!existsSync(path)) return false;
  try {
    const db = openReading(path);
    try {
      const tables = db.prepare("SELECT count(*) FROM sqlite_schema WHERE name = 'key'").pluck().get();
      return tables !== 0 && db.prepare('SELECT count(*) FROM key').pluck().get() !== 0;
    } finally {
      db.close();
    }
  } catch {
    // Damaged: it may still be of use to somebody.
    return true;
  }
}

async function keyRows({ path }: RebuildDeps): Promise<readonly KeyRow[]> {
  const rows = await readKeysFile(join(path, 'bodies'));
  if (rows.length > 0) return rows;
  throw new RecoverError(
    `the copy of the organization keys (${join(path, 'bodies', 'keys.jsonl')}) is missing: without it no body opens`,
    'bring back a backup: sealrelay restore',
  );
}

async function read(deps: RebuildDeps, rows: readonly KeyRow[]): Promise<Survey> {
  const add = () => Promise.reject(new Error('nothing is written here'));
  const vault = await openRing({ master: deps.master, keyring: { all: async () => rows, add }, random: deps.random });
  const progress = (records: number) => deps.progress?.('reading', records);
  return survey({ dir: join(deps.path, 'bodies'), vault, progress }, async () => {});
}

type Filling = { readonly rows: readonly KeyRow[]; readonly found: Survey; readonly epoch: number };

async function fill(deps: RebuildDeps, made: string, { rows, found, epoch }: Filling): Promise<void> {
  const { node, master, clock, random } = deps;
  const dir = join(deps.path, 'bodies');
  let ring: Ring | null = null;
  const store = await openStore({ path: made, node, vault: () => ring!, clock, random });
  try {
    await store.recovery.begin(epoch, detailOf(found), rows, unclaimedOf(found));
    // The copy is written again only when a key comes to it.
    const copy = async (all: readonly KeyRow[]) => (all.length > rows.length ? writeKeysFile(dir, all) : undefined);
    const vault = await openRing({ master, keyring: store.keyring, random, copy });
    ring = vault;
    await vault.ready(GATEWAY, clock.now());
    const digest = async (organization: OrganizationName) => {
      await vault.ready(organization, clock.now());
      return vault.digest(organization);
    };
    const progress = (records: number) => deps.progress?.('writing', records);
    const waiting = new Set<Promise<unknown>>();
    await survey({ dir, vault, digest, progress }, async (message) => {
      // Some at a time: they share a commit.
      const put = store.recovery.put(message);
      // Awaited with the others, perhaps later than it fails.
      put.catch(() => {});
      waiting.add(put);
      if (waiting.size < 64) return;
      await Promise.all(waiting);
      waiting.clear();
    });
    await Promise.all(waiting);
  } finally {
    await store.close();
  }
}

function detailOf({ messages, deliveries, dropped, parcels, lost }: Survey): Record<string, unknown> {
  const objects = lost.slice(0, NAMED).map(({ object, segment, slot }) => object ?? `${segment}/${slot ?? '*'}`);
  return { messages, deliveries, dropped, parcels: parcels.length, unopened: lost.length, unopenedObjects: objects };
}

function unclaimedOf({ parcels, lost }: Survey): Unclaimed[] {
  const bodies = lost.flatMap(({ object, organization, createdAt }): Unclaimed[] =>
    object === null ? [] : [{ object, organization: organization ?? '?', kind: 'body', createdAt: createdAt ?? 0 }],
  );
  return [...parcels.map((one): Unclaimed => ({ ...one, kind: 'parcel' })), ...bodies];
}

function sync(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** An operator runs this as root; the service has a user of its own. */
function ownAsFolder(path: string): void {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = statSync(path);
  for (const file of [DATABASE, 'lock.db', join('bodies', 'keys.jsonl')]) {
    if (existsSync(join(path, file))) chownSync(join(path, file), uid, gid);
  }
}
