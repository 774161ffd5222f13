// Adds a delay to every sync of the programs that get its environment, and tells how often each of them synced.

import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { descendants } from '../support/processes.ts';

const SOURCE = fileURLToPath(new URL('./slow-sync.c', import.meta.url));
const LIBRARY = 'slow-sync.so';

export type SlowSync = {
  /** For the programs of one system; `system` keeps their counts apart. */
  environment(system: string): Readonly<Record<string, string>>;
  /** Calls so far by program, of a system. */
  counts(system: string): ReadonlyMap<string, number>;
  remove(): void;
};

/** Compiles the library into a temporary folder; throws when gcc is not installed. `micros`: what each sync takes more. */
export function makeSlowSync(micros: number): SlowSync {
  const folder = mkdtempSync(join(tmpdir(), 'sealrelay-slow-'));
  // Daemons that dropped their rights load it and write beside it.
  chmodSync(folder, 0o755);
  execFileSync('gcc', ['-shared', '-fPIC', '-O2', '-o', join(folder, LIBRARY), SOURCE, '-ldl']);
  const folderOf = (system: string) => join(folder, system.replace(/\W+/g, '-'));
  return {
    environment: (system) => {
      mkdirSync(folderOf(system), { recursive: true });
      chmodSync(folderOf(system), 0o1777);
      return {
        LD_PRELOAD: join(folder, LIBRARY),
        SLOW_SYNC_DIR: folderOf(system),
        SLOW_SYNC_US: String(micros),
      };
    },
    counts: (system) => {
      const sums = new Map<string, number>();
      for (const file of readdirSync(folderOf(system))) {
        const octets = readFileSync(join(folderOf(system), file));
        const name = file.replace(/\.\d+$/, '');
        // A file that was just made is empty.
        if (octets.length === 8) sums.set(name, (sums.get(name) ?? 0) + Number(octets.readBigUInt64LE()));
      }
      return sums;
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Processes of the tree of `pid` that did not load it, as command lines. */
export function without(pid: number): string[] {
  return [pid, ...descendants(pid)].flatMap((one) => {
    try {
      if (readFileSync(`/proc/${one}/maps`, 'latin1').includes(LIBRARY)) return [];
      return [readFileSync(`/proc/${one}/cmdline`, 'latin1').replaceAll('\0', ' ').trim()];
    } catch {
      return [];
    }
  });
}
