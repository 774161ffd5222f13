// Whole sessions with the listener over a socket: whatever a client says, each reply has its code and is a line, what is taken
// is clean, and there are as many messages as were answered 250.

import { connect } from 'node:net';
import type { Address } from '../../../src/domain/ids.ts';
import { recipientFault, reversePathFault } from '../../../src/smtp/commands.ts';
import type { Handlers } from '../../../src/smtp/listener.ts';
import { type Desk, hasCode, open as listen, newDesk, takingHandlers } from '../../dialogue/play.ts';
import { bareIn, claim, lines, numberOf, pieces, type Target } from '../target.ts';

const TRANSACTION = [
  'EHLO client.example',
  'MAIL FROM:<ann@clinic.example> SIZE=100',
  'RCPT TO:<bob@example.org>',
  'DATA',
];

const CHUNKS = TRANSACTION.slice(0, 3);

export async function open(): Promise<Target> {
  const desk = newDesk();
  const limits = { sessions: 10_000, sessionsPerAddress: 10_000, connectionsPerMinute: 1e9, authDelay: 0 };
  const common = { tls: 'optional', limits: limits as never } as const;
  // Where logins are wanted no mail comes in clear.
  const submit = await listen(handlersOf(desk), { ...common, auth: true });
  const relay = await listen(handlersOf(desk), { ...common, maxSize: 1_000 });
  return {
    seeds: [
      lines(...TRANSACTION, 'Subject: a', '', 'hello', '.', 'QUIT'),
      lines(...TRANSACTION.slice(0, 3), 'RCPT TO:<refused@example.org>', 'RSET', 'NOOP x', 'VRFY a', 'HELP', 'QUIT'),
      lines('HELO a', 'MAIL FROM:<>', 'RCPT TO:<postmaster>', 'DATA', '..', '.', ...TRANSACTION.slice(1), '.'),
      lines(
        'EHLO [192.0.2.1]',
        'AUTH PLAIN AHByaW50ZXIAc2VjcmV0',
        'AUTH LOGIN',
        'cHJpbnRlcg==',
        'c2VjcmV0',
        'STARTTLS',
      ),
      lines('GET / HTTP/1.1', 'Host: x', '', ''),
      lines(
        'EHLO a',
        'MAIL FROM:<throws@a.example> RET=FULL ENVID=x BODY=8BITMIME SMTPUTF8',
        'BDAT 3 LAST',
        'abcETRN x',
        'TURN',
        'XCLIENT NAME=a',
      ),
      lines(...CHUNKS, 'BDAT 14', 'Subject: a', '', 'BDAT 0', 'BDAT 7 LAST', 'hello', 'NOOP', 'QUIT'),
      lines(...CHUNKS, 'BDAT 3', 'a', 'RSET', ...CHUNKS.slice(1), 'BDAT 2', 'a\nBDAT 1 LAST', '.QUIT'),
      lines(...CHUNKS, 'BDAT 2000', 'MAIL FROM:<>', 'BDAT 3 LAST', 'x', ...CHUNKS.slice(1), 'DATA', 'x', '.'),
    ],
    tokens: [
      ...[
        'EHLO ',
        'HELO ',
        'MAIL FROM:',
        'RCPT TO:',
        'DATA\r\n',
        'RSET\r\n',
        'NOOP\r\n',
        'QUIT\r\n',
        'VRFY ',
        'EXPN ',
        'HELP\r\n',
        'LHLO ',
        'BDAT ',
        'BDAT 3\r\n',
        'BDAT 3 LAST\r\n',
        'BDAT 0 LAST\r\n',
        ' LAST\r\n',
      ],
      ...[
        'STARTTLS\r\n',
        'AUTH PLAIN ',
        'AUTH LOGIN\r\n',
        '*\r\n',
        '=\r\n',
        'XFORWARD ',
        'PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n',
        'WIZ\r\n',
      ],
      ...[
        '\r\n.\r\n',
        '\n.\n',
        '\r\n',
        '\n',
        '\r',
        '\0',
        '<',
        '>',
        '@',
        '\xc3\xa9',
        '\xff',
        ' SIZE=',
        ' NOTIFY=',
        ' ORCPT=',
        '\x16\x03\x01',
      ],
      ...['throws@', 'refused@', '<ann@clinic.example>', '<bob@example.org>', TRANSACTION.join('\r\n')],
    ],
    check: async (input) => {
      desk.taken.length = 0;
      const said = await answers(numberOf(input) % 8 === 0 ? submit.port : relay.port, input);
      const all = said.split('\r\n');
      claim(all.pop() === '', `it ends amid a reply: ${JSON.stringify(said.slice(-80))}`);
      for (const line of all) claim(hasCode(line) || isPrompt(line), `no reply: ${JSON.stringify(line)}`);
      const queued = all.filter((line) => line.startsWith('250 2.6.0')).length;
      claim(queued === desk.taken.length, `${desk.taken.length} messages were taken, ${queued} answered`);
      for (const { data, envelope } of desk.taken) clean(data, envelope as never);
      claim(!said.includes('secret'), 'a reply tells of our insides');
    },
    close: async () => {
      await Promise.all([submit.close(0), relay.close(0)]);
    },
  };
}

/** RFC 4954 §4: a challenge has no enhanced code. */
const isPrompt = (line: string): boolean => /^334 [A-Za-z0-9+/=]*$/.test(line);

function handlersOf(desk: Desk): Handlers {
  const handlers = takingHandlers(desk);
  return {
    ...handlers,
    // Nobody releases what waits.
    data: (client, envelope, body) => {
      const recipients = envelope.recipients.map((one) => ({
        ...one,
        address: one.address.replace(/^held@/, 'kept@') as Address,
      }));
      return handlers.data(client, { ...envelope, recipients }, body);
    },
  };
}

function clean(data: Buffer, envelope: { reversePath: string; recipients: readonly { address: string }[] }): void {
  claim(bareIn(data.toString('latin1')) === null, 'bare line ends were taken');
  claim(reversePathFault(envelope.reversePath) === null, 'a reverse-path that is none');
  claim(envelope.recipients.length > 0, 'a message for nobody');
  for (const { address } of envelope.recipients) claim(recipientFault(address) === null, 'a recipient that is none');
}

/** All that the server says until it closes; the client says its own after the greeting, in pieces, and ends. */
function answers(port: number, input: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    let said = '';
    let begun = false;
    socket.on('data', (chunk) => {
      said += chunk.toString('latin1');
      if (begun || !said.includes('\r\n')) return;
      begun = true;
      const all = [...pieces(input, numberOf(input), Math.max(1, input.length >> 1))];
      for (const piece of all) socket.write(piece);
      socket.end();
    });
    const done = () => {
      // Else every session would keep its port for a minute.
      socket.resetAndDestroy();
      resolve(said);
    };
    socket.on('end', done);
    socket.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNRESET' || error.code === 'EPIPE' ? done() : reject(error),
    );
  });
}
