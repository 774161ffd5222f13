// `sealrelay restore`: a backup put into an empty storage folder, and made ready to start closed. Every file is checked
// against the manifest before anything is written, and again as it is copied; the database is prepared in a folder of its own
// and put in its place last, so that a crash leaves a folder without a database, over which a restore may begin again. Logs
// nothing; its errors are words for operators. It cannot see a gateway on another machine.

import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statfsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type DeliveryId, GATEWAY, messageOf } from '../../domain/ids.ts';
import { isEnded } from '../../domain/states.ts';
import type { Clock, Random } from '../../domain/types.ts';
import type { MasterKeys } from '../../keys/master.ts';
import { openRing, type Ring } from '../../keys/ring.ts';
import { readCheckpoint, readRetracted } from '../../record/checkpoint.ts';
import { readKeysFile, writeKeysFile } from '../bodies/keys-file.ts';
import { verbId } from '../queue/port.ts';
import type { Unfinished, Voided } from '../recovery/port.ts';
import { RecoverError } from '../recovery/rebuild.ts';
import { STEPS } from '../schema/steps.ts';
import { takeLock } from '../sqlite/database.ts';
import { openStore, type Store } from '../sqlite/open.ts';
import { BODIES, DATABASE, PREPARING, partOf } from './contents.ts';
import { copying, filesBelow, ownAll, sizeOf, syncFolders, syncPath } from './files.ts';
import { type BackupFile, MANIFEST, type Manifest, readManifest, UNFINISHED } from './manifest.ts';

export type RestoreDeps = {
  /** The backup's folder. */
  readonly from: string;
  /** Storage folder: empty or missing. */
  readonly to: string;
  /** Name of this node, which must be that of the backup. */
  readonly node: string;
  readonly master: MasterKeys;
  readonly clock: Clock;
  readonly random: Random;
  /** Lines of anchors that the lost gateway sent off: what it retracted is retracted again. */
  readonly anchors?: readonly string[];
  readonly progress?: (stage: 'checking' | 'copying' | 'holding', done: number, of: number) => void;
};

export type Restored = Unfinished & {
  readonly epoch: number;
  readonly void: Voided;
  /** Parcels retracted again, and unfinished deliveries dropped because theirs were retracted. */
  readonly retracted: number;
  /** Entries of the audit that the anchors prove and the backup does not hold. */
  readonly lostEntries: number;
};

/** May be there before: the operator puts it there, and a backup never holds it. */
const ALLOWED = new Set(['evaluation-master.key', 'lock.db', 'lock.db-journal', PREPARING]);
const SPARE = 32 << 20;

/** The manifest of a backup that is whole, of this node and opened by this master key, and why it cannot be restored here
 *  now; null when it can. Changes nothing. Throws RecoverError, MasterKeyError. */
export async function checkBackup(deps: RestoreDeps): Promise<{ manifest: Manifest; hindrance: RecoverError | null }> {
  const manifest = manifestOf(deps.from);
  refuseOther(deps, manifest);
  await openKeys(deps);
  checkFiles(deps, manifest);
  try {
    refuseHere(deps, manifest);
    return { manifest, hindrance: null };
  } catch (error) {
    if (error instanceof RecoverError) return { manifest, hindrance: error };
    throw error;
  }
}

function refuseHere({ to }: RestoreDeps, manifest: Manifest): void {
  refuseUsed(to);
  refuseOldNode(to, manifest);
  refuseWithoutSpace(to, manifest);
}

/** Restores it into an empty folder. Throws RecoverError, MasterKeyError. The epoch of the audit is the time in seconds: above
 *  all that were before. */
export async function restoreBackup(deps: RestoreDeps): Promise<Manifest & { readonly restored: Restored }> {
  const { from, to } = deps;
  refuseHere(deps, manifestOf(from));
  const { manifest, hindrance } = await checkBackup(deps);
  if (hindrance !== null) throw hindrance;
  mkdirSync(to, { recursive: true, mode: 0o700 });
  const lock = takeLock(join(to, 'lock.db'));
  try {
    const preparing = join(to, PREPARING);
    for (const name of leftOf(to)) rmSync(join(to, name), { recursive: true, force: true });
    mkdirSync(preparing, { mode: 0o700 });
    syncPath(to);
    const placeOf = ({ path }: BackupFile) => (path === DATABASE ? join(preparing, DATABASE) : join(to, path));
    // It was whole when it was checked: the disk, or somebody, changed it since.
    const wrong = 'changed while it was read';
    readFiles(from, manifest.files, { stage: 'copying', placeOf, wrong }, deps.progress);
    const restored = await prepare(deps, preparing, manifest);
    syncFolders(to);
    renameSync(join(preparing, DATABASE), join(to, DATABASE));
    rmSync(preparing, { recursive: true });
    syncPath(to);
    return { ...manifest, restored };
  } finally {
    lock.close();
    ownAll(to);
  }
}

// ── what is refused ──

function manifestOf(from: string): Manifest {
  const path = join(from, MANIFEST);
  if (!existsSync(path)) {
    const wrong = !existsSync(from)
      ? `there is no ${from}`
      : existsSync(join(from, UNFINISHED))
        ? `the backup in ${from} was interrupted: it is not whole`
        : `${from} is no backup: it has no ${MANIFEST}`;
    throw new RecoverError(wrong, 'name the folder of a whole backup');
  }
  const manifest = readManifest(readFileSync(path, 'utf8'));
  if (typeof manifest === 'string') throw new RecoverError(`${path} ${manifest}`, 'take another backup');
  // Somebody changed it: what is left out for good must come from here, above all keys.
  const planted = manifest.files.find((one) => partOf(one.path) === 'left out');
  if (planted) throw new RecoverError(`${path} names ${planted.path}, which no backup holds`, 'take another backup');
  return manifest;
}

function refuseOther({ node, clock }: RestoreDeps, manifest: Manifest): void {
  if (manifest.schema > STEPS.length) {
    const { schema, version } = manifest;
    const wrong = `the backup has schema ${schema}, this gateway knows ${STEPS.length}`;
    throw new RecoverError(wrong, `restore it with Sealrelay ${version} or a later one`);
  }
  if (manifest.node !== node) {
    const wrong = `the backup is of node ${manifest.node}, and the configuration names this one ${node}`;
    throw new RecoverError(wrong, 'restore with the configuration of that node');
  }
  // Queue ids and the epoch begin with the time: they must be later than all that the backup knows.
  if (Date.parse(manifest.at) > clock.now()) {
    throw new RecoverError(
      `the clock of this machine is behind the backup, which is of ${manifest.at}`,
      'set the clock',
    );
  }
}

/** Names that a restore which was ended amid its work left; none when the folder is as good as empty. */
function leftOf(to: string): string[] {
  return existsSync(to) ? readdirSync(to).filter((name) => name === PREPARING || !ALLOWED.has(name)) : [];
}

function refuseUsed(to: string): void {
  // This may run as root, and the folder be of the service's user: a link would lead root to another's files.
  const there = existsSync(to) ? readdirSync(to) : [];
  const link = there.find((name) => lstatSync(join(to, name), { throwIfNoEntry: false })?.isSymbolicLink());
  if (link !== undefined)
    throw new RecoverError(`${link} in ${to} is a link`, 'remove it, or name another folder with --to');
  const names = leftOf(to);
  // Its database comes last: without one, and with the folder where it was prepared, nothing of another is here.
  if (names.length === 0 || (names.includes(PREPARING) && !names.includes(DATABASE))) return;
  const wrong = `${to} is not empty (${names.slice(0, 3).join(', ')}): a restore never overwrites`;
  throw new RecoverError(wrong, 'move what is there away, or name another folder with --to');
}

function refuseOldNode(to: string, { storage }: Manifest): void {
  for (const folder of new Set([to, storage])) {
    const lock = join(folder, 'lock.db');
    if (!lstatSync(lock, { throwIfNoEntry: false })?.isFile()) continue;
    try {
      takeLock(lock).close();
    } catch (error) {
      const { message } = error as Error;
      throw new RecoverError(
        `a gateway is running on ${folder} (${message})`,
        'stop it for good first: two nodes that go on from one backup deliver mail twice',
      );
    }
  }
}

/** Throws RecoverError that names the first file that is not as the manifest says. */
function checkFiles({ from, progress }: RestoreDeps, { files }: Manifest): void {
  const there = new Set(filesBelow(from).files);
  for (const { path, size } of files) {
    if (!there.has(path)) throw damaged(from, path, 'is missing');
    if (sizeOf(join(from, path)) !== size) throw damaged(from, path, 'has another size than the manifest says');
  }
  readFiles(from, files, { stage: 'checking', placeOf: () => null, wrong: 'is damaged' }, progress);
}

function damaged(from: string, path: string, what: string): RecoverError {
  return new RecoverError(`${join(from, path)} ${what}: the backup is not whole`, 'take another backup');
}

function refuseWithoutSpace(to: string, { files }: Manifest): void {
  let there = to;
  while (!existsSync(there)) there = dirname(there);
  const { bavail, bsize } = statfsSync(there);
  const octets = files.reduce((sum, { size }) => sum + size, 0);
  if (bavail * bsize >= octets + SPARE) return;
  const mega = (n: number) => `${Math.ceil(n / 1e6)} MB`;
  throw new RecoverError(
    `the backup has ${mega(octets)}, and ${mega(bavail * bsize)} are free in ${there}`,
    'make room',
  );
}

/** Throws MasterKeyError when the master key is not that of the backup. */
async function openKeys({ from, master, random }: RestoreDeps): Promise<void> {
  const rows = await readKeysFile(join(from, BODIES));
  const add = () => Promise.reject(new Error('nothing is written here'));
  await openRing({ master, keyring: { all: async () => rows, add }, random });
}

// ── doing it ──

/** Reads all of them, and copies each to where `placeOf` says. Throws RecoverError where one is not as the manifest says. */
function readFiles(
  from: string,
  files: readonly BackupFile[],
  {
    stage,
    placeOf,
    wrong,
  }: { stage: 'checking' | 'copying'; placeOf: (file: BackupFile) => string | null; wrong: string },
  progress: RestoreDeps['progress'],
): void {
  const of = files.reduce((sum, { size }) => sum + size, 0);
  let done = 0;
  for (const file of files) {
    const work = copying(join(from, file.path), placeOf(file));
    for (let step = work.next(); ; step = work.next()) {
      if (step.done) {
        if (step.value.sha256 !== file.sha256) throw damaged(from, file.path, wrong);
        break;
      }
      done += step.value;
      progress?.(stage, done, of);
    }
  }
}

async function prepare(deps: RestoreDeps, path: string, manifest: Manifest): Promise<Restored> {
  const { node, master, clock, random, to } = deps;
  const { at, audit, version, schema } = manifest;
  const epoch = Math.max(Math.floor(clock.now() / 1000), audit.epoch + 1);
  let ring: Ring | null = null;
  const store = await openStore({ path, node, vault: () => ring!, clock, random });
  try {
    const detail = { backup: at, seq: audit.seq, hash: audit.hash, version, schema };
    const gone = await store.recovery.beginRestored(epoch, detail);
    const copy = (rows: Parameters<typeof writeKeysFile>[1]) => writeKeysFile(join(to, BODIES), rows);
    const vault = await openRing({ master, keyring: store.keyring, random, copy });
    ring = vault;
    await vault.ready(GATEWAY, clock.now());
    const unfinished = await store.recovery.holdUnfinished();
    const retracted = await retractAgain(store, random, deps.anchors ?? []);
    return { ...unfinished, epoch, void: gone, retracted, lostEntries: lostEntries(manifest, deps.anchors ?? []) };
  } finally {
    await store.close();
  }
}

const WHY = 'retracted before the restore, as the anchors say';

async function retractAgain(store: Store, random: Random, anchors: readonly string[]): Promise<number> {
  let retracted = 0;
  for (const id of new Set(anchors.flatMap(readRetracted))) {
    const delivery = id as DeliveryId;
    const found = await store.queue.message(messageOf(delivery));
    const isOpen = found?.deliveries.some((one) => one.id === delivery && !isEnded(one.state));
    const parcel = found && (await store.parcels.ofDelivery(delivery));
    const verb = verbId({ random });
    if (parcel && parcel.state !== 'retracted' && parcel.state !== 'deleted') {
      await store.parcels.retract(verb, parcel.id, { actor: 'gateway', reason: WHY });
    } else if (isOpen) {
      await store.queue.drop({ verb, actor: 'gateway', reason: WHY }, { deliveries: [delivery] });
    } else continue;
    retracted += 1;
  }
  return retracted;
}

function lostEntries({ node, audit }: Manifest, anchors: readonly string[]): number {
  let last = audit.seq;
  for (const line of anchors) {
    const one = readCheckpoint(line);
    if (one?.node === node && one.epoch === audit.epoch) last = Math.max(last, one.seq);
  }
  return last - audit.seq;
}
