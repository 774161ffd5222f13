// The way back when the only admin lost the token: who has the machine adds one while the gateway is stopped.

import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Running, sealrelay, startGateway } from '../support/gateway.ts';
import { type RelayFiles, writeRelay } from '../support/relay.ts';
import { freePort } from '../support/smtp-sink.ts';

let files: RelayFiles;
let gateway: Running | undefined;

beforeEach(async () => {
  files = await writeRelay({
    sinkPort: await freePort(),
    domains: ['clinic.example'],
    extra: { four_eyes: ['drop'] },
  });
});
afterEach(async () => {
  await gateway?.kill();
  rmSync(files.folder, { recursive: true, force: true });
});

const run = (...args: string[]) => sealrelay(files, args);
const token = () => join(files.folder, 'sealrelay', 'token');
const offline = (name: string, ...more: string[]) => run('user', 'add', name, '--role', 'admin', '--offline', ...more);
const why = ['--reason', 'ann lost her token'];

test('an admin is added to a stopped gateway, and that stands in the audit and in the list', async () => {
  gateway = await startGateway(files);
  expect((await run('user', 'add', 'ann', '--role', 'admin', '--write')).code).toBe(0);
  rmSync(token());
  expect((await run('status')).code).toBe(1);
  expect(await offline('beth', ...why)).toMatchObject({
    code: 1,
    err: expect.stringContaining('a gateway is running'),
  });
  await gateway.stop();
  expect(await offline('beth')).toMatchObject({ code: 2, err: expect.stringContaining('--reason') });
  expect(await offline('ann', ...why)).toMatchObject({ code: 1, err: expect.stringContaining('ann exists') });
  expect(await offline('No Name', ...why)).toMatchObject({ code: 2 });
  expect(existsSync(token())).toBe(false);
  expect(await offline('beth', ...why, '--write')).toMatchObject({ code: 0 });
  expect(readFileSync(token(), 'utf8')).toMatch(/^[a-z2-7]{32}\n$/);

  gateway = await startGateway(files);
  expect((await run('user', 'list')).out).toContain('beth');
  const entries = (await run('log', 'export')).out
    .split('\n')
    .filter((line) => line.includes('operator.added'))
    .map((line) => JSON.parse(line) as object);
  expect(entries.at(-1)).toMatchObject({ actor: 'host (offline)', boxed: { reason: 'ann lost her token' } });
  expect((await run('log', 'verify')).code).toBe(0);
  const listed = (await run('approvals', 'list', '--json')).out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const common = { state: 'unreviewed', command: 'user.add --offline' };
  expect(listed).toMatchObject([
    { ...common, askedBy: 'ann', failed: true },
    { ...common, askedBy: 'beth', failed: false },
  ]);
});

test('without a database nothing is made', async () => {
  expect(await offline('beth', ...why)).toMatchObject({ code: 1 });
  expect(existsSync(join(files.storage, 'queue.db'))).toBe(false);
});
