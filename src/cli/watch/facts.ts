// What `sealrelay doctor` can see from here: configuration, storage folder, master key, and what the running gateway says of
// itself. Whatever cannot be seen is null, never a guess.

import { accessSync, constants, existsSync, statfsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Config } from '../../config/schema.ts';
import { CREDENTIALS, type Facts, type KeyFacts, type RuntimeFacts, type StorageFacts } from '../../watch/doctor.ts';
import { fileSystemAt } from '../../watch/filesystem.ts';
import { configFile } from '../place.ts';

export type Seen = { readonly facts: Facts; readonly config: Config | null };

/** `running`: a gateway has the storage folder in hand, whether it told `runtime` or not. `anchorFault`: what it says of its file
 *  of anchors, which its user may write or not; undefined when it says nothing. */
export async function gather(
  given: string | undefined,
  runtime: RuntimeFacts | null,
  running: boolean,
  anchorFault?: string | null,
): Promise<Seen> {
  const { machineDeps } = await import('../../config/files.ts');
  const { createSecrets } = await import('../../config/secrets.ts');
  const { isRefused, loadConfig } = await import('../../config/load.ts');
  const { problemText } = await import('../../config/problem.ts');
  const machine = machineDeps();
  const file = configFile(given);
  const loaded = await loadConfig(file, { ...machine, secrets: createSecrets(machine) });
  const common = { node: process.version, runtime };
  if (isRefused(loaded)) {
    const nothing = { warnings: [], anchors: false, anchorFile: null, months: 0, alerts: false };
    const config = { file, problems: loaded.problems.map(problemText), ...nothing };
    return { facts: { ...common, live: false, config, storage: null, keys: null }, config: null };
  }
  const { config } = loaded;
  const policy = await policyOf(config);
  return {
    config,
    facts: {
      ...common,
      live: config.mode === 'live',
      config: {
        file,
        problems: policy.problems,
        // These have checks of their own.
        warnings: [
          ...loaded.warnings.filter(({ path }) => path !== 'anchors' && path !== 'alerts').map(problemText),
          ...policy.warnings,
        ],
        anchors: Object.keys(config.anchors).length > 0,
        anchorFile: await anchorFileOf(config, anchorFault),
        months: config.retention.audit,
        alerts: config.alerts.to.length > 0,
      },
      ...(await stateFacts(config, running)),
    },
  };
}

async function anchorFileOf({ anchors: { file } }: Config, told: string | null | undefined) {
  if (file === undefined) return null;
  const { appendFault } = await import('../../watch/append.ts');
  return { file, fault: told === undefined ? await appendFault(file) : told };
}

async function policyOf(config: Config): Promise<{ problems: string[]; warnings: string[] }> {
  const { machineDeps } = await import('../../config/files.ts');
  const { problemText } = await import('../../config/problem.ts');
  const { loadPolicy } = await import('../../policy/load.ts');
  const known = {
    organizations: config.organizations.map((one) => one.name),
    tags: Object.keys(config.tags),
    portal: config.listen.portal !== undefined,
    live: config.mode === 'live',
  };
  const policy = await loadPolicy(config.protection.policy, known, machineDeps());
  return 'problems' in policy
    ? { problems: policy.problems.map(problemText), warnings: [] }
    : { problems: [], warnings: policy.warnings.map(problemText) };
}

async function stateFacts(config: Config, running: boolean): Promise<Pick<Facts, 'storage' | 'keys'>> {
  const { inspectDatabase } = await import('../../store/sqlite/inspect.ts');
  const { path } = config.storage;
  const readable = existsSync(path) && allows(path, constants.R_OK | constants.X_OK);
  // A whole read beside a living gateway would keep its log from being emptied.
  const database = readable ? inspectDatabase(path, !running) : null;
  const storage = await storageFacts(config, running);
  return {
    storage: {
      ...storage,
      wal: running ? null : (database?.wal ?? null),
      integrity: running ? null : (database?.integrity ?? null),
    },
    keys: await keyFacts(config, database?.keys ?? null),
  };
}

function statOf(path: string): 'there' | 'none' | 'hidden' {
  try {
    statSync(path);
    return 'there';
  } catch (error) {
    return (error as { code?: string }).code === 'ENOENT' ? 'none' : 'hidden';
  }
}

function allows(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

async function storageFacts(config: Config, running: boolean): Promise<Omit<StorageFacts, 'wal' | 'integrity'>> {
  const { path } = config.storage;
  let folder = path;
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
  const { bavail, bsize } = statfsSync(folder);
  const { mode, uid } = statSync(folder);
  const { reserve_disk: kept, reserve_file: reserve } = config.limits;
  // As `openReserve` wants it: as much again stays free.
  const wanted = statOf(join(path, 'reserve')) === 'none' ? 2 * reserve : 0;
  const mayProbe = !running && folder === path && allows(path, constants.W_OK);
  return {
    ...{ path, exists: folder === path, fileSystem: fileSystemAt(path), mode: mode & 0o777, uid },
    asker: process.getuid?.() ?? 0,
    free: bavail * bsize,
    reserve: kept + wanted,
    low: config.alerts.disk,
    sync: mayProbe ? await middleOf(path, SYNCS) : null,
  };
}

const SYNCS = 5;

/** Milliseconds of a sync, the middle of several: one alone may have waited for another program. */
async function middleOf(path: string, times: number): Promise<number | null> {
  const { openProbe } = await import('../../watch/measure.ts');
  const probe = openProbe(path);
  const found: number[] = [];
  try {
    for (let i = 0; i < times; i++) {
      const ms = await probe.measure();
      if (ms !== null) found.push(ms);
    }
  } finally {
    await probe.close();
  }
  return found.sort((a, b) => a - b)[Math.floor(found.length / 2)] ?? null;
}

async function keyFacts(
  config: Config,
  stored: readonly { readonly id: string; readonly wrappedBy: string }[] | null,
): Promise<KeyFacts> {
  const { readMasterFile } = await import('../../keys/master.ts');
  const { storage, keys, mode } = config;
  const none = { problem: null, hidden: false, beside: false, boxes: null };
  const { master } = keys;
  if (master !== undefined && 'env' in master) return { ...none, source: `environment variable ${master.env}` };
  if (master === undefined && mode === 'live') {
    return {
      ...none,
      source: '',
      problem: 'keys.master is missing; make one: sealrelay keys master create --file FILE',
    };
  }
  const file = master?.file ?? `${storage.path}/evaluation-master.key`;
  // Of evaluation mode, made where it is needed.
  const beside = master !== undefined && file.startsWith(`${storage.path}/`);
  const seen = statOf(file);
  if (seen === 'hidden' || (seen === 'none' && file.startsWith(CREDENTIALS)))
    return { ...none, source: file, hidden: true };
  if (seen === 'none') {
    const isNew = master === undefined && (stored === null || stored.length === 0);
    return {
      ...none,
      source: isNew ? 'a throw-away key is made at the first start' : file,
      problem: isNew ? null : `${file} is not there`,
    };
  }
  if (!allows(file, constants.R_OK)) return { ...none, source: file, hidden: true };
  try {
    const ids = readMasterFile(file).map(({ id }) => id.toString('hex'));
    const known = new Set([...ids, ...(stored ?? []).map(({ id }) => id)]);
    const closed = stored?.filter(({ wrappedBy }) => !known.has(wrappedBy)).length ?? 0;
    return { ...none, source: file, beside, boxes: stored === null ? null : { all: stored.length, closed } };
  } catch (error) {
    return { ...none, source: file, problem: (error as Error).message };
  }
}
