// The listener of the bench's sink and of its filter: as little as an SMTP server can do and still be one. No checks of what it is told.

import { createServer, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';

export type Taken = {
  /** Arguments of MAIL and RCPT as written, parameters included. */
  readonly mail: string;
  readonly recipients: readonly string[];
  /** Mail data as on the wire, with the final dot; empty unless `keep`. */
  readonly data: readonly Buffer[];
  readonly octets: number;
};
export type ListenOptions = {
  /** PEM; offers STARTTLS. */
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly keep: boolean;
  readonly onSession?: (event: 'opened' | 'secured') => void;
  /** Gives the reply to the final dot, without its line end. */
  readonly onMessage: (message: Taken) => string | Promise<string>;
};

const END = Buffer.from('\r\n.\r\n');
const NOTHING = Buffer.alloc(0);
const CAPABILITIES = ['listen.test', 'PIPELINING', '8BITMIME', 'SMTPUTF8', 'ENHANCEDSTATUSCODES', 'SIZE'];

/** Listens on a free port of loopback and gives it. */
export async function listen(options: ListenOptions): Promise<number> {
  const context = options.tls && createSecureContext(options.tls);
  const server = createServer({ noDelay: true }, (socket) => {
    options.onSession?.('opened');
    socket.on('error', () => socket.destroy());
    serve(socket, options, context);
    socket.write('220 listen.test ESMTP\r\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', 1000, resolve));
  return (server.address() as { port: number }).port;
}

function serve(socket: Socket, options: ListenOptions, context: ReturnType<typeof createSecureContext> | undefined) {
  let text = '';
  let mail = '';
  let recipients: string[] = [];
  let inData = false;
  let answering = false;
  let data: Buffer[] = [];
  let octets = 0;
  let last: Buffer = NOTHING;
  const say = (line: string) => socket.write(`${line}\r\n`);

  const command = (line: string): void => {
    const verb = line.slice(0, 4).toUpperCase();
    if (verb === 'EHLO') say(hello(context !== undefined && !(socket instanceof TLSSocket)));
    else if (verb === 'MAIL') {
      mail = line.slice('MAIL FROM:'.length);
      recipients = [];
      say('250 2.1.0 Ok');
    } else if (verb === 'RCPT') {
      recipients.push(line.slice('RCPT TO:'.length));
      say('250 2.1.5 Ok');
    } else if (verb === 'DATA') {
      // The line end before the first line of the data: a final dot may follow it at once.
      [inData, data, octets, last] = [true, [], 0, Buffer.from('\r\n')];
      say('354 Go on');
    } else if (verb === 'QUIT') socket.end('221 2.0.0 Bye\r\n');
    else if (verb === 'STAR' && context) {
      say('220 2.0.0 Ready');
      socket.removeAllListeners('data');
      const secure = new TLSSocket(socket, { isServer: true, secureContext: context });
      secure.on('error', () => secure.destroy());
      secure.once('secure', () => options.onSession?.('secured'));
      serve(secure, options, context);
    } else say('250 2.0.0 Ok');
  };
  const commands = (chunk: Buffer): void => {
    text += chunk.toString('latin1');
    for (let end = text.indexOf('\n'); end >= 0 && !inData && !answering; end = text.indexOf('\n')) {
      const line = text.slice(0, end).trimEnd();
      text = text.slice(end + 1);
      command(line);
    }
  };
  const content = (chunk: Buffer): void => {
    const edge = Buffer.concat([last, chunk.subarray(0, END.length - 1)]).indexOf(END);
    const found = edge >= 0 ? edge - last.length : chunk.indexOf(END);
    const ended = found >= 0 || edge >= 0;
    const stop = ended ? found + END.length : chunk.length;
    octets += stop;
    if (options.keep) data.push(chunk.subarray(0, stop));
    if (!ended) {
      last =
        chunk.length >= END.length
          ? chunk.subarray(1 - END.length)
          : Buffer.concat([last, chunk]).subarray(1 - END.length);
      return;
    }
    inData = false;
    const reply = options.onMessage({ mail, recipients, data, octets });
    if (typeof reply === 'string') say(reply);
    else {
      // A QUIT that came with the dot is answered after it.
      answering = true;
      void reply.then((line) => {
        answering = false;
        say(line);
        commands(NOTHING);
      });
    }
    if (stop < chunk.length) commands(chunk.subarray(stop));
  };
  socket.on('data', (chunk: Buffer) => (inData ? content(chunk) : commands(chunk)));
}

function hello(startTls: boolean): string {
  const lines = startTls ? [...CAPABILITIES, 'STARTTLS'] : CAPABILITIES;
  return lines.map((line, i) => `250${i < lines.length - 1 ? '-' : ' '}${line}`).join('\r\n');
}
