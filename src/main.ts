// The composition root: reads as the list of what the gateway is made of. `run` starts all in the order in which one part
// needs another, and gives back what can be done with it: reload, stop. What it cannot start it says in words, and leaves
// nothing running.

import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Logger, pino } from 'pino';
import { machineDeps } from './config/files.ts';
import type { LoadDeps } from './config/load.ts';
import { runtimeFaults } from './config/runtime.ts';
import type { Config } from './config/schema.ts';
import { createSecrets, type Secrets } from './config/secrets.ts';
import { type Alarms, createAlarms, storeFailedWords } from './control/alarms.ts';
import { createControl } from './control/control.ts';
import type { ControlDeps, GatewayStatus, ReloadReport } from './control/deps.ts';
import { explain } from './control/explanation.ts';
import { createReload, type InForce, loadInForce } from './control/in-force.ts';
import { createKeptPolicies, type KeptPolicies } from './control/kept-policies.ts';
import { openSockets } from './control/socket.ts';
import { nonces } from './crypto/nonces.ts';
import { GATEWAY, type Owner, type Time } from './domain/ids.ts';
import type { Clock, Delivery, Random } from './domain/types.ts';
import { createReadKeys } from './keys/import.ts';
import { openMaster } from './keys/open.ts';
import { openRing, type Ring } from './keys/ring.ts';
import { decide } from './policy/decide.ts';
import { floorProblem } from './policy/floors.ts';
import { createEscrow } from './portal/escrow.ts';
import { createJobs } from './portal/jobs.ts';
import { createPortal } from './portal/service.ts';
import { startPortalSweep } from './portal/sweep.ts';
import { obstacles } from './relay/intake.ts';
import { codeOf, type Line, type Meter, verbId } from './relay/line.ts';
import { openListeners } from './relay/listeners.ts';
import { createSchedule } from './relay/schedule.ts';
import { startSweep } from './relay/sweep.ts';
import { createWayOut } from './relay/way-out.ts';
import { createWays, prospectsFor } from './relay/ways.ts';
import type { Listener } from './smtp/listener.ts';
import { openDayKeys } from './store/audit/day-keys.ts';
import { writeKeysFile } from './store/bodies/keys-file.ts';
import { openMade } from './store/bodies/made.ts';
import { openBodies, type SegmentBodies } from './store/bodies/segments.ts';
import { refuseLostDatabase } from './store/recovery/rebuild.ts';
import { openStore, type Store } from './store/sqlite/open.ts';
import { hashSecret } from './trust/login.ts';
import { trustedOrganization } from './trust/prove.ts';
import { startAnchors } from './watch/anchors.ts';
import { type Checkpoints, startCheckpoints } from './watch/checkpoints.ts';
import { certificateOf, minVersionOf, portalCertificateOf } from './web/certificates.ts';
import { createMetrics, type Metrics } from './web/metrics.ts';
import { type PortalWeb, startPortalWeb } from './web/portal/listener.ts';
import { startWeb } from './web/server.ts';
import { openPool } from './work/open.ts';
import type { WorkError } from './work/pool.ts';

/** Why the gateway cannot start, in words for the operator; each line is one problem. */
export class StartError extends Error {}

export type Gateway = {
  readonly config: Config;
  readonly warnings: readonly string[];
  readonly listeners: readonly { readonly name: string; readonly address: string }[];
  /** Takes nothing more and finishes what is in hand, at most `DRAIN_MS`. */
  stop(): Promise<void>;
  reload(): Promise<ReloadReport>;
  /** Resolves when the gateway has to end by itself, because the disk failed. */
  readonly failed: Promise<void>;
};

export type RunOptions = {
  readonly configPath: string;
  /** Entry of the workers; a test gives one that injects faults. */
  readonly worker?: URL;
};

const DRAIN_MS = 10_000;
const clock: Clock = {
  now: Date.now,
  sleep: (ms, signal) => sleep(ms, undefined, signal === undefined ? {} : { signal }),
};
const random: Random = { bytes: (n) => randomBytes(n), fraction: Math.random };

/** Throws StartError, MasterKeyError or the store's own words. */
export async function run(options: RunOptions): Promise<Gateway> {
  const machine = machineDeps();
  const load = { ...machine, secrets: createSecrets(machine) };
  const loaded = await loadInForce(options.configPath, load, clock.now());
  if ('problems' in loaded) throw new StartError(loaded.problems.join('\n'));
  const faults = loaded.config.mode === 'live' ? runtimeFaults() : [];
  if (faults.length > 0) throw new StartError(faults.map((one) => `live mode: ${one}`).join('\n'));
  const closers: (() => unknown)[] = [];
  const log = pino({ level: loaded.config.log.level, base: { node: loaded.config.node } });
  const stop = async (): Promise<void> => {
    for (const close of closers.splice(0).reverse()) {
      // After a failed disk the store takes no more entry of the audit: the doors are closed nevertheless.
      await Promise.try(close).catch((error) => log.error({ code: codeOf(error) }, 'a part could not be closed'));
    }
  };
  try {
    const inForce = { current: loaded };
    const base: Base = {
      inForce,
      load,
      log,
      metrics: createMetrics(),
      alarms: createAlarms(),
      startedAt: clock.now(),
      closers,
    };
    const state = await openState(base);
    const running = await openLine(base, state, options.worker ?? new URL('./worker.ts', import.meta.url));
    const doors = await openDoors(base, state, running, options.configPath);
    log.info({ listeners: doors.listeners, mode: loaded.config.mode, policy: loaded.policy.version }, 'ready');
    const { config, warnings } = loaded;
    return { config, warnings, ...doors, stop, failed: state.failed };
  } catch (error) {
    await stop();
    throw withListener(error, loaded.config);
  }
}

/** An error of listening says which key of the configuration it is about. */
function withListener(error: unknown, { listen }: Config): unknown {
  const { syscall, address, port } = error as { syscall?: string; address?: string; port?: number };
  const found = Object.entries(listen).find(([, one]) => one?.port === port && one?.address === address);
  return syscall === 'listen' && found ? Object.assign(error as Error, { listener: `listen.${found[0]}` }) : error;
}

/** What every part is given: the living configuration, and where it hands in how it is closed. */
type Base = {
  readonly inForce: { current: InForce };
  readonly load: LoadDeps & { readonly secrets: Secrets };
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly alarms: Alarms;
  readonly startedAt: Time;
  readonly closers: (() => unknown)[];
};

// ── state: rows, keys, bodies ──

type State = {
  readonly store: Store;
  readonly vault: Ring;
  readonly bodies: SegmentBodies;
  readonly kept: KeptPolicies;
  readonly checkpoints: Checkpoints;
  readonly failed: Promise<void>;
};

async function openState(base: Base): Promise<State> {
  const { inForce, load, log, metrics, alarms, startedAt, closers } = base;
  const { config, policy } = inForce.current;
  const path = config.storage.path;
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const failure = Promise.withResolvers<void>();
  const onFailed = (why: string): void => {
    metrics.alarm('store failed');
    alarms.raise('store failed', clock.now());
    log.fatal({ why }, storeFailedWords(why));
    failure.resolve();
  };
  let vault: Ring | null = null;
  let checkpoints: Checkpoints | null = null;
  const theVault = (): Ring => {
    if (vault === null) throw new Error('the keys are not open yet');
    return vault;
  };
  const alarm = (what: string): void => log.error({ what }, 'the store needs a person');
  const recipients = config.delivery.recipients;
  const store = await openStore({
    path,
    node: config.node,
    vault: theVault,
    clock,
    random,
    recipients,
    batch: config.limits.store_batch,
    onFailed,
    alarm,
    onGrown: () => checkpoints?.grown(),
  });
  closers.push(() => store.close());
  const credentials = process.env.CREDENTIALS_DIRECTORY;
  const master = await openMaster(config, { secrets: load.secrets, random, credentials });
  const dir = join(path, 'bodies');
  await refuseLostDatabase(path, store.keyring);
  vault = await openRing({ master, keyring: store.keyring, random, copy: (rows) => writeKeysFile(dir, rows) });
  await vault.ready(GATEWAY, startedAt);
  checkpoints = await startCheckpoints({
    ...{ node: config.node, audit: store.audit, dayKeys: await openDayKeys(path, { vault, random }) },
    ...{ clock, log, alarm: meterOf(base).alarm },
  });
  closers.push(() => checkpoints?.stop());
  const limits = { reserve: config.limits.reserve_disk };
  const bodies = await openBodies({ dir, vault, clock, random, limits, onFailed });
  closers.push(() => bodies.close());
  const kept = createKeptPolicies(join(path, 'policies'), vault);
  await kept.keep(policy, startedAt);
  return { store, vault, bodies, kept, checkpoints, failed: failure.promise };
}

// ── the line: work, the way out, and what moves messages along ──

/** The line, and what else is done by its means: what people may ask of keys, and what workers do for the portal. */
type Running = {
  readonly line: Line;
  readonly keys: Pick<ControlDeps, 'book' | 'judge' | 'readKeys'>;
  readonly jobs: ReturnType<typeof createJobs>;
};

async function openLine(base: Base, state: State, worker: URL): Promise<Running> {
  const { inForce, log, startedAt, closers } = base;
  const { store, vault, bodies } = state;
  const { config } = inForce.current;
  const pool = openPool(config, worker, []);
  closers.push(() => pool.close());
  await pool.run('ready', null, WORKER_START_MS).catch((error: WorkError) => {
    throw new StartError(`the workers that examine messages do not start (${error.message})`);
  });
  const made = await openMade({ dir: join(config.storage.path, 'made'), random, bound: MADE_BOUND });
  const makers = openPool(config, worker, [made.dir]);
  closers.push(() => made.close());
  closers.push(() => makers.close());
  const settings = () => inForce.current.settings;
  const ways = createWays({
    book: store.book,
    bodies,
    made,
    makers,
    roots: () => inForce.current.roots,
    settings,
    clock,
  });
  const ca = await Promise.all((config.overrides?.ca ?? []).map((file) => readFile(file, 'utf8')));
  const minVersion = minVersionOf(config);
  const { resolver, egress, resolve, client } = createWayOut({ config, minVersion, ca, clock, random });
  closers.push(() => client.close());
  const schedule = createSchedule();
  const ids = nonces(random, ID);
  const line: Line = {
    queue: store.queue,
    bodies,
    ready: (organization) => vault.ready(organization, clock.now()),
    examine: (body, size) => {
      const { tags, limits } = inForce.current.config;
      return pool.run('examine', { body, subjectTags: Object.keys(tags) }, limits.examine_time * (1 + size / LARGE));
    },
    decide: (facts) => decide(inForce.current.policy, inForce.current.floors, facts),
    lookUpKey: ways.lookUp,
    variant: ways.variant,
    escrow: (...given) => escrow(...given),
    resolve,
    send: client.send,
    settings,
    load: { incoming: 0, examining: 0, delivering: 0, notifying: 0, perDestination: new Map() },
    owner: `${config.node} ${startedAt} ${process.pid}` as Owner,
    clock,
    // For queue ids and names of calls, no secrets: drawn many at once.
    random: { ...random, bytes: (n) => (n <= ID ? ids().subarray(0, n) : random.bytes(n)) },
    log,
    meter: meterOf(base),
    wake: schedule.wake,
    wakeAt: schedule.wakeAt,
    freed: schedule.freed,
  };
  const escrow = createEscrow({ line, parcels: store.parcels, vault, random });
  const recovered = await store.recovery.counts();
  if (recovered.deliveries > 0) log.warn(recovered, 'recovered mail is held until: sealrelay recover --release');
  const cleared = await store.queue.clearLeases(verbId(line), line.owner);
  if (cleared.messages + cleared.deliveries > 0)
    log.warn(cleared, 'an earlier run ended amid these; they are taken up again');
  schedule.start(line);
  const sweeps = [startSweep(line), startPortalSweep({ line, parcels: store.parcels })];
  closers.push(async () => {
    await schedule.stop(DRAIN_MS);
    await Promise.all(sweeps.map((one) => one.stop()));
  });
  const targets = () => inForce.current.config.anchors;
  const anchors = startAnchors({ line, targets, checkpoints: state.checkpoints, post: { resolver, egress, ca } });
  closers.push(() => anchors.stop());
  const keys = { book: store.book, judge: ways.judge, readKeys: createReadKeys(pool.run, clock) };
  return { line, keys, jobs: createJobs(makers, made) };
}

function meterOf({ metrics, alarms }: Base): Meter {
  return {
    ...metrics,
    alarm: (name) => {
      metrics.alarm(name);
      alarms.raise(name, clock.now());
    },
  };
}

const WORKER_START_MS = 30_000;
/** Octets of variants that are kept for another attempt. */
const MADE_BOUND = 256 << 20;

/** Octets of the longest random id of the line. */
const ID = 16;
/** A message of this size gets twice the time of a small one to be examined. */
const LARGE = 10_485_760;

// ── the doors: SMTP, local sockets, HTTP ──

type Doors = Pick<Gateway, 'listeners' | 'reload'>;

async function openDoors(base: Base, state: State, running: Running, configPath: string): Promise<Doors> {
  const { line } = running;
  const { inForce, load, log, metrics, closers } = base;
  const { store, kept } = state;
  const { config } = inForce.current;
  const smtp: Listener[] = [];
  closers.push(() => Promise.all(smtp.map((one) => one.close(DRAIN_MS))));
  await openListeners(line, {
    config,
    organizations: () => inForce.current.config.organizations.map(trustedOrganization),
    accounts: store.accounts,
    space: () => spaceLeft(config, state.bodies),
    certificate: await certificateOf(config, clock.now()),
    clock,
    opened: (listener) => smtp.push(listener),
  });
  const portal = await openPortal(base, state, running);
  const apply = async (next: InForce): Promise<void> => {
    const certificate = await certificateOf(next.config, clock.now());
    const ofPortal = await portalCertificateOf(next.config, clock.now());
    await kept.keep(next.policy, next.loadedAt);
    portal?.updateCertificate(ofPortal);
    for (const one of smtp) one.updateCertificate(certificate);
    inForce.current = next;
    metrics.organizations(next.settings.organizations.map(({ name }) => name));
    line.wake('deliver');
  };
  metrics.organizations(inForce.current.settings.organizations.map(({ name }) => name));
  const current = () => inForce.current;
  const reload = createReload({
    path: configPath,
    load,
    queue: store.queue,
    audit: store.audit,
    clock,
    current,
    apply,
  });
  const listeners = smtp.map((one, i) => ({
    name: i === 0 ? 'smtp' : 'submit',
    address: `${one.address}:${one.port}`,
  }));
  if (portal !== null) listeners.push({ name: 'portal', address: `${portal.address}:${portal.port}` });
  const control = createControl(controlDeps(base, state, running, reload, listeners));
  const groups = {
    ...(config.control.admin_group !== undefined && { control: config.control.admin_group }),
    ...(config.control.read_group !== undefined && { read: config.control.read_group }),
  };
  const sockets = await openSockets({ control, folder: config.control.path ?? config.storage.path, groups, log });
  closers.push(() => sockets.close());
  if (config.listen.web !== undefined) {
    const refresh = async () => {
      metrics.sessions(smtp.reduce((sum, one) => sum + one.sessions(), 0));
      metrics.store({ ...store.stats(), wal: store.wal() });
      metrics.queue(await store.queue.counts(), clock.now());
    };
    const web = await startWeb(config.listen.web, {
      metrics,
      refresh,
      readiness: () => readiness(base, state, line),
    });
    closers.push(() => web.close());
    listeners.push({ name: 'web', address: `${web.address}:${web.port}` });
  }
  const own = [
    {
      organization: GATEWAY,
      actor: 'gateway',
      event: 'gateway.started' as const,
      detail: { policyVersion: inForce.current.policy.version },
    },
  ];
  await store.audit.append(own);
  closers.push(() => store.audit.append([{ organization: GATEWAY, actor: 'gateway', event: 'gateway.stopped' }]));
  return { listeners, reload: () => reload({ actor: 'gateway', reason: 'SIGHUP', acceptWeaker: false }) };
}

/** Octets that bodies may still take. */
async function spaceLeft(config: Config, bodies: SegmentBodies): Promise<number> {
  const { free, reserved } = await bodies.space();
  return free - reserved - config.limits.reserve_disk;
}

async function readiness({ inForce, alarms }: Base, { bodies }: State, line: Line) {
  const reasons = obstacles(line, await spaceLeft(inForce.current.config, bodies));
  if (alarms.list().some(({ name }) => name === 'store failed')) reasons.push('the store has failed: see the log');
  return { ready: reasons.length === 0, reasons };
}

async function openPortal(
  { inForce, log, closers }: Base,
  { store, vault }: State,
  { line, jobs }: Running,
): Promise<PortalWeb | null> {
  const { config } = inForce.current;
  const listener = config.listen.portal;
  if (listener === undefined) return null;
  const portal = createPortal({ line, parcels: store.parcels, audit: store.audit, vault, random, ...jobs });
  const web = await startPortalWeb(portal, {
    ...listener,
    certificate: await portalCertificateOf(config, clock.now()),
    log: (request) => log.info(request, 'portal'),
    failed: (error) => log.error({ code: codeOf(error) }, 'a page of the portal failed'),
  });
  closers.push(() => web.close());
  return web;
}

function controlDeps(
  base: Base,
  state: State,
  { line, keys }: Running,
  reload: ControlDeps['reload'],
  listeners: GatewayStatus['listeners'],
): ControlDeps {
  const { inForce, log, alarms, startedAt } = base;
  const { store, kept } = state;
  const explainDeps = {
    kept,
    policy: () => inForce.current.policy,
    floors: () => inForce.current.floors,
    prospects: (delivery: Delivery) => prospectsFor(line, delivery),
    decide: line.decide,
  };
  return {
    organizations: () => inForce.current.settings.organizations.map(({ name }) => name),
    domains: (name) => inForce.current.settings.organizations.find((one) => one.name === name)?.domains ?? [],
    queue: store.queue,
    parcels: store.parcels,
    recovery: store.recovery,
    audit: store.audit,
    accounts: store.accounts,
    ...keys,
    explain: (message, deliveries) => explain(explainDeps, message, deliveries),
    reload,
    status: async () => ({
      ...(await readiness(base, state, line)),
      version: packageVersion(),
      node: inForce.current.config.node,
      mode: inForce.current.config.mode,
      pid: process.pid,
      startedAt,
      configLoadedAt: inForce.current.loadedAt,
      policyVersion: inForce.current.policy.version,
      listeners,
      alarms: alarms.list(),
    }),
    wake: () => {
      for (const stage of ['examine', 'deliver', 'notify'] as const) line.wake(stage);
    },
    meetsFloor: (delivery, protection) => floorProblem(inForce.current.floors, delivery, protection),
    hashSecret,
    clock,
    random,
    log,
  };
}

function packageVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
