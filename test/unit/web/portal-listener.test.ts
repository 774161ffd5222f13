// The portal's listener: HTTPS only, bounded, and with a certificate that can be changed while it runs.

import { connect as connectPlain } from 'node:net';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { type PortalWeb, type PortalWebOptions, startPortalWeb } from '../../../src/web/portal/listener.ts';
import { makeCa } from '../../support/pki.ts';
import { type FakePortal, fakeParcel, fakePortal, LINK, MESSAGE, PARCEL } from '../../support/portal.ts';

const ca = makeCa();
const first = ca.issue({ names: ['localhost'] });
const second = ca.issue({ names: ['localhost', 'second.example'] });

let web: PortalWeb;
let portal: FakePortal;
let lines: string[];
let failures: unknown[];

async function start(options: Partial<PortalWebOptions> = {}): Promise<void> {
  portal = fakePortal([fakeParcel({ host: 'localhost' })]);
  lines = [];
  failures = [];
  const given = {
    address: '127.0.0.1',
    port: 0,
    maxConnections: 64,
    certificate: { cert: first.chain, key: first.key },
  };
  const watched: Partial<PortalWebOptions> = {
    log: (line) => lines.push(`${line.route} ${line.status}`),
    failed: (error) => failures.push(error),
  };
  web = await startPortalWeb(portal, {
    ...given,
    ...watched,
    ...options,
  });
  for (const parcel of portal.parcels) parcel.host = `localhost:${web.port}`;
}
beforeEach(() => start());
afterEach(() => web.close());

function dial(options: ConnectionOptions = {}): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect(
      { port: web.port, host: '127.0.0.1', servername: 'localhost', ca: ca.cert, ...options },
      () => resolve(socket),
    );
    socket.once('error', reject);
  });
}

/** Everything that the peer says until it closes. */
async function ask(text: string | readonly string[], options: ConnectionOptions = {}): Promise<string> {
  const socket = await dial(options);
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('close', () => resolve(Buffer.concat(chunks).toString()));
    for (const piece of typeof text === 'string' ? [text] : text) socket.write(piece);
  });
}
const request = (line: string, ...fields: string[]) =>
  [`${line} HTTP/1.1`, `Host: localhost:${web.port}`, 'Connection: close', ...fields, '', ''].join('\r\n');

test('a door over TLS 1.3, with the certificate given', async () => {
  const socket = await dial();
  expect([socket.getProtocol(), socket.authorized]).toEqual(['TLSv1.3', true]);
  socket.destroy();
  const answer = await ask(request(`GET /m/${LINK}`));
  expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(answer.toLowerCase()).toContain('\r\nstrict-transport-security: max-age=31536000\r\n');
  expect(answer).not.toMatch(/^(?:server|x-powered-by):/im);
  expect(lines).toEqual(['link 200']);
});

test('TLS 1.2 with forward secrecy, nothing older or weaker, and no plain HTTP', async () => {
  const socket = await dial({ maxVersion: 'TLSv1.2' });
  expect(socket.getCipher().name).toMatch(/^ECDHE-/);
  socket.destroy();
  await expect(dial({ maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' })).rejects.toThrow();
  await expect(dial({ maxVersion: 'TLSv1.2', ciphers: 'AES256-GCM-SHA384' })).rejects.toThrow();
  const plain = await new Promise<string>((resolve) => {
    const socket = connectPlain(web.port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'));
    let text = '';
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    socket.on('close', () => resolve(text));
  });
  expect(plain).not.toContain('HTTP');
});

test('another certificate serves what comes after it; a wrong one changes nothing', async () => {
  web.updateCertificate({ cert: second.chain, key: second.key });
  expect(() => web.updateCertificate({ cert: first.chain, key: second.key })).toThrow();
  expect(() => web.updateCertificate({ cert: 'none', key: 'none' })).toThrow();
  const socket = await dial({ servername: 'second.example' });
  expect(socket.authorized).toBe(true);
  socket.destroy();
});

test('does not start with a key of another certificate', async () => {
  const certificate = { cert: first.chain, key: second.key };
  await expect(
    startPortalWeb(portal, { address: '127.0.0.1', port: 0, maxConnections: 64, certificate }),
  ).rejects.toThrow();
});

test.each<[string, (answer: string) => string, number]>([
  ['header fields of more than 16 kB', () => request('GET /', `X: ${'x'.repeat(17_000)}`), 431],
  ['an address of more than 16 kB', () => request(`GET /${'x'.repeat(17_000)}`), 431],
  ['no host', () => 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
  ['a host that is none', () => 'GET / HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n', 400],
  ['two lengths', () => request('POST /', 'Content-Length: 1', 'Content-Length: 2'), 400],
  ['length and chunks', () => request('POST /', 'Content-Length: 1', 'Transfer-Encoding: chunked'), 400],
  ['no HTTP', () => 'EHLO x\r\n\r\n', 400],
  ['TRACE', () => request(`TRACE /m/${LINK}`), 405],
  ['a path with two dots', () => request('GET /m/../../etc/passwd'), 404],
  ['a whole URL of another host', () => request(`GET https://evil.example/m/${LINK}`), 404],
])('%s: %#', async (_, text, status) => {
  expect(await ask(text(''))).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  expect(portal.changes).toEqual([]);
});

test('a form that says it is small and is not, and one that never ends', async () => {
  const type = 'Content-Type: application/x-www-form-urlencoded';
  const chunk = `8000\r\n${'x'.repeat(0x8000)}\r\n`;
  const answer = await ask([request(`POST /m/${LINK}`, type, 'Transfer-Encoding: chunked'), chunk, chunk, chunk]);
  expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  expect(portal.changes).toEqual([]);
});

test('no more connections than its bound', async () => {
  await web.close();
  await start({ maxConnections: 2 });
  const held = [await dial(), await dial()];
  await expect(dial()).rejects.toThrow();
  for (const socket of held) socket.destroy();
});

describe('a download', () => {
  const attachments = [{ part: 1, name: 'a.bin', type: 'x/y', size: 3 }];
  async function open(body: AsyncIterable<Uint8Array>): Promise<string> {
    Object.assign(portal.parcels[0] as object, { message: { ...MESSAGE, attachments }, files: new Map([[1, body]]) });
    const host = `localhost:${web.port}`;
    const sent = await portal.sendCode(host, 'link', LINK, 'en');
    const entered = await portal.enter(host, 'link', LINK, sent.kind === 'sent' ? sent.challenge : '', portal.code);
    return request(`GET /p/${PARCEL}/a/1`, `Cookie: __Host-p-${PARCEL}=${entered.kind === 'in' ? entered.cookie : ''}`);
  }

  test('is not made faster than it is taken, and ends when nobody takes it', async () => {
    let made = 0;
    let ended = () => {};
    const end = new Promise<void>((resolve) => {
      ended = resolve;
    });
    async function* body(): AsyncGenerator<Uint8Array> {
      try {
        for (let i = 0; i < 3_000; i++) {
          made += 1;
          yield Buffer.alloc(65_536, 1);
        }
      } finally {
        ended();
      }
    }
    const text = await open(body());
    const socket = await dial();
    await new Promise<void>((resolve) => {
      socket.once('data', () => {
        socket.pause();
        resolve();
      });
      socket.write(text);
    });
    socket.destroy();
    await end;
    expect(made).toBeLessThan(1_000);
  });

  test('that breaks off is not taken for whole', async () => {
    const said: unknown[] = [];
    const { error, info } = console;
    console.error = console.info = (...words) => said.push(...words);
    let arrived = () => {};
    const arrival = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    async function* body(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('begun');
      await arrival;
      throw new Error('jones@oldmail.demo');
    }
    const text = await open(body());
    const socket = await dial();
    let answer = '';
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      answer += chunk;
      if (answer.includes('begun')) arrived();
    });
    socket.write(text);
    await new Promise((resolve) => socket.once('close', resolve));
    expect(answer).toMatch(/begun\r\n$/);
    expect(answer).not.toContain('jones');
    Object.assign(console, { error, info });
    expect(said).toEqual([]);
    expect(failures).toEqual([expect.objectContaining({ message: 'jones@oldmail.demo' })]);
  });
});
