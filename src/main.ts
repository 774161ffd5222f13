// The composition root: reads as the list of what the gateway is made of. `run` starts all in the order in which one part
// needs another, and gives back what can be done with it: reload, stop. What it cannot start it says in words, and leaves
// nothing running.

import { pino } from 'pino';
import { machineDeps } from './config/files.ts';
import { runtimeFaults } from './config/runtime.ts';
import type { Config } from './config/schema.ts';
import { createSecrets } from './config/secrets.ts';
import { createAlarms } from './control/alarms.ts';
import { loadInForce } from './control/in-force.ts';
import { type Base, clock, StartError } from './main/base.ts';
import { type Doors, openDoors } from './main/doors.ts';
import { startMoving } from './main/lasting.ts';
import { openLine } from './main/line.ts';
import { lineWriter } from './main/log.ts';
import { resumeRotation } from './main/rotation.ts';
import { openState } from './main/state.ts';
import { openWatch } from './main/watch.ts';
import { codeOf } from './relay/line.ts';
import { fileSystemAt, storageFault } from './watch/filesystem.ts';
import { createMetrics } from './web/metrics.ts';

export type Gateway = Doors & {
  readonly config: Config;
  readonly warnings: readonly string[];
  /** Takes nothing more and finishes what is in hand, at most `DRAIN_MS`. */
  stop(): Promise<void>;
  /** Resolves when the gateway has to end by itself, because the disk failed. */
  readonly failed: Promise<void>;
};

export type RunOptions = {
  readonly configPath: string;
  /** Entry of the workers; a test gives one that injects faults. */
  readonly worker?: URL;
};

/** Throws StartError, MasterKeyError or the store's own words. */
export async function run(options: RunOptions): Promise<Gateway> {
  const machine = machineDeps();
  const load = { ...machine, secrets: createSecrets(machine) };
  const loaded = await loadInForce(options.configPath, load, clock.now());
  if ('problems' in loaded) throw new StartError(loaded.problems.join('\n'));
  const faults = loaded.config.mode === 'live' ? runtimeFaults() : [];
  if (faults.length > 0) throw new StartError(faults.map((one) => `live mode: ${one}`).join('\n'));
  const lies = loaded.config.mode === 'live' ? storageFault(fileSystemAt(loaded.config.storage.path)) : null;
  if (lies !== null) throw new StartError(lies);
  const closers: (() => unknown)[] = [];
  const log = pino({ level: loaded.config.log.level, base: { node: loaded.config.node } }, lineWriter());
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
    const watch = openWatch(base, state, running);
    const doors = await openDoors(base, state, { ...running, watch }, options.configPath);
    log.info({ listeners: doors.listeners, mode: loaded.config.mode, policy: loaded.policy.version }, 'ready');
    resumeRotation(base, state);
    startMoving(base, state);
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
