import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { ask } from '../../src/cli/client.ts';
import type { QueueRow } from '../../src/control/views.ts';
import { type GatewayFiles, type Running, sealrelay, startGateway } from '../support/gateway.ts';
import { type RelayFiles, writeRelay } from '../support/relay.ts';
import { openSession } from '../support/session.ts';
import { openSink, type Sink, type Sunk } from '../support/sink.ts';
import { freePort } from '../support/smtp-sink.ts';
import { until } from './world.ts';

// A backup of a gateway that takes load, brought back in another folder as on an empty machine.

let files: RelayFiles;
let sinkPort: number;
let sink: Sink | undefined;
let gateway: Running | undefined;
let arrived: Sunk[];

beforeEach(async () => {
  sinkPort = await freePort();
  arrived = [];
  files = await writeRelay({ sinkPort, domains: ['clinic.example'] });
  process.env.SEALRELAY_TOKEN_FILE = join(files.folder, 'sealrelay', 'token');
});
afterEach(async () => {
  await gateway?.kill();
  await sink?.close();
  sink = undefined;
  rmSync(files.folder, { recursive: true, force: true });
});

async function openArrivals(): Promise<void> {
  sink = await openSink({ port: sinkPort, onMessage: (message) => arrived.push(message) });
}

/** The same configuration with another storage folder, where only the master key is. */
function emptyMachine(name: string): GatewayFiles {
  const storage = join(files.folder, name);
  mkdirSync(storage, { mode: 0o700 });
  cpSync(join(files.storage, 'evaluation-master.key'), join(storage, 'evaluation-master.key'));
  const config = join(files.folder, `${name}.yaml`);
  const of = parse(readFileSync(files.config, 'utf8'));
  writeFileSync(config, stringify({ ...of, storage: { path: storage } }));
  return { folder: files.folder, config, storage };
}

async function addOperator(of: GatewayFiles): Promise<void> {
  rmSync(join(files.folder, 'sealrelay'), { recursive: true, force: true });
  expect(await sealrelay(of, ['user', 'add', 'ops', '--role', 'admin', '--write'])).toMatchObject({ code: 0 });
}

async function json<T>(of: GatewayFiles, ...args: string[]): Promise<T> {
  const ran = await sealrelay(of, [...args, '--json']);
  if (ran.out === '') throw new Error(ran.err);
  return JSON.parse(ran.out) as T;
}

async function queue(of: GatewayFiles): Promise<QueueRow[]> {
  const rows: QueueRow[] = [];
  await ask({ socket: of.storage }, 'read', 'queue.list', {}, async (page) => void rows.push(...(page as QueueRow[])));
  return rows;
}

/** Gives the queue id. */
async function send(number: number, recipients: readonly string[], size: number): Promise<string> {
  const session = await openSession({ port: files.port });
  await session.command('MAIL FROM:<a@clinic.example>');
  for (const one of recipients) await session.command(`RCPT TO:<${one}>`);
  await session.command('DATA');
  const line = `${'word '.repeat(14)}\r\n`;
  const text = `From: <a@clinic.example>\r\nMessage-ID: <${number}@clinic.example>\r\n\r\n${line.repeat(Math.ceil(size / line.length))}`;
  const reply = await session.data(Buffer.from(text));
  await session.quit();
  expect(reply.code).toBe(250);
  return /Queued as (\S+)/.exec(reply.text)![1]!;
}

test('a backup under load comes back: finished stays finished, unfinished waits for its release, the audit is whole', async () => {
  await openArrivals();
  gateway = await startGateway(files);
  await addOperator(files);
  let number = 0;
  let on = true;
  const load = Promise.all(
    [1000, 20_000, 3_000_000].map(async (size) => {
      for (; on; ) await send(++number, ['x@one.example'], size);
    }),
  );
  await until(() => arrived.length > 20, 'under way');
  const target = join(files.folder, 'backup');
  const made = await sealrelay(files, ['backup', target]);
  expect(made).toMatchObject({ code: 0, out: expect.stringContaining('the master key is not in it') });
  on = false;
  await load;
  const sent = number;
  await until(() => arrived.length === sent, 'all there');
  await gateway.kill();
  const before = arrived.length;

  const machine = emptyMachine('restored');
  const restored = await json<{ restored: { held: number } }>(machine, 'restore', target, '--yes');
  gateway = await startGateway(machine);
  await addOperator(machine);
  expect(await json(machine, 'log', 'verify')).toMatchObject({ intact: true, lost: { count: 0 } });
  const held = await queue(machine);
  expect(held).toHaveLength(restored.restored.held);
  expect(new Set(held.map(({ state, inDoubt }) => `${state} ${inDoubt}`))).toEqual(
    new Set(held.length ? ['held true'] : []),
  );
  expect(arrived.length).toBe(before);
  expect(existsSync(join(target, 'manifest.json'))).toBe(true);
}, 120_000);
