// The fault matrix: what each component can do wrong, and what comes of it. Never in clear, never lost, never a word in a log; and when the
// fault is over mail flows again.

import { testWith } from '../support/programs.ts';
import {
  anchors,
  clock,
  damagedBody,
  damagedKey,
  damagedRows,
  denyingDns,
  disk,
  dns,
  type Ending,
  failingSync,
  hangingKeyFile,
  junkGrants,
  keyFile,
  lateReload,
  type Make,
  peer,
  port,
  reloaded,
  stoppedExaminer,
  withoutTls,
} from './faults/makers.ts';
import { type Comes, type Matrix, openMatrix, runCell, runEnding } from './faults/matrix.ts';

type Does = 'throws' | 'hangs' | 'answers garbage' | 'is slow';
type Cell = readonly [component: string, does: Does, how: string, comes: Comes, make: Make];

const [KEYS, PARCELS] = ['keys.test', 'parcels.test'];
const YEARS = 10 * 365 * 86_400_000;

/** What a component does, how, and what must come while it does. */
const CELLS: readonly Cell[] = [
  ['DNS', 'throws', 'SERVFAIL', 'waits', dns('servfail.test', { fault: 'SERVFAIL' })],
  ['DNS', 'hangs', 'no answer', 'waits', dns('silent.test', { fault: 'silent' })],
  ['DNS', 'answers garbage', 'octets that are no answer', 'waits', dns('junk.test', { fault: 'garbage' })],
  ['DNS', 'answers garbage', 'every name does not exist', 'waits', denyingDns('denied.test')],
  ['DNS', 'is slow', 'each answer takes 50 ms of the 150', 'arrives', dns('late.test', { late: 50 })],

  ['examiner', 'throws', 'each job fails', 'held', port({ 'pool.examine': 'throws' })],
  ['examiner', 'hangs', 'its process gets SIGSTOP', 'arrives', stoppedExaminer],
  ['examiner', 'answers garbage', 'an examination that is none', 'held', port({ 'pool.examine': 'garbage' })],
  ['examiner', 'is slow', 'each job takes longer', 'arrives', port({ 'pool.examine': 'slow' })],

  ['encrypting worker', 'throws', 'each job fails', 'waits', port({ 'pool.variant': 'throws' }, KEYS)],
  ['encrypting worker', 'hangs', 'no job ends', 'waits', port({ 'pool.variant': 'hangs' }, KEYS)],
  ['encrypting worker', 'answers garbage', 'wrong sizes', 'waits', port({ 'pool.variant': 'garbage' }, KEYS)],
  ['encrypting worker', 'is slow', 'each job takes longer', 'arrives', port({ 'pool.variant': 'slow' }, KEYS)],

  ['store', 'throws', 'every verb rejects', '451', port({ queue: 'throws' })],
  ['store', 'hangs', 'no verb answers', 'no 250', port({ queue: 'hangs' })],
  ['store', 'answers garbage', 'rows that were damaged', 'held', damagedRows],
  ['store', 'is slow', 'every verb takes longer', 'arrives', port({ queue: 'slow' })],

  ['body store', 'throws', 'no body can be begun', '451', port({ 'bodies.create': 'throws' })],
  ['body store', 'hangs', 'no octet is taken', 'no 250', port({ 'writer.write': 'hangs' })],
  ['body store', 'answers garbage', 'a body that was damaged', 'held', damagedBody],
  ['body store', 'is slow', 'each piece takes longer', 'arrives', port({ 'writer.write': 'slow' })],

  ['keyring', 'throws', 'nothing can be boxed', '451', port({ 'vault.box': 'throws' })],
  ['keyring', 'hangs', 'keys are never ready', 'no 250', port({ 'vault.ready': 'hangs' })],
  ['keyring', 'is slow', 'keys are ready later', 'arrives', port({ 'vault.ready': 'slow' })],

  ['key look-up', 'throws', 'the book rejects', 'waits', port({ 'book.forAddress': 'throws' }, KEYS)],
  ['key look-up', 'hangs', 'no answer', 'waits', port({ 'book.forAddress': 'hangs' }, KEYS)],
  ['key look-up', 'answers garbage', 'keys that are none', 'waits', port({ 'book.forAddress': 'garbage' }, KEYS)],
  ['key look-up', 'is slow', 'answers later', 'arrives', port({ 'book.forAddress': 'slow' }, KEYS)],

  ['portal', 'throws', 'takes no parcel', 'waits', port({ 'parcels.escrow': 'throws' }, PARCELS)],
  ['portal', 'hangs', 'no parcel is taken to the end', 'waits', port({ 'parcels.escrow': 'hangs' }, PARCELS)],
  ['portal', 'answers garbage', 'grants that are none', 'arrives', junkGrants],
  ['portal', 'is slow', 'takes parcels later', 'arrives', port({ 'parcels.escrow': 'slow' }, PARCELS)],

  ['policy reload', 'throws', 'the file is gone', 'arrives', reloaded(null)],
  ['policy reload', 'hangs', 'no file can be read', 'arrives', lateReload('hangs')],
  ['policy reload', 'answers garbage', 'the file is none', 'arrives', reloaded('rules: [what, {?: ]')],
  ['policy reload', 'is slow', 'files are read later', 'arrives', lateReload('slow')],

  ['clock', 'hangs', 'it stands still', 'arrives', clock(0, 0)],
  ['clock', 'answers garbage', 'ten years ahead', 'waits', clock(YEARS, 1, true)],
  ['clock', 'is slow', 'it runs at a tenth', 'arrives', clock(0, 0.1)],

  ['peer', 'throws', 'drops the connection', 'waits', peer('drops')],
  ['peer', 'throws', 'offers no TLS', 'portal', withoutTls],
  ['peer', 'hangs', 'no reply', 'waits', peer('silent')],
  ['peer', 'answers garbage', 'no SMTP', 'waits', peer('junk')],
  ['peer', 'is slow', 'replies later', 'arrives', peer('late')],

  ['checkpoints', 'throws', 'cannot be read', 'arrives', port({ 'audit.proofState': 'throws' })],
  ['checkpoints', 'hangs', 'no answer', 'arrives', port({ 'audit.proofState': 'hangs' })],
  ['checkpoints', 'answers garbage', 'a chain that is none', 'arrives', port({ 'audit.proofState': 'garbage' })],
  ['checkpoints', 'is slow', 'answers later', 'arrives', port({ 'audit.proofState': 'slow' })],

  ['anchors', 'throws', 'the server drops the connection', 'arrives', anchors('drops')],
  ['anchors', 'hangs', 'the server does not answer', 'arrives', anchors('silent')],
  ['anchors', 'answers garbage', 'no HTTP', 'arrives', anchors('junk')],
  ['anchors', 'is slow', 'the server answers later', 'arrives', anchors('late')],

  ['disk', 'hangs', 'no sync ends', 'no 250', disk('fsync,fdatasync:delay_enter=600000000')],
  ['disk', 'is slow', 'each sync takes 100 ms more', 'arrives', disk('fsync,fdatasync:delay_enter=100000')],
];

/** Faults that end the gateway, or keep it from starting: nothing is taken then, and a start afterwards goes on with all. */
const ENDS: readonly (readonly [component: string, does: Does, how: string, says: RegExp, make: Ending])[] = [
  ['disk', 'throws', 'a sync fails with EIO', /the disk failed/, failingSync],
  ['keyring', 'answers garbage', 'a key row that was damaged', /its row was changed or is damaged/, damagedKey],
  ['key file', 'throws', 'the file is gone', /which the master key file lacks/, keyFile(null)],
  ['key file', 'answers garbage', 'the file holds something else', /evaluation-master\.key:1/, keyFile('no key\n')],
  ['key file', 'hangs', 'the file cannot be opened', /is not a regular file/, hangingKeyFile],
];

/** What cannot be, or is another cell. */
const NONE: Readonly<Record<string, string>> = {
  'clock throws': 'a system call that cannot fail',
  'disk answers garbage': 'what was read wrong does not open: store, body store and keyring answer garbage',
  'key file is slow': 'it is read once, before any door opens: as hangs, but shorter',
};

const COMPONENTS = [
  ...['DNS', 'examiner', 'encrypting worker', 'store', 'body store', 'keyring', 'key look-up', 'portal', 'key file'],
  ...['policy reload', 'clock', 'disk', 'peer', 'checkpoints', 'anchors'],
];
const DOES: readonly Does[] = ['throws', 'hangs', 'answers garbage', 'is slow'];

let matrix: Matrix;
beforeAll(async () => {
  matrix = await openMatrix();
}, 60_000);
afterAll(() => matrix?.close());

test('no cell is left out', () => {
  const all = COMPONENTS.flatMap((component) => DOES.map((does) => `${component} ${does}`));
  const named = [...CELLS, ...ENDS].map(([component, does]) => `${component} ${does}`);
  expect([...new Set([...named, ...Object.keys(NONE)])].sort()).toEqual(all.sort());
});

for (const [component, does, how, comes, { make, to = 'partner.test', meanwhile = false }] of CELLS) {
  const run = component === 'disk' ? testWith(['strace']) : test;
  run(
    `${component} ${does} (${how}): ${comes}`,
    () => runCell(matrix, () => make(matrix), { comes, domain: to, meanwhile }),
    30_000,
  );
}

for (const [component, does, how, says, make] of ENDS) {
  const run = component === 'disk' ? testWith(['strace']) : test;
  run(`${component} ${does} (${how}): the gateway ends and says why`, () => runEnding(matrix, make, says), 30_000);
}
