// What is on disk, opened: rows, keys, bodies, the policies that were used.

import { accessSync, constants, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { storeFailedWords } from '../control/alarms.ts';
import { createKeptPolicies, type KeptPolicies } from '../control/kept-policies.ts';
import { GATEWAY } from '../domain/ids.ts';
import { masterSource } from '../keys/open.ts';
import { openRing, type Ring } from '../keys/ring.ts';
import { createRotation, type Rotation } from '../keys/rotate.ts';
import { openDayKeys } from '../store/audit/day-keys.ts';
import { writeKeysFile } from '../store/bodies/keys-file.ts';
import { openBodies, type SegmentBodies } from '../store/bodies/segments.ts';
import { refuseLostDatabase } from '../store/recovery/rebuild.ts';
import { openStore, type Store } from '../store/sqlite/open.ts';
import { type Checkpoints, startCheckpoints } from '../watch/checkpoints.ts';
import { type Base, clock, meterOf, random } from './base.ts';

export type State = {
  readonly store: Store;
  readonly vault: Ring;
  readonly bodies: SegmentBodies;
  readonly kept: KeptPolicies;
  readonly checkpoints: Checkpoints;
  readonly rotation: Rotation;
  readonly failed: Promise<void>;
};

export async function openState(base: Base): Promise<State> {
  const { inForce, load, log, metrics, alarms, startedAt, closers } = base;
  const { config, policy } = inForce.current;
  const path = config.storage.path;
  mkdirSync(path, { recursive: true, mode: 0o700 });
  // SQLite has one code for all that keeps it from opening a file; the system tells them apart.
  accessSync(path, constants.W_OK);
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
  const source = masterSource(config, { secrets: load.secrets, random, credentials });
  const master = await source.read();
  const dir = join(path, 'bodies');
  await refuseLostDatabase(path, store.keyring);
  vault = await openRing({ master, keyring: store.keyring, random, copy: (rows) => writeKeysFile(dir, rows) });
  await vault.ready(GATEWAY, startedAt);
  const dayKeys = await openDayKeys(path, { vault, random });
  checkpoints = await startCheckpoints({
    ...{ node: config.node, audit: store.audit, dayKeys },
    ...{ clock, log, alarm: meterOf(base).alarm },
  });
  closers.push(() => checkpoints?.stop());
  const limits = { reserve: config.limits.reserve_disk };
  const bodies = await openBodies({ dir, vault, clock, random, limits, onFailed });
  closers.push(() => bodies.close());
  const kept = createKeptPolicies(join(path, 'policies'), vault);
  await kept.keep(policy, startedAt);
  const ring = vault;
  const rotation = createRotation({
    ...{ ring, source, boxes: store.keyBoxes, clock, random, dayKeys: () => dayKeys.renew() },
    slots: () => bodies.renewKeys((object, box) => ring.rewrapObject(object, box)),
  });
  return { store, vault, bodies, kept, checkpoints, rotation, failed: failure.promise };
}
