// Which files of the storage folder a backup holds: all but those named here, so that what a later release puts there is
// taken without anybody thinking of it. Pure.

/** Files are linked here while they are copied, so that they can be after they are gone from their place. */
export const WORKING = 'backing-up';

/** A restore prepares the database here; while this folder is there and no database, another may begin over it. */
export const PREPARING = 'restoring';

/** Left out for good, by name in the storage folder, and why. A name that ends in `/` is a folder. */
export const LEFT_OUT: readonly (readonly [name: string, why: string])[] = [
  ['evaluation-master.key', 'a backup never holds the master key'],
  ['audit.keys', 'the key that signs the audit dies with its machine: a restored gateway begins with its own'],
  ['audit.signed', 'what this machine signed last: a restored gateway goes on from what its audit says'],
  ['lock.db', 'says that a gateway runs'],
  ['control.sock', 'a socket'],
  ['read.sock', 'a socket'],
  ['sync.probe', 'measures the disk'],
  ['reserve', 'space, for when the disk is full'],
  ['made/', 'variants, which are made again'],
  [`${WORKING}/`, 'what a backup works with'],
  [`${PREPARING}/`, 'what a restore works with'],
  ['recovering/', 'what a recovery works with'],
];

/** The living database: copied on the connection that writes it. */
export const DATABASE = 'queue.db';

/** Where sealed bodies lie. */
export const BODIES = 'bodies';

/** `rows`: another database, which may be written while it is copied. */
export type Part = 'left out' | 'queue' | 'rows' | 'file';

/** Half-written, or of a database beside it: what is whole stands under the name itself. */
const BESIDE = /\.(new|part|tmp)$|\.db-(wal|shm|journal)$/;

/** What a file is, by its path in the storage folder. */
export function partOf(path: string): Part {
  if (path === DATABASE) return 'queue';
  const isOut = LEFT_OUT.some(([name]) => (name.endsWith('/') ? path.startsWith(name) : path === name));
  if (isOut || BESIDE.test(path)) return 'left out';
  return path.endsWith('.db') ? 'rows' : 'file';
}

/** First octets of a master key file begin so, behind comments: whatever its name, it is not taken. */
export function isMasterKey(start: string): boolean {
  return start.split('\n').some((line) => /^srk1 [0-9a-f]{8} /.test(line));
}
