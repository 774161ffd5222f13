// A folder with the store on SQLite, a ring over its own keyring, and faults that tests call for.

import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { boxKey } from '../../src/crypto/box.ts';
import { openRing, type Ring } from '../../src/keys/ring.ts';
import { openDayKeys } from '../../src/store/audit/day-keys.ts';
import { openStore, type Store, type StoreDeps } from '../../src/store/sqlite/open.ts';
import { reservePath } from '../../src/store/sqlite/reserve.ts';
import type { Faults } from '../../src/store/sqlite/thread.ts';
import { startCheckpoints } from '../../src/watch/checkpoints.ts';
import { testClock } from '../support/clock.ts';
import { random } from '../support/vault.ts';
import { Bench, NOON, type StoreUnderTest } from './store-bench.ts';

export type Place = StoreUnderTest & {
  readonly path: string;
  readonly failures: string[];
  readonly alarms: string[];
  /** SQLite code with which the next commit fails, or CRASH. */
  fail(code: string): void;
  /** The store that was opened last. */
  store(): Store;
};

export function setUp(
  faults: Faults = {},
  wrap: <T extends object>(port: T) => T = (port) => port,
  /** `reserve`: its file is given up when the disk is full. */
  { reserve, ...told }: Pick<StoreDeps, 'onGrown' | 'onFull'> & { readonly reserve?: boolean } = {},
): Place {
  const path = mkdtempSync(join(tmpdir(), 'sealrelay-store-'));
  const master = [boxKey(randomBytes(32))] as const;
  const clock = { at: NOON };
  const failures: string[] = [];
  const alarms: string[] = [];
  let failing: { code: string; others: number } | null = null;
  let store: Store;
  // Opening takes many steps, and each its time: faults begin after it.
  let opened = false;
  const failCommit = () => {
    if (failing === null || failing.others-- > 0) return null;
    const { code } = failing;
    failing = null;
    return code;
  };
  const { latency } = faults;
  return {
    ...{ path, clock, failures, alarms, store: () => store },
    fail: (code) => {
      failing = { code, others: 0 };
    },
    failCommit: (others = 0) => {
      failing = { code: 'SQLITE_FULL', others };
    },
    async open() {
      let ring: Ring;
      opened = false;
      const deps: StoreDeps = {
        ...{ path, node: 'gw', vault: () => ring, clock: { now: () => clock.at, sleep: async () => {} }, random },
        faults: { failCommit, ...faults, ...(latency && { latency: () => (opened ? latency() : 0) }) },
        ...told,
        ...(reserve && { reserve: reservePath(path) }),
        onFailed: (why) => failures.push(why),
        alarm: (what) => alarms.push(what),
      };
      store = await openStore(deps);
      ring = await openRing({ master, keyring: store.keyring, random });
      for (const organization of ['-', 'clinic', 'practice']) await ring.ready(organization, clock.at);
      opened = true;
      const { audit, accounts, keyring, book, close } = store;
      const [queue, parcels] = [wrap(store.queue), wrap(store.parcels)];
      return { queue, parcels, audit, accounts, keyring, book, close, vault: ring };
    },
    remove: () => rmSync(path, { recursive: true }),
  };
}

/** Gives each test of a file a store of its own, open at `at`; nothing may have failed in it. */
export function withStore(given: (place: Place, bench: Bench) => void, at = NOON): void {
  let place: Place;
  let bench: Bench;
  beforeEach(async () => {
    place = setUp();
    place.clock.at = at;
    bench = new Bench(place, await place.open());
    given(place, bench);
  });
  afterEach(async () => {
    await bench.opened.close();
    place.remove();
    expect(place.failures).toEqual([]);
  });
}

/** Signs what stands, as a gateway does that ends. */
export async function checkpoint(place: Place, bench: Bench): Promise<void> {
  const dayKeys = await openDayKeys(place.path, { vault: bench.opened.vault, random });
  const log = { warn: () => {}, error: (fields: unknown) => expect(fields).toBe('no error') };
  const clock = { now: () => place.clock.at, sleep: testClock().sleep };
  const deps = { node: 'gw', audit: bench.audit, dayKeys, clock, log, alarm: () => {} };
  await (await startCheckpoints(deps)).stop();
}

/** What `work` gives, done by another program beside the gateway. */
export function beside<T>({ path }: Place, work: (db: Database.Database) => T, file = 'queue.db'): T {
  const db = new Database(join(path, file));
  try {
    return work(db);
  } finally {
    db.close();
  }
}

/** The same while the gateway stands still. */
export async function whileClosed<T>(
  place: Place,
  bench: Bench,
  work: (db: Database.Database) => T,
  file?: string,
): Promise<T> {
  await bench.opened.close();
  const given = beside(place, work, file);
  bench.opened = await place.open();
  return given;
}

/** Changes rows behind the back of a gateway that does not run. */
export async function tamper(place: Place, bench: Bench, sql: string, ...values: unknown[]): Promise<void> {
  const { changes } = await whileClosed(place, bench, (db) => db.prepare(sql).run(...values));
  expect(changes).toBeGreaterThan(0);
}

/** The caller got no answer either and makes every verb again by its id: the answer must be the same. */
export function repeating<T extends object>(port: T): T {
  const isVerb = (arg: unknown) => typeof arg === 'string' && /^[0-9a-f]{32}$/.test(arg);
  const isOperation = (arg: unknown) => typeof (arg as { verb?: unknown } | null)?.verb === 'string';
  return new Proxy(port, {
    get: (target, name) => {
      const method = target[name as keyof T] as (...args: unknown[]) => Promise<unknown>;
      return async (...args: unknown[]) => {
        const first = await method(...args);
        if (isVerb(args[0]) || isOperation(args[0])) expect(await method(...args)).toEqual(first);
        return first;
      };
    },
  });
}

/** Loses the first two answers to every call that can be made again. */
export function cutting(): Faults & { readonly lost: Map<string, number> } {
  const lost = new Map<string, number>();
  return {
    lost,
    loseAnswer: (_, id) => {
      const times = lost.get(id) ?? 0;
      if (id === '' || times >= 2) return false;
      lost.set(id, times + 1);
      return true;
    },
  };
}
