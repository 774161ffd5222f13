// The line: work, the way out, and what moves messages along.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ControlDeps } from '../control/deps.ts';
import { nonces } from '../crypto/nonces.ts';
import type { Owner, Time } from '../domain/ids.ts';
import { createReadKeys } from '../keys/import.ts';
import { decide } from '../policy/decide.ts';
import { createEscrow } from '../portal/escrow.ts';
import { createJobs } from '../portal/jobs.ts';
import { startPortalSweep } from '../portal/sweep.ts';
import { createDestinations } from '../relay/destinations/destinations.ts';
import type { Line } from '../relay/line.ts';
import { openOutages } from '../relay/outages.ts';
import { createSchedule } from '../relay/schedule.ts';
import { startSweep } from '../relay/sweep.ts';
import { createWayOut } from '../relay/way-out.ts';
import { createWays } from '../relay/ways.ts';
import { openMade } from '../store/bodies/made.ts';
import { verbId } from '../store/queue/port.ts';
import type { LookUpKey } from '../trust/dkim/verify.ts';
import { createLookUpKey } from '../trust/shared.ts';
import { startAnchors } from '../watch/anchors.ts';
import { startRetention } from '../watch/retention.ts';
import { minVersionOf } from '../web/certificates.ts';
import { openPool } from '../work/open.ts';
import type { WorkError } from '../work/pool.ts';
import { type Base, clock, DRAIN_MS, meterOf, random, StartError } from './base.ts';
import { moveLasting } from './lasting.ts';
import type { State } from './state.ts';

/** The line, and what else is done by its means: what people may ask of keys, and what workers do for the portal. */
export type Running = {
  readonly line: Line;
  readonly keys: Pick<ControlDeps, 'book' | 'judge' | 'readKeys'>;
  readonly jobs: ReturnType<typeof createJobs>;
  /** Keys of DKIM signatures. */
  readonly lookUpKey: LookUpKey;
};

export async function openLine(base: Base, state: State, worker: URL): Promise<Running> {
  const { inForce, log, startedAt, closers } = base;
  const { store, vault, bodies } = state;
  const { config } = inForce.current;
  const pool = openPool(config, worker, []);
  closers.push(() => pool.close());
  await pool.run('ready', null, WORKER_START_MS).catch((error: WorkError) => {
    throw new StartError(`the workers that examine messages do not start (${error.message})`);
  });
  const made = await openMade({ dir: join(config.storage.path, 'made'), random, bound: config.limits.temporary_bytes });
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
  const connections = () => settings().connections;
  const wayOut = createWayOut({ config, minVersion, ca, clock, random, connections });
  const { resolver, egress, resolve, client, reaches, online } = wayOut;
  closers.push(() => client.close());
  const schedule = createSchedule();
  const ids = nonces(random, ID);
  // For queue ids and names of calls, no secrets: drawn many at once.
  const often = { ...random, bytes: (n: number) => (n <= ID ? ids().subarray(0, n) : random.bytes(n)) };
  const meter = meterOf(base);
  const running = () => performance.now();
  const outages = await openOutages({
    ...{ queue: store.queue, settings, clock, running, random: often, log, meter, wake: schedule.wake },
    ...{ reaches, online },
  });
  closers.push(() => outages.stop());
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
    outages,
    destinations: createDestinations({
      ...{ clock, fraction: random.fraction, after, bounds: settings },
      freed: () => schedule.freed('deliver'),
    }),
    load: {
      incoming: 0,
      examining: 0,
      delivering: 0,
      notifying: 0,
      perDestination: new Map(),
      perOrganization: new Map(),
    },
    owner: `${config.node} ${startedAt} ${process.pid}` as Owner,
    clock,
    random: often,
    log,
    meter,
    wake: schedule.wake,
    wakeAt: schedule.wakeAt,
    freed: schedule.freed,
  };
  const escrow = createEscrow({ line, parcels: store.parcels, vault, random });
  const recovered = await store.recovery.counts();
  if (recovered.deliveries > 0)
    log.warn(recovered, 'recovered mail is held until: sealrelay recover --release, or restore --release');
  const cleared = await store.queue.clearLeases(verbId(line), line.owner);
  if (cleared.messages + cleared.deliveries > 0)
    log.warn(cleared, 'an earlier run ended amid these; they are taken up again');
  await store.queue.pace(settings().paces);
  schedule.start(line);
  const sweeps = [startSweep(line), startPortalSweep({ line, parcels: store.parcels })];
  closers.push(async () => {
    await schedule.stop(DRAIN_MS);
    await Promise.all(sweeps.map((one) => one.stop()));
  });
  const targets = () => inForce.current.config.anchors;
  const anchors = startAnchors({
    line,
    targets,
    checkpoints: state.checkpoints,
    post: { resolver, egress, ca },
    retracted: store.parcels.retractedSince,
  });
  closers.push(() => anchors.stop());
  const months = () => inForce.current.config.retention.audit;
  const destroyKeys = async (before: Time, stop: AbortSignal) => {
    await moveLasting(state, stop);
    const options = { used: await state.kept.keys(), stop };
    const { gone, kept } = await store.archive.still(() => store.monthKeys.destroy(before, options));
    return { keys: gone.length, kept };
  };
  const retention = startRetention({ line, archive: store.archive, destroyKeys, months });
  closers.push(() => retention.stop());
  const keys = { book: store.book, judge: ways.judge, readKeys: createReadKeys(pool.run, clock) };
  return { line, keys, jobs: createJobs(makers, made), lookUpKey: createLookUpKey(resolver) };
}

function after(wait: number, call: () => void): () => void {
  const timer = setTimeout(call, wait).unref();
  return () => clearTimeout(timer);
}

const WORKER_START_MS = 30_000;

/** Octets of the longest random id of the line. */
const ID = 16;
/** A message of this size gets twice the time of a small one to be examined. */
const LARGE = 10_485_760;
