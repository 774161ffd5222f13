// A new master key, while the gateway runs: a new line in the key file, new organization keys, a new `fields` key of the
// month; then every key box is made anew under them, in batches; when none is left the old organization keys are deleted,
// the write-ahead log is emptied, and the old line leaves the key file (src/README.md, "Rotation"). Each step may be
// repeated: after a crash what is left to do is seen from the rows, the mark in the database, and the key file, and the
// gateway goes on with it at its next start. Logs ids and counts. What an old backup holds it cannot change: that opens
// with the old key as long as both exist.

import type { OrganizationName, Time } from '../domain/ids.ts';
import type { Actor, Clock, Random } from '../domain/types.ts';
import { MasterKeyError, type MasterKeys } from './master.ts';
import { addMasterLine, removeMasterLines, TWO_STEPS } from './master-file.ts';
import type { MasterSource } from './open.ts';
import type { KeyBoxes, KeyRow, Renewed, RotationMark } from './port.ts';

/** What a rotation uses of the ring (generations.ts). */
export type RotatingRing = {
  readonly masterIds: readonly string[];
  useMaster(master: MasterKeys): void;
  behind(): readonly OrganizationName[];
  wrappers(): readonly string[];
  renew(organization: OrganizationName, at: Time): Promise<void>;
  earlierRows(): readonly KeyRow[];
  rewrapRow(row: KeyRow): KeyRow | null;
  organizations(): readonly OrganizationName[];
  drop(rows: readonly KeyRow[]): Promise<void>;
};

export type RotateDeps = {
  readonly ring: RotatingRing;
  readonly source: MasterSource;
  readonly boxes: KeyBoxes;
  /** Boxes anew the key slots beside the bodies, and the day keys of the audit; how many that were. */
  readonly slots: () => Promise<number>;
  readonly dayKeys: () => Promise<number>;
  /** The same for what was signed last (`audit.signed`). */
  readonly pin: () => Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
  /** Before each step; a test ends the process there. */
  readonly step?: (name: RotateStep) => void;
};

export const ROTATE_STEPS = [
  'line',
  'begin',
  'keys',
  'boxes',
  'again',
  'retire',
  'copy',
  'log',
  'file',
  'end',
] as const;
export type RotateStep = (typeof ROTATE_STEPS)[number];

export type RotateCaller = { readonly actor: Actor; readonly reason: string };
export type RotateProgress = { readonly step: RotateStep; readonly rows: number };
export type RotateReport = {
  readonly from: readonly string[];
  readonly to: string;
  readonly organizations: number;
  readonly renewed: Renewed & { readonly slots: number; readonly dayKeys: number };
  /** Lines of these keys are still in the place where the master key comes from, which cannot be written from here. */
  readonly linesLeft: readonly string[];
};

export type Rotation = {
  /** What a rotation that was begun has still to do; null when all is at rest. */
  pending(): Promise<{ readonly to: string } | null>;
  /** Rotates, or goes on with what was begun; who asks while one runs gets its report. Throws MasterKeyError in words. */
  run(by: RotateCaller, progress?: (at: RotateProgress) => void): Promise<RotateReport>;
};

const NONE: Renewed = { keys: 0, bodies: 0, grants: 0, addressKeys: 0, unreadable: 0 };
/** Passes over all rows: the first finds all, the second what was under way; more mean that something is wrong. */
const PASSES = 5;
/** For so long another may read the log: a backup does. */
const LOG_TRIES = 3_000;
const LOG_WAIT = 200;

export function createRotation(deps: RotateDeps): Rotation {
  const { ring, boxes } = deps;
  let running: Promise<RotateReport> | null = null;
  const listeners = new Set<(at: RotateProgress) => void>();

  const at = (step: RotateStep, rows = 0): void => {
    if (rows === 0) deps.step?.(step);
    for (const listener of listeners) listener({ step, rows });
  };

  return {
    async pending() {
      const to = ring.masterIds[0]!;
      const isBegun = (await boxes.mark()) !== null || ring.behind().length > 0 || ring.earlierRows().length > 0;
      return isBegun ? { to } : null;
    },
    async run(by, progress) {
      if (progress) listeners.add(progress);
      running ??= rotate(deps, by, at).finally(() => {
        running = null;
      });
      try {
        return await running;
      } finally {
        if (progress) listeners.delete(progress);
      }
    },
  };
}

async function rotate(deps: RotateDeps, by: RotateCaller, at: (step: RotateStep, rows?: number) => void) {
  const { ring, boxes } = deps;
  const mark = await begin(deps, by, at);
  at('keys');
  await renewOrganizations(deps);
  at('boxes');
  const renewed = await renewAll(deps, at);
  at('retire');
  const gone = ring.earlierRows();
  await boxes.retire(gone, mark.actor);
  at('copy');
  await ring.drop(gone);
  at('log');
  await emptyLog(deps);
  at('file');
  const linesLeft = removeLines(deps, mark);
  at('end');
  const organizations = ring.organizations().length;
  const { slots, dayKeys, ...rows } = renewed;
  await boxes.end(mark, { organizations, ...rows, slots, dayKeys });
  return { from: mark.from, to: mark.to, organizations, renewed, linesLeft } satisfies RotateReport;
}

/** The mark that stands, or a new one, with the key that wraps from now on in use. */
async function begin(deps: RotateDeps, by: RotateCaller, at: (step: RotateStep) => void): Promise<RotationMark> {
  const { ring, boxes, source, random, clock } = deps;
  const stands = await boxes.mark();
  let keys = await source.read();
  // Else the new line is there already: put by hand, or by a rotation that did not come further.
  const isNew = ring.masterIds[0] === hex(keys[0]) && ring.behind().length === 0;
  if (stands === null && isNew && ring.earlierRows().length === 0) {
    if (source.file === null) throw notFromHere(source);
    at('line');
    keys = addMasterLine(source.file, random);
  }
  ring.useMaster(keys);
  const to = hex(keys[0]);
  if (stands?.to === to) return stands;
  at('begin');
  const from = [...new Set([...ring.wrappers(), ...(stands?.from ?? [])])].filter((id) => id !== to);
  const mark = { from, to, actor: by.actor, begunAt: clock.now() };
  await boxes.begin(mark, by.reason);
  return mark;
}

function notFromHere({ name }: MasterSource): MasterKeyError {
  return new MasterKeyError(`${name} cannot be written by the gateway`, TWO_STEPS);
}

async function renewOrganizations({ ring, clock }: RotateDeps): Promise<void> {
  for (const organization of ring.organizations()) await ring.renew(organization, clock.now());
}

async function renewAll(deps: RotateDeps, at: (step: RotateStep, rows?: number) => void) {
  const { ring, boxes } = deps;
  await deps.pin();
  const total = { ...NONE, slots: await deps.slots(), dayKeys: await deps.dayKeys() };
  let rows = 0;
  for (let pass = 1; ; pass++) {
    const found = await boxes.renew(
      (row) => ring.rewrapRow(row),
      (looked) => {
        rows += looked;
        at('boxes', rows);
      },
    );
    for (const name of ['keys', 'bodies', 'grants', 'addressKeys'] as const) total[name] += found[name];
    total.unreadable = found.unreadable;
    // What was under way when the keys changed, an organization too, is found by the pass that finds nothing else.
    if (pass > 1 && found.keys + found.bodies + found.grants + found.addressKeys === 0) return total;
    if (pass === PASSES) throw new MasterKeyError('keys keep being boxed by an old key: the old key stays, try again');
    at('again');
    await renewOrganizations(deps);
  }
}

async function emptyLog({ boxes, clock }: RotateDeps): Promise<void> {
  for (let tries = 0; !(await boxes.emptyLog()); tries++) {
    if (tries === LOG_TRIES) throw new MasterKeyError('the log of the database could not be emptied: try again');
    await clock.sleep(LOG_WAIT);
  }
}

/** Ids of the lines that somebody else has to take away. */
function removeLines({ ring, source }: RotateDeps, { from }: RotationMark): readonly string[] {
  const needed = ring.wrappers();
  if (needed.some((id) => from.includes(id))) throw new MasterKeyError('an old key came into use again: try again');
  const old = ring.masterIds.filter((id) => from.includes(id));
  if (old.length === 0) return [];
  if (source.file === null) return old;
  try {
    ring.useMaster(removeMasterLines(source.file, old));
    return [];
  } catch (error) {
    // It may be root's: all else is done, and the line wraps nothing.
    if (error instanceof MasterKeyError) return old;
    throw error;
  }
}

function hex(key: MasterKeys[number]): string {
  return key.id.toString('hex');
}
