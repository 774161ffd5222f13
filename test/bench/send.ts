// The bench's generator: sessions that send as fast as they are answered, commands of one message in one piece (RFC 2920).

import { once } from 'node:events';
import { connect } from 'node:net';

const ENVELOPE = 'MAIL FROM:<lee@clinic.example>\r\nRCPT TO:<ann@partner.example>\r\nDATA\r\n';

/** Sends `count` messages over `sessions` connections; rejects when one is refused. */
export async function sendAll(
  port: number,
  sessions: number,
  count: number,
  messages: readonly Buffer[],
): Promise<void> {
  let next = 0;
  const one = async (): Promise<void> => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const replies = readReplies(socket);
    await replies(1);
    socket.write('EHLO client.test\r\n');
    await replies(1);
    while (next < count) {
      const message = messages[next % messages.length]!;
      next += 1;
      socket.write(ENVELOPE);
      await replies(3);
      socket.write(message);
      await replies(1);
    }
    socket.end('QUIT\r\n');
    await once(socket, 'close');
  };
  await Promise.all(Array.from({ length: sessions }, one));
}

/** A message that is made while it is sent. */
export async function sendLarge(port: number, octets: number): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const replies = readReplies(socket);
  await replies(1);
  socket.write('EHLO client.test\r\n');
  await replies(1);
  socket.write(ENVELOPE);
  await replies(3);
  socket.write(
    'From: lee@clinic.example\r\nSubject: large\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n',
  );
  const block = Buffer.from(
    `${'QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVpBQkNERUZHSElKS0xNTk9QUVJTVFVWV1hZ'.padEnd(76, 'A')}\r\n`.repeat(840),
  );
  for (let sent = 0; sent < octets; sent += block.length) if (!socket.write(block)) await once(socket, 'drain');
  socket.write('.\r\n');
  await replies(1);
  socket.end('QUIT\r\n');
  await once(socket, 'close');
}

/** Gives a function that waits for so many replies and rejects when one of them is a refusal. */
function readReplies(socket: NodeJS.ReadableStream): (count: number) => Promise<void> {
  let text = '';
  let open = 0;
  let failure: Error | null = null;
  let wake: { resolve: () => void; reject: (error: Error) => void } | null = null;
  const look = (): void => {
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
      const line = text.slice(0, end);
      text = text.slice(end + 1);
      if (line[3] === '-') continue;
      open -= 1;
      if (line[0] !== '2' && line[0] !== '3') failure ??= new Error(`refused: ${line}`);
    }
    if (wake === null || (open > 0 && failure === null)) return;
    const { resolve, reject } = wake;
    wake = null;
    if (failure === null) resolve();
    else reject(failure);
  };
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
    look();
  });
  socket.on('error', (error: Error) => {
    failure ??= error;
    look();
  });
  socket.on('close', () => {
    failure ??= new Error('connection closed');
    look();
  });
  return (count) =>
    new Promise((resolve, reject) => {
      open += count;
      wake = { resolve, reject };
      look();
    });
}
