// What kind of file system the state lies on. A network or an overlay loses, or answers for, what was never synced; memory
// is gone at the next boot.

import { existsSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';

export type FileSystem = {
  /** `xfs`, or the magic number. */
  readonly name: string;
  readonly kind: 'disk' | 'network' | 'overlay' | 'memory' | 'unknown';
};

/** `f_type` of statfs(2), linux/magic.h. */
const TYPES: Readonly<Record<number, readonly [string, FileSystem['kind']]>> = {
  61267: ['ext', 'disk'],
  1481003842: ['xfs', 'disk'],
  2435016766: ['btrfs', 'disk'],
  801189825: ['zfs', 'disk'],
  4076150800: ['f2fs', 'disk'],
  26985: ['nfs', 'network'],
  20859: ['smb', 'network'],
  4266872130: ['smb2', 'network'],
  4283649346: ['cifs', 'network'],
  16914839: ['9p', 'network'],
  12805120: ['ceph', 'network'],
  1397113167: ['afs', 'network'],
  1702057286: ['fuse', 'network'],
  1785031267: ['fuse', 'network'],
  2035054128: ['overlay', 'overlay'],
  1635083891: ['aufs', 'overlay'],
  16914836: ['tmpfs', 'memory'],
  2240043254: ['ramfs', 'memory'],
};

export function fileSystemOf(type: number): FileSystem {
  const [name, kind] = TYPES[type >>> 0] ?? [`type 0x${(type >>> 0).toString(16)}`, 'unknown' as const];
  return { name, kind };
}

/** That of the folder, or of the nearest one above it that is there. */
export function fileSystemAt(path: string): FileSystem {
  let folder = path;
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
  return fileSystemOf(statfsSync(folder).type);
}

const WHY: Readonly<Record<FileSystem['kind'], string | null>> = {
  disk: null,
  unknown: null,
  network: 'a network file system may confirm a sync that never reached a disk',
  overlay: 'an overlay (a container without a volume) goes with its container',
  memory: 'it is memory, and gone at the next boot',
};

/** Why state must not lie there, in words; null when it may. Live mode refuses to start. */
export function storageFault({ name, kind }: FileSystem): string | null {
  const why = WHY[kind];
  return why === null ? null : `storage.path lies on ${name}: ${why}; use a local disk`;
}
