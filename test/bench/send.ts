// The bench's generator: sessions that send as fast as they are answered, commands of one message in one piece (RFC 2920).

import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as tlsConnect } from 'node:tls';

export type Sending = {
  readonly port: number;
  readonly sessions: number;
  readonly count: number;
  /** Mail data ready for the wire, sent in turn. */
  readonly messages: readonly Buffer[];
  /** Recipients of each message; one when left out. */
  readonly recipients?: number;
  /** STARTTLS before the first message. */
  readonly tls?: boolean;
};

/** Sends `count` messages over `sessions` connections; rejects when one is refused. */
export async function sendAll(sending: Sending): Promise<void> {
  const { port, sessions, count, messages } = sending;
  const envelope = envelopeOf(sending.recipients ?? 1);
  let next = 0;
  const one = async (): Promise<void> => {
    const { socket, replies } = await open(port, sending.tls === true);
    while (next < count) {
      const message = messages[next % messages.length]!;
      next += 1;
      socket.write(envelope.text);
      await replies(envelope.replies);
      socket.write(message);
      await replies(1);
    }
    socket.write('QUIT\r\n');
    await replies(1);
    // Not the peer's to end: over TLS that may come as a reset.
    socket.destroy();
  };
  await Promise.all(Array.from({ length: sessions }, one));
}

function envelopeOf(recipients: number): { readonly text: string; readonly replies: number } {
  const to = Array.from({ length: recipients }, (_, i) => `RCPT TO:<ann${i || ''}@partner.example>\r\n`).join('');
  return { text: `MAIL FROM:<lee@clinic.example>\r\n${to}DATA\r\n`, replies: recipients + 2 };
}

async function open(port: number, tls: boolean) {
  const plain = connect({ port, host: '127.0.0.1', noDelay: true });
  const replies = readReplies(plain);
  await replies(1);
  plain.write('EHLO client.test\r\n');
  await replies(1);
  if (!tls) return { socket: plain, replies };
  plain.write('STARTTLS\r\n');
  await replies(1);
  plain.removeAllListeners('data');
  const socket = tlsConnect({ socket: plain, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const secured = readReplies(socket);
  socket.write('EHLO client.test\r\n');
  await secured(1);
  return { socket, replies: secured };
}

/** A message that is made while it is sent. */
export async function sendLarge(port: number, octets: number): Promise<void> {
  const { socket, replies } = await open(port, false);
  const envelope = envelopeOf(1);
  socket.write(envelope.text);
  await replies(envelope.replies);
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
export function readReplies(socket: NodeJS.ReadableStream): (count: number) => Promise<void> {
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
