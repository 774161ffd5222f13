// Plays a written dialogue against a real listener. Lines of a file:
//   @ key=value      options of the listener: tls, auth, maxSize, name, or a limit
//   C: text          sent with CRLF;  R: text  sent as it is;  both know \r \n \0 \s (space) \xHH
//   S: text          the next line must match; * stands for anything
//   TLS              handshake, after the 220 to STARTTLS
//   MESSAGE text     the handler must have been given this mail data (same escapes), as the next one
//   NOMESSAGE        no more mail data was accepted
//   CLOSED           the server must close
//   # text           a remark

import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as tlsConnect } from 'node:tls';
import type { Reply } from '../../src/domain/types.ts';
import { type Handlers, type Limits, type Listener, type ListenerOptions, listen } from '../../src/smtp/listener.ts';
import { makeCa } from '../support/pki.ts';

export const clock = {
  now: Date.now,
  sleep: (ms: number, signal?: AbortSignal) => sleep(ms, undefined, signal ? { signal } : {}),
};
export const log = { info: () => {}, warn: () => {}, error: () => {} };
export const ca = makeCa();
export const certificate = ca.issue({ names: ['mx.gateway.example'] });

export type Taken = { readonly data: Buffer; readonly envelope: unknown; readonly client: unknown };
export const QUEUED: Reply = { code: 250, enhanced: '2.6.0', text: 'Queued as q1' };

/** Accepts all, but for addresses that say what to do: `refused@`, `throws@`; the login is `printer` / `secret`. */
export function takingHandlers(taken: Taken[]): Handlers {
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
      const chunks: Uint8Array[] = [];
      for await (const chunk of body) chunks.push(Buffer.from(chunk));
      taken.push({ data: Buffer.concat(chunks), envelope: structuredClone(envelope), client });
      return QUEUED;
    },
  };
}

export type Options = Partial<Omit<ListenerOptions, 'limits'>> & { readonly limits?: Partial<Limits> };

export function open(handlers: Handlers, options: Options = {}): Promise<Listener> {
  const fixed = {
    address: '127.0.0.1',
    port: 0,
    name: 'smtp',
    hostname: 'mx.gateway.example',
    maxSize: 10_000_000,
  } as const;
  return listen({ ...fixed, tls: 'optional', auth: false, certificate, ...options }, handlers, { clock, log });
}

/** A client that reads lines and writes what it is told. */
export class Talker {
  readonly #raw: Socket;
  #socket: Socket;
  #buffer = '';
  #ended = false;
  #wake: () => void = () => {};

  constructor(port: number) {
    this.#raw = connect(port, '127.0.0.1');
    this.#socket = this.#raw;
    this.#listen();
  }

  #listen(): void {
    this.#socket.setNoDelay(true);
    this.#socket.on('data', (chunk: Buffer) => {
      this.#buffer += chunk.toString('latin1');
      this.#wake();
    });
    for (const event of ['close', 'end', 'error']) {
      this.#socket.on(event, () => {
        this.#ended = true;
        this.#wake();
      });
    }
  }

  send(bytes: string | Uint8Array): void {
    if (this.#socket.writable) this.#socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** Next line without CRLF; null when the server closed. */
  async line(): Promise<string | null> {
    while (true) {
      const end = this.#buffer.indexOf('\r\n');
      if (end >= 0) {
        const line = this.#buffer.slice(0, end);
        this.#buffer = this.#buffer.slice(end + 2);
        return line;
      }
      if (this.#ended) return null;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** A whole reply: its last line. */
  async reply(): Promise<string> {
    while (true) {
      const line = await this.line();
      if (line === null) return 'closed';
      if (line[3] !== '-') return line;
    }
  }

  /** Sends each command and gives the last lines of the replies. */
  async say(...commands: readonly string[]): Promise<string> {
    let last = '';
    for (const command of commands) {
      this.send(`${command}\r\n`);
      last = await this.reply();
    }
    return last;
  }

  async tls(
    options: { minVersion?: 'TLSv1.2'; maxVersion?: 'TLSv1.1' | 'TLSv1.2'; ciphers?: string } = {},
  ): Promise<Socket> {
    this.#raw.removeAllListeners('data');
    const secure = tlsConnect({ socket: this.#raw, ca: ca.cert, servername: 'mx.gateway.example', ...options });
    this.#socket = secure;
    this.#listen();
    await new Promise((resolve, reject) => {
      secure.once('secureConnect', () => resolve(null));
      secure.once('error', reject);
      secure.once('close', () => reject(new Error('closed in the handshake')));
    });
    return secure;
  }

  get socket(): Socket {
    return this.#socket;
  }

  close(): void {
    this.#socket.destroy();
  }
}

export function unescaped(text: string): string {
  return text.replace(/\\(r|n|0|s|\\|x[0-9a-f]{2})/g, (_, what: string) => {
    if (what.startsWith('x')) return String.fromCharCode(Number.parseInt(what.slice(1), 16));
    return { r: '\r', n: '\n', '0': '\0', s: ' ', '\\': '\\' }[what] ?? what;
  });
}

function matches(pattern: string, line: string | null): boolean {
  if (line === null) return false;
  const source = pattern
    .split('*')
    .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
    .join('.*');
  return new RegExp(`^${source}$`).test(line);
}

function optionsOf(lines: readonly string[]): Options {
  const fields: Record<string, unknown> = {};
  const limits: Record<string, unknown> = {};
  for (const line of lines.filter((one) => one.startsWith('@ '))) {
    const [key = '', value = ''] = line.slice(2).split('=');
    const parsed = /^\d+$/.test(value) ? Number(value) : value === 'true' ? true : value;
    if (['tls', 'auth', 'maxSize', 'name'].includes(key)) fields[key] = parsed;
    else limits[key] = parsed;
  }
  return { ...fields, limits: { authDelay: 1, ...limits } };
}

/** Null when the dialogue went as written; else what went otherwise. */
export async function play(text: string): Promise<string | null> {
  const lines = text.split('\n');
  const taken: Taken[] = [];
  const listener = await open(takingHandlers(taken), optionsOf(lines));
  const talker = new Talker(listener.port);
  try {
    for (const [number, line] of lines.entries()) {
      const wrong = await step(talker, taken, line);
      if (wrong !== null) return `line ${number + 1}, ${line}: ${wrong}`;
    }
    return null;
  } finally {
    talker.close();
    await listener.close(0);
  }
}

async function step(talker: Talker, taken: Taken[], line: string): Promise<string | null> {
  if (line.startsWith('C: ')) talker.send(`${unescaped(line.slice(3))}\r\n`);
  else if (line.startsWith('R: ')) talker.send(unescaped(line.slice(3)));
  else if (line === 'TLS') await talker.tls();
  else if (line.startsWith('S: ')) {
    const got = await talker.line();
    if (!matches(line.slice(3), got)) return `got ${got ?? 'the end'}`;
  } else if (line === 'CLOSED') {
    const got = await talker.line();
    if (got !== null) return `got ${got}`;
  } else if (line.startsWith('MESSAGE ')) {
    const got = taken.shift()?.data.toString('latin1');
    if (got !== unescaped(line.slice(8))) return `got ${JSON.stringify(got)}`;
  } else if (line === 'NOMESSAGE') {
    if (taken.length > 0) return `got ${JSON.stringify(taken[0]?.data.toString('latin1'))}`;
  } else if (line !== '' && !line.startsWith('#') && !line.startsWith('@ ')) return 'not understood';
  return null;
}
