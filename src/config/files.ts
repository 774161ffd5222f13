// The files that decide what the gateway does, and who may change them. In live mode a configuration, policy or list file
// that the service's own user, its group or the world can write is refused: a fault in the gateway must not be able to
// rewrite the rules that bind it. Cannot judge access lists beyond the mode bits.

import { readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, isAbsolute, join, normalize, resolve } from 'node:path';

export type FileStat = {
  readonly isFile: boolean;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
};

/** What reading a configuration needs of the machine. `env` loses the variables that secrets were read from. */
export type ConfigDeps = {
  readonly env: Record<string, string | undefined>;
  readonly home: string;
  readonly cwd: string;
  /** User and groups of this process; uid 0 is an administrator, whose right to write says nothing. */
  readonly user: { readonly uid: number; readonly groups: readonly number[] };
  /** null when the file cannot be read. */
  readonly read: (path: string) => Promise<Buffer | null>;
  /** null when there is nothing. */
  readonly stat: (path: string) => Promise<FileStat | null>;
  /** Milliseconds since 1970, to judge certificates by. */
  readonly now: () => number;
};

/** The machine itself. */
export function machineDeps(): ConfigDeps {
  return {
    env: process.env,
    home: process.env.HOME ?? homedir(),
    cwd: process.cwd(),
    user: { uid: process.geteuid?.() ?? 0, groups: process.getgroups?.() ?? [] },
    read: (path) => readFile(path).catch(() => null),
    stat: (path) =>
      stat(path).then(
        (found) => ({ isFile: found.isFile(), mode: found.mode, uid: found.uid, gid: found.gid }),
        () => null,
      ),
    now: Date.now,
  };
}

/** Folder that relative paths of a configuration file start from: the file's own, or the one above a folder `config`. */
export function baseFolder(file: string): string {
  const folder = dirname(file);
  return basename(folder) === 'config' ? dirname(folder) : folder;
}

/** Absolute path; `~/` is the home of the user who runs the gateway. */
export function pathResolver(base: string, home: string): (path: string) => string {
  return (path) => {
    if (path === '~' || path.startsWith('~/')) return join(home, path.slice(2));
    return isAbsolute(path) ? normalize(path) : resolve(base, path);
  };
}

function whoCanWrite(found: FileStat, user: ConfigDeps['user'], isFolder: boolean): string | null {
  // In a folder with the sticky bit only a file's owner can replace it.
  if (found.mode & 0o002 && !(isFolder && found.mode & 0o1000)) return 'everyone';
  if (user.uid === 0) return null;
  if (found.uid === user.uid) return found.mode & 0o200 || !isFolder ? 'the user who runs the gateway' : null;
  if (found.mode & 0o020 && user.groups.includes(found.gid)) return 'the group of the user who runs the gateway';
  return null;
}

/** Why a file that binds the gateway must not be trusted in live mode, or null. Its folder counts: who can write there
 *  can put another file in its place. */
export async function whyUntrusted(path: string, deps: Pick<ConfigDeps, 'stat' | 'user'>): Promise<string | null> {
  const file = await deps.stat(path);
  const folder = await deps.stat(dirname(path));
  const byFile = file && whoCanWrite(file, deps.user, false);
  if (byFile) return `can be written by ${byFile}; live mode wants it owned by root, mode 0644 or less`;
  const byFolder = folder && whoCanWrite(folder, deps.user, true);
  return byFolder ? `stands in a folder that ${byFolder} can write` : null;
}
