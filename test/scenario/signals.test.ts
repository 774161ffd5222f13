import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { findCanaries, findCanariesIn } from '../support/canary.ts';
import { type Running, type StartOptions, sealrelay, startGateway } from '../support/gateway.ts';
import { testWith } from '../support/programs.ts';
import { type RelayFiles, writeRelay } from '../support/relay.ts';
import { openSession, type Session } from '../support/session.ts';
import { openSink, type Sink, type Sunk } from '../support/sink.ts';
import { until } from './world.ts';

// Signals that make Node open an inspector, write a core or a report: none of them lets anybody look into a gateway or leaves on a disk what
// was in its memory. Whether a core file is left can be seen only where the kernel writes it beside the process (core_pattern is a plain name);
// everywhere the limit and the filter of each process are looked at.

const CORE_PATTERN = readFileSync('/proc/sys/kernel/core_pattern', 'utf8').trim();
const LEAVES_CORES = /^[^|/]+$/.test(CORE_PATTERN);
const CANARIES = ['schneckenhausdach', 'pinselohrfuchs', 'wanderfalkenhorst'] as const;
const [SUBJECT, BODY, UNFINISHED] = CANARIES;
const NODE = join(process.cwd(), 'node_modules', '.bin', 'node');

let files: RelayFiles;
let sink: Sink;
let arrived: Sunk[];
let refusal: string | null;
let gateway: Running | undefined;
/** Where the gateway runs, and where a core of it would lie. */
let here: string;

beforeEach(async () => {
  arrived = [];
  refusal = null;
  sink = await openSink({ onMessage: (message) => void arrived.push(message), onRecipient: () => refusal });
  files = await writeRelay({ sinkPort: sink.port, domains: ['clinic.example'] });
  here = join(files.folder, 'here');
  mkdirSync(here);
});
afterEach(async () => {
  await gateway?.kill();
  gateway = undefined;
  await sink.close();
  rmSync(files.folder, { recursive: true, force: true });
});

/** In `here`, with cores allowed, as a shell with `ulimit -c unlimited` would start it. */
async function start(options: StartOptions = {}): Promise<Running> {
  gateway = await startGateway(files, { under: ['env', '-C', here, 'prlimit', '--core=unlimited'], ...options });
  return gateway;
}

async function toData(session: Session): Promise<void> {
  for (const line of ['MAIL FROM:<a@clinic.example>', 'RCPT TO:<b@partner.example>', 'DATA'])
    expect((await session.command(line)).code).toBeLessThan(400);
}

async function send(): Promise<void> {
  const session = await openSession({ port: files.port });
  await toData(session);
  const letter = `From: <a@clinic.example>\r\nSubject: ${SUBJECT}\r\n\r\n${`${BODY} `.repeat(20)}\r\n`;
  expect((await session.data(Buffer.from(letter))).code).toBe(250);
  await session.quit();
}

/** A message whose end does not come: what came of it is in memory. */
async function beginOne(): Promise<Session> {
  const session = await openSession({ port: files.port });
  await toData(session);
  session.raw(`From: <a@clinic.example>\r\n\r\n${`${UNFINISHED} `.repeat(20)}\r\n`);
  return session;
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
}

/** Ports, or paths of nothing: sockets of the process that listen for TCP. */
function listening(pid: number): string[] {
  const own = readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [/^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1]];
    } catch {
      return [];
    }
  });
  return ['tcp', 'tcp6'].flatMap((family) =>
    readFileSync(`/proc/${pid}/net/${family}`, 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter((row) => row[3] === '0A' && own.includes(row[9]))
      .map((row) => row[1]!),
  );
}

function coreLimits(pid: number): string {
  const limit = /^Max core file size +(\S+) +(\S+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8'));
  return `${limit?.[1]} ${limit?.[2]} ${readFileSync(`/proc/${pid}/coredump_filter`, 'utf8').trim()}`;
}

/** Neither core nor report, and no word of a message anywhere. */
function nothingIsLeft(running: Running): void {
  expect(readdirSync(here)).toEqual([]);
  expect(findCanaries([files.folder], CANARIES)).toEqual([]);
  expect(findCanariesIn(running.log() + running.errors(), CANARIES)).toEqual([]);
}

describe('SIGUSR1', () => {
  test('opens the inspector of a Node that is started plainly: what is looked for below can be seen', async () => {
    const plain = spawn(NODE, ['--inspect-port=0', '-e', 'setInterval(() => {}, 1000); console.log("up")']);
    await new Promise((resolve) => plain.stdout.once('data', resolve));
    plain.kill('SIGUSR1');
    await until(() => listening(plain.pid!).length === 1, 'the inspector listens');
    plain.kill('SIGKILL');
  });

  test.each([
    ['', []],
    [' without --disable-sigusr1', ['--no-disable-sigusr1', '--inspect-port=0']],
  ])('opens no port of the gateway%s nor of its workers, which go on', async (_, flags) => {
    const running = await start({ under: [], flags });
    await send();
    await until(() => arrived.length === 1, 'the first one is here');
    const before = [running.pid, ...childrenOf(running.pid)];
    expect(before.length).toBeGreaterThan(1);
    const ports = before.map(listening);
    for (let round = 2; round < 5; round++) {
      for (const pid of before) process.kill(pid, 'SIGUSR1');
      await send();
      await until(() => arrived.length === round, 'the next one is here');
    }
    expect([running.pid, ...childrenOf(running.pid)]).toEqual(before);
    expect(before.map(listening)).toEqual(ports);
    expect(running.errors()).not.toContain('Debugger');
  });
});

describe('signals that write a core', () => {
  testWith(['prlimit'])('a Node that is started plainly leaves one, where the kernel writes it to a file', async () => {
    const script = `globalThis.words = Buffer.from('${BODY} '.repeat(20)); process.abort()`;
    const args = ['-C', here, 'prlimit', '--core=unlimited', NODE, '-e', script];
    expect(() => execFileSync('env', args, { stdio: 'ignore' })).toThrow();
    if (!LEAVES_CORES) return;
    const [core] = readdirSync(here);
    expect(execFileSync('grep', ['-c', '-a', BODY, join(here, core!)], { encoding: 'utf8' }).trim()).not.toBe('0');
  });

  for (const signal of ['SIGABRT', 'SIGSEGV', 'SIGQUIT'] as const) {
    testWith(['prlimit'])(
      `${signal} to the gateway with mail in hand: no core, no report, no word on the disk, and nothing is lost`,
      async () => {
        refusal = '451 4.2.0 Not now';
        const running = await start();
        await send();
        const unfinished = await beginOne();
        await until(() => childrenOf(running.pid).length > 0, 'it has workers');
        for (const pid of [running.pid, ...childrenOf(running.pid)]) expect(coreLimits(pid)).toBe('0 0 00000000');
        expect(await running.kill(signal)).toBe(signal);
        unfinished.destroy();
        nothingIsLeft(running);
        refusal = null;
        const again = await start();
        expect((await sealrelay(files, ['user', 'add', 'ops', '--role', 'admin', '--write'])).code).toBe(0);
        await until(async () => {
          await sealrelay(files, ['queue', 'retry', '--all', '--yes']);
          return arrived.length === 1;
        }, 'what was acknowledged is here');
        await again.stop();
      },
      60_000,
    );
  }

  testWith(['prlimit'])(
    'SIGABRT and SIGSEGV to a worker: no core, another takes its place, and mail goes on',
    async () => {
      const running = await start();
      await send();
      await until(() => arrived.length === 1, 'the first one is here');
      for (const signal of ['SIGABRT', 'SIGSEGV'] as const) {
        const before = childrenOf(running.pid);
        expect(before.length).toBeGreaterThan(0);
        for (const pid of before) process.kill(pid, signal);
        await until(() => !childrenOf(running.pid).some((pid) => before.includes(pid)), 'they ended');
        const known = arrived.length;
        await send();
        await until(() => arrived.length === known + 1, 'the next one is here');
      }
      nothingIsLeft(running);
    },
    60_000,
  );
});

test('an error that nobody caught: it ends with 1 and says where, not what', async () => {
  // The hook's own text stands in the stack: a word is put together only where it is thrown.
  const halves = (word: string) => `'${word.slice(0, 6)}' + '${word.slice(6)}'`;
  const error = `Object.assign(new TypeError(${halves(BODY)}), { code: 'EODD', of: ${halves(SUBJECT)} })`;
  const hook = `process.on('SIGUSR2', () => { throw ${error} })`;
  const running = await start({ flags: [`--import=data:text/javascript,${encodeURIComponent(hook)}`] });
  expect(await running.kill('SIGUSR2')).toBe(1);
  expect(running.errors()).toMatch(/an error nobody caught ends the gateway: TypeError EODD +at /);
  nothingIsLeft(running);
});
