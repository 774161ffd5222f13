// Who can write to the backup, or to the folder it is restored into: what they put there gets nothing that they do not have.

import { createHash, randomBytes } from 'node:crypto';
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { boxKey } from '../../src/crypto/box.ts';
import { openRing, type Ring } from '../../src/keys/ring.ts';
import { ownAll } from '../../src/store/backup/files.ts';
import { createBackups } from '../../src/store/backup/make.ts';
import { type Manifest, manifestText } from '../../src/store/backup/manifest.ts';
import { restoreBackup } from '../../src/store/backup/restore.ts';
import { writeKeysFile } from '../../src/store/bodies/keys-file.ts';
import { openBodies } from '../../src/store/bodies/segments.ts';
import { openStore } from '../../src/store/sqlite/open.ts';
import { NOON, random } from '../support/vault.ts';

const clock = { now: () => NOON, sleep: async () => {} };
const master = [boxKey(randomBytes(32))] as const;
let folder: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sealrelay-restore-'));
  const path = join(folder, 'state');
  let ring: Ring;
  const store = await openStore({ path, node: 'gw', vault: () => ring, clock, random });
  const copy = (rows: Parameters<typeof writeKeysFile>[1]) => writeKeysFile(join(path, 'bodies'), rows);
  ring = await openRing({ master, keyring: store.keyring, random, copy });
  await ring.ready('-', NOON);
  const bodies = await openBodies({ dir: join(path, 'bodies'), vault: ring, clock, random });
  const backups = createBackups({
    storage: path,
    version: '1',
    snapshot: store.snapshot,
    bodies,
    archive: store.archive,
    clock,
  });
  await backups.make(join(folder, 'backup'), async () => {});
  await bodies.close();
  await store.close();
});
afterEach(() => rmSync(folder, { recursive: true }));

const to = () => join(folder, 'to');
const restore = () =>
  restoreBackup({ from: join(folder, 'backup'), to: to(), node: 'gw', master, clock, random }).then(() => 'restored');

/** Adds a file to the backup, as its manifest says too. */
function plant(path: string, text: string): void {
  const file = join(folder, 'backup', 'manifest.json');
  const { format: _, sha256: __, ...manifest } = JSON.parse(readFileSync(file, 'utf8')) as Manifest;
  writeFileSync(join(folder, 'backup', path), text);
  const sha256 = createHash('sha256').update(text).digest('hex');
  const files = [...manifest.files, { path, size: text.length, sha256 }];
  writeFileSync(file, manifestText({ ...manifest, files }));
}

test.each([
  'audit.keys',
  'audit.signed',
  'evaluation-master.key',
  'lock.db',
  'queue.db-wal',
  'control.sock',
])('%s, which no backup holds, is not restored from one that was changed', async (path) => {
  plant(path, 'mine');
  await expect(restore()).rejects.toThrow(`names ${path}, which no backup holds`);
  expect(existsSync(to())).toBe(false);
});

test.each(['lock.db', 'evaluation-master.key', 'restoring'])('%s that is a link is not followed', async (name) => {
  const outside = join(folder, 'outside');
  writeFileSync(outside, '');
  mkdirSync(to());
  symlinkSync(outside, join(to(), name));
  await expect(restore()).rejects.toThrow(`${name} in ${to()} is a link`);
  expect(readFileSync(outside, 'utf8')).toBe('');
});

test('what is there and no link may be: a lock and a key file', async () => {
  mkdirSync(to());
  writeFileSync(join(to(), 'lock.db'), '');
  writeFileSync(join(to(), 'evaluation-master.key'), '');
  await expect(restore()).resolves.toBe('restored');
});

test('what is given to the service is what lies in its folder, not what links there lead to', () => {
  const own = process.getuid?.() === 0 ? 12_345 : process.getuid!();
  const outside = join(folder, 'outside');
  mkdirSync(join(outside, 'deep'), { recursive: true });
  writeFileSync(join(outside, 'file'), '');
  mkdirSync(join(to(), 'bodies'), { recursive: true });
  writeFileSync(join(to(), 'bodies', 'file'), '');
  symlinkSync(outside, join(to(), 'linked'));
  symlinkSync(join(outside, 'file'), join(to(), 'linked-file'));
  chownSync(to(), own, process.getgid!());
  ownAll(to());
  expect(statSync(join(to(), 'bodies', 'file')).uid).toBe(own);
  const me = process.getuid!();
  expect([outside, join(outside, 'deep'), join(outside, 'file')].map((path) => statSync(path).uid)).toEqual([
    me,
    me,
    me,
  ]);
});
