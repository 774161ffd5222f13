import { randomBytes } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { ask } from '../../src/cli/client.ts';
import type { MessageView, QueueRow } from '../../src/control/views.ts';
import { createMasterFile } from '../../src/keys/master.ts';
import { findCanaries } from '../support/canary.ts';
import { type GatewayFiles, type Running, sealrelay, startGateway } from '../support/gateway.ts';
import { type RelayFiles, writeRelay } from '../support/relay.ts';
import { openSession } from '../support/session.ts';
import { openSink, type Sink, type Sunk } from '../support/sink.ts';
import { freePort } from '../support/smtp-sink.ts';
import { random } from '../support/vault.ts';
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

/** By what they are: nothing of it may be read by whoever has the backup. */
const CANARY = { local: word('local'), subject: word('subject'), body: word('body') };

function word(what: string): string {
  return `${what}-${randomBytes(8).toString('hex')}`;
}

/** Gives the queue id. */
async function send(number: number, size: number): Promise<string> {
  const session = await openSession({ port: files.port });
  await session.command('MAIL FROM:<a@clinic.example>');
  await session.command(`RCPT TO:<${CANARY.local}@one.example>`);
  await session.command('DATA');
  const head = `From: <a@clinic.example>\r\nSubject: ${CANARY.subject}\r\nMessage-ID: <${number}@clinic.example>`;
  const line = `${CANARY.body} ${'word '.repeat(10)}\r\n`;
  const reply = await session.data(Buffer.from(`${head}\r\n\r\n${line.repeat(Math.ceil(size / line.length))}`));
  await session.quit();
  expect(reply.code).toBe(250);
  return /Queued as (\S+)/.exec(reply.text)![1]!;
}

const numberOf = ({ data }: Sunk) => Number(/^Message-ID: <(\d+)@/m.exec(data.toString('latin1'))![1]);
/** Distinct, in order. */
const numbers = (messages: readonly Sunk[]) => [...new Set(messages.map(numberOf))].sort((a, b) => a - b);

type Released = { delivered: { delivery: string }[]; released: number; dropped: number };
const release = (of: GatewayFiles, ...args: string[]) => json<Released>(of, 'restore', '--release', '--all', ...args);

test('a backup under load comes back: finished stays finished, unfinished waits for its release, the audit is whole', async () => {
  const anchors = join(files.folder, 'anchors.jsonl');
  const config = parse(readFileSync(files.config, 'utf8'));
  writeFileSync(files.config, stringify({ ...config, anchors: { file: anchors } }));
  await openArrivals();
  gateway = await startGateway(files);
  await addOperator(files);
  let number = 0;
  const ids = new Map<number, string>();
  let on = true;
  const load = Promise.all(
    [1000, 20_000, 3_000_000].map(async (size) => {
      while (on) {
        const mine = ++number;
        ids.set(mine, await send(mine, size));
      }
    }),
  );
  await until(() => arrived.length > 20, 'under way');
  // What comes from now on waits at the moment of the backup.
  await sink!.close();
  const waiting = number;
  await until(() => number > waiting + 10, 'more is there');
  const acknowledged = [...ids.keys()];
  const target = join(files.folder, 'backup');
  const made = await sealrelay(files, ['backup', target]);
  expect(made).toMatchObject({ code: 0, out: expect.stringContaining('the master key is not in it') });
  expect(made.out).toContain(join(files.storage, 'evaluation-master.key'));
  on = false;
  await load;
  await openArrivals();
  await sealrelay(files, ['queue', 'retry', '--all', '--yes']);
  await until(() => numbers(arrived).length === number, 'all there');
  await until(async () => (await queue(files)).length === 0, 'all done');
  const { out: firstKey } = await sealrelay(files, ['log', 'key']);
  const { out: sent } = await sealrelay(files, ['log', 'search', '--csv']);
  // The last anchor is sent off at the end.
  expect(await gateway.stop()).toBe(0);
  expect(findCanaries([target], Object.values(CANARY))).toEqual([]);

  // Every octet is there, and nothing else: the tools of the old machine find what was known at that moment.
  arrived = [];
  const machine = emptyMachine('restored');
  const { restored } = await json<{ restored: { held: number; lostEntries: number } }>(
    ...([machine, 'restore', target, '--yes', '--anchors', anchors] as const),
  );
  expect(restored.lostEntries).toBeGreaterThan(restored.held);
  gateway = await startGateway(machine);
  expect(gateway.log()).toContain('recovered mail is held until: sealrelay recover --release, or restore --release');
  expect((await sealrelay(machine, ['status'])).err).toContain('there is no operator yet');
  await addOperator(machine);
  expect(await json(machine, 'log', 'verify')).toMatchObject({ intact: true, lost: { count: 0 } });
  // Kept elsewhere, the first key of before does not lead to those after it.
  const kept = join(files.folder, 'audit.pub');
  writeFileSync(kept, firstKey);
  expect((await sealrelay(machine, ['log', 'verify', '--key', kept])).code).toBe(1);
  writeFileSync(kept, (await sealrelay(machine, ['log', 'key'])).out);
  expect(readFileSync(kept, 'utf8')).toContain(firstKey.trim().split('\n').at(-1));
  expect((await sealrelay(machine, ['log', 'verify', '--key', kept])).code).toBe(0);
  expect(gateway.log()).toContain('a new key signs the audit after a restore');
  // Of the anchors those up to the backup fit; a later one names what is lost.
  const { audit } = JSON.parse(readFileSync(join(target, 'manifest.json'), 'utf8'));
  const sentOff = readFileSync(anchors, 'utf8').trim().split('\n');
  const upTo = sentOff.filter((line) => JSON.parse(line).epoch === 1 && JSON.parse(line).seq <= audit.seq);
  writeFileSync(kept, upTo.join('\n'));
  expect(upTo.length).toBeGreaterThan(0);
  expect(await json(machine, 'log', 'verify', '--anchors', kept)).toMatchObject({ intact: true });
  expect((await sealrelay(machine, ['log', 'verify', '--anchors', anchors])).code).toBe(1);
  const held = await queue(machine);
  expect(held).toHaveLength(restored.held);
  expect(held.every(({ state, inDoubt }) => state === 'held' && inDoubt)).toBe(true);
  for (const one of acknowledged) {
    const id = ids.get(one)!;
    const { deliveries } = await ask<MessageView>({ socket: machine.storage }, 'read', 'queue.show', { id });
    expect(deliveries[0]!.state).toMatch(/^(delivered|held)$/);
  }
  const fresh = await send(10_000, 100);
  await until(() => arrived.length === 1, 'new mail goes its way');
  expect(numbers(arrived)).toEqual([10_000]);
  expect(fresh > [...ids.values()].sort().at(-1)!).toBe(true);

  writeFileSync(join(files.folder, 'sent.csv'), sent);
  const known = await release(machine, '--delivered', join(files.folder, 'sent.csv'));
  expect(known).toMatchObject({ released: 0, dropped: 0 });
  expect(known.delivered).toHaveLength(held.length);
  const [first, second] = held;
  writeFileSync(join(files.folder, 'ids'), `${first!.queueId}\n`);
  const args = ['--delivered', join(files.folder, 'ids'), '--drop-delivered'];
  expect(await release(machine, ...args)).toMatchObject({ released: held.length - 1, dropped: 1 });
  expect((await sealrelay(machine, ['queue', 'release', second!.delivery, '--yes'])).out).toContain(
    'restore --release',
  );
  expect(numbers(arrived)).toEqual([10_000]);
  expect(await release(machine, ...args, '--yes', '--reason', 'the disk was lost')).toMatchObject({ dropped: 1 });
  await until(async () => (await queue(machine)).length === 0, 'all released');
  const numbered = new Map([...ids].map(([n, id]) => [id, n]));
  const wanted = held.slice(1).map(({ queueId }) => numbered.get(queueId)!);
  expect(numbers(arrived)).toEqual([...wanted, 10_000].sort((a, b) => a - b));
  expect(await json(machine, 'log', 'verify')).toMatchObject({ intact: true, lost: { count: 0 } });
}, 180_000);

test('what is no whole backup, or would not stay alone, is refused, and nothing is written', async () => {
  gateway = await startGateway(files);
  await addOperator(files);
  await send(1, 2_000_000);
  await send(2, 100);
  const target = join(files.folder, 'backup');
  const into = (...args: string[]) => sealrelay(files, ['backup', ...args]);
  expect(await into(files.storage)).toMatchObject({
    code: 1,
    err: expect.stringContaining('lies in the storage folder'),
  });
  expect((await into(join(files.storage, 'deep', 'er'))).err).toContain('lies in the storage folder');
  expect((await into(files.config)).err).toContain('is a file');
  expect((await into('/proc/nothing')).err).toContain('are free in /proc');
  expect((await into(files.folder)).err).toContain('is not empty');
  const two = await Promise.all([into(target), into(join(files.folder, 'second'))]);
  expect(two.map(({ code }) => code).sort()).toEqual(two.some(({ code }) => code === 1) ? [0, 1] : [0, 0]);
  if (two[0]!.code === 1) expect(await into(target)).toMatchObject({ code: 0 });
  expect((await into(target)).err).toContain('holds a backup');

  const machine = emptyMachine('restored');
  const restore = (...args: string[]) => sealrelay(machine, ['restore', ...args]);
  const beside = await sealrelay(files, ['restore', target, '--to', join(files.folder, 'other'), '--yes']);
  expect(beside).toMatchObject({
    code: 1,
    err: expect.stringContaining('a gateway is running with this configuration'),
  });
  // Its sockets are not ours, its folder is locked.
  expect((await restore(target, '--yes')).err).toContain(`a gateway is running on ${files.storage}`);
  // Whether it is whole can be asked beside it.
  const asked = await sealrelay(files, ['restore', target]);
  expect(asked).toMatchObject({ code: 0, out: expect.stringContaining('whole') });
  expect(asked.err).toContain('never overwrites');
  await gateway.kill();

  const dry = await restore(target);
  expect(dry).toMatchObject({ code: 0, out: expect.stringContaining('stopped for good') });
  expect(dry.err).toContain('the same with --yes');
  expect((await sealrelay(files, ['restore', target, '--yes'])).err).toContain('never overwrites');

  const strange = join(files.folder, 'strange.key');
  createMasterFile(strange, random);
  expect((await restore(target, '--yes', '--master', strange)).err).toContain('which the master key file lacks');
  const own = readdirSync(join(target, 'bodies')).find((name) => name.endsWith('.body'))!;
  for (const [name, words] of [
    [`bodies/${own}`, 'is damaged'],
    ['queue.db', 'is damaged'],
    ['manifest.json', 'is damaged'],
  ] as const) {
    const path = join(target, name);
    const whole = readFileSync(path);
    const changed = Buffer.from(whole);
    changed[changed.length >> 1]! ^= 1;
    writeFileSync(path, changed);
    expect(await restore(target, '--yes')).toMatchObject({ code: 1, err: expect.stringContaining(`${path} ${words}`) });
    writeFileSync(path, whole);
  }
  renameSync(join(target, 'queue.db'), join(files.folder, 'queue.db'));
  expect((await restore(target, '--yes')).err).toContain(`${join(target, 'queue.db')} is missing`);
  renameSync(join(files.folder, 'queue.db'), join(target, 'queue.db'));
  renameSync(join(target, 'manifest.json'), join(target, 'manifest.unfinished'));
  expect((await restore(target, '--yes')).err).toContain('was interrupted');
  renameSync(join(target, 'manifest.unfinished'), join(target, 'manifest.json'));
  expect((await restore(files.folder, '--yes')).err).toContain('is no backup');
  expect((await restore(join(files.folder, 'nowhere'))).err).toContain('there is no');
  expect(readdirSync(machine.storage)).toEqual(['evaluation-master.key']);

  // A restore that was ended amid its work is begun again.
  mkdirSync(join(machine.storage, 'restoring'));
  mkdirSync(join(machine.storage, 'bodies'));
  writeFileSync(join(machine.storage, 'bodies', 'half'), 'half');
  expect(await restore(target, '--yes')).toMatchObject({ code: 0, out: expect.stringContaining('restored into') });
  expect(readdirSync(machine.storage)).toEqual(expect.arrayContaining(['bodies', 'policies', 'queue.db']));
  expect(readdirSync(machine.storage)).not.toContain('restoring');
  expect(existsSync(join(machine.storage, 'bodies', 'half'))).toBe(false);
}, 120_000);

test('a backup that its asker leaves, or that the gateway ends, is known as none; the next one starts clean', async () => {
  gateway = await startGateway(files);
  await addOperator(files);
  for (let i = 0; i < 4; i++) await send(i, 20_000_000);
  const token = readFileSync(process.env.SEALRELAY_TOKEN_FILE!, 'utf8').trim();
  const target = join(files.folder, 'backup');
  const socket = connect(join(files.storage, 'control.sock'));
  socket.write(`${JSON.stringify({ id: 1, token, command: 'backup', args: { target } })}\n`);
  await until(() => existsSync(join(target, 'queue.db')), 'begun');
  await gateway.kill();
  socket.destroy();
  expect(readdirSync(target)).toContain('manifest.unfinished');
  mkdirSync(join(files.storage, 'restoring'));
  const machine = emptyMachine('restored');
  expect((await sealrelay(machine, ['restore', target, '--yes'])).err).toContain('was interrupted');
  gateway = await startGateway(files);
  const leftovers = ['backing-up', 'restoring'].map((name) => join(files.storage, name));
  await until(() => !leftovers.some((path) => existsSync(path)), 'put in order');
  expect((await sealrelay(files, ['backup', target])).err).toContain('was interrupted');
  expect(await sealrelay(files, ['backup', `${target} 2`])).toMatchObject({ code: 0 });
  expect(readdirSync(files.storage)).not.toContain('backing-up');
}, 60_000);
