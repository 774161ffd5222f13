import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Running, sealrelay, startGateway } from '../support/gateway.ts';
import { descendants, usageOf } from '../support/processes.ts';
import { type RelayFiles, writeRelay } from '../support/relay.ts';
import { openSession } from '../support/session.ts';
import { openSink, type Sink } from '../support/sink.ts';

// A message that ends its examiner is held after three tries, by the line and before any rule, and the mail around it flows (P6).

const ENTRY = fileURLToPath(new URL('./examiner/start.ts', import.meta.url));
const MB = 1024 * 1024;

type Row = { readonly recipient: string; readonly state: string; readonly because: string };
type World = {
  readonly files: RelayFiles;
  readonly sink: Sink;
  readonly arrived: Set<string>;
  gateway: Running | null;
};

async function openWorld(limits: Readonly<Record<string, unknown>> = {}): Promise<World> {
  const arrived = new Set<string>();
  const sink = await openSink({
    onMessage: ({ recipients }) => {
      for (const one of recipients) arrived.add(/<([^@]+)@/.exec(one)?.[1] ?? one);
    },
  });
  const extra = { limits: { worker_memory: '128MB', connections_per_minute: 100_000, ...limits } };
  return {
    files: await writeRelay({ sinkPort: sink.port, domains: ['clinic.example'], extra }),
    sink,
    arrived,
    gateway: null,
  };
}

async function closeWorld({ files, sink, gateway }: World): Promise<void> {
  await gateway?.kill();
  await sink.close();
  rmSync(files.folder, { recursive: true, force: true });
}

/** Sends one message to each of `names`; a name before a dash is its fault. */
async function send(world: World, names: readonly string[]): Promise<void> {
  const session = await openSession({ port: world.files.port });
  for (const name of names) {
    const fault = /^(\w+)-/.exec(name)?.[1] ?? 'none';
    await session.command('MAIL FROM:<a@clinic.example>');
    await session.command(`RCPT TO:<${name}@partner.example>`);
    await session.command('DATA');
    const reply = await session.data(Buffer.from(`From: a@clinic.example\r\nX-Fault: ${fault}\r\n\r\nhello\r\n`));
    expect(reply.code).toBe(250);
  }
  session.destroy();
}

async function held(world: World): Promise<Row[]> {
  const ran = await sealrelay(world.files, ['queue', 'list', '--state', 'held', '--json']);
  return ran.out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Row);
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await sleep(50);
}

function operator(world: World) {
  return sealrelay(world.files, ['user', 'add', 'test', '--role', 'admin', '--write']);
}

const HELD = /^could not be examined: the examiner was lost on it 3 times$/;

test('what exits or aborts its examiner, or takes 2 GB of Buffers, is held after three tries while other mail flows', async () => {
  const world = await openWorld();
  try {
    const gateway = await startGateway(world.files, { entry: ENTRY, env: { SPEED: '10' } });
    world.gateway = gateway;
    await operator(world);
    const guilty = ['abort-1', 'buffers-1', 'exit-1'];
    await send(world, guilty);
    const others = Array.from({ length: 30 }, (_, i) => `other${i}`);
    await send(world, others);
    await until(() => others.every((name) => world.arrived.has(name)));
    let most = 0;
    await until(async () => {
      most = Math.max(most, usageOf(gateway.pid).rss);
      return (gateway.log().match(/"rules":\["\(line\)"\]/g) ?? []).length === guilty.length;
    });
    const rows = await held(world);
    expect(rows.map((row) => row.recipient).sort()).toEqual(guilty.map((name) => `${name}@partner.example`));
    for (const row of rows) expect(row.because).toMatch(HELD);
    expect(world.arrived.size).toBe(others.length);
    // Three processes; without a bound the Buffers alone are 2 GB.
    expect(most).toBeLessThan(1200 * MB);
  } finally {
    await closeWorld(world);
  }
});

test('when the gateway is killed again and again amid an examination, what waited behind it is not held', async () => {
  const world = await openWorld({ workers: 1 });
  try {
    const others = Array.from({ length: 10 }, (_, i) => `other${i}`);
    for (let kills = 0; kills < 3; kills++) {
      const gateway = await startGateway(world.files, { entry: ENTRY });
      world.gateway = gateway;
      if (kills === 0) {
        await operator(world);
        await send(world, ['stall-1', ...others]);
      }
      await until(() => descendants(gateway.pid).length > 0);
      await gateway.kill();
    }
    // With examiners as they are: whatever was in hand at all three ends would be held now.
    world.gateway = await startGateway(world.files);
    // One that was being delivered at a kill would wait a minute for its next attempt.
    await sealrelay(world.files, ['queue', 'retry', '--all', '--yes']);
    await until(() => others.every((name) => world.arrived.has(name)));
    expect((await held(world)).filter(({ recipient }) => recipient.startsWith('other'))).toEqual([]);
  } finally {
    await closeWorld(world);
  }
});
