import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMasterFile, MasterKeyError, readMasterFile } from '../../../src/keys/master.ts';
import { addMasterLine, copyWithNewLine, removeMasterLines } from '../../../src/keys/master-file.ts';

const random = { bytes: (n: number) => randomBytes(n), fraction: Math.random };
let folder: string;
let path: string;
let old: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sealrelay-lines-'));
  path = join(folder, 'master.key');
  old = createMasterFile(path, random, 'of the clinic');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const idsOf = (file: string) => readMasterFile(file).map(({ id }) => id.toString('hex'));

test('a new line in front, the old one away: comments stay, the mode too, and nothing lies beside it', () => {
  const before = readFileSync(path, 'utf8');
  const [first, ...rest] = addMasterLine(path, random).map(({ id }) => id.toString('hex'));
  expect(rest).toEqual([old]);
  expect(readFileSync(path, 'utf8').endsWith(before)).toBe(true);
  expect(removeMasterLines(path, [old]).map(({ id }) => id.toString('hex'))).toEqual([first]);
  expect(readFileSync(path, 'utf8')).toMatch(/^srk1 \S+ \S+\n# of the clinic\n$/);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(['master.key']);
});

test('the first line and lines of others are never taken away', () => {
  const [first] = addMasterLine(path, random);
  removeMasterLines(path, [first.id.toString('hex'), 'ffffffff']);
  expect(idsOf(path)).toEqual([first.id.toString('hex'), old]);
});

test('what a crash left beside it is no hindrance', () => {
  writeFileSync(`${path}.new`, 'half a li', { mode: 0o644 });
  addMasterLine(path, random);
  expect(idsOf(path)).toHaveLength(2);
  expect(readdirSync(folder)).toEqual(['master.key']);
});

test('the octets of the file of before are overwritten, but not under another name', () => {
  const held = openSync(path, 'r');
  const copy = join(folder, 'copy.key');
  const secret = readFileSync(path, 'latin1').slice(14, 57);
  addMasterLine(path, random);
  const there = Buffer.alloc(200);
  readSync(held, there, 0, there.length, 0);
  closeSync(held);
  expect(there.includes(secret)).toBe(false);
  expect(readFileSync(path, 'latin1')).toContain(secret);
  linkSync(path, copy);
  addMasterLine(path, random);
  expect(idsOf(copy)).toHaveLength(2);
});

test('a link stays one, and its target changes', () => {
  const target = join(folder, 'real');
  mkdirSync(target);
  const file = join(target, 'k');
  const link = join(folder, 'link.key');
  createMasterFile(file, random);
  symlinkSync(file, link);
  addMasterLine(link, random);
  expect(idsOf(file)).toHaveLength(2);
  expect(idsOf(link)).toHaveLength(2);
});

test('a file that others may read, a damaged one, one that is not there: nothing changes, in words', () => {
  chmodSync(path, 0o640);
  expect(() => addMasterLine(path, random)).toThrow('others may use it');
  chmodSync(path, 0o600);
  writeFileSync(path, 'srk1 nonsense\n');
  expect(() => addMasterLine(path, random)).toThrow(MasterKeyError);
  expect(readFileSync(path, 'utf8')).toBe('srk1 nonsense\n');
  expect(() => removeMasterLines(join(folder, 'none'), [])).toThrow('there is no such file');
});

test('a copy with a new line: for where the file cannot be written; never over another', () => {
  const to = join(folder, 'next.key');
  const [first, second] = copyWithNewLine(readFileSync(path), to, random);
  expect(second?.id.toString('hex')).toBe(old);
  expect(idsOf(to)).toEqual([first.id.toString('hex'), old]);
  expect(idsOf(path)).toEqual([old]);
  expect(() => copyWithNewLine(readFileSync(path), to, random)).toThrow('never overwritten');
});
