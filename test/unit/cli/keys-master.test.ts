// `sealrelay keys master` without a gateway: what is said about keys that are there, lost, wrong, and on paper.

import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readMasterFile } from '../../../src/keys/master.ts';
import { openRing } from '../../../src/keys/ring.ts';
import { openStore } from '../../../src/store/sqlite/open.ts';
import { type Ran, sealrelay } from '../../support/gateway.ts';

const random = { bytes: (n: number) => randomBytes(n), fraction: Math.random };
let folder: string;
let key: string;
let id: string;
let paper: string;

const files = () => ({ folder, config: join(folder, 'gateway.yaml'), storage: join(folder, 'state') });
const run = (args: readonly string[], input?: string): Promise<Ran> =>
  sealrelay(files(), ['keys', 'master', ...args], input);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sealrelay-master-cli-'));
  key = join(folder, 'master.key');
  // Only what these commands need: when a key is lost, the rest may be refused.
  writeFileSync(files().config, `keys: { master: { file: ${key} } }\nstorage: { path: ${files().storage} }\n`);
  const made = await run(['create', '--paper', join(folder, 'paper.txt')]);
  if (made.code !== 0) throw new Error(made.err);
  id = made.out.trim();
  paper = readFileSync(join(folder, 'paper.txt'), 'utf8');
  const store = await openStore({
    ...{ path: files().storage, node: 'gw', random, clock: { now: Date.now, sleep: async () => {} } },
    vault: () => {
      throw new Error('not needed');
    },
  });
  const ring = await openRing({ master: readMasterFile(key), keyring: store.keyring, random });
  await ring.ready('clinic', Date.now());
  await store.close();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('create: in the place that the configuration names, and the recovery copy for its owner only', () => {
  expect(statSync(key).mode & 0o777).toBe(0o600);
  expect(statSync(join(folder, 'paper.txt')).mode & 0o777).toBe(0o600);
  expect(paper).toMatch(new RegExp(`^key {2}${id}$`, 'mi'));
  expect(paper).toContain('█▀▀▀▀▀█');
});

test('create beside data that needs another key, and paper where output is caught: refused', async () => {
  expect(await run(['create'])).toMatchObject({ code: 1, err: expect.stringContaining(`needs key ${id}`) });
  expect(await run(['paper'])).toMatchObject({ code: 2, out: '', err: expect.stringContaining('on a terminal only') });
  const shown = await run(['create', '--file', join(folder, 'shown.key'), '--show']);
  expect([shown.code, shown.out, existsSync(join(folder, 'shown.key'))]).toEqual([2, '', false]);
});

test('check: the file opens all', async () => {
  const ran = await run(['check', '--json']);
  expect(ran.code).toBe(0);
  expect(JSON.parse(ran.out)).toMatchObject({ ids: [id], needed: [id], missing: [], idle: [], keys: 6, wrong: null });
});

test('check --from-paper: fits, mistyped, of another key', async () => {
  expect(await run(['check', '--from-paper'], paper)).toMatchObject({
    code: 0,
    out: expect.stringContaining('opens all 6 keys'),
  });
  const wrong = paper.replace(/^(3 +)(.)/m, (_, start, one) => `${start}${one === 'A' ? 'B' : 'A'}`);
  const named = await run(['check', '--from-paper'], wrong);
  expect([named.code, named.out.trim()]).toEqual([1, '✗ line 3 is mistyped: its check does not fit']);
  const [other] = [join(folder, 'other.txt')];
  await run(['create', '--file', join(folder, 'other.key'), '--paper', other]);
  const foreign = await run(
    ['check', '--from-paper', '--write', join(folder, 'foreign.key')],
    readFileSync(other, 'utf8'),
  );
  expect(foreign).toMatchObject({ code: 1, out: expect.stringContaining(`wrapped by master key ${id}`) });
  expect(existsSync(join(folder, 'foreign.key'))).toBe(false);
});

test('check --from-paper --write: the file is as it was, and no file is overwritten', async () => {
  const restored = join(folder, 'restored.key');
  expect((await run(['check', '--from-paper', '--write', restored], paper)).code).toBe(0);
  expect(readFileSync(restored)).toEqual(readFileSync(key));
  expect(statSync(restored).mode & 0o777).toBe(0o600);
  const again = await run(['check', '--from-paper', '--write', restored], paper);
  expect(again).toMatchObject({ code: 1, err: expect.stringContaining('never overwritten') });
});

test('rotate --file: a copy with a new first line, which check tells of; the file itself stays', async () => {
  const before = readFileSync(key);
  const next = join(folder, 'next.key');
  const made = JSON.parse((await run(['rotate', '--file', next, '--json'])).out);
  expect(made).toEqual({ file: next, id: expect.stringMatching(/^[0-9a-f]{8}$/), rest: [id] });
  expect(readFileSync(key)).toEqual(before);
  const ran = await run(['check', '--master', next]);
  expect(ran).toMatchObject({
    code: 3,
    out: expect.stringContaining(`key ${made.id} is in front and wraps nothing yet`),
  });
});

test('the file is gone: in words, with what to do', async () => {
  const lost = join(folder, 'lost.yaml');
  writeFileSync(lost, readFileSync(files().config, 'utf8').replace('master.key', 'lost.key'));
  const ran = await sealrelay({ ...files(), config: lost }, ['keys', 'master', 'check']);
  expect(ran).toMatchObject({ code: 1, out: '', err: expect.stringContaining('there is no master key file') });
  expect(ran.err).toContain('--from-paper --write');
});

test('no key octets in what commands say', async () => {
  const secret = readFileSync(key, 'utf8').split(' ')[2]!.trim();
  const lines = [...paper.matchAll(/^\d {4}(.*)$/gm)].map((one) => one[1]!);
  expect(lines).toHaveLength(4);
  for (const args of [['check'], ['check', '--json'], ['paper', '--to', join(folder, 'p2.txt')]]) {
    const { out, err } = await run(args);
    for (const one of [secret, ...lines]) expect(out + err).not.toContain(one);
  }
});
