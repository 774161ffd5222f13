// A mail server that keeps the octets it was sent, unstuffed and otherwise untouched, with envelope and whether TLS was on. Logs nothing.

import { createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';

export type Sunk = {
  /** Argument of MAIL FROM and RCPT TO as written, parameters included. */
  readonly mail: string;
  readonly recipients: readonly string[];
  readonly data: Buffer;
  readonly tls: boolean;
};
export type SinkOptions = {
  readonly port?: number;
  readonly host?: string;
  /** PEM; offers STARTTLS. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  /** EHLO lines; default PIPELINING, 8BITMIME, SMTPUTF8, SIZE, ENHANCEDSTATUSCODES. */
  readonly extensions?: readonly string[];
  /** Reply to RCPT instead of a 250, by its argument as written. */
  readonly onRecipient?: (argument: string) => string | null;
  /** Called at the final dot before the 250, which waits for a promise; `drop`: it was taken, and the connection is cut without a reply.
   *  Text: the reply instead of the 250. */
  readonly onMessage: (message: Sunk) => unknown;
  /** Ms between the final dot and its reply. */
  readonly delay?: number;
};
export type Sink = { readonly port: number; close(): Promise<void> };

const EXTENSIONS = ['PIPELINING', '8BITMIME', 'SMTPUTF8', 'SIZE 0', 'ENHANCEDSTATUSCODES', 'DSN'];

/** Listens on a free port of loopback unless told otherwise. */
export async function openSink(options: SinkOptions): Promise<Sink> {
  const open = new Set<Socket>();
  const server: Server = createServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    serve(socket, options, false);
    socket.write('220 sink.test ESMTP\r\n');
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, options.host ?? '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as { port: number }).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}

const END = Buffer.from('\r\n.\r\n');
// The line before the first one is DATA itself: a dot alone at the very start ends an empty message.
const START = Buffer.from('\r\n');

function serve(socket: Socket, options: SinkOptions, tls: boolean): void {
  let mail = '';
  let recipients: string[] = [];
  let collecting: Buffer[] | null = null;
  let tail: Buffer = START;
  let line = '';
  const onLine = (text: string): void => {
    const verb = text.slice(0, 4).toUpperCase();
    if (verb === 'EHLO' || verb === 'HELO') {
      const offered = [...(options.extensions ?? EXTENSIONS), ...(options.tls && !tls ? ['STARTTLS'] : [])];
      socket.write(
        ['sink.test', ...offered].map((one, i, all) => `250${i < all.length - 1 ? '-' : ' '}${one}\r\n`).join(''),
      );
    } else if (verb === 'MAIL') {
      mail = text.slice(10);
      recipients = [];
      socket.write('250 2.1.0 Ok\r\n');
    } else if (verb === 'RCPT') {
      const refusal = options.onRecipient?.(text.slice(8)) ?? null;
      if (refusal === null) recipients.push(text.slice(8));
      socket.write(`${refusal ?? '250 2.1.5 Ok'}\r\n`);
    } else if (verb === 'DATA' && recipients.length === 0) {
      socket.write('554 5.5.1 No recipients\r\n');
    } else if (verb === 'DATA') {
      collecting = [];
      tail = START;
      socket.write('354 Go on\r\n');
    } else if (verb === 'STAR') {
      socket.write('220 2.0.0 Go on\r\n');
      socket.removeListener('data', onData);
      const secure = new TLSSocket(socket, { isServer: true, secureContext: createSecureContext(options.tls) });
      secure.on('error', () => socket.destroy());
      serve(secure, options, true);
    } else if (verb === 'QUIT') {
      socket.end('221 2.0.0 Bye\r\n');
    } else socket.write('250 2.0.0 Ok\r\n');
  };
  const onData = (chunk: Buffer): void => {
    let rest: Buffer = chunk;
    while (rest.length > 0) {
      if (collecting) {
        const window = Buffer.concat([tail, rest]);
        const end = window.indexOf(END);
        const taken = end < 0 ? rest : rest.subarray(0, end + END.length - tail.length);
        collecting.push(taken);
        rest = rest.subarray(taken.length);
        tail = Buffer.from(window.subarray(-4));
        if (end < 0) return;
        const whole = Buffer.concat(collecting);
        collecting = null;
        const said = options.onMessage({ mail, recipients, data: unstuff(whole.subarray(0, -3)), tls });
        if (said === 'drop') return void socket.destroy();
        const answer = (reply: unknown) => socket.write(`${typeof reply === 'string' ? reply : '250 2.0.0 Taken'}\r\n`);
        if (said instanceof Promise) void said.then(answer);
        else if (options.delay) setTimeout(answer, options.delay);
        else answer(said);
      } else {
        const end = rest.indexOf(10);
        line += rest.toString('latin1', 0, end < 0 ? rest.length : end);
        rest = end < 0 ? rest.subarray(rest.length) : rest.subarray(end + 1);
        if (end < 0) return;
        const text = line.replace(/\r$/, '');
        line = '';
        onLine(text);
      }
    }
  };
  socket.on('data', onData);
  socket.on('error', () => socket.destroy());
}

function unstuff(data: Buffer): Buffer {
  return Buffer.from(data.toString('latin1').replace(/^\.|(?<=\r\n)\./g, ''), 'latin1');
}
