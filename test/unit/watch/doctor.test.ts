// What `doctor` makes of a machine: every check in each of its colours.

import { type Check, examine, type Facts, type StorageFacts } from '../../../src/watch/doctor.ts';
import { fileSystemAt, fileSystemOf, storageFault } from '../../../src/watch/filesystem.ts';

const GB = 1_073_741_824;
const STORAGE: StorageFacts = {
  path: '/var/lib/sealrelay',
  exists: true,
  fileSystem: { name: 'xfs', kind: 'disk' },
  mode: 0o700,
  uid: 990,
  asker: 0,
  free: 50 * GB,
  reserve: GB / 4,
  low: 2 * GB,
  sync: 1.5,
  wal: 0,
  integrity: 'ok',
};
const WELL: Facts = {
  live: true,
  node: 'v24.21.0',
  runtime: { version: '0.1.0', faults: [], threads: 8, uid: 990, files: 65_536 },
  config: {
    file: 'gateway.yaml',
    problems: [],
    warnings: [],
    anchors: true,
    anchorFile: null,
    months: 73,
    alerts: true,
  },
  storage: STORAGE,
  keys: { source: '/etc/master.key', problem: null, hidden: false, beside: false, boxes: { all: 5, closed: 0 } },
};
const bad = (change: Partial<Facts>) =>
  examine({ ...WELL, ...change })
    .filter(({ light }) => light !== 'green')
    .map(({ group, name, light }) => `${group} ${name} ${light}`);
const runtime = (change: Partial<NonNullable<Facts['runtime']>>) => ({ runtime: { ...WELL.runtime!, ...change } });
const config = (change: Partial<Facts['config']>) => ({ config: { ...WELL.config, ...change } });
const storage = (change: Partial<StorageFacts>) => ({ storage: { ...STORAGE, ...change } });
const keys = (change: Partial<NonNullable<Facts['keys']>>) => ({ keys: { ...WELL.keys!, ...change } });

test.each<[string, Partial<Facts>, string[]]>([
  ['all is well', {}, []],
  ['another node', { node: 'v20.1.0' }, ['runtime node red']],
  ['an inspector', runtime({ faults: ['the inspector is open'] }), ['runtime how it was started red']],
  ['few threads', runtime({ threads: 4 }), ['runtime threads for the disk yellow']],
  ['few files', runtime({ files: 256 }), ['runtime open files red']],
  ['any number of files', runtime({ files: null }), []],
  ['root', runtime({ uid: 0 }), ['runtime user yellow']],
  ['a refused file', config({ problems: ['gateway.yaml:1:1 mode: is missing'] }), ['config configuration red']],
  [
    'a file of systemd',
    config({ problems: ['g:1:1 x: /run/credentials/a cannot be read'] }),
    ['config configuration yellow'],
  ],
  ['a warning', config({ warnings: ['clients may hand over messages without TLS'] }), ['config warning yellow']],
  ['no anchors, live', config({ anchors: false }), ['config anchors red']],
  ['no anchors, evaluation', { ...config({ anchors: false }), live: false }, ['config anchors yellow']],
  ['anchors in a file', config({ anchorFile: { file: '/mnt/a', fault: null } }), []],
  [
    'an anchor file that cannot be written',
    config({ anchorFile: { file: '/mnt/a', fault: 'EROFS' } }),
    ['config anchor file red'],
  ],
  ['an audit of five years', config({ months: 60 }), ['config how long the audit is kept yellow']],
  ['an audit of three months', config({ months: 3 }), ['config how long the audit is kept red']],
  ['nobody is told', config({ alerts: false }), ['config alerts yellow']],
  ['a network', storage({ fileSystem: { name: 'nfs', kind: 'network' } }), ['storage file system red']],
  ['others may look', storage({ mode: 0o755 }), ['storage folder red']],
  ['somebody else asks', storage({ asker: 1000 }), ['storage folder yellow']],
  ['little space', storage({ free: GB }), ['storage free space yellow']],
  ['no space', storage({ free: 0 }), ['storage free space red']],
  ['a slow disk', storage({ sync: 700 }), ['storage sync time red']],
  ['a large log', storage({ wal: GB / 2 }), ['storage write-ahead log yellow']],
  ['a broken database', storage({ integrity: 'row 3 missing from index x' }), ['storage database red']],
  ['nothing there yet', storage({ exists: false, mode: 0o755, sync: null, wal: null, integrity: null }), []],
  ['no master key', keys({ problem: '/etc/master.key is not there' }), ['keys master key red']],
  ['a hidden master key, the gateway runs', keys({ hidden: true }), []],
  ['a hidden master key', { ...keys({ hidden: true }), runtime: null }, ['keys master key yellow']],
  ['a master key beside what it opens', keys({ beside: true }), ['keys master key yellow']],
  ['another master key', keys({ boxes: { all: 5, closed: 1 } }), ['keys keys of the database red']],
  ['nothing seen', { runtime: null, storage: null, keys: null }, []],
])('%s', (_, change, expected) => {
  expect(bad(change)).toEqual(expected);
});

test('each says what it means, and what to do when it is not green', () => {
  const all: Check[] = [
    ...examine(WELL),
    ...examine({ ...WELL, ...storage({ free: 0, sync: 900 }), ...keys({ hidden: true }), runtime: null }),
  ];
  for (const one of all) {
    expect(one.means).toMatch(/^[A-Z].*\.$/);
    expect(one.next === null).toBe(one.light === 'green');
  }
});

test.each([
  [0xef53, 'ext', false],
  [0x6969, 'nfs', true],
  [0x794c7630, 'overlay', true],
  [0x01021994, 'tmpfs', true],
  // As 32 bits with a sign.
  [0xfe534d42 | 0, 'smb2', true],
  [0x12345, 'type 0x12345', false],
])('statfs type %i is %s', (type, name, refused) => {
  const found = fileSystemOf(type);
  expect(found.name).toBe(name);
  expect(storageFault(found) !== null).toBe(refused);
});

test('a folder that is not there is judged by the one above it', () => {
  expect(fileSystemAt('/proc/no/such/folder')).toEqual(fileSystemAt('/proc'));
});
