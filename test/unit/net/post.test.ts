import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createEgress } from '../../../src/net/egress.ts';
import { type PostDeps, postJson } from '../../../src/net/post.ts';
import { type Ca, makeCa } from '../../support/pki.ts';

let ca: Ca;
let server: Server;
let port: number;
let answer: { status: number; location?: string } | 'nothing';
let asked: { host: string | undefined; url: string | undefined; body: string }[];

beforeAll(async () => {
  ca = makeCa();
  const { chain, key } = ca.issue({ names: ['anchors.test'] });
  server = createServer({ cert: chain, key }, async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    asked.push({ host: request.headers.host, url: request.url, body });
    if (answer === 'nothing') return;
    response.writeHead(answer.status, answer.location === undefined ? {} : { location: answer.location });
    response.end('x'.repeat(100_000));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});
beforeEach(() => {
  answer = { status: 200 };
  asked = [];
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const deps = (more: Partial<PostDeps> = {}): PostDeps => ({
  resolver: {
    addresses: async () => ({ kind: 'found', records: [{ family: 4, address: '127.0.0.1' }], authenticated: false }),
  },
  egress: createEgress({ mode: 'evaluation' }),
  ca: [ca.cert],
  ...more,
});
const post = (more: Partial<PostDeps> = {}, host = 'anchors.test', ms = 5_000) =>
  postJson(deps(more), `https://${host}:${port}/a/b?c=d`, '{"é":1}', ms);

test('a body to the name that was written, at the address that was looked at', async () => {
  await post();
  expect(asked).toEqual([{ host: `anchors.test:${port}`, url: '/a/b?c=d', body: '{"é":1}' }]);
});

test.each([301, 302, 308, 400, 404, 500])('%d is no success, and no redirect is followed', async (status) => {
  answer = { status, location: `https://anchors.test:${port}/elsewhere` };
  await expect(post()).rejects.toMatchObject({ code: `status ${status}` });
  expect(asked).toHaveLength(1);
});

test.each<[string, () => Promise<void>, unknown]>([
  ['a certificate of another name', () => post({}, 'other.test'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' }],
  ['an unknown authority', () => post({ ca: [] }), { code: 'SELF_SIGNED_CERT_IN_CHAIN' }],
  [
    'a private address in live mode',
    () => post({ egress: createEgress({ mode: 'live' }) }),
    { code: 'refused address' },
  ],
  [
    'the same, written as an address',
    () => post({ egress: createEgress({ mode: 'live' }) }, '127.0.0.1'),
    { code: 'refused address' },
  ],
  [
    'a private address as a long number',
    () => post({ egress: createEgress({ mode: 'live' }) }, '2130706433'),
    { code: 'refused address' },
  ],
  [
    'a v4-mapped one',
    () => post({ egress: createEgress({ mode: 'live' }) }, '[::ffff:127.0.0.1]'),
    { code: 'refused address' },
  ],
  [
    'a name without address',
    () => post({ resolver: { addresses: async () => ({ kind: 'none', authenticated: false }) } }),
    { code: 'no address' },
  ],
  ['clear text', () => postJson(deps(), `http://anchors.test:${port}/`, '{}', 5_000), { code: 'not https' }],
])('refused before anything is sent: %s', async (_, work, error) => {
  await expect(work()).rejects.toMatchObject(error as object);
  expect(asked).toEqual([]);
});

test('a server that says nothing: the deadline ends it', async () => {
  answer = 'nothing';
  await expect(post({}, 'anchors.test', 300)).rejects.toThrow('HTTPS answer: time is up');
});
