// A mail server that takes everything and keeps nothing but when and to whom: as slow as it is told to be, and it counts its
// connections. For messages without pipelined data of others behind them, as the gateway sends.

import { createServer, type Socket } from 'node:net';

export type TakerOptions = {
  readonly host: string;
  readonly port: number;
  /** Ms before the reply to DATA. */
  readonly delay: number;
  readonly onConnections: (open: number) => void;
  /** At the final dot: its first recipient. */
  readonly onMessage: (recipient: string) => void;
};

const EHLO = '250-taker.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n';

const CLOSING_MS = 5;

export async function openTaker(options: TakerOptions): Promise<{ close(): Promise<void> }> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    // A moment later: of one that was closed before, this process may not have heard yet.
    setTimeout(() => options.onConnections(open.size), CLOSING_MS);
    socket.on('close', () => open.delete(socket)).on('error', () => socket.destroy());
    serve(socket, options);
  });
  await new Promise<void>((resolve) => server.listen(options.port, options.host, resolve));
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}

function serve(socket: Socket, { delay, onMessage }: TakerOptions): void {
  let rest = '';
  let recipient = '';
  let inData = false;
  const onLine = (line: string): void => {
    const verb = line.slice(0, 4).toUpperCase();
    if (inData) {
      if (line !== '.') return;
      inData = false;
      onMessage(recipient);
      recipient = '';
      socket.write('250 2.0.0 Taken\r\n');
    } else if (verb === 'DATA') {
      inData = true;
      setTimeout(() => socket.write('354 Go on\r\n'), delay);
    } else if (verb === 'QUIT') socket.end('221 2.0.0 Bye\r\n');
    else if (verb === 'EHLO') socket.write(EHLO);
    else {
      if (verb === 'RCPT' && recipient === '') recipient = line.slice(line.indexOf('<') + 1, line.indexOf('>'));
      socket.write('250 2.0.0 Ok\r\n');
    }
  };
  socket.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString('latin1')).split('\r\n');
    rest = lines.pop() as string;
    for (const line of lines) onLine(line);
  });
  socket.write('220 taker.test ESMTP\r\n');
}
