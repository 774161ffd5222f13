// What people may ask, and what it is answered from.

import { readFileSync } from 'node:fs';
import type { Config } from '../config/schema.ts';
import type { ControlDeps, GatewayStatus } from '../control/deps.ts';
import { explain } from '../control/explanation.ts';
import type { Delivery } from '../domain/types.ts';
import { floorProblem } from '../policy/floors.ts';
import { obstacles } from '../relay/intake.ts';
import type { Line } from '../relay/line.ts';
import { expiryOf } from '../relay/settle.ts';
import { prospectsFor } from '../relay/ways.ts';
import { createBackups } from '../store/backup/make.ts';
import { hashSecret } from '../trust/login.ts';
import { appendFault } from '../watch/append.ts';
import { type Base, clock, meterOf, random } from './base.ts';
import type { State } from './state.ts';
import type { Watched } from './watch.ts';

/** Octets that bodies may still take. */
export async function spaceLeft(
  config: Config,
  { bodies, reserve }: Pick<State, 'bodies' | 'reserve'>,
): Promise<number> {
  const { free, reserved } = await bodies.space();
  return reserve.isMissing() ? 0 : free - reserved - config.limits.reserve_disk;
}

export async function readiness({ inForce, alarms }: Base, state: State, line: Line) {
  const reasons = obstacles(line, await spaceLeft(inForce.current.config, state));
  if (alarms.list().some(({ name }) => name === 'store failed')) reasons.push('the store has failed: see the log');
  return { ready: reasons.length === 0, reasons };
}

export function controlDeps(
  base: Base,
  state: State,
  { line, keys, watch }: Watched,
  reloading: Pick<ControlDeps, 'reload' | 'reloadGuard'>,
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
    expiryOf: (delivery) => expiryOf(delivery, { lifetime: line.settings().lifetime, stood: line.outages.stood }),
    parcels: store.parcels,
    recovery: store.recovery,
    watch: { figures: watch.figures, usage: store.watch.usage },
    backups: createBackups({
      ...{ storage: inForce.current.config.storage.path, version: packageVersion() },
      ...{ snapshot: store.snapshot, bodies: state.bodies, archive: store.archive, clock },
    }),
    masterKey: masterPlace(inForce.current.config),
    audit: store.audit,
    anchorFault: async () => {
      const { file } = inForce.current.config.anchors;
      return file === undefined ? null : appendFault(file);
    },
    archive: store.archive,
    accounts: store.accounts,
    approvals: store.approvals,
    fourEyes: () => inForce.current.config.four_eyes,
    alarm: meterOf(base).alarm,
    ...keys,
    rotation: state.rotation,
    explain: (message, deliveries) => explain(explainDeps, message, deliveries),
    ...reloading,
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
      line.destinations.tryAll();
      for (const stage of ['examine', 'deliver', 'notify'] as const) line.wake(stage);
    },
    meetsFloor: (delivery, protection) => floorProblem(inForce.current.floors, delivery, protection),
    hashSecret,
    clock,
    random,
    log,
  };
}

/** Where the operator keeps the master key, in words. */
function masterPlace({ keys: { master }, storage }: Config): string {
  if (master === undefined) return `${storage.path}/evaluation-master.key`;
  return 'file' in master ? master.file : `the environment variable ${master.env}`;
}

function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
