// An SMTP client that keeps bytes: what it is given is what goes on the wire, dots stuffed, nothing else touched. For tests that must know
// which octets they sent. Logs nothing; it offers no protection of its own (certificates are not checked unless `ca` is given).

import { connect, type Socket } from 'node:net';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';

export type Reply = { readonly code: number; readonly text: string };
export type SessionOptions = {
  readonly host?: string;
  readonly port: number;
  readonly helo?: string;
  readonly starttls?: boolean;
  /** PEM; without it any certificate will do. */
  readonly ca?: string;
  readonly servername?: string;
  /** Longest wait for one reply, ms; default 60,000. */
  readonly deadline?: number;
};
export type Session = {
  readonly greeting: Reply;
  /** Last EHLO reply: the offered extensions. */
  readonly ehlo: Reply;
  /** Sends one command line (several with embedded CRLF count as one) and waits for one reply. */
  command(line: string): Promise<Reply>;
  /** After a 354: mail data with CRLF line ends, not yet stuffed; ends with the final dot. */
  data(message: Uint8Array): Promise<Reply>;
  /** Octets as they are, waiting for nothing. */
  raw(octets: Uint8Array | string): void;
  /** The next reply; after `raw`. */
  reply(): Promise<Reply>;
  quit(): Promise<void>;
  /** Cuts the connection. */
  destroy(): void;
};

/** Connects, greets, and starts TLS when asked; rejects when the peer closes or does not answer in time. */
export async function openSession(options: SessionOptions): Promise<Session> {
  const helo = options.helo ?? 'client.test';
  let socket: Socket = connect({ host: options.host ?? '127.0.0.1', port: options.port, noDelay: true });
  let replies = replyReader(socket, options.deadline);
  const ask = (line: string) => {
    socket.write(`${line}\r\n`);
    return replies.next();
  };
  const greeting = await replies.next();
  let ehlo = await ask(`EHLO ${helo}`);
  if (options.starttls) {
    const answer = await ask('STARTTLS');
    if (answer.code !== 220) throw new Error(`STARTTLS: ${answer.text}`);
    replies.detach();
    socket = await upgrade(socket, options);
    replies = replyReader(socket, options.deadline);
    ehlo = await ask(`EHLO ${helo}`);
  }
  return {
    greeting,
    ehlo,
    command: ask,
    data: (message) => {
      socket.write(stuff(message));
      return replies.next();
    },
    raw: (octets) => void socket.write(octets),
    reply: () => replies.next(),
    quit: async () => {
      await ask('QUIT').catch(() => {});
      socket.destroy();
    },
    destroy: () => void socket.destroy(),
  };
}

/** RFC 5321 §4.5.2: a line that starts with a dot gets another; the final CRLF . CRLF is added. */
export function stuff(message: Uint8Array): Buffer {
  const text = Buffer.from(message.buffer, message.byteOffset, message.length).toString('latin1');
  const ended = text === '' || text.endsWith('\r\n') ? text : `${text}\r\n`;
  return Buffer.from(`${ended.replace(/^\.|(?<=\r\n)\./g, '..')}.\r\n`, 'latin1');
}

/** Lone LF becomes CRLF; a lone CR stays what it is. */
export function canonical(message: Uint8Array): Buffer {
  const text = Buffer.from(message.buffer, message.byteOffset, message.length).toString('latin1');
  return Buffer.from(text.replace(/\r?\n/g, '\r\n'), 'latin1');
}

function upgrade(socket: Socket, options: SessionOptions): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const secure = tlsConnect({
      socket,
      ...(options.ca === undefined ? { rejectUnauthorized: false } : { ca: options.ca }),
      ...(options.servername === undefined ? {} : { servername: options.servername }),
    });
    secure.once('secureConnect', () => resolve(secure));
    secure.once('error', reject);
  });
}

type ReplyReader = { next(): Promise<Reply>; detach(): void };

/** Turns the peer's lines into replies; a closed connection rejects whoever waits, and everyone after. */
function replyReader(socket: Socket, deadline = 60_000): ReplyReader {
  const ready: Reply[] = [];
  const waiting: { resolve: (reply: Reply) => void; reject: (error: Error) => void; timer: NodeJS.Timeout }[] = [];
  let text = '';
  let ended: Error | null = null;
  const onData = (chunk: Buffer) => {
    text += chunk.toString('latin1');
    for (let end = text.search(/^\d{3}(?: [^\n]*)?\r?\n/m); end >= 0; end = text.search(/^\d{3}(?: [^\n]*)?\r?\n/m)) {
      const stop = text.indexOf('\n', end) + 1;
      const reply = { code: Number(text.slice(end, end + 3)), text: text.slice(0, stop).trimEnd() };
      text = text.slice(stop);
      const next = waiting.shift();
      if (next) {
        clearTimeout(next.timer);
        next.resolve(reply);
      } else ready.push(reply);
    }
  };
  const onEnd = (error?: Error) => {
    ended ??= error ?? new Error('connection closed');
    for (const { reject, timer } of waiting.splice(0)) {
      clearTimeout(timer);
      reject(ended);
    }
  };
  socket.on('data', onData);
  socket.on('error', onEnd);
  socket.on('close', () => onEnd());
  return {
    next: () =>
      new Promise((resolve, reject) => {
        const reply = ready.shift();
        if (reply) return resolve(reply);
        if (ended) return reject(ended);
        const timer = setTimeout(() => onEnd(new Error('no reply in time')), deadline);
        waiting.push({ resolve, reject, timer });
      }),
    detach: () => void socket.removeListener('data', onData),
  };
}
