// What a test needs to send one message with the delivery client: short deadlines, a plain message, hops on loopback.

import type { Address } from '../../src/domain/ids.ts';
import { clientTls } from '../../src/net/tls.ts';
import type { Hop } from '../../src/route/resolve.ts';
import { type ClientDeps, createClient, type Send, type SmtpClient } from '../../src/smtp/client.ts';

export const SHORT = { connect: 500, greeting: 400, command: 400, handshake: 400, data: 400, block: 400, dot: 400 };

// Reading all authorities of the system takes long enough to do it once.
const contexts = new Map<string, ReturnType<typeof clientTls>>();

export function clientFor(ca: readonly string[], more: Partial<ClientDeps> = {}): SmtpClient {
  const tls = contexts.get(ca.join()) ?? clientTls({ ca });
  contexts.set(ca.join(), tls);
  return createClient({ clock: { now: () => Date.now() }, tls, timeouts: SHORT, ...more });
}

export function hopTo(port: number, mx = 'mx.peer.test', domain = 'peer.test'): Hop {
  return {
    mx,
    address: '127.0.0.1',
    port,
    references: [
      { name: domain, source: 'recipient domain' },
      { name: mx, source: 'MX, unsigned DNS' },
    ],
  };
}

export const MESSAGE = 'Subject: hello\r\n\r\n.dot\r\nbody\r\n';

export function message(
  hops: readonly Hop[],
  more: Partial<Send> & { readonly text?: string; readonly to?: readonly string[] } = {},
): Send {
  const { text = MESSAGE, to = ['ann@peer.test'], ...rest } = more;
  const bytes = Buffer.from(text, 'utf8');
  return {
    hops,
    demanded: 'verify',
    helo: 'gw.test',
    reversePath: 'staff@clinic.test',
    recipients: to.map((address) => ({ address: address as Address, dsn: {} })),
    dsn: {},
    smtpUtf8: false,
    eightBit: false,
    utf8Headers: false,
    size: bytes.length,
    body: async function* () {
      yield bytes;
    },
    beforeDot: async () => true,
    ...rest,
  };
}
