// Peers that show less than is demanded, in every way we know: nothing of the message reaches them.

import { createServer } from 'node:net';
import type { Level } from '../../../src/domain/types.ts';
import type { SmtpClient } from '../../../src/smtp/client.ts';
import { type Peer, type PeerOptions, startPeer } from '../../support/peer.ts';
import { type Issued, makeCa, selfSigned } from '../../support/pki.ts';
import { clientFor, hopTo, message } from '../../support/sending.ts';

const ca = makeCa();
const names = ['mx.peer.test'];
const good = ca.issue({ names });
const yesterday = new Date(Date.now() - 86_400_000);
const tomorrow = new Date(Date.now() + 86_400_000);

let client: SmtpClient;
const peers: Peer[] = [];
const start = async (options: PeerOptions): Promise<Peer> => {
  const peer = await startPeer(options);
  peers.push(peer);
  return peer;
};
beforeEach(() => {
  client = clientFor([ca.cert]);
});
afterEach(async () => {
  await client.close();
  await Promise.all(peers.splice(0).map((peer) => peer.close()));
});

/** Only the greeting dialogue may have reached the peer. */
function expectNothingSent(peer: Peer): void {
  expect(peer.mails).toEqual([]);
  expect(peer.commands.filter((line) => /^(MAIL|RCPT|DATA)/.test(line))).toEqual([]);
  expect(peer.received.join('')).not.toContain('ann');
}

test('verify: delivered with evidence', async () => {
  const peer = await start({ certificate: good });
  const [outcome] = await client.send(message([hopTo(peer.port)]));
  expect(outcome).toMatchObject({
    kind: 'delivered',
    reply: { code: 250, enhanced: '2.0.0', text: 'taken' },
    evidence: {
      level: 'verify',
      version: 'TLSv1.3',
      certificate: expect.stringMatching(/^[0-9a-f]{64}$/),
      name: { matched: 'mx.peer.test', source: 'MX, unsigned DNS' },
      mx: 'mx.peer.test',
      address: '127.0.0.1',
      port: peer.port,
    },
  });
  expect(peer.mails).toMatchObject([{ secure: true, data: 'Subject: hello\r\n\r\n..dot\r\nbody\r\n' }]);
});

test('the name of the recipient domain counts before the name from DNS', async () => {
  const peer = await start({ certificate: ca.issue({ names: ['*.peer.test', 'peer.test'] }) });
  expect(await client.send(message([hopTo(peer.port)]))).toMatchObject([
    { evidence: { name: { matched: 'peer.test', source: 'recipient domain' } } },
  ]);
});

const BAD: [string, Issued, string][] = [
  ['expired', ca.issue({ names, notAfter: yesterday }), 'certificate has expired'],
  ['not valid yet', ca.issue({ names, notBefore: tomorrow }), 'certificate is not valid yet'],
  ['wrong name', ca.issue({ names: ['mx.other.test'] }), 'certificate names another host'],
  ['self-signed', selfSigned({ names }), 'certificate is self-signed'],
  ['unknown authority', makeCa('another').issue({ names }), 'certificate is of an unknown authority'],
  ['RSA-1024', ca.issue({ names, bits: 1024 }), 'key of the certificate is too short'],
  ['wrong EKU', ca.issue({ names, eku: ['emailProtection'] }), 'certificate is not for servers'],
];
describe.each(BAD)('certificate: %s', (_name, certificate, lack) => {
  test.each(['verify', 'sts', 'dane'] as Level[])('%s is lacking', async (demanded) => {
    const peer = await start({ certificate });
    expect(await client.send(message([hopTo(peer.port)], { demanded }))).toMatchObject([
      {
        kind: 'lacking',
        atOnce: false,
        status: '4.7.5',
        reason: `mx.peer.test: ${lack}`,
        evidence: { level: 'encrypt', lack },
      },
    ]);
    expectNothingSent(peer);
  });
  test('encrypt is enough, and says what it lacks', async () => {
    const peer = await start({ certificate });
    expect(await client.send(message([hopTo(peer.port)], { demanded: 'encrypt' }))).toMatchObject([
      { kind: 'delivered', evidence: { level: 'encrypt', lack } },
    ]);
  });
});

test('verify does not reach sts or dane', async () => {
  const peer = await start({ certificate: good });
  for (const demanded of ['sts', 'dane'] as const) {
    expect(await client.send(message([hopTo(peer.port)], { demanded }))).toMatchObject([
      { kind: 'lacking', atOnce: false },
    ]);
  }
  expectNothingSent(peer);
});

test('STARTTLS stripped: lacking at once, not a word of the message', async () => {
  const peer = await start({});
  for (const demanded of ['encrypt', 'verify'] as const) {
    expect(await client.send(message([hopTo(peer.port)], { demanded }))).toMatchObject([
      {
        kind: 'lacking',
        atOnce: true,
        status: '4.7.4',
        reason: 'STARTTLS not offered by mx.peer.test',
        evidence: { level: null },
      },
    ]);
  }
  expectNothingSent(peer);
  expect(await client.send(message([hopTo(peer.port)], { demanded: 'may' }))).toMatchObject([
    { kind: 'delivered', evidence: { level: null } },
  ]);
});

const FAILS: [string, PeerOptions, string, RegExp][] = [
  [
    '454',
    { certificate: good, on: (line) => (line === 'STARTTLS' ? '454 4.7.0 not now' : undefined) },
    '4.7.4',
    /refuses it \(454\)/,
  ],
  ['handshake stall', { on: offer('220 go on') }, '4.7.5', /not done in time/],
  [
    'no TLS behind the 220',
    { on: offer('220 go on', (ctx) => ctx.raw('what?\r\n')) },
    '4.7.5',
    /handshake failed|closed/,
  ],
  ['drop instead of a handshake', { on: offer('220 go on', (ctx) => ctx.drop()) }, '4.7.5', /./],
  ['plaintext behind the 220', { on: offer('220 go on\r\n250-injected\r\n250 STARTTLS') }, '4.7.5', /./],
  ['half a reply behind the 220', { on: offer('220 go on\r\n250-inj') }, '4.7.5', /./],
];
/** STARTTLS offered by hand, without a certificate behind it. */
function offer(
  answer: string,
  then?: (ctx: { raw: (text: string) => void; drop: () => void }) => void,
): NonNullable<PeerOptions['on']> {
  return (line, ctx) => {
    if (line.startsWith('EHLO')) return '250-peer.test\r\n250 STARTTLS';
    // A ClientHello may hold a line end; it gets no answer.
    if (line !== 'STARTTLS') return /^(?:greeting|MAIL|RCPT|DATA|RSET|QUIT|HELO)\b/.test(line) ? undefined : null;
    if (then !== undefined) setTimeout(() => then(ctx), 20);
    return answer;
  };
}
describe.each(FAILS)('STARTTLS offered, then %s', (_name, options, status, reason) => {
  test.each(['may', 'encrypt', 'verify'] as Level[])('%s: nothing is sent', async (demanded) => {
    const peer = await start(options);
    const [outcome] = await client.send(message([hopTo(peer.port)], { demanded }));
    expect(outcome).toMatchObject({ kind: 'lacking', atOnce: false, status });
    expect(outcome?.kind === 'lacking' && outcome.reason).toMatch(reason);
    expectNothingSent(peer);
  });
});

test('what is injected before TLS is not believed after it', async () => {
  const peer = await start({
    certificate: good,
    on: (line, ctx) =>
      line.startsWith('EHLO') && !ctx.secure ? '250-peer.test\r\n250-SIZE 1\r\n250 STARTTLS' : undefined,
  });
  expect(await client.send(message([hopTo(peer.port)]))).toMatchObject([{ kind: 'delivered' }]);
});

describe('several hops', () => {
  test('the first that shows the level takes it', async () => {
    const clear = await start({});
    const bad = await start({ certificate: selfSigned({ names }) });
    const last = await start({ certificate: good });
    const hops = [hopTo(clear.port), hopTo(bad.port), hopTo(last.port)];
    expect(await client.send(message(hops))).toMatchObject([{ kind: 'delivered', evidence: { port: last.port } }]);
    expectNothingSent(clear);
    expectNothingSent(bad);
  });
  test('may: a hop that fails at STARTTLS is left for one that offers it', async () => {
    const failing = await start({ certificate: good, on: (line) => (line === 'STARTTLS' ? '454 no' : undefined) });
    const fine = await start({ certificate: good });
    const outcomes = await client.send(message([hopTo(failing.port), hopTo(fine.port)], { demanded: 'may' }));
    expect(outcomes).toMatchObject([{ kind: 'delivered', evidence: { level: 'verify', port: fine.port } }]);
    expectNothingSent(failing);
  });
  test('none offers STARTTLS: at once; one was not reached: not at once', async () => {
    const a = await start({});
    const b = await start({});
    expect(await client.send(message([hopTo(a.port), hopTo(b.port)]))).toMatchObject([
      { kind: 'lacking', atOnce: true },
    ]);
    const closed = await closedPort();
    expect(await client.send(message([hopTo(closed), hopTo(b.port)]))).toMatchObject([
      { kind: 'lacking', atOnce: false },
    ]);
    const offering = await start({ certificate: selfSigned({ names }) });
    expect(await client.send(message([hopTo(a.port), hopTo(offering.port)]))).toMatchObject([
      { kind: 'lacking', atOnce: false },
    ]);
  });
});

test('a kept connection is judged again: expired meanwhile, it carries nothing more', async () => {
  let now = Date.now();
  const later = clientFor([ca.cert], { clock: { now: () => now } });
  const peer = await start({ certificate: ca.issue({ names, notAfter: new Date(now + 60_000) }) });
  expect(await later.send(message([hopTo(peer.port)]))).toMatchObject([{ kind: 'delivered' }]);
  expect(later.idle()).toBe(1);
  now += 120_000;
  expect(await later.send(message([hopTo(peer.port)]))).toMatchObject([
    { kind: 'lacking', reason: expect.stringContaining('expired') },
  ]);
  expect(peer.mails).toHaveLength(1);
  await later.close();
});

async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
