// `node test/crash/memory.ts`: the gateway and its workers in a memory cgroup, with a load that is at least four times what the next hop takes, and
// clients that send an octet a second. First it must live: what it and its workers hold levels off, and some mail is put off by 421, 451 or 452. Then
// the limit is drawn in until the kernel ends it, again and again; at the end with all memory what was acknowledged is compared with what arrived.

import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Running } from '../support/gateway.ts';
import { randomSeed, readOptions, whole } from '../support/options.ts';
import { seeded } from '../support/random.ts';
import { type Load, RECIPIENT_DOMAIN, SENDER, startLoad } from './load.ts';
import { closeTrial, drain, note, openTrial, report, start, type Trial } from './trial.ts';

const MB = 1_048_576;
/** Of the next hop, ms a message, and connections to it: ten messages a second. */
const DELAY = 200;
const CONNECTIONS = 2;
const SESSIONS = 20;
/** What the gateway takes at the same time; the slow ones are more. */
const LIMITS = {
  sessions: 450,
  connections_per_address: 10_000,
  connections_per_minute: 100_000,
  data_bytes: '160MB',
  examine_waiting: 300,
};
/** The limit is drawn in to what is held and this more; where the kernel cannot give back so much at once, to more. */
const ROOM = 4 * MB;
/** The second half may hold this much more than the first. */
const GROWTH = 1.15;
const DRAIN_MS = 5 * 60_000;

type Cgroup = {
  /** Program and arguments that put what they run into it. */
  readonly under: readonly string[];
  limit(octets: number): void;
  /** Octets of its processes, without what of files is cached. */
  held(): number;
  /** Processes that the kernel ended. */
  killed(): number;
  remove(): void;
};

const V1 = '/sys/fs/cgroup/memory';
const V2 = '/sys/fs/cgroup';

function openCgroup(): Cgroup | null {
  const isV1 = existsSync(join(V1, 'memory.limit_in_bytes'));
  const folder = join(isV1 ? V1 : V2, `sealrelay-trial-${process.pid}`);
  try {
    mkdirSync(folder);
  } catch {
    return null;
  }
  const read = (name: string) => readFileSync(join(folder, name), 'utf8');
  const write = (name: string, value: number) => writeFileSync(join(folder, name), String(value));
  const field = (text: string, name: string) => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
  if (!isV1 && !existsSync(join(folder, 'memory.max'))) {
    rmdirSync(folder);
    return null;
  }
  return {
    under: ['sh', '-c', `echo $$ > ${folder}/cgroup.procs && exec "$@"`, 'sh'],
    limit: (octets) => write(isV1 ? 'memory.limit_in_bytes' : 'memory.max', Math.round(octets)),
    held: () => field(read('memory.stat'), isV1 ? 'total_rss' : 'anon'),
    killed: () => field(read(isV1 ? 'memory.oom_control' : 'memory.events'), 'oom_kill'),
    remove: () => rmdirSync(folder),
  };
}

type Slow = { readonly refused: ReadonlyMap<number, number>; readonly open: () => number; stop(): void };

/** Clients in the middle of their data, an octet a second; who is cut off comes back. */
function startSlow(port: number, count: number): Slow {
  const refused = new Map<number, number>();
  const sockets = new Set<Socket>();
  let stopped = false;
  const one = (): void => {
    if (stopped) return;
    const socket = connect({ port, host: '127.0.0.1' });
    sockets.add(socket);
    let drip: NodeJS.Timeout | undefined;
    const next = [
      'EHLO slow.test\r\n',
      `MAIL FROM:<${SENDER}>\r\n`,
      `RCPT TO:<o0.0.x@${RECIPIENT_DOMAIN}>\r\n`,
      'DATA\r\n',
    ];
    socket.on('data', (chunk) => {
      for (const [, text] of chunk.toString('latin1').matchAll(/^(\d{3}) /gm)) {
        const code = Number(text);
        if (code >= 400) refused.set(code, (refused.get(code) ?? 0) + 1);
        else if (code === 354) drip = setInterval(() => socket.write('x'), 1_000);
        else socket.write(next.shift() ?? '');
      }
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      clearInterval(drip);
      sockets.delete(socket);
      setTimeout(one, 500);
    });
  };
  for (let i = 0; i < count; i++) setTimeout(one, i * 4);
  return {
    refused,
    open: () => sockets.size,
    stop: () => {
      stopped = true;
      for (const socket of sockets) socket.destroy();
    },
  };
}

type Level = { readonly first: number; readonly second: number; readonly ratio: number };

/** Most that was held in each half, and how many times faster mail came than it left. */
async function watch(trial: Trial, cgroup: Cgroup, seconds: number): Promise<Level> {
  const from = trial.ledger.totals();
  const most = [0, 0];
  const begun = Date.now();
  for (let now = begun; now < begun + seconds * 1000; now = Date.now()) {
    const half = now < begun + seconds * 500 ? 0 : 1;
    most[half] = Math.max(most[half]!, cgroup.held());
    await sleep(200);
  }
  const to = trial.ledger.totals();
  const ratio = (to.recipients - from.recipients) / Math.max(1, to.arrived - from.arrived);
  return { first: most[0]! / MB, second: most[1]! / MB, ratio };
}

/** Draws the limit in while mail comes until the kernel ended the gateway: it ends one of its workers first, if that is larger. */
async function killByMemory(trial: Trial, cgroup: Cgroup, load: Load): Promise<void> {
  cgroup.limit(2 ** 40);
  load.pause();
  const gateway = await start(trial, { under: cgroup.under });
  load.resume();
  let ended: number | string | null = null;
  void gateway.ended.then((how) => {
    ended = how;
  });
  await sleep(500 + trial.random.fraction() * 3_000);
  const before = cgroup.killed();
  for (let room = ROOM; ended === null; ) {
    try {
      cgroup.limit(cgroup.held() + room);
      room = Math.max(ROOM, room / 2);
    } catch {
      room *= 1.5;
    }
    await sleep(200);
  }
  note(trial, gateway, ended ?? '');
  if (cgroup.killed() === before) throw new Error(`it ended with ${ended}, and not by the kernel`);
  trial.kills += 1;
}

type Wanted = { readonly seconds: number; readonly limit: number; readonly kills: number; readonly slow: number };

async function run(trial: Trial, cgroup: Cgroup, wanted: Wanted, seed: number): Promise<boolean> {
  cgroup.limit(wanted.limit * MB);
  let gateway: Running = await start(trial, { under: cgroup.under });
  trial.delay = DELAY;
  const load = startLoad(trial.files.port, SESSIONS, seeded(seed + 1), trial.ledger);
  const slow = startSlow(trial.files.port, wanted.slow);
  const level = await watch(trial, cgroup, wanted.seconds);
  const killed = cgroup.killed();
  console.log(
    `within ${wanted.limit} MB, ${wanted.seconds} s, ${wanted.slow} slow clients: mail came ${level.ratio.toFixed(1)} times as fast as it left;\n` +
      `  held at most ${level.first.toFixed(0)} MB in the first half, ${level.second.toFixed(0)} MB in the second; ${killed} ended by the kernel\n` +
      `  put off: ${[...load.refused(), ...slow.refused].map(([code, count]) => `${count} × ${code}`).join(', ')}`,
  );
  note(trial, gateway, await gateway.kill());
  while (trial.kills < wanted.kills) await killByMemory(trial, cgroup, load);
  slow.stop();
  cgroup.limit(2 ** 40);
  trial.delay = 0;
  load.pause();
  gateway = await start(trial, { under: cgroup.under });
  load.resume();
  await load.stop();
  const drained = await drain(trial, DRAIN_MS, () => {});
  const ended = await gateway.stop();
  note(trial, gateway, ended === 0 ? 'SIGKILL' : ended);
  const good = report(trial, load, ['ended by kernel', `${trial.kills}, for want of memory; seed ${seed}`], drained);
  const isPutOff = [421, 451, 452].some((code) => load.refused().has(code) || slow.refused.has(code));
  return good && killed === 0 && isPutOff && level.ratio >= 4 && level.second <= level.first * GROWTH;
}

async function main(): Promise<number> {
  const options = readOptions({
    usage: 'node test/crash/memory.ts',
    about:
      'Gives the gateway and its workers too little memory: first a limit within which it must live, with more mail than the next hop takes and with clients that send an octet a second; then less and less until the kernel ends it. At the end what was acknowledged is compared with what arrived. Needs root and the memory controller of cgroup v1 or v2.',
    options: {
      seconds: whole(60, 'how long it must live within its limit'),
      limit: whole(900, 'the limit, MB'),
      kills: whole(5, 'how often the kernel ends it', { least: 0 }),
      slow: whole(500, 'clients that send an octet a second', { least: 0 }),
      seed: randomSeed(),
    },
    example: 'node test/crash/memory.ts --seconds 20 --kills 2',
    exits: { 0: 'it lived, and nothing was lost', 1: 'something was lost, it grew, or it was ended within its limit' },
  });
  const cgroup = openCgroup();
  if (cgroup === null) {
    console.error('needs root and a memory cgroup that can be written');
    return 2;
  }
  const trial = await openTrial(options.seed, { limits: LIMITS, connections: CONNECTIONS });
  let good = false;
  try {
    good = await run(trial, cgroup, options, options.seed);
  } finally {
    await closeTrial(trial, good);
    cgroup.remove();
  }
  return good ? 0 : 1;
}

process.exitCode = await main();
