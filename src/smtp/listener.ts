// Takes mail: listens on one address and port with smtp-server behind a session of our own (session.ts), which closes
// every fault of facts/threats: only CRLF ends a line and CRLF.CRLF mail data, every wait has an absolute deadline, every
// count a bound, and no text of an error reaches a client. It hands mail data on as it comes and keeps none.
//
// Logs how many connections it refused, sessions that it ended and failures, with codes, counts and the client's IP
// address; never an address of mail, a parameter, a password or an error's text. It cannot say who may relay: the
// handlers do.

import { constants, createPrivateKey, X509Certificate } from 'node:crypto';
import type { AddressInfo, Socket } from 'node:net';
import tls from 'node:tls';
import { SMTPServer } from 'smtp-server';
import type { Time } from '../domain/ids.ts';
import type { Clock } from '../domain/types.ts';
import { ECDHE_AEAD, weakKeyOf } from '../net/tls.ts';
import { Admission } from './admission.ts';
import { replyLine } from './answers.ts';
import type { Handlers, Limits, ListenerName, Log, SessionDeps } from './contract.ts';
import { Session } from './session.ts';

export type { Client, Handlers, Limits, ListenerName, Log, MailFrom } from './contract.ts';
export { DataGone, DataRefused } from './data.ts';

export const DEFAULT_LIMITS: Limits = {
  sessions: 500,
  perAddress: 100,
  connectionsPerMinute: 6000,
  authFailures: 3,
  recipients: 1000,
  errors: 20,
  junk: 100,
  command: 300_000,
  handshake: 60_000,
  data: 3_600_000,
  minRate: 200,
  session: 7_200_000,
  greetDelay: 0,
  authDelay: 1000,
};

/** PEM; `cert` with its chain. */
export type Certificate = {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3';
};

export type ListenerOptions = {
  readonly address: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly name: ListenerName;
  readonly hostname: string;
  readonly tls: 'required' | 'optional';
  /** Octets of mail data. */
  readonly maxSize: number;
  readonly auth: boolean;
  readonly limits?: Partial<Limits>;
  readonly certificate: Certificate;
};

export type Listener = {
  readonly port: number;
  readonly address: string;
  readonly sessions: () => number;
  /** For new handshakes; throws and keeps the old one when the new one is unfit. */
  readonly updateCertificate: (certificate: Certificate) => void;
  /** Takes no new session, finishes mail data in progress, answers 421 to the others; what is left after `graceMs` is cut. */
  readonly close: (graceMs: number) => Promise<void>;
};

/** Opens the listener; rejects when the address is taken or the certificate unfit. */
export async function listen(
  options: ListenerOptions,
  handlers: Handlers,
  deps: { readonly clock: Clock; readonly log: Log },
): Promise<Listener> {
  const limits: Limits = { ...DEFAULT_LIMITS, ...options.limits };
  const admission = new Admission(limits);
  const sessions = new Set<Session>();
  const turnedAway = { count: 0 };
  const stopped = new AbortController();
  const left = (session: unknown): void => {
    if (!sessions.delete(session as Session)) return;
    admission.leave((session as Session).remoteAddress);
  };
  const sessionDeps: SessionDeps = { ...options, limits, handlers, admission, ...deps, left };
  const server = new Server(tlsOptions(options.certificate), (socket) => {
    const session = new Session(server, socket, sessionDeps);
    // The address stands in the session's form, so that `leave` finds what `enter` counted.
    const refused = admission.enter(session.remoteAddress, deps.clock.now());
    if (refused) {
      turnedAway.count++;
      return refuse(socket, replyLine(refused));
    }
    sessions.add(session);
    session.on('error', (error: NodeJS.ErrnoException) => {
      deps.log.info({ listener: options.name, ip: session.remoteAddress, error: error.code }, 'session broke');
    });
    server.connections.add(session);
    session.init();
  });
  await opened(server, options);
  void everySweep(limits, deps.clock, stopped.signal, (now) => {
    for (const session of sessions) session.sweep(now);
    // One line for many: a flood must not become one of log lines.
    if (turnedAway.count > 0) deps.log.warn({ listener: options.name, count: turnedAway.count }, 'connections refused');
    turnedAway.count = 0;
  });
  const { port, address } = server.server.address() as AddressInfo;
  return {
    port,
    address,
    sessions: () => sessions.size,
    updateCertificate: (certificate) => server.updateSecureContext(tlsOptions(certificate)),
    close: async (graceMs) => {
      stopped.abort();
      await close(server, sessions, graceMs, deps.clock);
    },
  };
}

/** Smtp-server with sessions of ours. */
class Server extends SMTPServer {
  readonly #accept: (socket: Socket) => void;
  constructor(options: tls.SecureContextOptions, accept: (socket: Socket) => void) {
    super({ ...options, logger: false, disableReverseLookup: true, hideENHANCEDSTATUSCODES: false });
    this.#accept = accept;
    this.on('error', () => {});
  }

  override connect(socket: Socket): void {
    this.#accept(socket);
  }
}

function tlsOptions(certificate: Certificate): tls.SecureContextOptions {
  const { cert, key } = certificate;
  const leaf = new X509Certificate(cert);
  const weak = weakKeyOf(leaf);
  if (weak !== null) throw new Error(weak);
  if (!leaf.checkPrivateKey(createPrivateKey(key))) throw new Error('the key does not belong to the certificate');
  const options: tls.SecureContextOptions = {
    cert,
    key,
    ciphers: ECDHE_AEAD.join(':'),
    minVersion: certificate.minVersion ?? 'TLSv1.2',
    honorCipherOrder: true,
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  };
  // Throws now rather than after smtp-server has taken the options over.
  tls.createSecureContext(options);
  return options;
}

function opened(server: Server, { port, address }: ListenerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.server.once('error', reject);
    server.listen(port, address, () => {
      server.server.off('error', reject);
      resolve();
    });
  });
}

function refuse(socket: Socket, line: string): void {
  socket.on('error', () => {});
  socket.end(line, 'latin1', () => socket.destroy());
}

/** One timer for all sessions; a deadline is late by at most a twentieth of the shortest one, and by one second. */
async function everySweep(
  limits: Limits,
  clock: Clock,
  signal: AbortSignal,
  sweep: (now: Time) => void,
): Promise<void> {
  const shortest = Math.min(limits.command, limits.handshake, limits.data, limits.session);
  const period = Math.max(10, Math.min(1000, shortest / 20));
  while (!signal.aborted) {
    try {
      await clock.sleep(period, signal);
    } catch {
      return;
    }
    sweep(clock.now());
  }
}

async function close(server: Server, sessions: ReadonlySet<Session>, graceMs: number, clock: Clock): Promise<void> {
  const gone = new Promise<void>((resolve) => {
    server.server.close(() => resolve());
  });
  for (const session of sessions) session.stop();
  const enough = new AbortController();
  const late = clock.sleep(graceMs, enough.signal).catch(() => {});
  await Promise.race([gone, late]);
  enough.abort();
  for (const session of sessions) session.abort();
  await gone;
}
