import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { boxKey } from '../../../src/crypto/box.ts';
import { createMasterFile, MasterKeyError, parseMaster, readMasterFile } from '../../../src/keys/master.ts';

const random = { bytes: (n: number) => randomBytes(n), fraction: Math.random };
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sealrelay-master-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

function lineOf(bytes: Buffer): string {
  return `srk1 ${boxKey(bytes).id.toString('hex')} ${bytes.toString('base64url')}`;
}
const one = lineOf(Buffer.alloc(32, 1));
const two = lineOf(Buffer.alloc(32, 2));
const id = (line: string) => line.slice(5, 13);

describe('a master key file', () => {
  test('made: one line that base64url of Node agrees with, mode 0600, and read again', () => {
    const path = join(dir, 'master.key');
    const bytes = randomBytes(32);
    const made = createMasterFile(path, { ...random, bytes: () => Uint8Array.from(bytes) });
    expect(readFileSync(path, 'utf8')).toBe(`${lineOf(bytes)}\n`);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const [key, ...others] = readMasterFile(path);
    expect(others).toHaveLength(0);
    expect(key.id.toString('hex')).toBe(made);
    expect(key.secret.export()).toEqual(bytes);
  });

  test('a hundred random keys survive file and back', () => {
    for (let i = 0; i < 100; i++) {
      const bytes = randomBytes(32);
      expect(parseMaster(Buffer.from(lineOf(bytes)), 'k')[0].secret.export()).toEqual(bytes);
    }
  });

  test('never overwritten; a missing folder is said', () => {
    const path = join(dir, 'master.key');
    createMasterFile(path, random);
    const before = readFileSync(path, 'utf8');
    expect(() => createMasterFile(path, random)).toThrow('exists already');
    expect(readFileSync(path, 'utf8')).toBe(before);
    expect(() => createMasterFile(join(dir, 'no', 'k'), random)).toThrow('no such file or folder');
  });

  test('several keys: the first stands first; comments, empty lines and CRLF are taken', () => {
    const keys = parseMaster(Buffer.from(`# made in May\r\n${one}\r\n\n${two}`), 'k');
    expect(keys.map((key) => key.id.toString('hex'))).toEqual([id(one), id(two)]);
  });

  const cut = one.slice(0, -1);
  test.each([
    ['nothing', '', 'k holds no key'],
    ['only a comment', '# no key\n', 'k holds no key'],
    ['another format', `key ${one}`, 'k:1: a line must begin with "srk1 "'],
    ['the wrong line is named', `${one}\n# fine\nsrk2 x`, 'k:3: a line must begin'],
    ['a cut key', cut, 'k:1: a line must be'],
    ['a padded key', `${one}=`, 'k:1: a line must be'],
    ['a trailing space', `${one} `, 'k:1: a line must be'],
    ['ordinary base64', `${one.slice(0, -2)}+A`, 'k:1: the key is not base64url'],
    ['a bit behind the end', `${one.slice(0, -1)}B`, 'k:1: the key is not base64url'],
    ['an id in capitals', `srk1 ABCDEF01 ${one.slice(14)}`, 'k:1: the id must be 8 lower-case'],
    [
      'a mistyped character',
      `${one.slice(0, 20)}${one[20] === 'x' ? 'y' : 'x'}${one.slice(21)}`,
      'does not fit its id',
    ],
    ['the id of another', `srk1 ${id(two)} ${one.slice(14)}`, `does not fit its id ${id(two)}`],
    ['a key twice', `${one}\n${one}`, 'k:2: this key stands in the file twice'],
  ])('%s: refused in words, without the key', (_, text, words) => {
    const parse = () => parseMaster(Buffer.from(text), 'k');
    expect(parse).toThrow(MasterKeyError);
    expect(parse).toThrow(words);
    expect(parse).not.toThrow(one.slice(14, 30));
  });

  test.each([
    [0o600, true],
    [0o400, true],
    [0o640, false],
    [0o604, false],
    [0o660, false],
    [0o440, false],
  ])('mode %o is taken: %p', (mode, taken) => {
    const path = join(dir, 'k');
    writeFileSync(path, one);
    chmodSync(path, mode);
    if (taken) expect(readMasterFile(path)).toHaveLength(1);
    else expect(() => readMasterFile(path)).toThrow(`chmod 600 ${path}`);
  });

  test('a systemd credential may be 0440, not more', () => {
    const folder = join(dir, 'credentials');
    mkdirSync(folder);
    const path = join(folder, 'master');
    writeFileSync(path, one);
    chmodSync(path, 0o440);
    expect(readMasterFile(path, folder)).toHaveLength(1);
    expect(() => readMasterFile(path, join(dir, 'cred'))).toThrow('chmod 600');
    chmodSync(path, 0o444);
    expect(() => readMasterFile(path, folder)).toThrow('chmod 600');
  });

  test('a missing file, a folder, a huge file', () => {
    expect(() => readMasterFile(join(dir, 'no'))).toThrow('no such file');
    expect(() => readMasterFile(dir)).toThrow('not a regular file');
    const path = join(dir, 'big');
    writeFileSync(path, Buffer.alloc(70_000), { mode: 0o600 });
    expect(() => readMasterFile(path)).toThrow('too long');
  });
});

test('a comment stands behind the key and is synced with it', () => {
  const path = join(dir, 'commented.key');
  const made = createMasterFile(path, random, 'what it is for');
  expect(readFileSync(path, 'utf8')).toMatch(new RegExp(`^srk1 ${made} \\S{43}\n# what it is for\n$`));
  expect(readMasterFile(path)[0].id.toString('hex')).toBe(made);
});
