import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { QueueRow } from '../../src/control/views.ts';
import { type Running, sealrelay, startGateway } from '../support/gateway.ts';
import { type RelayFiles, writeRelay } from '../support/relay.ts';
import { openSession, type Session } from '../support/session.ts';
import { openSink, type Sink } from '../support/sink.ts';
import { freePort } from '../support/smtp-sink.ts';
import { mountTmpfs, rootTestWith, type Tmpfs } from '../support/tmpfs.ts';
import { queueIdOf, until } from './world.ts';

// What gives way, and in which order (P11): the bounds are drawn in one by one.

const ENTRY = fileURLToPath(new URL('./examiner/start.ts', import.meta.url));
const BUSY = /^452 4\.3\.1 /;

let files: RelayFiles;
let port: number;
let webPort: number;
let disk: Tmpfs;
let gateway: Running;
let sink: Sink;
/** First word of what was sent, as it arrived. */
let arrived: string[];
/** Of what waits at the sink for its reply, by the same word. */
let replies: Map<string, (reply: string) => void>;
let refusal: string | null;

beforeEach(async () => {
  arrived = [];
  replies = new Map();
  refusal = null;
  sink = await openSink({
    onRecipient: () => refusal,
    onMessage: ({ data }) => {
      const word = /\r\n\r\n(\w+)/.exec(data.toString('latin1'))?.[1] ?? '';
      arrived.push(word);
      return word.startsWith('waits') ? new Promise<string>((reply) => replies.set(word, reply)) : null;
    },
  });
  port = await freePort();
  webPort = await freePort();
  const smtp = { address: '127.0.0.1', port, tls: 'optional', max_size: '2MB' };
  files = await writeRelay({
    sinkPort: sink.port,
    domains: ['clinic.example'],
    extra: {
      listen: { smtp, web: { address: '127.0.0.1', port: webPort } },
      limits: { sessions: 3, data_bytes: '2MB', reserve_disk: '1MB', reserve_file: '2MB', worker_memory: '128MB' },
    },
  });
  disk = mountTmpfs(files.storage, 24);
  gateway = await startGateway(files, { entry: ENTRY });
});
afterEach(async () => {
  await gateway.kill();
  await sink.close();
  disk.unmount();
  rmSync(files.folder, { recursive: true, force: true });
});

const run = (...args: string[]) => sealrelay(files, args);
const mail = async (session: Session) => (await session.command('MAIL FROM:<a@clinic.example>')).text;

async function begin(session: Session): Promise<void> {
  expect(await mail(session)).toMatch(/^250/);
  await session.command('RCPT TO:<b@partner.example>');
  expect((await session.command('DATA')).code).toBe(354);
}

/** Gives the queue id. */
async function send(session: Session, word: string, fault = 'none'): Promise<string> {
  await begin(session);
  const text = `From: a@clinic.example\r\nX-Fault: ${fault}\r\n\r\n${word}\r\n`;
  return queueIdOf(await session.data(Buffer.from(text)));
}

async function greeting(): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  const [text] = await once(socket, 'data');
  socket.destroy();
  return String(text);
}

async function stateOf(id: string): Promise<string | undefined> {
  const { out } = await run('queue', 'list', '--json');
  const rows = out.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as QueueRow]));
  return rows.find(({ queueId }) => queueId === id)?.state;
}

async function examined(): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${webPort}/metrics`)).text();
  return Number(/^sealrelay_examine_seconds_count (\d+)/m.exec(text)?.[1]);
}

/** Whether mail is taken. Not asked by MAIL again and again: a session in which that fails 20 times is ended. */
async function taking(): Promise<boolean> {
  return (await fetch(`http://127.0.0.1:${webPort}/health/ready`)).ok;
}

async function auditIsIntact(): Promise<void> {
  expect(JSON.parse((await run('log', 'verify', '--json')).out)).toMatchObject({ intact: true });
}

/** Lines of the log that say so of that message. */
const said = (what: string, id: string): number =>
  gateway
    .log()
    .split('\n')
    .filter((line) => line.includes(`"msg":"${what}"`) && line.includes(id)).length;

rootTestWith([])(
  'first new sessions, then MAIL, then what is done in the background; outcomes and the audit last; and all comes back',
  async () => {
    expect((await run('user', 'add', 'ops', '--role', 'admin', '--write')).code).toBe(0);

    const [first, second, third] = [
      await openSession({ port }),
      await openSession({ port }),
      await openSession({ port }),
    ] as const;
    expect(await greeting()).toMatch(/^421 4\.\d\.\d /);
    await send(first, 'begun');
    await until(() => arrived.includes('begun'), 'delivered for a session that is in');

    const half = `From: a@clinic.example\r\n\r\n${'large\r\n'.repeat(150_000)}`;
    for (const session of [first, second]) {
      await begin(session);
      session.raw(half);
    }
    await until(async () => !(await taking()), 'full of octets in DATA');
    expect(await mail(third)).toMatch(BUSY);
    for (const session of [first, second]) {
      session.raw('.\r\n');
      expect((await session.reply()).code).toBe(250);
    }
    await until(() => arrived.filter((word) => word === 'large').length === 2, 'the large ones');

    const taken = await send(third, 'waitsTaken');
    await until(() => replies.size === 1, 'under way');
    const refused = await send(third, 'waitsRefused');
    await until(() => replies.size === 2, 'both under way');
    refusal = '451 4.2.0 Not now';
    const late = await send(third, 'late');
    await until(() => said('deferred', late) > 0, 'put off');
    refusal = null;
    const before = await examined();
    const slow = await send(third, 'slow', 'stall');

    // Again: a log that is emptied meanwhile gives some of it back.
    await until(async () => {
      disk.fill(700_000);
      return !(await taking());
    }, 'refused for the disk');
    disk.fill(700_000);
    expect(await mail(third)).toMatch(BUSY);
    expect((await run('queue', 'retry', late, '--yes')).code).toBe(0);
    await until(() => arrived.includes('late'), 'delivered while no mail is taken');

    const reserve = join(files.storage, 'reserve');
    expect(existsSync(reserve)).toBe(true);
    disk.fill(0);
    replies.get('waitsTaken')?.('250 2.0.0 Taken');
    replies.get('waitsRefused')?.('550 5.1.1 Nobody here');
    await until(() => said('delivered', taken) === 1 && said('bounced', refused) === 1, 'recorded');
    expect(existsSync(reserve)).toBe(false);
    expect(await mail(third)).toMatch(BUSY);
    const added = await run('user', 'add', 'other', '--role', 'auditor');
    expect([added.code, added.err]).toEqual([1, expect.stringContaining('the disk is full')]);
    await until(async () => (await examined()) > before, 'read');
    expect(await stateOf(slow)).toBe('undecided');
    expect(await stateOf(taken)).toBeUndefined();
    const trail = (await run('log', 'export')).out.split('\n').filter((line) => line.includes(taken));
    expect(trail.join()).toContain('delivery.delivered');
    await auditIsIntact();
    expect(said('told', refused)).toBe(0);
    expect(said('decided', slow)).toBe(0);

    const swept = async (): Promise<boolean> =>
      (await run('log', 'export')).out
        .split('\n')
        .some((line) => line.includes(taken) && line.includes('message.swept'));
    await until(swept, 'swept while the disk is full');
    expect(gateway.log()).not.toContain('"stage":"sweep"');
    disk.empty();
    await until(() => arrived.includes('slow'), 'examined and delivered');
    await until(() => gateway.log().includes(`"parent":"${refused}"`), 'told');
    await until(taking, 'taken again');
    expect(await mail(third)).toMatch(/^250/);
    expect(existsSync(reserve)).toBe(true);
    await first.quit();
    await until(async () => (await greeting()).startsWith('220'), 'a session more');
    expect(new Set(arrived.filter((word) => word !== 'large')).size).toBe(arrived.length - 2);
    await auditIsIntact();
  },
  90_000,
);
