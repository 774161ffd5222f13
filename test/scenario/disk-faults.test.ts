import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { QueueRow } from '../../src/control/views.ts';
import { type Running, sealrelay, startGateway } from '../support/gateway.ts';
import { type LoopDisk, openLoopDisk } from '../support/loop-disk.ts';
import { testWith } from '../support/programs.ts';
import { type RelayFiles, writeRelay } from '../support/relay.ts';
import { openSession } from '../support/session.ts';
import { openSink, type Sink, type Sunk } from '../support/sink.ts';
import { freePort } from '../support/smtp-sink.ts';
import { mountTmpfs, rootTestWith, type Tmpfs } from '../support/tmpfs.ts';
import { until } from './world.ts';

// What a disk, the table of open files and the clock do on their worst day: never a 250 for what is not stored, never a message lost that
// had one, and words in the log that say what the operator must do.

let files: RelayFiles;
let sink: Sink;
let sinkPort: number;
let gateway: Running | undefined;
let disk: Tmpfs | undefined;
let broken: LoopDisk | undefined;
let arrived: Sunk[];
/** Message-IDs that were acknowledged. */
let acknowledged: string[];
let refusal: string | null;
/** Awaited before a message is answered with its 250. */
let gate: Promise<unknown> | null;

beforeEach(async () => {
  arrived = [];
  acknowledged = [];
  refusal = null;
  gate = null;
  sinkPort = await freePort();
  sink = await openSink({
    port: sinkPort,
    onMessage: (message) => {
      arrived.push(message);
      return gate;
    },
    onRecipient: () => refusal,
  });
  const limits = { connections_per_minute: 100_000, reserve_disk: '1MB', reserve_file: '2MB' };
  files = await writeRelay({ sinkPort, domains: ['clinic.example'], extra: { limits } });
});
afterEach(async () => {
  await gateway?.kill();
  gateway = undefined;
  await sink.close();
  disk?.unmount();
  disk = undefined;
  await broken?.remove();
  broken = undefined;
  rmSync(files.folder, { recursive: true, force: true });
});

const run = (...args: string[]) => sealrelay(files, args);

let last = 0;

/** The last reply that was given; what was acknowledged is remembered. */
async function send(octets: number): Promise<string> {
  const session = await openSession({ port: files.port });
  try {
    for (const line of ['MAIL FROM:<a@clinic.example>', 'RCPT TO:<b@partner.example>', 'DATA']) {
      const reply = await session.command(line);
      if (reply.code >= 400) return reply.text;
    }
    last += 1;
    const number = last;
    const line = `${'word '.repeat(14)}\r\n`;
    const head = `From: <a@clinic.example>\r\nMessage-ID: <${number}@clinic.example>\r\n\r\n`;
    const { code, text } = await session.data(Buffer.from(head + line.repeat(Math.ceil(octets / line.length))));
    if (code === 250) acknowledged.push(`${number}`);
    return text;
  } finally {
    await session.quit();
  }
}

async function allArrive(): Promise<void> {
  const lacking = () => {
    const here = arrived.map(({ data }) => /^Message-ID: <(\d+)@/m.exec(data.toString('latin1'))?.[1]);
    return acknowledged.filter((one) => !here.includes(one));
  };
  await until(
    () => lacking().length === 0,
    () => `here: ${lacking()}`,
  );
}

async function operator(): Promise<void> {
  expect((await run('user', 'add', 'ops', '--role', 'admin', '--write')).code).toBe(0);
}

async function queue(): Promise<QueueRow[]> {
  const { out } = await run('queue', 'list', '--json');
  return out.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as QueueRow]));
}

/** What waits for its next time is asked for now, until nothing waits; then all must have arrived. */
async function flush(): Promise<void> {
  await until(async () => {
    await run('queue', 'retry', '--all', '--yes');
    return (await queue()).length === 0;
  }, 'delivered');
  await allArrive();
}

async function auditIsIntact(): Promise<void> {
  expect(JSON.parse((await run('log', 'verify', '--json')).out)).toMatchObject({ intact: true });
}

describe('a full disk', () => {
  rootTestWith([])(
    'less than the reserve: 452 at MAIL; no octet left: 452, no 250; with space it takes mail by itself, and none is lost',
    async () => {
      disk = mountTmpfs(files.storage, 24);
      gateway = await startGateway(files);
      expect(await send(10_000)).toMatch(/^250/);
      disk.fill(900_000);
      await until(async () => /^452 4\.3\.1/.test(await send(10_000)), 'refused');
      const replies: string[] = [];
      await until(async () => {
        // What is swept meanwhile gives a little back.
        disk?.fill(0);
        replies.push(await send(100_000));
        return replies.filter((one) => one.startsWith('452')).length > 10;
      }, 'full');
      for (const one of replies) expect(one).toMatch(/^(250|452 4\.3\.1)/);
      disk.empty();
      await until(async () => /^250/.test(await send(10_000)), 'taken again');
      await allArrive();
      expect(arrived.length).toBe(acknowledged.length);
      expect(await gateway.stop()).toBe(0);
      gateway = await startGateway(files);
      await operator();
      await auditIsIntact();
    },
    60_000,
  );

  rootTestWith([])(
    'no octet left while mail comes and goes: what is under way is recorded out of the reserve and not sent twice, MAIL gets 452; with space all goes on',
    async () => {
      disk = mountTmpfs(files.storage, 24);
      const reserve = join(files.storage, 'reserve');
      gateway = await startGateway(files);
      await operator();
      expect(statSync(reserve).size).toBe(2 << 20);
      // A destination gets one more connection with each answer.
      for (let i = 0; i < 25; i++) expect(await send(10_000)).toMatch(/^250/);
      await allArrive();
      const { promise, resolve } = Promise.withResolvers<void>();
      gate = promise;
      const before = arrived.length;
      const replies: string[] = [];
      let stopped = false;
      const senders = Array.from({ length: 4 }, async () => {
        while (!stopped) replies.push(await send(20_000));
      });
      await until(() => arrived.length >= before + 10, 'ten under way');
      const log = () => gateway?.log() ?? '';
      const settled = () => log().split('"msg":"delivered"').length - 1;
      await until(() => {
        if (existsSync(reserve)) disk?.fill(0);
        return replies.some((one) => one.startsWith('452'));
      }, 'full');
      resolve();
      gate = null;
      await until(() => !existsSync(reserve), 'given up');
      await until(
        () => settled() === arrived.length,
        () => `recorded: ${settled()} of ${arrived.length}`,
      );
      await until(() => log().includes('the disk is full: no mail is taken'), 'said');
      const session = await openSession({ port: files.port });
      expect((await session.command('MAIL FROM:<a@clinic.example>')).text).toMatch(/^452 4\.3\.1/);
      await session.quit();
      expect((await run('doctor')).out).toMatch(/disk space .*no reserve/);
      stopped = true;
      await Promise.all(senders);
      for (const one of replies) expect(one).toMatch(/^(250|452 4\.3\.1)/);
      disk.empty();
      await until(async () => /^250/.test(await send(10_000)), 'taken again');
      expect(statSync(reserve).size).toBe(2 << 20);
      expect(log()).toContain('the disk has space again');
      await flush();
      const ids = arrived.map(({ data }) => /^Message-ID: <(\d+)@/m.exec(data.toString('latin1'))?.[1]);
      expect(new Set(ids).size).toBe(ids.length);
      await auditIsIntact();
    },
    60_000,
  );

  rootTestWith([])(
    'full amid the writes, where nothing is kept free: the same',
    async () => {
      const text = readFileSync(files.config, 'utf8').replace('reserve_disk: 1MB', 'reserve_disk: 1kB');
      writeFileSync(files.config, text);
      disk = mountTmpfs(files.storage, 24);
      gateway = await startGateway(files);
      await operator();
      expect(await send(10_000)).toMatch(/^250/);
      disk.fill(1_500_000);
      refusal = '451 4.2.0 Not now';
      const replies: string[] = [];
      await until(async () => {
        replies.push(await send(40_000));
        return replies.filter((one) => !one.startsWith('250')).length > 10;
      }, 'full');
      for (const one of replies) expect(one).toMatch(/^(250|452 4\.3\.1)/);
      disk.empty();
      refusal = null;
      await until(async () => /^250/.test(await send(10_000)), 'taken again');
      await flush();
      await auditIsIntact();
    },
    60_000,
  );
});

describe('a disk that fails', () => {
  /** From now on each thread's first call of that name fails; with a path, its first on that file. */
  async function inject(pid: number, what: string, path?: string): Promise<ChildProcess> {
    const calls = what.slice(0, what.indexOf(':'));
    const only = path === undefined ? [] : ['-P', path];
    const tracer = spawn('strace', ['-f', '-p', String(pid), ...only, '-e', `trace=${calls}`, '-e', `inject=${what}`], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    tracer.stderr?.on('data', (chunk) => {
      said += chunk;
    });
    await until(
      () => said.includes('attached'),
      () => `attached: ${said}`,
    );
    return tracer;
  }

  for (const [what, fault, why, file] of [
    ['a sync fails', 'fdatasync:error=EIO:when=1', /EIO when syncing|could not be synced \(EIO\)/],
    ['a sync of rows fails', 'fdatasync:error=EIO:when=1', /could not be synced \(EIO\)/, 'queue.db-wal'],
    [
      'the file system went read-only',
      'pwritev,pwrite64:error=EROFS',
      /EROFS when writing|SQLITE_IOERR_WRITE|SQLITE_READONLY/,
    ],
  ] as readonly (readonly [string, string, RegExp, string?])[]) {
    testWith(['strace'])(
      `${what}: no 250, the log says what to do, the process ends with 1, and nothing that was acknowledged is lost`,
      async () => {
        refusal = '451 4.2.0 Not now';
        gateway = await startGateway(files);
        expect(await send(10_000)).toMatch(/^250/);
        const tracer = await inject(gateway.pid, fault, file && join(files.storage, file));
        const reply = await send(10_000).catch((error: Error) => error.message);
        expect(reply).not.toMatch(/^250/);
        expect(await gateway.ended).toBe(1);
        tracer.kill('SIGKILL');
        const fatal =
          gateway
            .log()
            .split('\n')
            .find((line) => line.includes('"level":60')) ?? '';
        expect(fatal).toContain('the gateway ends; check the disk, then start it');
        expect(JSON.parse(fatal).why).toMatch(why);
        refusal = null;
        gateway = await startGateway(files);
        await operator();
        await auditIsIntact();
        await flush();
        expect(acknowledged).toHaveLength(1);
        // The sender was told that we have nothing of the other.
        if (file !== undefined) expect(arrived).toHaveLength(1);
      },
      60_000,
    );
  }

  rootTestWith(['mkfs.ext4', 'losetup'])(
    'it finds an error in itself and takes no write any more, while mail comes: no 250, the log says what to do, and nothing that was acknowledged is lost',
    async () => {
      broken = openLoopDisk('ext4', files.storage, '200M');
      refusal = '451 4.2.0 Not now';
      gateway = await startGateway(files);
      const ended = gateway.ended;
      let failed = false;
      const late: string[] = [];
      const senders = Array.from({ length: 6 }, async () => {
        for (;;) {
          const begunLate = failed;
          const reply = await send(20_000).catch(() => null);
          if (reply === null && failed) return;
          if (begunLate) late.push(`${reply}`);
        }
      });
      await until(() => acknowledged.length >= 30, 'mail comes');
      broken.fail();
      failed = true;
      expect(await ended).toBe(1);
      await Promise.all(senders);
      for (const one of late) expect(one).toMatch(/^4\d\d |^null$/);
      const words = gateway.log().split('\n');
      const fatal = words.find((line) => line.includes('"level":60')) ?? '';
      expect(fatal).toContain('the gateway ends; check the disk, then start it');
      await expect(startGateway(files)).rejects.toThrow(
        /takes no writes \(EROFS\)[\s\S]*mount it for writing, then start it again/,
      );
      await broken.remount();
      refusal = null;
      gateway = await startGateway(files);
      await operator();
      await auditIsIntact();
      await flush();
    },
    60_000,
  );

  rootTestWith([])(
    'a start on a file system that is read-only says so; when it can be written again it starts',
    async () => {
      disk = mountTmpfs(files.storage, 24);
      gateway = await startGateway(files);
      await gateway.stop();
      disk.readOnly(true);
      await expect(startGateway(files)).rejects.toThrow(/takes no writes \(EROFS\)/);
      disk.readOnly(false);
      gateway = await startGateway(files);
    },
    60_000,
  );
});

testWith(['prlimit'])(
  'no descriptor is left: mail waits or is refused, the gateway lives, and goes on when there are some again',
  async () => {
    gateway = await startGateway(files);
    await operator();
    const limit = (most: number) => execFileSync('prlimit', ['--pid', String(gateway?.pid), `--nofile=${most}:4096`]);
    const open = readdirSync(`/proc/${gateway.pid}/fd`).length;
    expect(await send(10_000)).toMatch(/^250/);
    limit(open + 4);
    const deadline = 3_000;
    const tries = await Promise.allSettled(
      Array.from({ length: 12 }, async () => {
        const session = await openSession({ port: files.port, deadline });
        const { code } = await session.command('MAIL FROM:<a@clinic.example>');
        await session.command('RCPT TO:<b@partner.example>');
        await session.command('DATA');
        const { text } = await session.data(Buffer.from('From: <a@clinic.example>\r\n\r\nx\r\n'));
        session.destroy();
        return `${code} ${text}`;
      }),
    );
    expect(tries.some(({ status }) => status === 'rejected')).toBe(true);
    for (const one of tries) if (one.status === 'fulfilled') expect(one.value).toMatch(/^(250 250|4\d\d|250 4\d\d)/);
    limit(1_024);
    await until(async () => /^250/.test(await send(10_000).catch(() => '')), 'taken again');
    await flush();
    await auditIsIntact();
  },
  60_000,
);

describe('what is stored is damaged', () => {
  test('a page of the database: it starts or runs no longer than it touches it, and says what to do', async () => {
    refusal = '451 4.2.0 Not now';
    gateway = await startGateway(files);
    for (let i = 0; i < 60; i++) await send(1_000);
    await gateway.stop();
    const path = join(files.storage, 'queue.db');
    const file = openSync(path, 'r+');
    for (let page = 3; page * 4096 < statSync(path).size; page++)
      writeSync(file, Buffer.alloc(4096, 0xa5), 0, 4096, page * 4096);
    closeSync(file);
    const ended = await startGateway(files).then(
      async (running) => {
        gateway = running;
        await send(1_000).catch(() => '');
        return `${await running.ended} ${running.log()}`;
      },
      (error: Error) => error.message,
    );
    expect(ended).toMatch(/damaged/);
    expect(ended).toMatch(/copy that folder before anything else is tried/);
  }, 60_000);

  test('a body is gone: its delivery is held, with an alarm and words, and the rest goes on', async () => {
    refusal = '451 4.2.0 Not now';
    gateway = await startGateway(files);
    await operator();
    expect(await send(3_000_000)).toMatch(/^250/);
    expect(await send(10_000)).toMatch(/^250/);
    await until(
      async () => (await queue()).every(({ state, attempts }) => state === 'ready' && attempts > 0),
      'deferred',
    );
    await gateway.stop();
    const dir = join(files.storage, 'bodies');
    for (const name of readdirSync(dir)) if (name.endsWith('.body')) rmSync(join(dir, name));
    refusal = null;
    gateway = await startGateway(files);
    await run('queue', 'retry', '--all', '--yes');
    await until(() => arrived.length === 1, 'here');
    await until(async () => (await queue()).map(({ state }) => state).join() === 'held', 'held');
    expect(gateway.log()).toContain('the body cannot be opened; its deliveries are held');
    expect((await run('status')).out).toContain('corrupt body');
    const [held] = await queue();
    expect((await run('redecide', held!.queueId, '--yes')).out).toContain('does not open');
    expect((await run('queue', 'bounce', held!.queueId, '--yes', '--reason', 'lost')).code).toBe(0);
  }, 60_000);
});

describe('the clock', () => {
  const SHIFT = fileURLToPath(new URL('../support/clock-shift.ts', import.meta.url));
  const HOURS = 3_600_000;

  test.each([
    6 * HOURS,
    -6 * HOURS,
  ])('jumps by %i ms while it runs: nothing expires, nothing is lost, mail flows', async (jump) => {
    const file = join(files.folder, 'shift');
    writeFileSync(file, '0');
    gateway = await startGateway(files, { flags: ['--import', SHIFT], env: { SHIFT_FILE: file } });
    await operator();
    refusal = '451 4.2.0 Not now';
    expect(await send(10_000)).toMatch(/^250/);
    await until(
      async () => (await queue()).every(({ state, attempts }) => state === 'ready' && attempts > 0),
      'deferred',
    );
    writeFileSync(file, String(jump));
    gateway.child.kill('SIGUSR2');
    await until(async () => Math.abs(Date.parse((await status()).now) - Date.now()) > 5 * HOURS, 'jumped');
    expect((await queue()).map(({ state }) => state)).toEqual(['ready']);
    refusal = null;
    expect(await send(10_000)).toMatch(/^250/);
    await until(() => arrived.length > 0, 'the new one here');
    await flush();
    await auditIsIntact();
    writeFileSync(file, '0');
    gateway.child.kill('SIGUSR2');
    expect(await send(10_000)).toMatch(/^250/);
    await allArrive();
    expect(arrived).toHaveLength(3);
    await auditIsIntact();
  }, 60_000);

  async function status(): Promise<{ now: string }> {
    const { out } = await run('log', 'export');
    const times = out.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as { at: string }]));
    return { now: times.at(-1)!.at };
  }
});
