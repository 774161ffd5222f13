// The composition root: reads as the list of what the gateway is made of. `run` starts all in the order in which one part
// needs another, and gives back the one thing that can be done with it: stop. What it cannot start it says in words, as a
// StartError, and leaves nothing running.

import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Logger, pino } from 'pino';
import type { Config } from './config/schema.ts';
import { createControl } from './control/control.ts';
import { createReload, type InForce, loadInForce } from './control/in-force.ts';
import { openSockets } from './control/socket.ts';
import { selfMadeCertificate } from './crypto/certificate.ts';
import type { Examination, Clock, Random } from './domain/types.ts';
import type { Owner } from './domain/ids.ts';
import { openMaster } from './keys/open.ts';
import { openRing } from './keys/ring.ts';
import { createEgress } from './net/egress.ts';
import { createResolver } from './net/resolver.ts';
import { clientTls } from './net/tls.ts';
import { decide } from './policy/decide.ts';
import { acceptData, checkRecipient } from './relay/accept.ts';
import type { Line } from './relay/line.ts';
import { createSchedule } from './relay/schedule.ts';
import { smartHostOf } from './relay/settings.ts';
import { startSweep } from './relay/sweep.ts';
import { createResolve } from './route/resolve.ts';
import { createClient } from './smtp/client.ts';
import { type Listener, listen } from './smtp/listener.ts';
import { openBodies } from './store/bodies/segments.ts';
import { openStore } from './store/sqlite/open.ts';
import { createLogins } from './trust/login.ts';
import { prove } from './trust/prove.ts';
import { createMetrics } from './web/metrics.ts';
import { serveWeb } from './web/server.ts';
import { createPool } from './work/pool.ts';

/** Why the gateway cannot start, in words for the operator; each line is one problem. */
export class StartError extends Error {}

export type Gateway = {
  readonly listeners: readonly { readonly name: string; readonly address: string }[];
  /** Finishes what is in hand, at most `grace` ms. */
  stop(grace?: number): Promise<void>;
  reload(): Promise<ReloadReport>;
  /** Resolves with the exit code when the gateway has to end by itself: the disk failed. */
  readonly failed: Promise<number>;
};

export type RunOptions = {
  readonly configPath: string;
  readonly version: string;
  /** Entry of the workers; a test gives one that injects faults. */
  readonly worker?: URL;
};

const clock: Clock = { now: Date.now, sleep: (ms, signal) => sleep(ms, undefined, signal === undefined ? {} : { signal }) };
const random: Random = { bytes: (n) => randomBytes(n), fraction: Math.random };
const DRAIN_MS = 10_000;

export async function run(options: RunOptions): Promise<Gateway> {
  const machine = machineDeps();
  const load: LoadDeps = { ...machine, secrets: createSecrets(machine) };
  const loaded = await loadInForce(options.configPath, load, clock.now());
  if ('problems' in loaded) throw new StartError(loaded.problems.join('\n'));
  let inForce = loaded;
  const { config } = loaded;
  refuseDebugging(config);
  const log = pino({ level: config.log.level, base: { node: config.node } });
  const startedAt = clock.now();
  const owner = `${config.node} ${startedAt} ${process.pid}` as Owner;
  const opened = new Opened();
  try {
    // ── state and keys ──
    mkdirSync(config.storage.path, { recursive: true, mode: 0o700 });
    const metrics = createMetrics();
    const failure = Promise.withResolvers<number>();
    const onFailed = (why: string): void => {
      metrics.alarm('store failed');
      log.fatal({ why }, 'the disk failed: mail is no longer taken, and the gateway ends; check the disk, then start it');
      failure.resolve(1);
    };
    const store = await openStore({ path: config.storage.path, node: config.node, clock, random, onFailed });
    opened.add(() => store.close());
    const master = await openMaster(config, { secrets: load.secrets, random, credentials: process.env.CREDENTIALS_DIRECTORY });
    const bodiesFolder = join(config.storage.path, 'bodies');
    const vault = await openRing({ master, keyring: store.keyring, random, copy: copyKeys(bodiesFolder) });
    store.useVault(vault);
    const reserve = config.limits.reserve_disk;
    const bodies = await openBodies({ dir: bodiesFolder, vault, clock, random, limits: { reserve }, onFailed });
    opened.add(() => bodies.close());
    const kept = createKeptPolicies(join(config.storage.path, 'policies'), vault);
    await kept.keep(inForce.policy, startedAt);

    // ── work and the way out ──
    const { limits } = config;
    const pool = createPool({
      entry: options.worker ?? new URL('./worker.ts', import.meta.url),
      workers: limits.workers,
      heap: limits.worker_memory,
      external: limits.worker_memory,
      waiting: limits.examine_waiting,
    });
    opened.add(() => pool.close());
    const resolver = createResolver({ clock, random, servers: config.resolver.servers.map(hostPort) });
    const hosts = (config.overrides?.hosts ?? []).map(egressHost);
    const resolve = createResolve({
      resolver,
      egress: createEgress({ mode: config.mode, hosts }),
      random,
      ownNames: [config.hostname],
      ...(config.overrides?.smtp_port !== undefined && { port: config.overrides.smtp_port }),
      smartHost: smartHostOf,
    });
    const ca = await Promise.all((config.overrides?.ca ?? []).map((file) => readFile(file, 'utf8')));
    const client = createClient({ clock, tls: clientTls({ ca, minimum: config.protection.tls.minimum }), timeouts: { connect: config.delivery.connect_timeout } });
    opened.add(() => client.close());

    // ── the line ──
    const logins = createLogins({ logins: () => store.accounts.logins(), clock, random });
    const schedule = createSchedule();
    const line: Line = {
      queue: store.queue,
      bodies,
      ready: (organization) => vault.ready(organization, clock.now()),
      prove: (who, from, reversePath) => prove(who, from, reversePath, inForce.config.organizations, logins.facts(who.login)),
      examine: (body, size) => pool.run('examine', { body, subjectTags: Object.keys(inForce.config.tags) }, examineTime(inForce.config, size)),
      decide: (facts) => decide(inForce.policy, inForce.floors, facts),
      resolve,
      send: client.send,
      settings: () => inForce.settings,
      load: { examining: 0, delivering: 0, notifying: 0, perDestination: new Map() },
      owner,
      clock,
      random,
      log,
      meter: metrics,
      wake: schedule.wake,
      wakeAt: schedule.wakeAt,
      freed: schedule.freed,
    };
    const cleared = await store.queue.clearLeases(verbId(line), owner);
    if (cleared.messages + cleared.deliveries > 0) log.warn(cleared, 'an earlier run ended in the middle of these; they are taken up again');
    schedule.start(line);
    const sweep = startSweep(line);

    // ── the way in ──
    const certificate = await certificateOf(config, clock.now());
    const handlers = handlersOf(line, logins);
    const listeners: Listener[] = [];
    const { smtp, submit, web } = config.listen;
    const common = { hostname: config.hostname, limits: sessionLimits(config), certificate };
    const deps = { clock, log };
    listeners.push(
      await listen({ ...common, name: 'smtp', address: smtp.address, port: smtp.port, tls: smtp.tls, auth: false, maxSize: smtp.max_size }, handlers, deps),
    );
    if (submit !== undefined) {
      listeners.push(
        await listen({ ...common, name: 'submit', address: submit.address, port: submit.port, tls: 'required', auth: true, maxSize: submit.max_size }, handlers, deps),
      );
    }
    // ── what people and programs may ask ──
    const reload = createReload({ path: options.configPath, load, queue: store.queue, audit: store.audit, clock, current: () => inForce, apply });
    const control = createControl({});
    const sockets = await openSockets({ control, folder: config.control.path ?? config.storage.path, groups: groupsOf(config), log });
  } catch (error) {
    await opened.close();
    throw error;
  }
}
