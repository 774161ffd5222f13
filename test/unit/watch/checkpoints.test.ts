// The change of the day's key, ended at every step: afterwards one key goes on, endorsed from the first, and the old one is gone from the disk.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { follow, isSame, type Signed, type SignedCheckpoint, UNSIGNED } from '../../../src/record/checkpoint.ts';
import type { Head } from '../../../src/record/verify.ts';
import { type DayKeys, openDayKeys } from '../../../src/store/audit/day-keys.ts';
import type { ProofState } from '../../../src/store/audit/port.ts';
import { startCheckpoints } from '../../../src/watch/checkpoints.ts';
import { settled, type TestClock, testClock } from '../../support/clock.ts';
import { random, readyVault } from '../../support/vault.ts';

const DAY = 86_400_000;
const MINUTE = 60_000;

/** A chain that only grows, and the checkpoints that were committed. */
class Chain {
  readonly rows: SignedCheckpoint[] = [];
  seq = 1;
  /** Ends the call before or after its commit. */
  fail: 'before' | 'after' | null = null;

  head(): Head {
    return { node: 'gw', epoch: 1, seq: this.seq, hash: Buffer.alloc(32, this.seq) };
  }
  proofState = async (): Promise<ProofState> => ({
    ...{ head: this.head(), others: [], last: this.rows.at(-1) ?? null },
    standing: this.rows.findLast(({ next }) => next !== null) ?? null,
  });
  addCheckpoint = async (one: SignedCheckpoint): Promise<void> => {
    if (this.fail === 'before') throw new Error('ended');
    if (one.no !== this.rows.length + 1) throw new Error('does not follow');
    this.rows.push(one);
    if (this.fail === 'after') throw new Error('ended');
  };
}

let folder: string;
let vault: Awaited<ReturnType<typeof readyVault>>;
let chain: Chain;
let clock: TestClock;
let alarms: string[];

beforeAll(async () => {
  vault = await readyVault();
  await vault.ready('-', Date.UTC(2026, 0, 1));
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sealrelay-day-keys-'));
  chain = new Chain();
  clock = testClock(Date.UTC(2026, 0, 1, 12));
  alarms = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

const disk = () => readFileSync(join(folder, 'audit.keys'));
const keys = () => openDayKeys(folder, { vault, random });

async function start(wrap: (real: DayKeys) => DayKeys = (real) => real) {
  const log = { warn: () => {}, error: () => {} };
  const alarm = (name: string) => void alarms.push(name);
  return startCheckpoints({ node: 'gw', audit: chain, dayKeys: wrap(await keys()), clock, log, alarm });
}

/** All follow from the first key; gives the key that goes on. */
function keyInForce(): Uint8Array {
  let at: Signed = UNSIGNED;
  for (const one of chain.rows) {
    const next = follow(at, one, [chain.rows[0]!.key]);
    if (typeof next === 'string') throw new Error(next);
    at = next;
  }
  return at.key!;
}

/** The places of the file that are not empty, by the public key that each begins with. */
function places(): Buffer[] {
  const all = disk();
  const size = all.length / 2;
  return [all.subarray(0, size), all.subarray(size)].filter((one) => one.some((octet) => octet !== 0));
}

test('signs at the start, each minute that has entries, when many came, and at the end; not when nothing came', async () => {
  const signer = await start();
  expect(chain.rows.map(({ seq }) => seq)).toEqual([1]);
  const pass = async (ms: number) => {
    clock.advance(ms);
    for (let i = 0; i < 20; i++) await Promise.resolve();
  };
  await pass(MINUTE);
  chain.seq = 5;
  await pass(MINUTE);
  await pass(MINUTE);
  chain.seq = 2000;
  signer.grown();
  for (let i = 0; i < 20; i++) await Promise.resolve();
  chain.seq = 2001;
  await signer.stop();
  expect(chain.rows.map(({ seq }) => seq)).toEqual([1, 5, 2000, 2001]);
  expect(signer.latest()).toBe(chain.rows[3]);
  expect(alarms).toEqual([]);
  keyInForce();
});

test('a new key each day, by restarts and without', async () => {
  for (let day = 0; day < 4; day++) {
    const signer = await start();
    chain.seq += 1;
    clock.advance(DAY / 2);
    await signer.stop();
    expect(places()).toHaveLength(1);
    expect(isSame(places()[0]!.subarray(0, 32), keyInForce())).toBe(true);
  }
  expect(new Set(chain.rows.map(({ key }) => Buffer.from(key).toString('hex'))).size).toBe(3);
  expect(alarms).toEqual([]);
});

/** `passed`: calls of keepOnly that are left alone. */
const ended = () => {
  throw new Error('ended');
};
const STEPS: Readonly<Record<string, { wrap?: (real: DayKeys, passed: number) => DayKeys; fail?: Chain['fail'] }>> = {
  'before the next key is made': { wrap: (real) => ({ ...real, make: async () => ended() }) },
  'after it is made': {
    wrap: (real) => ({ ...real, make: async (keep) => real.make(keep).then(ended) }),
  },
  'before it is endorsed': { fail: 'before' },
  'after it is endorsed': { fail: 'after' },
  'before the last one is overwritten': {
    wrap: (real, passed) => {
      let calls = 0;
      return { ...real, keepOnly: async (key) => (calls++ < passed ? real.keepOnly(key) : ended()) };
    },
  },
  'after it is overwritten': {
    wrap: (real, passed) => {
      let calls = 0;
      return {
        ...real,
        keepOnly: async (key) => real.keepOnly(key).then(() => (calls++ < passed ? undefined : ended())),
      };
    },
  },
};

test.each(Object.entries(STEPS))('ended %s: one goes on, the other is gone', async (_, { wrap, fail = null }) => {
  const before = await start();
  await before.stop();
  const old = Buffer.from(places()[0]!);
  clock.advance(DAY);
  chain.seq += 7;
  chain.fail = fail;
  // At the start the key that stands is looked up first.
  await expect(start(wrap && ((real) => wrap(real, 1)))).rejects.toThrow('ended');
  chain.fail = null;
  const again = await start();
  chain.seq += 1;
  await again.stop();
  expect(places()).toHaveLength(1);
  expect(isSame(places()[0]!.subarray(0, 32), keyInForce())).toBe(true);
  // Neither the box nor the name of the old key.
  expect(disk().includes(old.subarray(32))).toBe(false);
  expect(disk().includes(old.subarray(0, 32))).toBe(false);
  // Signed up to the end, and by two keys only.
  expect(chain.rows.at(-1)!.seq).toBe(chain.seq);
  expect(new Set(chain.rows.map(({ key }) => Buffer.from(key).toString('hex'))).size).toBe(2);
  expect(alarms).toEqual([]);
});

test.each(Object.entries(STEPS))('failed %s while it runs: mended with the next entries', async (_, {
  wrap,
  fail = null,
}) => {
  let failing = false;
  const signer = await start((real) => {
    const broken = wrap?.(real, 0) ?? real;
    const pick = (name: 'make' | 'keepOnly') => async (key: never) => (failing ? broken : real)[name](key);
    return { ...real, make: pick('make') as DayKeys['make'], keepOnly: pick('keepOnly') as DayKeys['keepOnly'] };
  });
  clock.advance(DAY);
  failing = true;
  chain.fail = fail;
  chain.seq += 1;
  signer.grown();
  while (!alarms.includes('checkpoint failed')) await settled();
  failing = false;
  chain.fail = null;
  chain.seq += 1;
  await signer.stop();
  expect(isSame(places()[0]!.subarray(0, 32), keyInForce())).toBe(true);
  expect(places()).toHaveLength(1);
  expect(chain.rows.at(-1)!.seq).toBe(chain.seq);
});

test('a key file that is gone or changed: a new series, said and alarmed', async () => {
  await (await start()).stop();
  const first = keyInForce();
  for (const spoil of [
    () => rmSync(join(folder, 'audit.keys')),
    () => writeFileSync(join(folder, 'audit.keys'), disk().fill(1, 40, 60)),
  ]) {
    spoil();
    chain.seq += 1;
    alarms = [];
    await (await start()).stop();
    expect(alarms).toEqual(['audit key lost']);
    const begun = chain.rows.at(-1)!;
    expect(isSame(begun.key, first)).toBe(false);
    expect(isSame(begun.key, begun.next!)).toBe(true);
  }
  expect(() => keyInForce()).toThrow('begins anew');
});

test('the private half stands in its file boxed', async () => {
  const seeds: Buffer[] = [];
  const spying = {
    ...random,
    bytes: (n: number) => {
      const made = random.bytes(n);
      if (n === 32) seeds.push(Buffer.from(made));
      return made;
    },
  };
  const made = await openDayKeys(folder, { vault, random: spying });
  const { key } = await made.make(null);
  expect(seeds).toHaveLength(1);
  expect(disk().includes(seeds[0]!)).toBe(false);
  expect(made.find(key)).not.toBeNull();
  await made.keepOnly(Buffer.alloc(32, 1));
  expect(made.find(key)).toBeNull();
  expect(disk().every((octet) => octet === 0)).toBe(true);
  await made.close();
});
