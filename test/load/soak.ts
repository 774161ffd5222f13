// `npm run soak`: the store with its clock sped up. Messages are accepted, leased, delivered and swept by the verbs of the line, evenly over some
// months and ten days; retention closes each month and destroys what is older than one.

import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { boxKey } from '../../src/crypto/box.ts';
import { type Address, type OrganizationName, type Owner, queueId } from '../../src/domain/ids.ts';
import type { Decision, NewMessage, Random, Settlement, Transaction } from '../../src/domain/types.ts';
import { openRing, type Ring } from '../../src/keys/ring.ts';
import { openDayKeys } from '../../src/store/audit/day-keys.ts';
import { openStore, type Store } from '../../src/store/sqlite/open.ts';
import { type Checkpoints, startCheckpoints } from '../../src/watch/checkpoints.ts';
import { makeRetention } from '../../src/watch/retention.ts';
import { readOptions, text, whole } from '../support/options.ts';

const options = readOptions({
  usage: 'npm run soak --',
  about:
    'Passes months of messages through the store and its retention, with the clock sped up. Prints, beside its bound, what must not grow from the first month to the last, and what must stay quick.',
  options: {
    entries: whole(10_000_000, 'of the audit; a message makes six', { least: 10_000 }),
    months: whole(3, 'over which they are spread, and ten days more', { most: 24 }),
    folder: text('FOLDER', 'where the store lies, and stays (default: a temporary one)'),
  },
  example: 'npm run soak -- --entries 1000000',
  exits: { 0: 'all bounds hold', 1: 'one is missed' },
});
const { entries: ENTRIES, months: MONTHS } = options;

/** accepted, decided, attempted, delivered, finished, swept. */
const EACH = 6;
const DAY = 86_400_000;
const HOUR = 3_600_000;
const START = Date.UTC(2026, 0, 1);
const END = Date.UTC(2026, MONTHS, 11);
const MESSAGES = Math.ceil(ENTRIES / EACH);
const STEP = (END - START) / MESSAGES;
/** Accepts that share commits, as sessions do. */
const AT_ONCE = 2_000;
/** Ready all the while, so that a lease has something to choose from. */
const STANDING = 4_000;
const LEASED = 50;
const LEASES = 20;
const PEOPLE = 50_000;
const KIM = 'kim@a.test';
const SEARCH_MS = 200;
const WAL_BOUND = 64 << 20;
const FLAT = 1.2;

const clock = { at: START, now: () => clock.at, sleep: (_: number, signal?: AbortSignal) => asleep(signal) };
const random: Random = { bytes: (n) => randomBytes(n), fraction: Math.random };
const decision: Decision = {
  ...{ because: 'soak', policyVersion: 'soak', engineVersion: '1', rule: 'all' },
  action: { kind: 'deliver', protections: [{ name: 'tls', level: 'verify' }] },
};
const evidence = { hop: 'mx.a.test', address: '192.0.2.25', port: 25, mx: 'mx.a.test', level: 'verify' as const };

/** The clock is moved by what is done, not by waiting: who waits for its minute is woken at the end only. */
function asleep(signal?: AbortSignal): Promise<void> {
  if (signal === undefined) return Promise.resolve();
  return new Promise((_, reject) =>
    signal.addEventListener('abort', () => reject(new Error('stopped')), { once: true }),
  );
}

function letter(i: number, at: number): NewMessage {
  const id = queueId(at, randomBytes(9));
  // Kim gets a message a day or so.
  const to = (i % Math.ceil(DAY / STEP) === 7 ? KIM : `p${(i * 7919) % PEOPLE}@d${i % 300}.test`) as Address;
  return {
    ...{ id, organization: 'clinic' as OrganizationName, origin: 'relayed', acceptedAt: at, acceptedBy: 'gw' },
    ...{ size: 76_800, digest: randomBytes(32), dsn: {}, smtpUtf8: false, reversePath: `s${i % 200}@clinic.test` },
    ...{ sender: [`s${i % 200}@clinic.test` as Address], cause: { kind: 'smtp', key: id } as const },
    trace: { helo: 'mail.clinic.test', ip: '192.0.2.7', with: 'ESMTPS', proof: ['network'] },
    body: { object: hex(), file: '1', offset: 0, length: 77_000, key: 'AA' },
    deliveries: [
      {
        ...{ recipient: to, dsn: {}, destination: to.slice(to.indexOf('@') + 1), priority: 'normal' as const },
        ...{ expiresAt: at + 5 * DAY, decision },
      },
    ],
  };
}

function hex(): string {
  return randomBytes(16).toString('hex');
}

/** Of the time between two closings. */
type Figures = {
  entries: number;
  state: number;
  wal: number;
  heap: number;
  readonly leases: number[];
  readonly commits: number[];
};

class Soak {
  readonly folder: string;
  readonly store: Store;
  readonly checkpoints: Checkpoints;
  readonly months: Figures[] = [];
  readonly retain: () => Promise<void>;
  readonly closing: number[] = [];
  accepted = 0;
  closed = 0;

  constructor(folder: string, store: Store, checkpoints: Checkpoints) {
    this.folder = folder;
    this.store = store;
    this.checkpoints = checkpoints;
    const info = (what: object) => {
      say(`  ${JSON.stringify(what)}`);
      if ('month' in what) this.closed += 1;
    };
    const log = { info, warn: say, error: say };
    const line = { clock: { now: clock.now, sleep: async () => {} }, log, meter: { alarm: say } };
    this.retain = makeRetention(
      {
        ...{ line: line as never, archive: store.archive, months: () => 1 },
        destroyKeys: async (before, stop) => {
          const { gone, kept } = await store.archive.still(() => store.monthKeys.destroy(before, { stop }));
          return { keys: gone.length, kept };
        },
      },
      new AbortController().signal,
    );
  }

  figures(): Figures {
    this.months[this.closed] ??= { entries: 0, state: 0, wal: 0, heap: 0, leases: [], commits: [] };
    return this.months[this.closed] as Figures;
  }

  async run(): Promise<void> {
    const owner = 'gw soak' as Owner;
    let hour = 0;
    let ready = 0;
    while (this.accepted < MESSAGES || ready > 0) {
      const some = Math.min(AT_ONCE, MESSAGES - this.accepted);
      const letters = Array.from({ length: some }, () => {
        clock.at = Math.min(START + this.accepted * STEP, END);
        return letter(this.accepted++, Math.floor(clock.at));
      });
      clock.at = Math.floor(clock.at);
      await Promise.all(letters.map((one) => this.store.queue.accept(hex(), one, one.cause)));
      for (const { id } of letters) this.store.queue.acknowledged(id);
      ready += some;
      while (ready > (this.accepted < MESSAGES ? STANDING : 0)) {
        // One by itself is measured, beside a commit of nothing: the disk is as busy as others make it.
        const begun = performance.now();
        await this.store.queue.nextDue();
        const between = performance.now();
        const taken = [...(await this.lease(owner))];
        this.figures().leases.push(performance.now() - between);
        this.figures().commits.push(between - begun);
        taken.push(...(await Promise.all(Array.from({ length: LEASES }, () => this.lease(owner)))).flat());
        await Promise.all(taken.map((one) => this.deliver(one)));
        ready -= taken.reduce((sum, one) => sum + one.deliveries.length, 0);
      }
      await this.sweep();
      const figures = this.figures();
      figures.wal = Math.max(figures.wal, this.store.wal());
      if (Math.floor(clock.at / HOUR) !== hour) {
        hour = Math.floor(clock.at / HOUR);
        await this.hourly(figures);
      }
    }
  }

  lease(owner: Owner): Promise<readonly Transaction[]> {
    return this.store.queue.lease(owner, LEASED, clock.at + HOUR, { recipients: 50 });
  }

  deliver({ lease, deliveries }: Transaction): Promise<void> {
    const outcome = { kind: 'delivered', reply: { code: 250, enhanced: '2.0.0', text: 'ok' }, evidence } as const;
    const done = deliveries.map(
      ({ id }): Settlement => ({
        ...{ delivery: id, outcome, step: 0, protection: 'tls: verify', next: { state: 'delivered' } },
        ...{ because: 'was delivered', status: '2.0.0' },
      }),
    );
    return this.store.queue.settle(hex(), lease, done);
  }

  async sweep(): Promise<void> {
    const over = await this.store.queue.finished(AT_ONCE);
    await Promise.all(over.map(({ id }) => this.store.queue.bodiless(hex(), id)));
  }

  async hourly(figures: Figures): Promise<void> {
    figures.state = Math.max(figures.state, sizeOf(join(this.folder, 'queue.db')));
    const begun = performance.now();
    const before = this.closed;
    await this.retain();
    if (this.closed > before) this.closing.push(performance.now() - begun);
    (globalThis as { gc?: () => void }).gc?.();
    figures.heap = Math.max(figures.heap, process.memoryUsage().heapUsed);
    figures.entries = (await this.store.audit.proofState('gw')).head.seq;
    if (new Date(clock.at).getUTCHours() === 0 && new Date(clock.at).getUTCDate() % 5 === 1) {
      const done = Math.round((this.accepted / MESSAGES) * 100);
      say(`${new Date(clock.at).toISOString().slice(0, 10)}  ${done} %  ${figures.entries} entries`);
    }
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

function say(what: unknown): void {
  process.stderr.write(`${typeof what === 'string' ? what : JSON.stringify(what)}\n`);
}

function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;
}

const MB = (octets: number) => `${(octets / 1_048_576).toFixed(0)} MB`;
const MS = (ms: number) => `${ms.toFixed(1)} ms`;
const SECONDS = (ms: number) => `${(ms / 1000).toFixed(0)} s`;

let failed = 0;
function row(what: string, value: string, bound: string, isGood: boolean): void {
  if (!isGood) failed += 1;
  process.stdout.write(`${isGood ? '✓' : '✗'} ${what.padEnd(44)} ${value.padEnd(34)} ${bound}\n`);
}

async function report(soak: Soak): Promise<void> {
  const { store, folder, months } = soak;
  const whole = months.slice(0, MONTHS);
  const first = whole[0]!;
  const last = whole.at(-1)!;
  const flat = (what: string, of: (one: Figures) => number, text: (n: number) => string, slack: number) => {
    const [a, b] = [of(first), of(last)];
    row(
      `${what}, first and last month`,
      `${text(a)}, ${text(b)}`,
      `at most × ${FLAT} + ${text(slack)}`,
      b <= a * FLAT + slack,
    );
  };
  const quartile = (times: readonly number[]) =>
    quantile(
      [...times].sort((a, b) => a - b),
      0.25,
    );
  const leaseOf = (one: Figures) => Math.max(0, quartile(one.leases) - quartile(one.commits));
  flat('state file, largest', (one) => one.state, MB, 16 << 20);
  flat('heap after collection, largest', (one) => one.heap, MB, 4 << 20);
  flat(`lease of ${LEASED} over an empty commit, quartile`, leaseOf, MS, 5);
  const each = (of: (one: Figures) => string) => whole.map(of).join(', ');
  process.stdout.write(
    `  month by month: state file ${each((one) => MB(one.state))}; lease ${each((one) => MS(leaseOf(one)))}\n`,
  );
  const wal = Math.max(...whole.map((one) => one.wal));
  row('write-ahead log, largest', MB(wal), `at most ${MB(WAL_BOUND)}`, wal <= WAL_BOUND);
  const times: number[] = [];
  let found = 0;
  for (let i = 0; i < 20; i++) {
    const begun = performance.now();
    found = (await store.audit.search({ recipient: KIM, limit: 500 })).length;
    times.push(performance.now() - begun);
  }
  times.sort((a, b) => a - b);
  const slowest = times.at(-1)!;
  row(
    `log search by address, slowest of 20`,
    `${MS(slowest)}, ${found} found`,
    `under ${SEARCH_MS} ms`,
    slowest < SEARCH_MS && found > 0,
  );
  const begun = performance.now();
  const verified = await store.audit.verify();
  const rate = verified.entries / ((performance.now() - begun) / 1000);
  const gone = verified.pruned?.entries ?? 0;
  const isWhole = verified.intact && verified.lost.count === 0;
  row('log verify', `${verified.entries} entries and ${gone} pruned`, 'intact, nothing lost', isWhole);
  row('  entries a second', rate.toFixed(0), '200000', rate >= 200_000);
  const segments = readdirSync(join(folder, 'audit'), { withFileTypes: true });
  const sizes = segments.map((one) => `${one.name} ${MB(sizeOf(join(folder, 'audit', one.name)))}`);
  process.stdout.write(`  closed months: ${sizes.join(', ')}; closing took ${soak.closing.map(SECONDS).join(', ')}\n`);
}

async function main(): Promise<void> {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'sealrelay-soak-'));
  mkdirSync(folder, { recursive: true });
  let ring: Ring;
  let checkpoints: Checkpoints | null = null;
  const store = await openStore({
    ...{ path: folder, node: 'gw', vault: () => ring, clock, random, alarm: say, onFailed: say },
    onGrown: () => checkpoints?.grown(),
  });
  ring = await openRing({ master: [boxKey(randomBytes(32))], keyring: store.keyring, random });
  await ring.ready('-', clock.at);
  const dayKeys = await openDayKeys(folder, { vault: ring, random });
  const log = { warn: say, error: say };
  checkpoints = await startCheckpoints({ node: 'gw', audit: store.audit, dayKeys, clock, log, alarm: say });
  const soak = new Soak(folder, store, checkpoints);
  const begun = performance.now();
  await soak.run();
  const took = performance.now() - begun;
  process.stdout.write(`${MESSAGES} messages, ${MONTHS} months and ten days, in ${SECONDS(took)}\n`);
  await checkpoints.stop();
  await report(soak);
  await store.close();
  if (options.folder === undefined) rmSync(folder, { recursive: true });
  process.exitCode = failed > 0 ? 1 : 0;
}

await main();
