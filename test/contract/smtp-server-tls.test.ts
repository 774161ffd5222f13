// TLS as the listener speaks it: versions, ciphers, certificates and their change while it runs.

import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { type ConnectionOptions, createSecureContext, TLSSocket } from 'node:tls';
import type { Listener } from '../../src/smtp/listener.ts';
import { ca, certificate, newDesk, type Options, open, takingHandlers } from '../dialogue/play.ts';
import { Talker } from '../dialogue/talker.ts';
import { makeCa } from '../support/pki.ts';

/** Handshake after STARTTLS, as such a client; how it ended. */
async function handshake(port: number, options: ConnectionOptions = {}): Promise<string> {
  const talker = new Talker(port);
  try {
    await talker.reply();
    await talker.say('EHLO client.example', 'STARTTLS');
    const socket = await talker.tls({ ca: ca.cert, ...options });
    return `${socket.getProtocol()} ${socket.getCipher().standardName}`;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'closed';
  } finally {
    talker.close();
  }
}

async function within(options: Options, run: (listener: Listener) => Promise<void>): Promise<void> {
  const listener = await open(takingHandlers(newDesk()), options);
  try {
    await run(listener);
  } finally {
    await listener.close(0);
  }
}

const TLS12: ConnectionOptions = { maxVersion: 'TLSv1.2' };
// OpenSSL's own level keeps a client of today from the old versions.
const OLD = { minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;

describe('versions and ciphers', () => {
  test.each<[string, ConnectionOptions, RegExp]>([
    ['1.3', {}, /^TLSv1\.3 TLS_AES_256_GCM_SHA384$/],
    ['1.2', TLS12, /^TLSv1\.2 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384$/],
    ['1.2, ChaCha', { ...TLS12, ciphers: 'ECDHE-RSA-CHACHA20-POLY1305' }, /^TLSv1\.2 TLS_ECDHE_RSA_WITH_CHACHA20/],
    ['1.1', { ...OLD, maxVersion: 'TLSv1.1' }, /^ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION$/],
    ['1.0', { ...OLD, maxVersion: 'TLSv1' }, /^ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION$/],
    ['CBC', { ...TLS12, ciphers: 'ECDHE-RSA-AES128-SHA256' }, /^ERR_SSL_.*HANDSHAKE_FAILURE$/],
    ['RSA key transport', { ...TLS12, ciphers: 'AES128-GCM-SHA256' }, /^ERR_SSL_.*HANDSHAKE_FAILURE$/],
    ['DHE', { ...TLS12, ciphers: 'DHE-RSA-AES128-GCM-SHA256' }, /^ERR_SSL_.*HANDSHAKE_FAILURE$/],
  ])('%s', (_, options, expected) =>
    within({}, async ({ port }) => {
      expect(await handshake(port, options)).toMatch(expected);
    }));

  // Else the refusals above could be the client's own.
  test.each<[string, ConnectionOptions]>([
    ['TLSv1.1', { ...OLD, maxVersion: 'TLSv1.1' }],
    ['TLSv1', { ...OLD, maxVersion: 'TLSv1' }],
    ['TLSv1.2', { ...TLS12, ciphers: 'ECDHE-RSA-AES128-SHA256' }],
    ['TLSv1.2', { ...TLS12, ciphers: 'AES128-GCM-SHA256' }],
  ])('the same clients reach a careless server: %s', async (version, options) => {
    const secureContext = createSecureContext({ ...certificate, minVersion: 'TLSv1', ciphers: 'ALL@SECLEVEL=0' });
    const server = createServer((socket) => {
      socket.write('220 x\r\n');
      socket.on('data', (line) => {
        socket.write('220 x\r\n');
        if (!line.includes('STARTTLS')) return;
        socket.removeAllListeners('data');
        new TLSSocket(socket, { isServer: true, secureContext }).on('error', () => {});
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    expect(await handshake((server.address() as AddressInfo).port, options)).toMatch(`${version} `);
    server.close();
  });

  test('1.3 alone, where it is asked for', () =>
    within({ certificate: { ...certificate, minVersion: 'TLSv1.3' } }, async ({ port }) => {
      expect(await handshake(port, TLS12)).toBe('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION');
      expect(await handshake(port)).toMatch(/^TLSv1\.3 /);
    }));

  test('no renegotiation', () =>
    within({}, async ({ port }) => {
      const talker = new Talker(port);
      await talker.reply();
      await talker.say('EHLO client.example', 'STARTTLS');
      const socket = await talker.tls({ ca: ca.cert, ...TLS12 });
      const error = await new Promise((resolve) => {
        socket.once('error', resolve);
        socket.renegotiate({}, resolve);
      });
      expect(error).toMatchObject({ code: 'ERR_SSL_NO_RENEGOTIATION' });
      talker.close();
    }));
});

describe('certificates', () => {
  const serial = async (port: number): Promise<{ talker: Talker; serial: string }> => {
    const talker = new Talker(port);
    await talker.reply();
    await talker.say('EHLO client.example', 'STARTTLS');
    const socket = await talker.tls({ ca: ca.cert });
    return { talker, serial: socket.getPeerCertificate().serialNumber };
  };

  test('a new one is shown to new clients, and who is inside stays', () =>
    within({}, async ({ port, updateCertificate }) => {
      const before = await serial(port);
      updateCertificate(ca.issue({ names: ['mx.gateway.example'] }));
      const after = await serial(port);
      expect(after.serial).not.toBe(before.serial);
      expect(await before.talker.say('EHLO client.example', 'MAIL FROM:<>')).toBe('250 2.1.0 Sender OK');
      expect(await after.talker.say('EHLO client.example', 'MAIL FROM:<>')).toBe('250 2.1.0 Sender OK');
      before.talker.close();
      after.talker.close();
    }));

  test('the least version may change with it', () =>
    within({}, async ({ port, updateCertificate }) => {
      updateCertificate({ ...certificate, minVersion: 'TLSv1.3' });
      expect(await handshake(port, TLS12)).toBe('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION');
      updateCertificate(certificate);
      expect(await handshake(port, TLS12)).toMatch(/^TLSv1\.2 /);
      expect(await handshake(port, { ...OLD, maxVersion: 'TLSv1.1' })).toBe('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION');
    }));

  const weak = ca.issue({ names: ['mx.gateway.example'], bits: 1024 });
  const other = makeCa('other').issue({ names: ['mx.gateway.example'] });
  test.each([
    ['a short key', weak, /too short/],
    ['a key of another', { cert: certificate.cert, key: other.key }, /does not belong/],
    ['no certificate', { cert: '', key: certificate.key }, /./],
    ['no key', { cert: certificate.cert, key: '' }, /./],
  ])('%s is refused, and the old one stays', (_, unfit, message) =>
    within({}, async ({ port, updateCertificate }) => {
      const before = await serial(port);
      expect(() => updateCertificate(unfit)).toThrow(message);
      const after = await serial(port);
      expect(after.serial).toBe(before.serial);
      before.talker.close();
      after.talker.close();
      await expect(open(takingHandlers(newDesk()), { certificate: unfit })).rejects.toThrow(message);
    }));
});
