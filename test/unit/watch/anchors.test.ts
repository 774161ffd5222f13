import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { closeSync, constants, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isSigned, readCheckpoint, readRetracted, signCheckpoint } from '../../../src/record/checkpoint.ts';
import type { Line } from '../../../src/relay/line.ts';
import { makeAnchor } from '../../../src/watch/anchors.ts';
import { appendFault } from '../../../src/watch/append.ts';
import { testClock } from '../../support/clock.ts';

// What was retracted goes off the machine with the anchors, so that a restore can retract it again.

const MINUTE = 60_000;
const pair = generateKeyPairSync('ed25519');
const key = pair.publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
const clock = testClock(Date.UTC(2026, 10, 24));
let folder: string;
let no = 0;
/** When each was retracted. */
let retracted: Map<string, number>;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sealrelay-anchors-'));
  retracted = new Map();
});
afterEach(() => rmSync(folder, { recursive: true }));

const file = () => join(folder, 'anchors.jsonl');
const latest = () => {
  no += 1;
  const head = { node: 'gw', epoch: 1, seq: no * 10, hash: Buffer.alloc(32, no) };
  return signCheckpoint({ ...head, no, at: clock.now(), others: [], key, next: null }, pair.privateKey);
};
const start = () =>
  makeAnchor({
    line: {
      clock,
      meter: { alarm: (name: string) => expect(name).toBe('none') },
      log: { error: () => {} },
    } as unknown as Line,
    targets: () => ({ file: file() }),
    checkpoints: { latest, atEnd: () => {} },
    post: {} as never,
    retracted: async (since) => [...retracted].flatMap(([id, at]) => (at > since ? [id] : [])),
  });
const lines = () => readFileSync(file(), 'utf8').trim().split('\n');

test('each line has what was retracted since the one before; the first of a process the days before it', async () => {
  const day = 24 * 60 * MINUTE;
  retracted.set('old', clock.now() - 8 * day).set('before', clock.now() - 6 * day);
  const anchor = start();
  await anchor();
  clock.advance(10 * MINUTE);
  retracted.set('one', clock.now());
  clock.advance(10 * MINUTE);
  await anchor();
  clock.advance(20 * MINUTE);
  await anchor();
  expect(lines().map(readRetracted)).toEqual([['before'], ['one'], []]);
  expect(lines().map((line) => isSigned(readCheckpoint(line)!))).toEqual([true, true, true]);
  await start()('file');
  expect(readRetracted(lines().at(-1)!)).toEqual(['before', 'one']);
});

test('of lines that are no anchors nothing is retracted', () => {
  for (const line of ['', 'x', '{"no":1,"retracted":["a"]}', '{"retracted":["a"]}'])
    expect(readRetracted(line)).toEqual([]);
});

test('whether a line can be added is seen without making the file', async () => {
  expect(await appendFault(file())).toBeNull();
  expect(existsSync(file())).toBe(false);
  writeFileSync(file(), 'one\n');
  expect(await appendFault(file())).toBeNull();
  expect(readFileSync(file(), 'utf8')).toBe('one\n');
  expect(await appendFault(folder)).toBe('EISDIR');
  expect(await appendFault(join(folder, 'none', 'anchors'))).toBe('ENOENT');
  expect(await appendFault(join(file(), 'anchors'))).toBe('ENOTDIR');
});

test('a disk that does not answer holds one look at files, however often it is asked', async () => {
  // Opened for writing, a pipe hangs as such a disk does.
  execFileSync('mkfifo', [file()]);
  const asked = Array.from({ length: 20 }, () => appendFault(file()));
  let reader: number | undefined;
  try {
    expect(await stat(folder)).toBeDefined();
  } finally {
    reader = openSync(file(), constants.O_RDONLY | constants.O_NONBLOCK);
  }
  expect(new Set(await Promise.all(asked))).toEqual(new Set([null]));
  closeSync(reader);
});
