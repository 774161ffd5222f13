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
import { openReserve, type Reserve, reservePath } from '../store/sqlite/reserve.ts';
import { type Checkpoints, startCheckpoints } from '../watch/checkpoints.ts';
import { type Base, clock, meterOf, random } from './base.ts';

export type State = {
  readonly store: Store;
  readonly vault: Ring;
  readonly bodies: SegmentBodies;
  readonly reserve: Reserve;
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
  let reserve: Reserve | null = null;
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
    reserve: reservePath(path),
    onFull: () => reserve?.spent(),
  });
  closers.push(() => store.close());
  reserve = await openTheReserve(base);
  closers.push(reserve.stop);
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
  const isFull = reserve.isMissing;
  const bodies = await openBodies({ dir, vault, clock, random, limits, isFull, onFailed });
  closers.push(() => bodies.close());
  const kept = createKeptPolicies(join(path, 'policies'), vault);
  await kept.keep(policy, startedAt);
  const ring = vault.generations;
  const rotation = createRotation({
    ...{ ring, source, boxes: store.keyBoxes, clock, random },
    pin: () => store.pin.renew(),
    dayKeys: () => dayKeys.renew(),
    slots: () => bodies.renewKeys((object, box) => ring.rewrapObject(object, box)),
  });
  return { store, vault, bodies, reserve, kept, checkpoints, rotation, failed: failure.promise };
}

const SPACE: Readonly<Record<'spent' | 'missing', string>> = {
  spent:
    'the disk is full: no mail is taken, nothing new is examined or sent, only outcomes of deliveries and the audit are written; free or add disk space there',
  missing:
    'the disk has no space for the reserve (limits.reserve_file): no mail is taken; free or add disk space there',
};

/** Made once the store is ours alone. */
function openTheReserve(base: Base): Promise<Reserve> {
  const { storage, limits } = base.inForce.current.config;
  return openReserve({
    ...{ path: reservePath(storage.path), size: limits.reserve_file, clock },
    became: (state) => {
      if (state === 'made') return base.log.warn({}, 'the disk has space again: the reserve is made, and all goes on');
      meterOf(base).alarm('low disk');
      base.log.error({ path: storage.path }, SPACE[state]);
    },
  });
}
