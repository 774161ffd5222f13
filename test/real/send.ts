// Sends the real-input set through something that speaks SMTP and collects what comes out at a sink.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canonical, openSession, type Reply, type Session } from '../support/session.ts';
import { openSink } from '../support/sink.ts';
import { startSmtpSink } from '../support/smtp-sink.ts';
import { type Comparison, compare } from './compare.ts';
import type { Sample } from './corpus.ts';

/** Domain of the envelope's sender and recipients; the organization of the gateway under test must own the first. */
export const SENDER_DOMAIN = 'real-input.example';
export const RECIPIENT_DOMAIN = 'real-sink.example';

export type Outcome = {
  readonly sample: Sample;
  /** Last reply: to the final dot, or the one that ended it earlier. */
  readonly reply: Reply;
  /** Null when nothing arrived. */
  readonly arrived: Comparison | null;
  /** How often it arrived. */
  readonly copies: number;
};
export type Witness = {
  readonly port: number;
  /** Recipients' local parts with what arrived for them, CRLF line ends. */
  arrivals(): Map<string, Buffer[]>;
  close(): Promise<void>;
};

/** Our own sink, which has the octets as they came. */
export async function ownWitness(): Promise<Witness> {
  const got = new Map<string, Buffer[]>();
  const sink = await openSink({
    onMessage: ({ recipients, data }) => {
      for (const one of recipients) keep(got, one, data);
    },
  });
  return { port: sink.port, arrivals: () => got, close: () => sink.close() };
}

/** Postfix's smtp-sink, which keeps lines without their CRLF. */
export async function postfixWitness(): Promise<Witness> {
  const folder = mkdtempSync(join(tmpdir(), 'sealrelay-real-'));
  const sink = await startSmtpSink({ folder });
  return {
    port: sink.port,
    arrivals: () => {
      const got = new Map<string, Buffer[]>();
      for (const { recipients, data } of sink.kept()) for (const one of recipients) keep(got, one, canonical(data));
      return got;
    },
    close: async () => {
      await sink.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function keep(got: Map<string, Buffer[]>, recipient: string, data: Buffer): void {
  const local = /<?([^@<>]+)@/.exec(recipient)?.[1] ?? recipient;
  got.set(local, [...(got.get(local) ?? []), data]);
}

/** Sends every sample to `port` and waits until all that were accepted have arrived, `wait` ms after the last reply at most. */
export async function sendAll(
  samples: readonly Sample[],
  port: number,
  witness: Witness,
  options: { readonly starttls?: boolean; readonly wait?: number } = {},
): Promise<Outcome[]> {
  const replies = new Map<string, Reply>();
  let session: Session | null = null;
  for (const sample of samples) {
    session ??= await openSession({ port, ...(options.starttls ? { starttls: true } : {}) });
    const reply = await sendOne(session, sample).catch((error: Error) => ({ code: 0, text: error.message }));
    replies.set(sample.id, reply);
    // A server may close after what it takes for an attack.
    if (reply.code === 0 || reply.code === 421 || !(await isAlive(session))) {
      session.destroy();
      session = null;
    }
  }
  await session?.quit();
  const accepted = samples.filter(({ id }) => replies.get(id)!.code === 250);
  const arrived = await untilArrived(witness, accepted, options.wait ?? 30_000);
  return samples.map((sample) => {
    const copies = arrived.get(sample.id) ?? [];
    return {
      sample,
      reply: replies.get(sample.id)!,
      arrived: copies[0] === undefined ? null : compare(sample, copies[0]),
      copies: copies.length,
    };
  });
}

async function sendOne(session: Session, { id, data }: Sample): Promise<Reply> {
  const is8bit = data.some((octet) => octet > 127) && /8BITMIME/i.test(session.ehlo.text);
  const mail = await session.command(`MAIL FROM:<real@${SENDER_DOMAIN}>${is8bit ? ' BODY=8BITMIME' : ''}`);
  if (mail.code !== 250) return mail;
  const rcpt = await session.command(`RCPT TO:<${id}@${RECIPIENT_DOMAIN}>`);
  if (rcpt.code !== 250) return rcpt;
  const go = await session.command('DATA');
  return go.code === 354 ? session.data(data) : go;
}

async function isAlive(session: Session): Promise<boolean> {
  return session.command('RSET').then(
    ({ code }) => code === 250,
    () => false,
  );
}

async function untilArrived(witness: Witness, wanted: readonly Sample[], wait: number): Promise<Map<string, Buffer[]>> {
  for (const end = Date.now() + wait; ; await new Promise((wake) => setTimeout(wake, 200))) {
    const arrived = witness.arrivals();
    if (Date.now() > end || wanted.every(({ id }) => arrived.has(id))) return arrived;
  }
}
