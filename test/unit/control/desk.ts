// Control over a real store in a folder of its own, with messages in every state, and what it logs.

import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Control, createControl, type Door } from '../../../src/control/control.ts';
import type { ControlDeps, Log, ReloadOptions } from '../../../src/control/deps.ts';
import { boxKey } from '../../../src/crypto/box.ts';
import { readPgpKeys } from '../../../src/crypto/pgp/read.ts';
import { readCertificates } from '../../../src/crypto/smime/read.ts';
import { type Address, type DeliveryId, type Owner, type QueueId, queueId } from '../../../src/domain/ids.ts';
import type { Action, Decision, Examination, Protection } from '../../../src/domain/types.ts';
import { createReadKeys, type RunReader } from '../../../src/keys/import.ts';
import { createJudge } from '../../../src/keys/lookup.ts';
import { openRing, type Ring } from '../../../src/keys/ring.ts';
import { createChain } from '../../../src/keys/roots.ts';
import { floorProblem } from '../../../src/policy/floors.ts';
import { openStore, type Store } from '../../../src/store/sqlite/open.ts';
import { WorkError } from '../../../src/work/pool.ts';
import { NOON, random } from '../../support/vault.ts';

export const CLINIC = 'Northside Clinic';
export const PRACTICE = 'Southside Practice';
export const OWNER = 'node 1' as Owner;
const TLS: Protection = { name: 'tls', level: 'verify' };
export const DELIVER: Action = { kind: 'deliver', protections: [TLS] };

export type Answer = { readonly data: unknown; readonly rows: readonly Record<string, unknown>[] };
export type Letter = {
  readonly organization?: string;
  readonly from?: string;
  readonly to: readonly string[];
  readonly action?: Action;
  readonly rule?: string;
  /** Milliseconds before now at which it was accepted. */
  readonly age?: number;
};
export type Desk = {
  readonly control: Control;
  readonly store: Store;
  readonly folder: string;
  readonly log: Log;
  /** Every line that was logged, as JSON. */
  readonly logged: string[];
  readonly reloads: ReloadOptions[];
  /** DER of the authorities that are trusted. */
  readonly roots: Uint8Array[];
  woken(): number;
  /** Tokens of `ann`, an admin, and `bob`, an auditor. */
  readonly tokens: { admin: string; auditor: string };
  operators(): Promise<void>;
  ask(command: string, args?: unknown, how?: { door?: Door; token?: string }): Promise<Answer>;
  /** Accepts it and, with an action, decides it. */
  send(letter: Letter): Promise<QueueId>;
  states(id: QueueId): Promise<string[]>;
  close(): Promise<void>;
};

/** As a worker does it, in this process. */
const readKeysHere: RunReader = async (job, { file, ...options }) => {
  try {
    return await (job === 'readPgpKeys' ? readPgpKeys(file, options) : readCertificates(file, options));
  } catch (error) {
    throw new WorkError('failed', (error as { code: string }).code);
  }
};

export async function openDesk(): Promise<Desk> {
  const folder = mkdtempSync(join(tmpdir(), 'sealrelay-desk-'));
  const clock = { now: () => NOON, sleep: async () => {} };
  let ring: Ring;
  const store = await openStore({ path: folder, node: 'gw', vault: () => ring, clock, random });
  ring = await openRing({ master: [boxKey(randomBytes(32))], keyring: store.keyring, random });
  for (const organization of ['-', CLINIC, PRACTICE]) await ring.ready(organization, NOON);
  const logged: string[] = [];
  const write = (fields: object, message: string) => logged.push(JSON.stringify({ ...fields, message }));
  const log: Log = { info: write, warn: write, error: write };
  const reloads: ReloadOptions[] = [];
  const roots: Uint8Array[] = [];
  let woken = 0;
  const floors = { organizations: {}, domains: [{ pattern: 'strict.test', floor: TLS }], tags: {} };
  const deps: ControlDeps = {
    ...{
      queue: store.queue,
      // Clocks stood still for an hour.
      expiryOf: ({ expiresAt }) => expiresAt + 3_600_000,
      parcels: store.parcels,
      recovery: store.recovery,
      watch: { figures: async () => [], usage: store.watch.usage },
      audit: store.audit,
      archive: store.archive,
      approvals: {} as never,
      anchorFault: async () => null,
      fourEyes: () => [],
      alarm: () => {},
      reloadGuard: async () => ({ kinds: [], of: '' }),
      accounts: store.accounts,
      clock,
      random,
      log,
    },
    organizations: () => [CLINIC, PRACTICE],
    domains: (name) => (name === CLINIC ? ['clinic.test'] : ['practice.test']),
    book: store.book,
    judge: createJudge({ chain: createChain(() => roots), clock }),
    readKeys: createReadKeys(readKeysHere, clock),
    explain: async () => [],
    backups: { make: () => Promise.reject(new Error('not here')) },
    masterKey: 'somewhere',
    rotation: { run: () => Promise.reject(new Error('not here')) },
    reload: async (options) => {
      reloads.push(options);
      return { applied: true, problems: [], changes: [], needsRestart: [], weaker: [] };
    },
    status: async () => ({
      ...{ version: '1', node: 'gw', mode: 'evaluation', pid: 1, startedAt: NOON, configLoadedAt: NOON },
      ...{ policyVersion: 'p', listeners: [], ready: true, reasons: [], alarms: [] },
    }),
    wake: () => {
      woken += 1;
    },
    meetsFloor: (delivery, protection) => floorProblem(floors, delivery, protection),
    hashSecret: async () => 'argon2id$1$1$1$AA$AA',
  };
  const control = createControl(deps);
  const tokens = { admin: '', auditor: '' };
  const ask: Desk['ask'] = async (command, args = {}, { door = 'control', token = tokens.admin } = {}) => {
    const rows: Record<string, unknown>[] = [];
    const data = await control.perform(door, { token, command, args }, async (page) => {
      rows.push(...(page as Record<string, unknown>[]));
    });
    return { data, rows };
  };
  return {
    ...{ control, store, folder, log, logged, reloads, roots, tokens, ask },
    woken: () => woken,
    operators: async () => {
      tokens.admin = ((await ask('user.add', { name: 'ann', role: 'admin' })).data as { token: string }).token;
      tokens.auditor = ((await ask('user.add', { name: 'bob', role: 'auditor' })).data as { token: string }).token;
    },
    send: (letter) => send(store, letter),
    states: async (id) => (await store.queue.message(id))!.deliveries.map(({ state }) => state),
    close: async () => {
      await store.close();
      rmSync(folder, { recursive: true });
    },
  };
}

const EXAMINATION: Examination = {
  subject: 'canary subject',
  messageId: '<1@clinic.test>',
  subjectTags: [],
  findings: { phi: false, counts: [], places: [] } as unknown as Examination['findings'],
  coverage: { state: 'full', parts: [] },
  autoSubmitted: false,
  eightBit: false,
  utf8Headers: false,
};

const verb = () => Buffer.from(random.bytes(16)).toString('hex');

async function send({ queue }: Store, letter: Letter): Promise<QueueId> {
  const { organization = CLINIC, from = 'lee@clinic.test', to, action, rule = 'all', age = 0 } = letter;
  const acceptedAt = NOON - age;
  const id = queueId(acceptedAt, random.bytes(9));
  const until = NOON + 60_000;
  const accepted = await queue.accept(
    verb(),
    {
      ...{ id, organization, acceptedAt, acceptedBy: 'gw', origin: 'relayed', dsn: {}, smtpUtf8: false, size: 4096 },
      reversePath: from,
      sender: [from as Address],
      digest: random.bytes(32),
      cause: { kind: 'smtp', key: id },
      trace: { helo: 'mail', ip: '192.0.2.7', with: 'ESMTPS', proof: ['network'] },
      body: { object: verb(), file: '1', offset: 0, length: 4096, key: 'AA' },
      deliveries: to.map((one) => ({
        recipient: one as Address,
        dsn: {},
        destination: one.slice(one.lastIndexOf('@') + 1),
        priority: 'normal' as const,
        expiresAt: NOON + 5 * 86_400_000,
      })),
    },
    { kind: 'smtp', key: id },
    { owner: OWNER, until },
  );
  if (action === undefined || accepted.lease === undefined) return id;
  const decision: Decision = { action, rule, because: 'a test', policyVersion: 'p', engineVersion: '1' };
  const decisions = to.map((_, i) => ({ delivery: `${id}.${i}` as DeliveryId, decision }));
  await queue.decided(verb(), id, accepted.lease.lease, EXAMINATION, decisions);
  return id;
}
