// From a hop to a connection ready for MAIL: TCP, greeting, EHLO, STARTTLS whenever it is offered, EHLO again. A hop that
// offers STARTTLS and then fails at it is never used in clear. Logs nothing.

import type { ConnectionOptions } from 'node:tls';
import type { Duration, Time } from '../domain/ids.ts';
import { reaches } from '../domain/protection.ts';
import type { Clock, Evidence, Level, Reply } from '../domain/types.ts';
import { type Handshake, handshakeOf, type Judgement, judge } from '../net/tls.ts';
import type { Hop } from '../route/resolve.ts';
import { connectDialog, type Dialog, DialogError } from './dialog.ts';
import { type Features, featuresOf, NO_FEATURES, type RawReply, toReply } from './replies.ts';

/** RFC 5321 §4.5.3.2; each is absolute, for one step. */
export type Timeouts = {
  readonly connect: Duration;
  readonly greeting: Duration;
  readonly command: Duration;
  readonly handshake: Duration;
  /** Until the 354. */
  readonly data: Duration;
  /** For one block of mail data. */
  readonly block: Duration;
  /** Until the reply to the final dot. */
  readonly dot: Duration;
};

export const DEFAULT_TIMEOUTS: Timeouts = {
  connect: 30_000,
  greeting: 300_000,
  command: 300_000,
  handshake: 60_000,
  data: 120_000,
  block: 180_000,
  dot: 600_000,
};

export type Connection = {
  readonly dialog: Dialog;
  readonly hop: Hop;
  readonly features: Features;
  /** Null: in clear, because STARTTLS was not offered. */
  readonly handshake: Handshake | null;
  readonly since: Time;
  /** Transactions begun on it. */
  messages: number;
};

/** Why a hop took nothing. `offered`: STARTTLS was, and something else was lacking. */
export type Failure =
  | { readonly kind: 'unreached'; readonly reason: string; readonly status: string; readonly evidence?: Evidence }
  | {
      readonly kind: 'lacking';
      readonly reason: string;
      readonly status: string;
      readonly offered: boolean;
      readonly evidence?: Evidence;
    }
  /** A 4yz to the transaction as a whole, or 421. */
  | { readonly kind: 'put off'; readonly reply: Reply; readonly evidence: Evidence };

export type ConnectDeps = {
  readonly clock: Pick<Clock, 'now'>;
  readonly tls: ConnectionOptions;
  readonly timeouts: Timeouts;
  readonly localAddress?: string;
};

/** Opens a connection; a Failure instead when the hop cannot be used. Never throws for a network reason. */
export async function openConnection(
  deps: ConnectDeps,
  hop: Hop,
  helo: string,
  signal?: AbortSignal,
): Promise<Connection | Failure> {
  const { clock, timeouts, localAddress } = deps;
  let dialog: Dialog | null = null;
  const stop = (): void => dialog?.destroy(new DialogError('stopped', 'stopped'));
  try {
    dialog = await connectDialog({
      address: hop.address,
      port: hop.port,
      ms: timeouts.connect,
      ...(localAddress !== undefined && { localAddress }),
      ...(signal !== undefined && { signal }),
    });
    signal?.addEventListener('abort', stop, { once: true });
    return await introduce(deps, dialog, hop, helo, clock.now());
  } catch (error) {
    dialog?.destroy();
    if (!(error instanceof DialogError)) throw error;
    return failureOf(error, hop);
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

async function introduce(
  deps: ConnectDeps,
  dialog: Dialog,
  hop: Hop,
  helo: string,
  since: Time,
): Promise<Connection | Failure> {
  const greeting = await dialog.reply(deps.timeouts.greeting);
  if (greeting.code !== 220) return turnedAway(dialog, hop, 'greeting', greeting);
  let hello = await greet(deps, dialog, helo);
  if ('refused' in hello) return turnedAway(dialog, hop, 'EHLO', hello.refused);
  let handshake: Handshake | null = null;
  if (hello.features.startTls) {
    const secured = await startTls(deps, dialog, hop);
    if ('kind' in secured) return secured;
    handshake = secured;
    // RFC 3207 §4.2: nothing that was said before counts.
    hello = await greet(deps, dialog, helo);
    if ('refused' in hello) return turnedAway(dialog, hop, 'EHLO', hello.refused);
  }
  return { dialog, hop, features: hello.features, handshake, since, messages: 0 };
}

type Hello = { readonly features: Features } | { readonly refused: RawReply };

async function greet(deps: ConnectDeps, dialog: Dialog, helo: string): Promise<Hello> {
  dialog.send(`EHLO ${helo}\r\n`, 1);
  const ehlo = await dialog.reply(deps.timeouts.command);
  if (ehlo.code === 250) return { features: featuresOf(ehlo) };
  // RFC 5321 §3.2: a server that does not know EHLO is greeted again.
  if (ehlo.code < 500 || ehlo.code > 504) return { refused: ehlo };
  dialog.send(`HELO ${helo}\r\n`, 1);
  const plain = await dialog.reply(deps.timeouts.command);
  return plain.code === 250 ? { features: NO_FEATURES } : { refused: plain };
}

async function startTls(deps: ConnectDeps, dialog: Dialog, hop: Hop): Promise<Handshake | Failure> {
  dialog.send('STARTTLS\r\n', 1);
  const answer = await dialog.reply(deps.timeouts.command);
  if (answer.code !== 220) {
    dialog.quit(QUIT_MS);
    return lacking(`${hop.mx} offers STARTTLS and refuses it (${answer.code})`, '4.7.4', true);
  }
  // Two recipients' domains at one hop must not choose each other's certificate: the MX is named, as in RFC 7672 §8.1.
  const named = /[a-z]/i.test(hop.mx) && !hop.mx.includes(':');
  const socket = await dialog.secure({ ...deps.tls, ...(named && { servername: hop.mx }) }, deps.timeouts.handshake);
  return handshakeOf(socket);
}

function turnedAway(dialog: Dialog, hop: Hop, step: string, raw: RawReply): Failure {
  dialog.quit(QUIT_MS);
  // A 5yz here is about this host, not about the mail (RFC 5321 §3.1): others may take it, later it may too.
  return { kind: 'unreached', reason: `${hop.mx} turned us away at ${step} (${raw.code})`, status: '4.3.2' };
}

/** How a dialog that broke before any transaction counts. */
export function failureOf(error: DialogError, hop: Hop): Failure {
  if (error.kind === 'tls') return lacking(`${hop.mx}: ${error.message}`, '4.7.5', true);
  const status = error.kind === 'refused' ? '4.4.1' : error.kind === 'stopped' ? '4.3.2' : '4.4.2';
  return { kind: 'unreached', reason: `${hop.mx}: ${error.message}`, status };
}

function lacking(reason: string, status: string, offered: boolean): Failure {
  return { kind: 'lacking', reason, status, offered };
}

/** Compares what the connection shows now with what is demanded; a Failure when it is less. */
export function judgeConnection(
  connection: Connection,
  hop: Hop,
  demanded: Level,
  now: Time,
): { readonly evidence: Evidence } | Failure {
  const judgement = connection.handshake === null ? null : judge(connection.handshake, hop.references, now);
  const evidence = evidenceOf(connection, hop, judgement);
  if (reaches(evidence.level, demanded)) return { evidence };
  if (judgement === null) return { ...lacking(`STARTTLS not offered by ${hop.mx}`, '4.7.4', false), evidence };
  const lack = judgement.lack ?? `${demanded} is not shown`;
  return { ...lacking(`${hop.mx}: ${lack}`, '4.7.5', true), evidence };
}

function evidenceOf(connection: Connection, hop: Hop, judgement: Judgement | null): Evidence {
  const { handshake } = connection;
  const where = { hop: `${hop.mx}[${hop.address}]:${hop.port}`, address: hop.address, port: hop.port, mx: hop.mx };
  if (handshake === null || judgement === null) return { ...where, level: null, lack: 'STARTTLS not offered' };
  return {
    ...where,
    level: judgement.level,
    version: handshake.version,
    cipher: handshake.cipher,
    ...(handshake.certificate !== null && { certificate: handshake.certificate }),
    ...(judgement.name !== undefined && { name: judgement.name }),
    ...(judgement.lack !== undefined && { lack: judgement.lack }),
  };
}

/** Failure of a hop that answered the transaction as a whole with 4yz. */
export function putOff(raw: RawReply, evidence: Evidence): Failure {
  return { kind: 'put off', reply: toReply(raw), evidence };
}

/** How long a peer may take for the reply to QUIT. */
export const QUIT_MS: Duration = 2_000;
