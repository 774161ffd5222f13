// A small disk in memory for tests that fill it or take it away; needs root.

import { execFileSync } from 'node:child_process';
import { appendFileSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { testWith } from './programs.ts';

export type Tmpfs = {
  /** Fills it until `left` octets are free; may be called again. */
  fill(left: number): void;
  /** Gives back what `fill` took. */
  empty(): void;
  readOnly(yes: boolean): void;
  unmount(): void;
};

/** Mounts it on a folder that exists. */
export function mountTmpfs(at: string, megabytes: number): Tmpfs {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0700`, 'tmpfs', at]);
  const filler = join(at, 'filler');
  return {
    fill: (left) => {
      const { bavail, bsize } = statfsSync(at);
      try {
        appendFileSync(filler, Buffer.alloc(Math.max(0, bavail * bsize - left)));
      } catch (error) {
        // Others wrote meanwhile: as full as it can be.
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    },
    empty: () => rmSync(filler, { force: true }),
    readOnly: (yes) => execFileSync('mount', ['-o', `remount,${yes ? 'ro' : 'rw'}`, at]),
    unmount: () => execFileSync('umount', ['-l', at]),
  };
}

/** As `testWith`, for what only root may do; in CI, which is root, it fails when it is not. */
export function rootTestWith(wanted: Parameters<typeof testWith>[0]): ReturnType<typeof testWith> {
  if (process.getuid?.() === 0 || process.env.CI) return testWith(wanted);
  return (name, run, ms) => test.skip(`SKIPPED ${name} (needs root)`, run, ms);
}
