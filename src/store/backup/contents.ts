// Which files of the storage folder a backup holds: all but those named here, so that what a later release puts there is
// taken without anybody thinking of it. Pure.

/** Left out for good, by name in the storage folder, and why. A name that ends in `/` is a folder. */
export const LEFT_OUT: readonly (readonly [name: string, why: string])[] = [
  ['evaluation-master.key', 'a backup never holds the master key'],
  ['audit.keys', 'the key that signs the audit dies with its machine: a restored gateway begins with its own'],
  ['lock.db', 'says that a gateway runs'],
  ['lock.db-journal', 'says that a gateway runs'],
  ['control.sock', 'a socket'],
  ['read.sock', 'a socket'],
  ['made/', 'variants, which are made again'],
  ['backing-up/', 'what a backup works with'],
  ['restoring/', 'what a restore works with'],
  ['recovering/', 'what a recovery works with'],
];

/** Copied by the database itself, a few pages at a time. */
export const DATABASE = 'queue.db';
const OF_DATABASE = new Set([DATABASE, `${DATABASE}-wal`, `${DATABASE}-shm`, `${DATABASE}-journal`]);

/** Where sealed bodies lie; what is copied there, and when: bodies.ts. */
export const BODIES = 'bodies';

export type Part = 'left out' | 'database' | 'file';

/** What a file is, by its path in the storage folder. Half-written files (`.new`) are not taken: the whole one is there. */
export function partOf(path: string): Part {
  if (OF_DATABASE.has(path)) return 'database';
  const isOut = LEFT_OUT.some(([name]) => (name.endsWith('/') ? path.startsWith(name) : path === name));
  return isOut || path.endsWith('.new') ? 'left out' : 'file';
}

/** First octets of a master key file begin so, behind comments: whatever its name, it is not taken. */
export function isMasterKey(start: string): boolean {
  return start.split('\n').some((line) => /^srk1 [0-9a-f]{8} /.test(line));
}
