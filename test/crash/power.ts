// `node test/crash/power.ts`: the gateway's state lies on a file system of its own, which is shut down under load without writing its log out: what
// was not on stable storage then is gone, as in a power cut. What the disk itself may lose of what it was told to keep, it cannot show.

import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type FileSystem, type LoopDisk, openLoopDisk } from '../support/loop-disk.ts';
import { flag, randomSeed, readOptions, someOf, whole } from '../support/options.ts';
import { lacking, type Wanted } from '../support/programs.ts';
import { seeded } from '../support/random.ts';
import { startLoad } from './load.ts';
import { closeTrial, drain, note, openTrial, report, start, type Trial } from './trial.ts';

const NO_SYNC = fileURLToPath(new URL('./no-sync.ts', import.meta.url));
/** Octets of the image: xfs wants 300 MB. */
const SIZE = '2G';
/** Longest life of a gateway between its start and the cut, ms. */
const LIFE_MS = 2_500;
const DRAIN_MS = 3 * 60_000;
const CONTROL_DRAIN_MS = 20_000;

async function cutUnderLoad(trial: Trial, disk: LoopDisk, flags: readonly string[]): Promise<void> {
  const gateway = await start(trial, { flags });
  await sleep(trial.random.fraction() * LIFE_MS);
  disk.cut();
  const ended = await gateway.kill();
  // By itself or by us: it cannot go on.
  note(trial, gateway, ended === 1 ? 'SIGKILL' : ended);
  await disk.remount();
  trial.kills += 1;
}

type Options = { readonly kind: FileSystem; readonly cuts: number; readonly seed: number; readonly control: boolean };

/** True when it came out as it must. */
async function run({ kind, cuts, seed, control }: Options): Promise<boolean> {
  const begun = Date.now();
  const trial = await openTrial(seed);
  const disk = openLoopDisk(kind, trial.files.storage, SIZE);
  const flags = control ? ['--import', NO_SYNC] : [];
  let good = false;
  try {
    // With its keys in place: else the first cut takes the whole database, and there is nothing more to see.
    if (control) await (await start(trial)).stop();
    const load = startLoad(trial.files.port, 8, seeded(seed + 1), trial.ledger);
    const show = (words: string): void => {
      if (process.stdout.isTTY) process.stdout.write(`\r\x1b[K${kind}: ${trial.kills}/${cuts} cuts ${words}`);
    };
    while (trial.kills < cuts) {
      await cutUnderLoad(trial, disk, flags);
      show('');
    }
    const gateway = await start(trial, { flags });
    await load.stop();
    const drained = await drain(trial, control ? CONTROL_DRAIN_MS : DRAIN_MS, show);
    const ended = await gateway.stop();
    note(trial, gateway, ended === 0 ? 'SIGKILL' : ended);
    if (process.stdout.isTTY) process.stdout.write('\r\x1b[K');
    const seconds = ((Date.now() - begun) / 1000).toFixed(0);
    const words = `${trial.kills} on ${kind}${control ? ', WITHOUT SYNCS' : ''}; seed ${seed}; ${seconds} s`;
    const held = report(trial, load, ['power cuts', words], drained);
    good = control ? trial.ledger.totals().lost.length > 0 : held;
    if (control)
      console.log(good ? 'the control lost, as it must' : 'the control lost NOTHING: the trial proves nothing');
  } finally {
    await disk.remove();
    await closeTrial(trial, good);
  }
  return good;
}

async function main(): Promise<number> {
  const options = readOptions({
    usage: 'node test/crash/power.ts',
    about:
      'Cuts the power of the gateway under load: its state lies on a file system of its own, which is shut down without writing its log out, mounted again, and the gateway started. At the end what was acknowledged is compared with what arrived. Needs root, loop devices, xfsprogs and e2fsprogs.',
    options: {
      cuts: whole(25, 'how often, on each file system'),
      fs: someOf<FileSystem>(['xfs', 'ext4'], ['xfs', 'ext4'], 'file systems'),
      seed: randomSeed(),
      control: flag('takes the syncs away, and must lose something: else the trial proves nothing'),
    },
    example: 'node test/crash/power.ts --cuts 5 --fs ext4',
    exits: { 0: 'nothing was lost or changed; with --control, something was', 1: 'it came out otherwise' },
  });
  const wanted: Wanted[] = ['xfs_io', 'mkfs.xfs', 'mkfs.ext4', 'losetup'];
  const lacks = lacking(wanted);
  if (lacks.length > 0 || process.getuid?.() !== 0) {
    console.error(`needs root${lacks.length > 0 ? `, and: apt-get install ${lacks.join(' ')}` : ''}`);
    return 2;
  }
  const { cuts, seed, control } = options;
  let good = true;
  for (const kind of options.fs) good = (await run({ kind, cuts, seed, control })) && good;
  return good ? 0 : 1;
}

process.exitCode = await main();
