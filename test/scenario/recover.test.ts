import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ask } from '../../src/cli/client.ts';
import type { ChangedView } from '../../src/control/queue.ts';
import type { QueueRow } from '../../src/control/views.ts';
import { createMasterFile } from '../../src/keys/master.ts';
import { type Running, sealrelay, startGateway } from '../support/gateway.ts';
import { type RelayFiles, writeRelay } from '../support/relay.ts';
import { openSession } from '../support/session.ts';
import { openSink, type Sink, type Sunk } from '../support/sink.ts';
import { freePort } from '../support/smtp-sink.ts';
import { random } from '../support/vault.ts';
import { openWorld, until } from './world.ts';

// The database is gone and the bodies are there: the queue comes back, held and in doubt, and nothing leaves before it is released.

let files: RelayFiles;
let sinkPort: number;
let sink: Sink | undefined;
let gateway: Running | undefined;
let arrived: Sunk[];

beforeEach(async () => {
  sinkPort = await freePort();
  arrived = [];
  files = await writeRelay({ sinkPort, domains: ['clinic.example'] });
});
afterEach(async () => {
  await gateway?.kill();
  await sink?.close();
  sink = undefined;
  rmSync(files.folder, { recursive: true, force: true });
});

const run = (...args: string[]) => sealrelay(files, args);

async function json<T>(...args: string[]): Promise<T> {
  const ran = await run(...args, '--json');
  if (ran.out === '') throw new Error(ran.err);
  return JSON.parse(ran.out) as T;
}

const at = () => ({ socket: files.storage });

async function queue(): Promise<QueueRow[]> {
  const rows: QueueRow[] = [];
  await ask(at(), 'read', 'queue.list', {}, async (page) => void rows.push(...(page as QueueRow[])));
  return rows;
}

function loseDatabase(storage = files.storage): void {
  for (const end of ['', '-wal', '-shm']) rmSync(join(storage, `queue.db${end}`), { force: true });
}

async function send(number: number, recipients: readonly string[], size: number): Promise<void> {
  const session = await openSession({ port: files.port });
  await session.command('MAIL FROM:<a@clinic.example> RET=HDRS ENVID=e+2B1');
  for (const one of recipients) {
    await session.command(`RCPT TO:<${one}> NOTIFY=FAILURE,DELAY ORCPT=rfc822;first.${one}`);
  }
  await session.command('DATA');
  const line = `${'word '.repeat(14)}\r\n`;
  const text = `From: <a@clinic.example>\r\nMessage-ID: <${number}@clinic.example>\r\n\r\n${line.repeat(Math.ceil(size / line.length))}`;
  expect((await session.data(Buffer.from(text))).code).toBe(250);
  await session.quit();
}

type Recovered = {
  messages: number;
  deliveries: number;
  epoch: number | null;
  lost: { object: string; lost: string }[];
  parcels: unknown[];
};

test('every message whose body opens comes back, and goes out when it is released', async () => {
  gateway = await startGateway(files);
  await send(1, ['x@one.example', 'y@two.example'], 500);
  await send(2, ['x@one.example'], 80_000);
  await send(3, ['z@one.example'], 3_000_000);
  await send(4, ['broken@one.example'], 500);
  await gateway.kill();
  loseDatabase();
  damageLast();

  await expect(startGateway(files)).rejects.toThrow('sealrelay recover');
  const dry = await json<Recovered>('recover');
  expect(dry).toMatchObject({ dryRun: true, messages: 3, deliveries: 4, dropped: 0, parcels: [], epoch: null });
  expect(dry.lost).toMatchObject([{ object: expect.stringMatching(/^[0-9a-f]{32}$/), organization: 'Test Clinic' }]);
  await expect(startGateway(files)).rejects.toThrow('changes nothing without --yes');

  const shown = await run('recover', '--yes');
  expect(shown).toMatchObject({ code: 3, out: expect.stringContaining('3 messages for 4 recipients') });
  expect(shown.out).toContain(dry.lost[0]!.object);
  expect(await run('recover', '--yes')).toMatchObject({ code: 1, err: expect.stringContaining('never overwrites') });

  sink = await openSink({ port: sinkPort, onMessage: (message) => arrived.push(message) });
  gateway = await startGateway(files);
  expect(gateway.log()).toContain('recovered mail is held until: sealrelay recover --release');
  expect(await run('recover')).toMatchObject({ code: 1, err: expect.stringContaining('is running') });
  process.env.SEALRELAY_TOKEN_FILE = join(files.folder, 'sealrelay', 'token');
  await run('user', 'add', 'ops', '--role', 'admin', '--write');
  await nothingLeaves();

  const refused = await run('recover', '--release', '--all', '--yes');
  expect(refused).toMatchObject({ code: 2, err: expect.stringContaining('--reason') });
  expect(await json('recover', '--release', '--all')).toMatchObject({ dryRun: true, changed: 4, refused: 0 });
  await nothingLeaves();
  const released = await json('recover', '--release', '--all', '--yes', '--reason', 'lost');
  expect(released).toMatchObject({ dryRun: false, changed: 4, refused: 0 });
  await until(() => arrived.flatMap(({ recipients }) => recipients).length === 6, 'all there');
  await expectArrived();
  await expectAudit();
  // What the lost database had signed last is no measure for the one that was rebuilt.
  expect(gateway.log()).not.toContain('the audit is not the one that was signed');
}, 120_000);

/** One octet of the last record's sealed body is another. */
function damageLast(): void {
  const dir = join(files.storage, 'bodies');
  const name = readdirSync(dir).find((file) => file.endsWith('.segment'))!;
  const bytes = readFileSync(join(dir, name));
  bytes[bytes.lastIndexOf('SRS1') + 100]! ^= 1;
  writeFileSync(join(dir, name), bytes);
}

let sentBeside = 0;

/** What was recovered is held, whatever is asked for but its release; a message that comes meanwhile goes its way. */
async function nothingLeaves(): Promise<void> {
  const held = await queue();
  expect(held.map(({ state, inDoubt }) => ({ state, inDoubt }))).toEqual(
    held.map(() => ({ state: 'held', inDoubt: true })),
  );
  expect(held).toHaveLength(4);
  for (const verb of ['queue.release', 'redecide', 'queue.retry']) {
    const done = await ask<ChangedView>(at(), 'write', verb, { all: true, reason: 'try' });
    expect(done.changed).toBe(0);
  }
  const ids = held.map(({ delivery }) => delivery);
  const named = await run('queue', 'release', ...ids, '--yes', '--reason', 'try');
  expect(named).toMatchObject({ code: 1, out: expect.stringContaining('sealrelay recover --release') });
  sentBeside += 1;
  await send(100 + sentBeside, ['new@one.example'], 500);
  await until(() => arrived.length === sentBeside, 'there');
  expect(arrived.map(({ recipients }) => recipients.length)).toEqual(Array(sentBeside).fill(1));
}

async function expectArrived(): Promise<void> {
  await until(async () => (await queue()).length === 0, 'done');
  const sizes = new Map(
    arrived.map(({ data }) => [/^Message-ID: <(\d+)@/m.exec(data.toString('latin1'))![1], data.length]),
  );
  expect([...sizes.keys()].sort()).toEqual(['1', '101', '102', '2', '3']);
  expect(sizes.get('3')).toBeGreaterThan(3_000_000);
  for (const { mail, recipients } of arrived) {
    expect(mail).toContain('RET=HDRS');
    expect(mail).toContain('ENVID=e+2B1');
    for (const one of recipients) expect(one).toMatch(/ORCPT=rfc822;first\.\S+/);
    for (const one of recipients) expect(one).toMatch(/NOTIFY=(FAILURE,DELAY|DELAY,FAILURE)/);
  }
}

async function expectAudit(): Promise<void> {
  expect(await json('log', 'verify')).toMatchObject({ intact: true });
  const { out } = await run('log', 'export');
  const entries = out.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
  expect(entries[0]).toMatchObject({
    event: 'gateway.recovered',
    seq: 1,
    detail: { messages: 3, deliveries: 4, unopened: 1, parcels: 0 },
  });
  expect(entries[0].epoch).toBeGreaterThan(1_700_000_000);
  const releases = entries.filter(({ event }) => event === 'delivery.released');
  expect(releases.map(({ actor }) => actor)).toEqual(['ops', 'ops', 'ops', 'ops']);
}

test('without the copy of the keys, without bodies and with a strange master key it says so and makes nothing', async () => {
  gateway = await startGateway(files);
  await send(1, ['x@one.example'], 500);
  await gateway.kill();
  expect((await run('recover')).err).toContain('never overwrites');
  loseDatabase();
  const strange = join(files.folder, 'strange.key');
  createMasterFile(strange, random);
  expect((await run('recover', '--yes', '--master', strange)).err).toContain('which the master key file lacks');
  const copy = join(files.storage, 'bodies', 'keys.jsonl');
  const kept = readFileSync(copy);
  rmSync(copy);
  expect((await run('recover', '--yes')).err).toContain('keys.jsonl) is missing');
  writeFileSync(copy, kept);
  expect(readdirSync(files.storage).filter((name) => name.startsWith('queue.db'))).toEqual([]);
  // What another one left that was ended amid its work.
  mkdirSync(join(files.storage, 'recovering'));
  writeFileSync(join(files.storage, 'recovering', 'queue.db'), 'half');
  expect(await json<Recovered>('recover', '--yes')).toMatchObject({ messages: 1, lost: [] });
  expect(readdirSync(files.storage)).not.toContain('recovering');
}, 60_000);

const SHIFT = fileURLToPath(new URL('../support/clock-shift.ts', import.meta.url));

test('parcels, which only their links open, are kept until an operator lets go of them; notices are of no use any more', async () => {
  const [smtp, portal] = [await freePort(), await freePort()];
  const world = await openWorld({
    policy: 'version: 1\nrules:\n  - name: all\n    then: { deliver: [{ portal: may }] }\n',
    port: smtp,
    domains: { 'old.test': () => ({}), 'gone.test': 'none' },
    config: {
      listen: {
        smtp: { address: '127.0.0.1', port: smtp, tls: 'required' },
        portal: { address: '127.0.0.1', port: portal },
      },
      portal: { url: `https://127.0.0.1:${portal}` },
    },
  });
  const { storage } = world.files;
  const later = { flags: ['--import', SHIFT], env: { SHIFT_MS: String(2 * 86_400_000) } };
  const keySlots = () => {
    const dir = join(storage, 'bodies');
    const names = readdirSync(dir).filter((name) => name.endsWith('.keys'));
    return names.reduce((sum, name) => sum + slotsIn(readFileSync(join(dir, name))), 0);
  };
  try {
    const id = await world.send({ to: ['a@old.test', 'b@gone.test'] });
    let words = '';
    const states = async () => {
      words = (await world.show(id)).deliveries.map(({ state }) => state).join(' ');
      return words;
    };
    await until(
      async () => (await states()) === 'noticed noticing',
      () => words,
    );
    await world.gateway().kill();
    loseDatabase(storage);
    const { out } = await world.run('recover', '--yes', '--json');
    const found = JSON.parse(out) as Recovered & { dropped: number };
    expect(found).toMatchObject({ messages: 1, deliveries: 2, lost: [] });
    expect(found.parcels).toHaveLength(2);
    expect(found.dropped).toBeGreaterThan(0);

    await world.restart(later);
    rmSync(join(world.files.folder, 'sealrelay', 'token'));
    await world.run('user', 'add', 'ops', '--role', 'admin', '--write');
    await until(
      () => keySlots() === 3,
      () => `3 objects, but ${keySlots()}`,
    );
    expect(await states()).toBe('held held');
    // Its notice was dropped, and says nothing of the delivery that it told of.
    const again = await world.run('recover', '--release', id, '--yes', '--reason', 'trial');
    expect(again.out).toContain('released 2 recovered deliveries');
    await until(
      async () => (await states()) === 'noticed noticing',
      () => words,
    );
    expect(world.peer('old.test').mails).toHaveLength(2);

    const slots = keySlots();
    expect((await world.run('recover', '--discard')).out).toContain('would let go of 2 objects');
    const gone = await world.run('recover', '--discard', '--yes', '--reason', 'senders were asked');
    expect(gone.out).toContain('let go of 2 objects');
    await world.restart(later);
    await until(
      () => keySlots() <= slots - 2,
      () => `${slots - 2} objects, but ${keySlots()}`,
    );
  } finally {
    await world.close();
  }
}, 120_000);

/** Key slots in use: 128 octets each, zeros when free. */
function slotsIn(keys: Buffer): number {
  let used = 0;
  for (let at = 0; at < keys.length; at += 128) if (keys.subarray(at, at + 128).some((octet) => octet !== 0)) used += 1;
  return used;
}
