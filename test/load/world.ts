// The world of a trial: a real gateway, destinations found by a DNS of ours, each at a loopback address of its own, and a
// client that sends to them and learns when each message arrived.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startDns, type Zones } from '../support/dns.ts';
import { type GatewayFiles, type Running, startGateway, writeGateway } from '../support/gateway.ts';
import { openSession, type Session } from '../support/session.ts';
import { freePort } from '../support/smtp-sink.ts';
import { type Filling, fill, NODE } from './fill.ts';
import { openTaker } from './taker.ts';
import { pause, percentile, until } from './trial.ts';

/** `slow`: ms before the reply to DATA. `hanging`: takes connections and says nothing. `dead`: drops every SYN. */
export type Manner = { readonly slow: number } | 'refusing' | 'hanging' | 'dead';

export type Peer = {
  readonly domain: string;
  /** When each recipient's message arrived, and to whom, in order. */
  readonly arrived: Map<string, number>;
  readonly times: number[];
  /** Most connections that were open at the same time. */
  most(): number;
  /** It takes mail from now on. */
  comeBack(): Promise<void>;
  close(): Promise<void>;
};
export type World = {
  readonly files: GatewayFiles;
  readonly port: number;
  readonly gateway: () => Running;
  readonly peers: ReadonlyMap<string, Peer>;
  /** Starts it, again when it ended; ms until it was ready. */
  start(): Promise<number>;
  close(): Promise<void>;
};

const NODE_PROGRAM = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url));
export const NORTH = 'north.example';
export const SOUTH = 'south.example';
/** What the Internet takes for a transaction, at least. */
export const USUAL: Manner = { slow: 100 };
const POLICY = `version: 1
rules:
  - name: pick up
    when: { recipient_domain: portal.test }
    then: { deliver: [{ portal: may }] }
  - name: everything may leave
    then: { deliver: [{ tls: may }] }
`;

export type WorldOptions = {
  /** By domain; `*.name` stands for all domains below it. */
  readonly peers: Readonly<Record<string, Manner>>;
  /** What waits when it starts. */
  readonly fillings?: readonly Filling[];
  readonly config?: Readonly<Record<string, unknown>>;
};

export async function openWorld({ peers: manners, fillings = [], config = {} }: WorldOptions): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'sealrelay-load-'));
  const [port, portal] = [await freePort(), await freePort()];
  const peers = new Map<string, Peer>();
  const zones: Record<string, Zones[string]> = {};
  const hosts: { address: string; port: number }[] = [];
  const dns = await startDns({});
  for (const [i, [domain, manner]] of Object.entries(manners).entries()) {
    const address = `127.0.1.${i + 1}`;
    const peer = await openPeer(domain, address, manner);
    hosts.push({ address, port: peer.port });
    const below = domain.startsWith('*.') ? domain.slice(2) : null;
    const names = below === null ? [domain] : Array.from({ length: 1000 }, (_, n) => `d${n}.${below}`);
    for (const name of names) zones[name] = { MX: [[10, `mx.${below ?? domain}`]], ttl: 3600 };
    zones[`mx.${below ?? domain}`] = { A: [address], ttl: 3600 };
    peers.set(domain, peer);
  }
  Object.assign(dns.zones, zones);
  // YAML of one object in two places would have an alias, which the gateway refuses.
  const proven = () => ({ from: { networks: ['127.0.0.0/8'] } });
  const files = writeGateway(
    folder,
    {
      version: 1,
      mode: 'evaluation',
      hostname: `${NODE}.load.example`,
      organizations: [
        { name: 'North', domains: [NORTH], ...proven() },
        { name: 'South', domains: [SOUTH], ...proven() },
      ],
      listen: {
        smtp: { address: '127.0.0.1', port, tls: 'optional' },
        portal: { address: '127.0.0.1', port: portal },
      },
      resolver: { servers: [dns.server] },
      overrides: { hosts },
      tags: {},
      ...config,
    },
    POLICY,
  );
  await fill(files.storage, fillings);
  let gateway: Running | null = null;
  return {
    files,
    port,
    gateway: () => gateway as Running,
    peers,
    start: async () => {
      const begun = performance.now();
      gateway = await startGateway(files);
      return performance.now() - begun;
    },
    close: async () => {
      await gateway?.kill();
      await Promise.all([...peers.values()].map((peer) => peer.close()));
      await dns.close();
      rmSync(folder, { recursive: true });
    },
  };
}

async function openPeer(domain: string, host: string, manner: Manner): Promise<Peer & { readonly port: number }> {
  const arrived = new Map<string, number>();
  const times: number[] = [];
  const port = await freePort();
  let most = 0;
  let open: { close(): Promise<void> } | null = null;
  const take = async (delay: number) => {
    open = await openTaker({
      ...{ host, port, delay },
      onConnections: (count) => {
        most = Math.max(most, count);
      },
      onMessage: (recipient) => {
        const now = performance.now();
        arrived.set(recipient, now);
        times.push(now);
      },
    });
  };
  if (typeof manner === 'object') await take(manner.slow);
  else if (manner !== 'refusing') open = await openSilent(host, port, manner === 'dead');
  return {
    ...{ domain, port, arrived, times, most: () => most },
    comeBack: async () => {
      await open?.close();
      await take(100);
    },
    close: async () => open?.close(),
  };
}

/** A process that listens and is stopped: the kernel makes the connections, and nobody ever speaks. With a full backlog
 *  (`dead`) it drops each SYN. */
async function openSilent(host: string, port: number, full: boolean): Promise<{ close(): Promise<void> }> {
  const code = `require('node:net').createServer((s)=>s.destroy()).listen({port:${port},host:'${host}',backlog:${full ? 1 : 4096}},()=>console.log('up'))`;
  const child: ChildProcess = spawn(NODE_PROGRAM, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve) => child.stdout!.once('data', resolve));
  child.kill('SIGSTOP');
  const fillers = full ? Array.from({ length: 3 }, () => connect({ host, port }).on('error', () => {})) : [];
  await pause(200);
  return {
    close: async () => {
      for (const one of fillers) one.destroy();
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
    },
  };
}

export type Probing = {
  readonly from: string;
  readonly to: string;
  readonly count: number;
  /** Ms between two messages. */
  readonly every: number;
};
let probes = 0;

/** Sends messages at even times and gives how many ms each took from its MAIL to its arrival at the peer. */
export async function probe(world: World, probing: Probing): Promise<number[]> {
  const { count, every } = probing;
  const session = await openSession({ port: world.port });
  const sent = new Map<string, number>();
  const begun = performance.now();
  probes += 1;
  for (let i = 0; i < count; i++) {
    await pause(Math.max(0, begun + i * every - performance.now()));
    const recipient = `probe${probes}.${i}@${probing.to}`;
    sent.set(recipient, performance.now());
    await send(session, probing.from, recipient);
  }
  await session.quit();
  const { arrived } = world.peers.get(probing.to) as Peer;
  await until(() => [...sent.keys()].every((one) => arrived.has(one)), `the mail to ${probing.to}`);
  return [...sent].map(([recipient, at]) => (arrived.get(recipient) as number) - at);
}

const ROUNDS = 3;
/** Before the rounds count: programs get faster while they run. */
const WARM = 60;

/** The least p95 of each world's probes in some rounds, the worlds in turn, one gateway at a time: other work on the
 *  machine comes and goes, and must not decide between them. */
export async function inTurn(worlds: readonly World[], probing: Probing): Promise<number[]> {
  const least = worlds.map(() => Number.POSITIVE_INFINITY);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, world] of worlds.entries()) {
      await world.start();
      await probe(world, { ...probing, count: WARM });
      least[i] = Math.min(least[i] as number, percentile(await probe(world, probing), 0.95));
      await world.gateway().kill();
    }
  }
  return least;
}

export async function send(session: Session, domain: string, recipient: string): Promise<void> {
  const lines = [`From: <lee@${domain}>`, `To: <${recipient}>`, 'Subject: a report', 'MIME-Version: 1.0', ''];
  const text = 'This is the report that you asked for.\r\n'.repeat(80);
  for (const line of [`MAIL FROM:<lee@${domain}>`, `RCPT TO:<${recipient}>`, 'DATA'])
    await expectOk(session.command(line));
  await expectOk(session.data(Buffer.from(`${lines.join('\r\n')}\r\n${text}`)));
}

async function expectOk(reply: Promise<{ code: number; text: string }>): Promise<void> {
  const { code, text } = await reply;
  if (code >= 400) throw new Error(`refused: ${text}`);
}
