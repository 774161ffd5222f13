// The demo's Internet on loopback: mail servers with certificates of a demo CA, and the DNS that leads to them.

import { SMTPServer } from 'smtp-server';

/** A message as a destination took it. */
export type Received = {
  readonly recipients: readonly string[];
  /** Whether the connection had TLS when it came. */
  readonly tls: boolean;
  readonly data: Buffer;
};

export type Destination = {
  readonly host: string;
  readonly port: number;
  readonly received: Received[];
  close(): Promise<void>;
};

/** A mail server on 127.0.0.1; without a certificate it does not offer STARTTLS. */
export async function openDestination(
  host: string,
  certificate: { cert: string; key: string } | null,
): Promise<Destination> {
  const received: Received[] = [];
  const server = new SMTPServer({
    ...(certificate ?? { hideSTARTTLS: true }),
    disabledCommands: certificate === null ? ['AUTH', 'STARTTLS'] : ['AUTH'],
    name: host,
    banner: 'demo destination',
    disableReverseLookup: true,
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const recipients = session.envelope.rcptTo.map((one) => one.address);
        received.push({ recipients, tls: session.secure, data: Buffer.concat(chunks) });
        done(null, 'taken');
      });
    },
  });
  // A peer that goes away is the peer's matter.
  server.on('error', () => {});
  const port = await new Promise<number>((resolve, reject) => {
    server.on('error', reject);
    const listening = server.listen(0, '127.0.0.1', () => {
      const address = listening.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
  return { host, port, received, close: () => new Promise((resolve) => server.close(() => resolve())) };
}
