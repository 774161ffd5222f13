// A next hop that plays a script: which extensions it offers, what it answers to which command, when it drops.

import { createServer, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import type { Issued } from './pki.ts';

export type Ctx = {
  readonly secure: boolean;
  /** Octets as they are. */
  readonly raw: (text: string) => void;
  readonly drop: () => void;
};
export type PeerOptions = {
  /** EHLO keywords; STARTTLS is among them by itself when there is a certificate. */
  readonly extensions?: readonly string[];
  readonly certificate?: Issued;
  /** Reply to a command, `.` (end of data) or `greeting`; undefined: the usual one, null: none. */
  readonly on?: (command: string, ctx: Ctx) => string | null | undefined;
};
export type PeerMail = {
  readonly secure: boolean;
  readonly session: number;
  readonly commands: string[];
  readonly data: string;
};
export type Peer = {
  readonly port: number;
  /** Everything that came in, decrypted, one entry a connection. */
  readonly received: string[];
  readonly commands: string[];
  readonly mails: PeerMail[];
  readonly sessions: () => number;
  /** Connections open now. */
  readonly open: () => number;
  /** Ends all open connections. */
  readonly hangUp: () => void;
  readonly close: () => Promise<void>;
};

export const USUAL = ['PIPELINING', 'SIZE 10000000', '8BITMIME', 'SMTPUTF8', 'DSN', 'ENHANCEDSTATUSCODES'];

export async function startPeer(options: PeerOptions = {}): Promise<Peer> {
  const open = new Set<Socket>();
  const peer = { received: [] as string[], commands: [] as string[], mails: [] as PeerMail[] };
  let sessions = 0;
  const server = createServer((socket) => {
    open.add(socket.on('close', () => open.delete(socket)).on('error', () => undefined));
    play(socket, sessions++, options, peer);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const hangUp = (): void => {
    for (const socket of open) socket.destroy();
  };
  return {
    ...peer,
    port: (server.address() as { port: number }).port,
    sessions: () => sessions,
    open: () => open.size,
    hangUp,
    close: () => {
      hangUp();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function play(
  plain: Socket,
  session: number,
  options: PeerOptions,
  peer: Pick<Peer, 'received' | 'commands' | 'mails'>,
): void {
  let socket: Socket = plain;
  let secure = false;
  let buffer = '';
  let inData = false;
  let envelope: string[] = [];
  peer.received[session] = '';
  const ctx = {
    get secure() {
      return secure;
    },
    raw: (text: string) => socket.write(text, 'latin1'),
    drop: () => plain.destroy(),
  };
  const say = (command: string, usual: string): string | null => {
    const scripted = options.on?.(command, ctx);
    const reply = scripted === undefined ? usual : scripted;
    if (reply !== null) socket.write(`${reply}\r\n`, 'latin1');
    return reply;
  };
  const ehlo = (): string => {
    const offered = [...(options.extensions ?? USUAL), ...(options.certificate && !secure ? ['STARTTLS'] : [])];
    return ['peer.test', ...offered].map((word, i) => `250${i === offered.length ? ' ' : '-'}${word}`).join('\r\n');
  };
  const upgrade = (certificate: Issued): void => {
    plain.removeAllListeners('data');
    // A weak key must be shown, not refused at our side.
    const secureContext = createSecureContext({
      key: certificate.key,
      cert: certificate.chain,
      ciphers: 'DEFAULT@SECLEVEL=0',
    });
    socket = new TLSSocket(plain, { isServer: true, secureContext });
    socket.on('data', onData).on('error', () => undefined);
    secure = true;
  };
  const command = (line: string): void => {
    peer.commands.push(line);
    const verb = line.split(' ')[0]?.toUpperCase() ?? '';
    if (verb === 'MAIL') envelope = [];
    if (verb === 'MAIL' || verb === 'RCPT') envelope.push(line);
    const usual: Record<string, string> = { EHLO: ehlo(), STARTTLS: '220 go on', DATA: '354 go on', QUIT: '221 bye' };
    const reply = say(line, usual[verb] ?? '250 2.0.0 fine');
    if (verb === 'STARTTLS' && reply?.startsWith('220 ') && options.certificate) upgrade(options.certificate);
    if (verb === 'DATA' && reply?.startsWith('354')) inData = true;
    if (verb === 'QUIT') socket.end();
  };
  const onData = (chunk: Buffer): void => {
    buffer += chunk.toString('latin1');
    peer.received[session] += chunk.toString('latin1');
    for (;;) {
      const end = inData ? (buffer.startsWith('.\r\n') ? 0 : buffer.indexOf('\r\n.\r\n') + 2) : buffer.indexOf('\r\n');
      if (end < 0 || (inData && end === 1)) return;
      const head = buffer.slice(0, end);
      buffer = buffer.slice(end + (inData ? 3 : 2));
      if (inData) peer.mails.push({ secure, session, commands: envelope, data: head });
      if (!inData) command(head);
      else if (say('.', '250 2.0.0 taken') !== undefined) inData = false;
    }
  };
  plain.on('data', onData);
  say('greeting', '220 peer.test');
}
