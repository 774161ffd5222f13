// Plays a written dialogue against a real listener, on a clock that only the dialogue moves. Lines of a file:
//   @ key=value      options of the listener: tls, auth, maxSize, name, or a limit; `@ gateway` plays against a whole gateway
//   C: text          sent with CRLF;  R: text  sent as it is;  both know \r \n \0 \s (space) \xHH
//   S: text          the next line must match; * stands for anything
//   *7 C: text       seven times; # in the text is 1 to 7; also with R: and S:
//   EHLO             sends EHLO and reads all of its reply
//   TLS              handshake, after the 220 to STARTTLS
//   MESSAGE text     the handler must have been given this mail data (same escapes), as the next one
//   ENVELOPE {…}     what the next message's envelope must hold, among other things;  CLIENT {…}  the same for the client
//   NOMESSAGE        no more mail data was accepted
//   GONE n           waits until n messages were broken off before their end
//   GOT n            waits until the handler has n octets of the present mail data;  GOT END  until it has all
//   RELEASE          lets a message to held@ be answered
//   WAIT ms          the clock moves
//   CONNECT          one more connection, which the following lines are about;  USE n  back to the n-th
//   SESSIONS n       waits until the listener has that many
//   STOP             the listener closes, with a minute of grace
//   CLOSED           the server must close;  LEAVE  the client does, at once
//   # text           a remark
// Whatever the dialogue: a reply carries an enhanced status code of its class, but for greeting, EHLO and 3yz (RFC 2034 §4).

import { partialDeepStrictEqual } from 'node:assert';
import { setImmediate as turn } from 'node:timers/promises';
import type { Reply } from '../../src/domain/types.ts';
import {
  type Handlers,
  type Limits,
  type Listener,
  type ListenerOptions,
  type Log,
  listen,
} from '../../src/smtp/listener.ts';
import { type TestClock, testClock } from '../support/clock.ts';
import { makeCa } from '../support/pki.ts';
import { Talker } from './talker.ts';

export const log: Log = { info: () => {}, warn: () => {}, error: () => {} };
export const ca = makeCa();
export const certificate = ca.issue({ names: ['mx.gateway.example'] });
export const QUEUED: Reply = { code: 250, enhanced: '2.6.0', text: 'Queued as q1' };

export type Taken = { readonly data: Buffer; readonly envelope: unknown; readonly client: unknown };
/** What the handlers were given. */
export type Desk = {
  readonly taken: Taken[];
  /** Octets of the present mail data; `ended` when all came. */
  octets: number;
  ended: boolean;
  /** Messages broken off before their end. */
  gone: number;
  release: () => void;
};
export const newDesk = (): Desk => ({ taken: [], octets: 0, ended: false, gone: 0, release: () => {} });

/** Accepts all, but for addresses that say what to do: `refused@`, `throws@`, `held@`; the login is `printer` / `secret`. */
export function takingHandlers(desk: Desk): Handlers {
  const judge = (address: string): Reply | null => {
    if (address.startsWith('throws@')) throw new Error('secret detail 123-45-6789');
    return address.startsWith('refused@') ? { code: 550, enhanced: '5.7.1', text: 'Not permitted' } : null;
  };
  return {
    connect: () => null,
    authenticate: async (login, password) => login === 'printer' && password === 'secret',
    mail: async (_client, mail) => judge(mail.reversePath),
    rcpt: async (_client, _soFar, recipient) => judge(recipient.address),
    data: async (client, envelope, body) => {
      Object.assign(desk, { octets: 0, ended: false });
      const chunks: Uint8Array[] = [];
      try {
        for await (const chunk of body) {
          chunks.push(Buffer.from(chunk));
          desk.octets += chunk.length;
        }
      } catch (error) {
        desk.gone++;
        throw error;
      }
      desk.ended = true;
      if (envelope.recipients.some(({ address }) => address.startsWith('held@'))) {
        await new Promise<void>((resolve) => {
          desk.release = resolve;
        });
      }
      desk.taken.push({ data: Buffer.concat(chunks), envelope: structuredClone(envelope), client });
      return QUEUED;
    },
  };
}

export type Options = Partial<Omit<ListenerOptions, 'limits'>> & { readonly limits?: Partial<Limits> };

export function open(handlers: Handlers, options: Options = {}, clock = testClock(), said = log): Promise<Listener> {
  const fixed = {
    address: '127.0.0.1',
    port: 0,
    name: 'smtp',
    hostname: 'mx.gateway.example',
    maxSize: 10_000_000,
  } as const;
  return listen({ ...fixed, tls: 'optional', auth: false, certificate, ...options }, handlers, { clock, log: said });
}

/** Resolves when `holds` does; gives up after ten seconds. */
export async function until(holds: () => boolean): Promise<void> {
  const late = Date.now() + 10_000;
  do {
    if (Date.now() > late) throw new Error('it does not come to pass');
    await turn();
  } while (!holds());
}

export function unescaped(text: string): string {
  return text.replace(/\\(r|n|0|s|\\|x[0-9a-f]{2})/g, (_, what: string) => {
    if (what.startsWith('x')) return String.fromCharCode(Number.parseInt(what.slice(1), 16));
    return { r: '\r', n: '\n', '0': '\0', s: ' ', '\\': '\\' }[what] ?? what;
  });
}

function matches(pattern: string, line: string): boolean {
  const source = pattern
    .split('*')
    .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
    .join('.*');
  return new RegExp(`^${source}$`).test(line);
}

/** True when the line has an enhanced status code of its class, or is one that has none. */
export function hasCode(line: string): boolean {
  if (/^3\d\d /.test(line)) return true;
  if (/^220 [\w.]+ ESMTP$/.test(line)) return true;
  const keywords = 'PIPELINING|SIZE \\d+|STARTTLS|AUTH [A-Z ]+|8BITMIME|DSN|SMTPUTF8|ENHANCEDSTATUSCODES|CHUNKING';
  if (new RegExp(`^250[- ](?:[a-z]+(?:\\.[a-z]+)+|${keywords})$`).test(line)) return true;
  return /^([245])\d\d \1\.\d{1,3}\.\d{1,3} \S/.test(line);
}

/** What a dialogue is played against. */
export type Stage = {
  readonly port: number;
  readonly desk: Desk;
  /** Null where the far side has a clock of its own. */
  readonly clock: TestClock | null;
  readonly listener: Listener | null;
};
type Play = Stage & { readonly talkers: Talker[]; at: number };

export function optionsOf(lines: readonly string[]): Options {
  const fields: Record<string, unknown> = {};
  const limits: Record<string, unknown> = {};
  for (const line of lines.filter((one) => one.startsWith('@ '))) {
    const [key = '', value = ''] = line.slice(2).split('=');
    const parsed = /^\d+$/.test(value) ? Number(value) : value === 'true' ? true : value;
    if (['tls', 'auth', 'maxSize', 'name'].includes(key)) fields[key] = parsed;
    else limits[key] = parsed;
  }
  return { ...fields, limits: { authDelay: 0, ...limits } };
}

/** Null when the dialogue went as written; else what went otherwise. */
export async function play(text: string): Promise<string | null> {
  const clock = testClock();
  const desk = newDesk();
  const listener = await open(takingHandlers(desk), optionsOf(text.split('\n')), clock);
  try {
    return await playOn({ port: listener.port, desk, clock, listener }, text);
  } finally {
    desk.release();
    await listener.close(0);
  }
}

/** As `play`, against what is there already. */
export async function playOn(stage: Stage, text: string): Promise<string | null> {
  const playing: Play = { ...stage, talkers: [new Talker(stage.port)], at: 0 };
  try {
    for (const [number, line] of text.split('\n').entries()) {
      for (const one of repeated(line)) {
        const wrong = await step(playing, one).catch((error: Error) => error.message);
        if (wrong !== null) return `line ${number + 1}, ${one}: ${wrong}`;
      }
    }
    return null;
  } finally {
    for (const talker of playing.talkers) talker.close();
  }
}

function repeated(line: string): string[] {
  const times = /^\*(\d+) (.*)$/.exec(line);
  if (!times) return [line];
  return Array.from({ length: Number(times[1]) }, (_, i) => times[2]!.replaceAll('#', `${i + 1}`));
}

async function step(playing: Play, line: string): Promise<string | null> {
  const { desk } = playing;
  const talker = playing.talkers[playing.at]!;
  if (line === '' || line.startsWith('#') || line.startsWith('@ ')) return null;
  const [word = '', rest = ''] = [line.split(' ', 1)[0], line.slice(line.indexOf(' ') + 1)];
  switch (word) {
    case 'C:':
      return done(talker.send(`${unescaped(rest)}\r\n`));
    case 'R:':
      return done(talker.send(unescaped(rest)));
    case 'S:':
      return reads(talker, rest);
    case 'EHLO':
      talker.send('EHLO client.example\r\n');
      return (await talker.reply()).startsWith('250 ') ? null : 'no 250';
    case 'TLS':
      return done(await talker.tls({ ca: ca.cert }));
    case 'MESSAGE':
    case 'ENVELOPE':
    case 'CLIENT':
    case 'NOMESSAGE':
      return hears(desk, word, rest);
    case 'GOT':
      return done(await until(() => (rest === 'END' ? desk.ended : desk.octets >= Number(rest))));
    case 'GONE':
      return done(await until(() => desk.gone === Number(rest)));
    case 'RELEASE':
      return done(desk.release());
    case 'LEAVE':
      return done(talker.close());
    case 'CLOSED': {
      const got = await talker.line();
      return got === null ? null : `got ${got}`;
    }
    default:
      return moves(playing, word, rest);
  }
}

async function reads(talker: Talker, pattern: string): Promise<string | null> {
  const got = await talker.line();
  if (got === null || !matches(pattern, got)) return `got ${got ?? 'the end'}`;
  return hasCode(got) ? null : `without its enhanced status code: ${got}`;
}

/** Compares with what the handlers were given; MESSAGE takes it from the desk. */
function hears(desk: Desk, word: string, rest: string): string | null {
  const [next] = desk.taken;
  if (word === 'NOMESSAGE') return next ? `got ${JSON.stringify(next.data.toString('latin1'))}` : null;
  if (!next) return 'got none';
  if (word === 'MESSAGE') {
    desk.taken.shift();
    const got = next.data.toString('latin1');
    return got === unescaped(rest === 'MESSAGE' ? '' : rest) ? null : `got ${JSON.stringify(got)}`;
  }
  const got = word === 'ENVELOPE' ? next.envelope : next.client;
  try {
    partialDeepStrictEqual(got, JSON.parse(rest));
    return null;
  } catch {
    return `got ${JSON.stringify(got)}`;
  }
}

/** Clock and connections. */
async function moves(playing: Play, word: string, rest: string): Promise<string | null> {
  switch (word) {
    case 'WAIT':
      return done(playing.clock!.advance(Number(rest)));
    case 'CONNECT':
      playing.at = playing.talkers.push(new Talker(playing.port)) - 1;
      return null;
    case 'USE':
      playing.at = Number(rest) - 1;
      return null;
    case 'SESSIONS':
      return done(await until(() => playing.listener!.sessions() === Number(rest)));
    case 'STOP':
      return done(void playing.listener!.close(60_000));
    default:
      return 'not understood';
  }
}

const done = (_: unknown): null => null;
