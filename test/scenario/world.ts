// A whole gateway with what stands around it on loopback: an authority, DNS, a mail server for each recipient domain, and one for the
// clinic's own staff, where notices come in. The gateway is the real one, in a process of its own.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ask } from '../../src/cli/client.ts';
import type { MessageView } from '../../src/control/views.ts';
import { type DnsServer, startDns, type Zones } from '../support/dns.ts';
import {
  type GatewayFiles,
  type Ran,
  type Running,
  type StartOptions,
  sealrelay,
  startGateway,
  writeGateway,
} from '../support/gateway.ts';
import { type Peer, type PeerOptions, startPeer } from '../support/peer.ts';
import { type Ca, makeCa } from '../support/pki.ts';
import { openSession, type Reply } from '../support/session.ts';
import { freePort } from '../support/smtp-sink.ts';

export const CLINIC = 'clinic.test';
export const SENDER = `lee@${CLINIC}`;
/** Finds PHI: a person's numbers beside a diagnosis. */
export const PHI = 'MRN 00482913, born 04/12/1961: hemoglobin A1c is 7.9 %, the diagnosis of type 2 diabetes stands.';

/** A recipient domain's mail server; `usual` shows a good certificate, `none`: nobody listens. */
export type Domain = 'usual' | 'none' | ((ca: Ca, mx: string) => PeerOptions);
export type WorldOptions = {
  readonly domains: Readonly<Record<string, Domain>>;
  readonly policy: string;
  /** More sections of gateway.yaml; a section given here replaces ours. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly start?: StartOptions;
  /** Of the listener, where `config` gives another `listen`. */
  readonly port?: number;
};

export type Letter = {
  /** Header From; also the reverse-path unless `mailFrom` says otherwise. */
  readonly from?: string;
  readonly mailFrom?: string;
  readonly to: readonly string[];
  readonly subject?: string;
  readonly text?: string;
  /** Parameters of MAIL and of every RCPT, with the blank before them. */
  readonly parameters?: { readonly mail?: string; readonly rcpt?: string };
  /** Whole mail data instead of the above, CRLF. */
  readonly data?: string;
};

export type World = {
  readonly files: GatewayFiles;
  readonly port: number;
  readonly dns: DnsServer;
  readonly ca: Ca;
  /** The whole configuration as it was written, to be changed and written again. */
  readonly config: Readonly<Record<string, unknown>>;
  gateway(): Running;
  /** The server of that domain; the clinic's own too. */
  peer(domain: string): Peer;
  /** Sends over STARTTLS and gives the last reply. */
  reply(letter: Letter): Promise<Reply>;
  /** Sends and gives the queue id. Throws when it is not accepted. */
  send(letter: Letter): Promise<string>;
  /** `queue show`, asked at the socket: a process for each look would take too long. */
  show(queueId: string): Promise<MessageView>;
  /** Waits until each delivery of the message is in that state. */
  reaches(queueId: string, state: string): Promise<MessageView>;
  run(...args: string[]): Promise<Ran>;
  restart(start?: StartOptions): Promise<void>;
  close(): Promise<void>;
};

export async function openWorld(options: WorldOptions): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'sealrelay-scenario-'));
  const ca = makeCa();
  writeFileSync(join(folder, 'ca.pem'), ca.cert);
  const peers = await openPeers(ca, { [CLINIC]: 'usual', ...options.domains });
  const dns = await startDns(zonesOf(Object.keys(options.domains)));
  const closeAround = async (): Promise<void> => {
    await Promise.all([...peers.values()].map((one) => one.close()));
    await dns.close();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const port = options.port ?? (await freePort());
    const config = { ...(await configOf(folder, port, dns, peers)), ...options.config };
    const files = writeGateway(folder, config, options.policy);
    return await worldOf({ files, port, dns, ca, config, peers, closeAround }, options.start);
  } catch (error) {
    await closeAround();
    throw error;
  }
}

type Around = Pick<World, 'files' | 'port' | 'dns' | 'ca' | 'config'> & {
  readonly peers: ReadonlyMap<string, Peer>;
  readonly closeAround: () => Promise<void>;
};

async function worldOf({ peers, closeAround, ...around }: Around, start?: StartOptions): Promise<World> {
  const { files, port } = around;
  let running = await startGateway(files, start);
  process.env.SEALRELAY_TOKEN_FILE = join(files.folder, 'sealrelay', 'token');
  const run = (...args: string[]) => sealrelay(files, args);
  const added = await run('user', 'add', 'ops', '--role', 'admin', '--write');
  if (added.code !== 0) {
    await running.stop();
    throw new Error(added.err);
  }
  const reply = (letter: Letter) => deliver(port, letter);
  const show = (id: string) => ask<MessageView>({ socket: files.storage }, 'read', 'queue.show', { id });
  return {
    ...around,
    ...{ reply, show, run },
    gateway: () => running,
    peer: (domain) => peers.get(domain)!,
    send: async (letter) => queueIdOf(await reply(letter)),
    reaches: async (id, state) => {
      let view = await show(id);
      const reached = async () => {
        view = await show(id);
        return view.deliveries.every((one) => one.state === state);
      };
      await until(reached, () => `${state}, but ${view.deliveries.map((one) => `${one.state}: ${one.because}`)}`);
      return view;
    },
    restart: async (again) => {
      await running.stop();
      running = await startGateway(files, again);
    },
    close: async () => {
      await running.stop();
      await closeAround();
    },
  };
}

/** Waits for a condition, not for a time. Throws `what` after 20 s. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string | (() => string),
  ms = 20_000,
): Promise<void> {
  for (const end = Date.now() + ms; ; await new Promise((wake) => setTimeout(wake, 25))) {
    if (await condition()) return;
    if (Date.now() > end) throw new Error(`still not ${typeof what === 'string' ? what : what()}`);
  }
}

export function queueIdOf(reply: Reply): string {
  const id = /^250 2\.6\.0 Queued as (\S+)/.exec(reply.text)?.[1];
  if (id === undefined) throw new Error(`not accepted: ${reply.text}`);
  return id;
}

/** The mail data of a letter, CRLF line ends. */
export function dataOf(letter: Letter): string {
  const { from = SENDER, to, subject = 'hello', text = 'nothing special' } = letter;
  const head = [
    `From: ${from}`,
    `To: ${to.join(', ')}`,
    `Subject: ${subject}`,
    'Date: Tue, 24 Nov 2026 08:42:00 +0000',
  ];
  const id = `Message-ID: <${Math.random().toString(36).slice(2)}@${CLINIC}>`;
  return letter.data ?? `${[...head, id, '', text].join('\r\n')}\r\n`;
}

async function deliver(port: number, letter: Letter): Promise<Reply> {
  const { parameters } = letter;
  const session = await openSession({ port, starttls: true });
  try {
    const mail = await session.command(
      `MAIL FROM:<${letter.mailFrom ?? letter.from ?? SENDER}>${parameters?.mail ?? ''}`,
    );
    if (mail.code !== 250) return mail;
    for (const to of letter.to) {
      const rcpt = await session.command(`RCPT TO:<${to}>${parameters?.rcpt ?? ''}`);
      if (rcpt.code !== 250) return rcpt;
    }
    await session.command('DATA');
    return await session.data(Buffer.from(dataOf(letter), 'latin1'));
  } finally {
    await session.quit();
  }
}

async function openPeers(ca: Ca, domains: Readonly<Record<string, Domain>>): Promise<Map<string, Peer>> {
  const peers = new Map<string, Peer>();
  for (const [domain, kind] of Object.entries(domains)) {
    const mx = `mx.${domain}`;
    const options = typeof kind === 'function' ? kind(ca, mx) : { certificate: ca.issue({ names: [mx] }) };
    const peer = await startPeer(options);
    if (kind === 'none') await peer.close();
    peers.set(domain, peer);
  }
  return peers;
}

function zonesOf(domains: readonly string[]): Zones {
  return Object.fromEntries(
    [CLINIC, ...domains].flatMap((domain) => [
      [domain, { MX: [[10, `mx.${domain}`]] }],
      [`mx.${domain}`, { A: ['127.0.0.1'] }],
    ]),
  );
}

async function configOf(folder: string, port: number, dns: DnsServer, peers: ReadonlyMap<string, Peer>) {
  return {
    version: 1,
    mode: 'evaluation',
    hostname: 'gw.clinic.test',
    organizations: [{ name: 'Clinic', domains: [CLINIC], from: { networks: ['127.0.0.1/32'] } }],
    listen: { smtp: { address: '127.0.0.1', port, tls: 'required' } },
    resolver: { servers: [dns.server] },
    overrides: {
      hosts: [...peers].map(([domain, { port: at }]) => ({ name: `mx.${domain}`, port: at })),
      ca: [join(folder, 'ca.pem')],
    },
  };
}
