// Opens the store on SQLite: one writer thread, one reader thread, and the ports over them. One process at a time; a
// second one is refused in plain words. Logs nothing; what went wrong is told by `onFailed` and `alarm`.

import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Vault } from '../../crypto/vault.ts';
import type { Clock, Random } from '../../domain/types.ts';
import type { KeyBook } from '../../keys/book-port.ts';
import { cachedBook } from '../../keys/cache.ts';
import type { KeyBoxes, Keyring } from '../../keys/port.ts';
import type { Accounts } from '../accounts/port.ts';
import { openAccounts } from '../accounts/sqlite.ts';
import type { Approvals } from '../approvals/port.ts';
import { openApprovals } from '../approvals/sqlite.ts';
import { openArchive } from '../audit/archive.ts';
import type { Archive } from '../audit/archive-port.ts';
import { openHolds } from '../audit/holds.ts';
import { openLasting } from '../audit/lasting.ts';
import { type MonthKeys, openMonthKeys } from '../audit/month-keys.ts';
import { openPin, type Pin } from '../audit/pin.ts';
import type { Audit } from '../audit/port.ts';
import { openProven } from '../audit/proven.ts';
import { openAudit } from '../audit/sqlite.ts';
import { openBook } from '../keyring/book.ts';
import { openKeyBoxes } from '../keyring/boxes.ts';
import { openKeyring } from '../keyring/sqlite.ts';
import type { Parcels } from '../parcels/port.ts';
import { openParcels } from '../parcels/sqlite.ts';
import type { Queue } from '../queue/port.ts';
import { openQueue } from '../queue/sqlite.ts';
import type { Recovery } from '../recovery/port.ts';
import { openRecovery } from '../recovery/sqlite.ts';
import type { WatchStore } from '../watch/port.ts';
import { openWatch } from '../watch/sqlite.ts';
import { accessOf } from './access.ts';
import { walPath } from './database.ts';
import { openSnapshot, type Snapshot } from './snapshot.ts';
import { type Faults, startThread } from './thread.ts';
import type { WriterData } from './writer.ts';

export type StoreDeps = {
  /** Folder of `queue.db` and `lock.db`; made when it is missing. */
  readonly path: string;
  /** Name of this node, which names its audit chain. */
  readonly node: string;
  /** Asked for at every use: the vault's keys are made through this store's keyring. */
  readonly vault: () => Vault;
  readonly clock: Clock;
  readonly random: Random;
  /** Recipients in one transaction for what is leased with its decision; 50 unless told. */
  readonly recipients?: number;
  /** Calls that share one commit; 256 unless told. */
  readonly batch?: number;
  /** The disk failed: the store refuses everything, the process has to end. */
  readonly onFailed?: (why: string) => void;
  /** Something needs a person: words with queue ids, without addresses. */
  readonly alarm?: (what: string) => void;
  /** A thousand entries or more came since this was called last. */
  readonly onGrown?: () => void;
  /** Path of the file that is removed when the disk is full; none unless told. */
  readonly reserve?: string;
  /** It was removed: only outcomes and the audit are written until it is there again. */
  readonly onFull?: () => void;
  readonly faults?: Faults;
};

export type StoreStats = {
  /** Calls that wait for their answer. */
  readonly waiting: number;
  readonly calls: number;
  /** Commits so far (batches answered). */
  readonly batches: number;
  /** Milliseconds since the oldest read that has no answer yet was asked for. */
  readonly oldestRead: number;
};

export type Store = {
  readonly queue: Queue;
  readonly audit: Audit;
  readonly archive: Archive;
  readonly accounts: Accounts;
  readonly approvals: Approvals;
  readonly keyring: Keyring;
  readonly keyBoxes: KeyBoxes;
  readonly monthKeys: MonthKeys;
  /** The last checkpoint that was signed here. */
  readonly pin: Pick<Pin, 'renew'>;
  readonly parcels: Parcels;
  readonly book: KeyBook;
  readonly recovery: Recovery;
  readonly watch: WatchStore;
  readonly snapshot: Snapshot;
  stats(): StoreStats;
  /** Octets of the write-ahead log. */
  wal(): number;
  /** Waits for what was called, empties the log into the database, gives the lock back. */
  close(): Promise<void>;
};

/** Rejects with plain words: data in use by another process, schema too new, commits that would not be synced. */
export async function openStore(deps: StoreDeps): Promise<Store> {
  const { path, node, vault, clock, random, recipients = 50, batch = 256, faults } = deps;
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const database = join(path, 'queue.db');
  const failed = deps.onFailed ?? (() => {});
  const writerData: WriterData = {
    ...{ path: database, lock: join(path, 'lock.db'), node, batch },
    ...{ reserve: deps.reserve ?? null, faults: faults !== undefined },
  };
  const file = new URL('./writer.ts', import.meta.url);
  const writer = await startThread(file, writerData, failed, {
    ...{ log: walPath(database), faults, onGrown: deps.onGrown, onFull: deps.onFull },
  });
  let reader: Awaited<ReturnType<typeof startThread>>;
  try {
    reader = await startThread(new URL('./reader.ts', import.meta.url), { path: database }, failed);
  } catch (error) {
    await writer.close();
    throw error;
  }
  const alarm = deps.alarm ?? (() => {});
  const access = accessOf({ clock, random, vault, alarm, recipients }, { writer, reader });
  const lasting = openLasting(access);
  const pin = openPin(access, path);
  const proven = openProven(access, pin);
  const holds = openHolds(access, lasting, proven);
  return {
    queue: openQueue(access),
    audit: openAudit(access, pin),
    archive: openArchive({ access, database, lasting, proven, holds }),
    accounts: openAccounts(access, lasting),
    approvals: openApprovals(access),
    keyring: openKeyring(access),
    keyBoxes: openKeyBoxes(access),
    monthKeys: openMonthKeys(access, holds),
    pin,
    parcels: openParcels(access),
    book: cachedBook(openBook(access)),
    recovery: openRecovery(access),
    watch: openWatch(access),
    snapshot: openSnapshot(access),
    wal: () => statSync(walPath(database), { throwIfNoEntry: false })?.size ?? 0,
    stats: () => ({
      waiting: writer.waiting(),
      calls: writer.counts.calls,
      batches: writer.counts.answered,
      oldestRead: reader.oldest(),
    }),
    async close() {
      await reader.close();
      await writer.close();
    },
  };
}
