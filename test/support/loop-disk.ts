// A file system in a file, mounted on a folder, for trials that cut its power or let it fail; needs root, loop devices, e2fsprogs, xfsprogs
// (also for ext4: xfs_io).

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export type FileSystem = 'xfs' | 'ext4';
export type LoopDisk = {
  /** Shuts it down without writing its log out: what was not on stable storage is gone. */
  cut(): void;
  /** ext4 only: it finds an error in itself and lets nothing be written any more, whoever has files open. (`mount -o remount,ro` is refused
   *  while somebody has one open for writing.) */
  fail(): void;
  /** Waits for those who had files open there and were killed just now. */
  remount(): Promise<void>;
  remove(): Promise<void>;
};

/** `size` as truncate(1) takes it: xfs wants 300 MB. */
export function openLoopDisk(kind: FileSystem, at: string, size: string): LoopDisk {
  const folder = mkdtempSync(join(tmpdir(), 'sealrelay-disk-'));
  const image = join(folder, 'image');
  execFileSync('truncate', ['-s', size, image]);
  execFileSync(`mkfs.${kind}`, ['-q', image]);
  const options = kind === 'ext4' ? 'loop,errors=remount-ro' : 'loop';
  const mount = () => execFileSync('mount', ['-o', options, image, at]);
  const unmount = async (): Promise<void> => {
    for (let tried = 1; ; tried++) {
      try {
        return void execFileSync('umount', [at], { stdio: 'pipe' });
      } catch (error) {
        if (tried === 100) throw error;
        await sleep(50);
      }
    }
  };
  mkdirSync(at, { recursive: true });
  mount();
  return {
    cut: () => void execFileSync('xfs_io', ['-x', '-c', 'shutdown', at]),
    fail: () => {
      const device = execFileSync('findmnt', ['-no', 'SOURCE', at], { encoding: 'utf8' }).trim();
      writeFileSync(`/sys/fs/ext4/${basename(device)}/trigger_fs_error`, '1');
    },
    remount: async () => {
      await unmount();
      mount();
    },
    remove: async () => {
      await unmount();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
