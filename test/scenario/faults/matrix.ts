// The fault matrix, run: one gateway for all cells, whose ports can be told to fail (inject.ts), with destinations, DNS and a place for
// anchors around it; and what each cell must show.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ask } from '../../../src/cli/client.ts';
import type { MessageView } from '../../../src/control/views.ts';
import { findCanariesIn } from '../../support/canary.ts';
import { pgpPair } from '../../support/correspondents.ts';
import type { PeerMail, PeerOptions } from '../../support/peer.ts';
import type { Ca, Issued } from '../../support/pki.ts';
import type { Reply } from '../../support/session.ts';
import { freePort } from '../../support/smtp-sink.ts';
import { openWorld, until, type World } from '../world.ts';
import { type Bitten, type Fault, type Wanted, WORDS } from './inject.ts';
import type { Ending } from './makers.ts';
import { startOf, tell } from './wish.ts';

/** Names that DNS cells ask for first. */
export const ASKED = ['servfail.test', 'silent.test', 'junk.test', 'denied.test', 'late.test'];
export const POLICY = `version: 1
rules:
  - name: by key, else plainer
    when: { recipient_domain: keys.test }
    then: { deliver: [pgp, { tls: encrypt }] }
  - name: into the portal
    when: { recipient_domain: parcels.test }
    then: { deliver: [portal] }
  - name: rest
    then: { deliver: [tls, { portal: may }] }
`;

/** What must come while the fault lasts. Afterwards the message goes on (or a new one, where it was refused or stays held), once. */
export type Comes =
  /** Delivered, as decided. */
  | 'arrives'
  /** Accepted, and kept for later. */
  | 'waits'
  /** Refused for now. */
  | '451'
  /** Not answered. */
  | 'no 250'
  | 'held'
  /** The next stronger way was taken. */
  | 'portal';
export type Undo = () => unknown;
/** A fault that was made: how it is known to have bitten, and how it ends. */
export type Made = {
  readonly bites?: () => boolean | Promise<boolean>;
  readonly undo: Undo;
  /** What waits goes on with nobody asking for it. */
  readonly byItself?: true;
};

/** What a peer does at a command, `.` or `greeting`; as in PeerOptions. */
type Script = NonNullable<PeerOptions['on']>;
export type Anchoring = 'drops' | 'silent' | 'junk' | 'late';

export type Matrix = {
  readonly world: World;
  /** Port of the portal. */
  readonly portal: number;
  /** Tells the ports of the gateway. */
  wish(wanted: Wanted): Promise<Bitten>;
  /** Ports that fail; it has bitten when one of them was called. */
  port(faults: Readonly<Record<string, Fault>>): Promise<Made>;
  /** All peers play it. */
  play(script: Script | null): void;
  commands(): readonly string[];
  /** How the place for anchors behaves; calls how often it was asked. */
  anchoring(how: Anchoring): () => number;
  /** Of the gateway, whether it runs or ended. */
  restart(): Promise<void>;
  close(): Promise<void>;
};

export async function openMatrix(): Promise<Matrix> {
  const folder = mkdtempSync(join(tmpdir(), 'sealrelay-faults-'));
  const faults = join(folder, 'socket');
  let script: Script | null = null;
  const commands: string[] = [];
  const on: Script = (command, ctx) => {
    commands.push(command);
    return script?.(command, ctx);
  };
  const names = ['partner.test', 'keys.test', 'parcels.test', ...ASKED];
  let certificate: Issued | undefined;
  const domain = (ca: Ca): PeerOptions => {
    certificate ??= ca.issue({ names: names.map((name) => `mx.${name}`) });
    return { certificate, on };
  };
  const port = await freePort();
  const portal = await freePort();
  const anchors = await openAnchors();
  const start = startOf(faults);
  const world = await openWorld({
    policy: POLICY,
    port,
    domains: { ...Object.fromEntries(names.map((name) => [name, domain] as const)), 'plain.test': () => ({ on }) },
    start,
    config: {
      listen: {
        smtp: { address: '127.0.0.1', port, tls: 'required' },
        portal: { address: '127.0.0.1', port: portal },
      },
      limits: { connections_per_minute: 100_000, examine_time: '2s', workers: 1 },
      anchors: { https: `https://mx.partner.test:${anchors.port}/` },
    },
  }).catch(async (error) => {
    await anchors.close();
    throw error;
  });
  anchors.show(certificate!);
  const key = join(folder, 'key.asc');
  writeFileSync(key, (await pgpPair('someone@keys.test')).public);
  const imported = await world.run('keys', 'import', key, '--organization', 'Clinic', '--for', '@keys.test', '--pin');
  if (imported.code !== 0) throw new Error(imported.err);
  const wish = (wanted: Wanted) => tell(faults, wanted);
  return {
    world,
    portal,
    wish,
    port: async (wanted) => {
      await wish({ faults: wanted });
      return {
        bites: async () => Object.keys(await wish({})).length > 0,
        undo: () => wish({ faults: {} }),
      };
    },
    play: (next) => {
      commands.length = 0;
      script = next;
    },
    commands: () => commands,
    anchoring: anchors.become,
    restart: () => world.restart(start),
    close: async () => {
      await world.close();
      await anchors.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

// ── a place for anchors ──

async function openAnchors() {
  // Once it was taken none is sent for a while.
  let how: Anchoring = 'drops';
  let asked = 0;
  const server = createServer((request, response) => {
    asked += 1;
    request.resume();
    if (how === 'drops') request.destroy();
    else if (how === 'junk') request.socket.end('\x00\xff junk\r\n\r\n');
    else if (how !== 'silent') setTimeout(() => response.end(), how === 'late' ? 300 : 0);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    show: ({ key, chain }: Issued) => server.setSecureContext({ key, cert: chain }),
    become: (next: Anchoring) => {
      how = next;
      const before = asked;
      return () => asked - before;
    },
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

// ── a cell ──

export type Mail = {
  readonly to: string;
  readonly words: readonly string[];
  readonly text: string;
  readonly subject: string;
};

let letters = 0;

/** A letter whose local part, subject and body stand nowhere else. */
export function letterTo(domain: string): Mail {
  letters += 1;
  const words = ['local', 'subject', 'body'].map(
    (one) => `${one}x${letters}x${Math.random().toString(36).slice(2, 10)}`,
  );
  const [local, subject, body] = words as [string, string, string];
  return { to: `${local}@${domain}`, subject, text: `nothing special: ${body}`, words };
}

/** Mails that a peer was given for it, whole or as they were encrypted. */
export function takenOf({ world }: Matrix, mail: Mail): readonly PeerMail[] {
  const domain = mail.to.slice(mail.to.indexOf('@') + 1);
  return world.peer(domain).mails.filter(({ commands }) => commands.some((one) => one.includes(mail.to)));
}

/** As it was decided, or sealed away; and no word of it without TLS. */
function nothingClear(matrix: Matrix, mail: Mail): void {
  const [, ...inside] = mail.words;
  const [domain] = mail.to.split('@').slice(1);
  for (const { secure, data, commands } of takenOf(matrix, mail)) {
    const isNotice = commands[0]?.startsWith('MAIL FROM:<>') ?? false;
    if (!isNotice) expect(secure).toBe(true);
    if (domain === 'keys.test' || domain === 'parcels.test' || isNotice)
      for (const one of inside) expect(data).not.toContain(one);
  }
}

export function nothingLogged({ world }: Matrix, mail: Mail): void {
  const gateway = world.gateway();
  expect(findCanariesIn(gateway.log() + gateway.errors(), [...mail.words, WORDS])).toEqual([]);
}

export type Flow = { readonly comes: Comes; readonly domain: string; readonly meanwhile: boolean };

/** Makes the fault before the letter is sent, or (`meanwhile`) while it waits for its peer; looks; ends the fault; looks again. */
export async function runCell(matrix: Matrix, make: () => Promise<Made> | Made, flow: Flow): Promise<void> {
  const mail = letterTo(flow.domain);
  const { world } = matrix;
  let id: string | null = null;
  if (flow.meanwhile) {
    matrix.play((command) => (command.startsWith('MAIL') ? '451 4.3.0 Not now' : undefined));
    id = await world.send({ ...mail, to: [mail.to] });
    await reaches(matrix, id, ({ deliveries: [one] }) => one!.state === 'ready' && one!.attempts > 0);
  }
  const made = await make();
  if (flow.meanwhile) matrix.play(null);
  let reply: Reply | null = null;
  try {
    if (flow.meanwhile) await retry(matrix, id!);
    const sending = flow.meanwhile ? null : world.reply({ ...mail, to: [mail.to] });
    sending?.then(
      (came) => (reply = came),
      () => {},
    );
    if (flow.comes === 'no 250') {
      await until(async () => (await made.bites!()) || reply !== null, 'bitten');
      expect(reply).toBeNull();
    } else if (sending !== null) {
      reply = await sending;
      expect(reply.text).toMatch(flow.comes === '451' ? /^4\d\d 4\./ : /^250 2\.6\.0 Queued/);
    }
    id ??= idOf(reply);
    if (id !== null) await comesTrue(matrix, { id, mail, made, comes: flow.comes });
    if (made.bites !== undefined) await until(made.bites, 'bitten');
    nothingClear(matrix, mail);
  } finally {
    await made.undo();
    matrix.play(null);
  }
  await flowsAgain(matrix, { mail, id: made.byItself ? null : id, flow });
}

function idOf(reply: Reply | null): string | null {
  return /^250 2\.6\.0 Queued as (\S+)/.exec(reply?.text ?? '')?.[1] ?? null;
}

type Looked = { readonly id: string; readonly mail: Mail; readonly made: Made; readonly comes: Comes };

async function comesTrue(matrix: Matrix, { id, mail, made, comes }: Looked): Promise<void> {
  switch (comes) {
    case 'arrives':
      return arrives(matrix, mail);
    case 'held':
      await reaches(matrix, id, ({ deliveries: [one] }) => one!.state === 'held');
      break;
    case 'portal':
      await reaches(matrix, id, ({ deliveries: [one] }) => one!.state === 'noticed');
      return nothingClear(matrix, mail);
    default:
      await until(made.bites!, 'bitten');
      await reaches(matrix, id, ({ deliveries: [one] }) => ['undecided', 'ready', 'leased'].includes(one!.state));
  }
  expect(takenOf(matrix, mail)).toEqual([]);
}

/** The letter of the cell arrives, or where it was refused or is held another one; and none twice. */
/** A letter waits; the gateway ends, or cannot start, and says why; afterwards that letter and a new one arrive, once. */
export async function runEnding(matrix: Matrix, end: Ending, says: RegExp): Promise<void> {
  const { world } = matrix;
  const mail = letterTo('partner.test');
  matrix.play((command) => (command.startsWith('MAIL') ? '451 4.3.0 Not now' : undefined));
  const id = await world.send({ ...mail, to: [mail.to] });
  await reaches(matrix, id, ({ deliveries: [one] }) => one!.attempts > 0);
  const { said, undo } = await end(matrix);
  nothingLogged(matrix, mail);
  await undo();
  expect(said).toMatch(says);
  expect(findCanariesIn(said, [...mail.words, WORDS])).toEqual([]);
  matrix.play(null);
  await matrix.restart();
  await flowsAgain(matrix, { mail, id, flow: { comes: 'waits', domain: 'partner.test', meanwhile: false } });
  const next = letterTo('partner.test');
  await world.send({ ...next, to: [next.to] });
  await arrives(matrix, next);
}

type Left = { readonly mail: Mail; readonly id: string | null; readonly flow: Flow };

async function flowsAgain(matrix: Matrix, { mail, id, flow: { comes, domain } }: Left): Promise<void> {
  const other = comes === '451' || comes === 'held' || comes === 'portal';
  const next = other ? letterTo(domain === 'plain.test' ? 'partner.test' : domain) : mail;
  if (other) await matrix.world.send({ ...next, to: [next.to] });
  await arrives(matrix, next, other ? null : id);
  expect(takenOf(matrix, next)).toHaveLength(1);
  for (const one of [mail, next]) {
    nothingClear(matrix, one);
    nothingLogged(matrix, one);
  }
}

async function arrives(matrix: Matrix, mail: Mail, id: string | null = null): Promise<void> {
  await until(
    async () => {
      if (takenOf(matrix, mail).length > 0) return true;
      if (id !== null) await retry(matrix, id);
      return false;
    },
    () => `here: ${mail.to}`,
  );
}

/** Asks for what waits for its time; what is being tried stays as it is. */
export async function retry({ world }: Matrix, id: string): Promise<void> {
  await ask({ socket: world.files.storage }, 'write', 'queue.retry', { ids: [id] });
}

async function reaches({ world }: Matrix, id: string, is: (view: MessageView) => boolean): Promise<void> {
  let view = await world.show(id);
  await until(
    async () => {
      view = await world.show(id);
      return is(view);
    },
    () => JSON.stringify([view.stage, view.deliveries.map(({ state, because }) => ({ state, because }))]),
  );
}
