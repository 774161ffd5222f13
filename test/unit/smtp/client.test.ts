// The transaction: who gets which outcome when the peer says what, and what stands on the wire.

import { simpleParser } from 'mailparser';
import type { Outcome } from '../../../src/domain/types.ts';
import type { SmtpClient } from '../../../src/smtp/client.ts';
import { settled } from '../../support/clock.ts';
import { type Ctx, type Peer, type PeerOptions, startPeer, USUAL } from '../../support/peer.ts';
import { makeCa } from '../../support/pki.ts';
import { clientFor, hopTo, message } from '../../support/sending.ts';

const ca = makeCa();
const certificate = ca.issue({ names: ['mx.peer.test'] });
const NO_PIPELINING = USUAL.filter((word) => word !== 'PIPELINING');

let client: SmtpClient;
const peers: Peer[] = [];
const start = async (options: PeerOptions = {}): Promise<Peer> => {
  const peer = await startPeer({ certificate, ...options });
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
const gone = (ctx: Ctx): null => {
  ctx.drop();
  return null;
};
const summary = (outcomes: readonly Outcome[]): string[] =>
  outcomes.map((each) => (each.kind === 'refused' ? `${each.reply.code} ${each.reply.enhanced}` : each.kind));

describe.each([
  ['pipelined', USUAL],
  ['one by one', NO_PIPELINING],
])('%s', (_name, extensions) => {
  test('mixed replies to RCPT', async () => {
    const answers: Record<string, string> = { b: '550 5.1.1 no', c: '450 4.2.0 later', d: '599 odd' };
    const peer = await start({ extensions, on: (line) => answers[/^RCPT TO:<(.)@/.exec(line)?.[1] ?? ''] });
    const to = ['a@peer.test', 'b@peer.test', 'c@peer.test', 'e@peer.test'];
    const outcomes = await client.send(message([hopTo(peer.port)], { to }));
    expect(summary(outcomes)).toEqual(['delivered', '550 5.1.1', '450 4.2.0', 'delivered']);
    expect(peer.mails).toHaveLength(1);
  });

  test.each([
    ['MAIL 550', /^MAIL/, '550 5.7.1 no', '550 5.7.1'],
    ['MAIL 451', /^MAIL/, '451 4.3.0 later', '451 4.3.0'],
    ['RCPT 421', /^RCPT/, '421 4.3.2 going', '421 4.3.2'],
    ['all RCPT 550', /^RCPT/, '550 5.1.1 no', '550 5.1.1'],
    ['DATA 451', /^DATA/, '451 later', '451 4.0.0'],
    ['DATA 554', /^DATA/, '554 no', '554 5.0.0'],
    ['DATA 250', /^DATA/, '250 what', 'unreached'],
    ['dot 554', /^\.$/, '554 5.7.1 virus', '554 5.7.1'],
    ['dot 452', /^\.$/, '452 4.3.1 full', '452 4.3.1'],
    ['dot 421', /^\.$/, '421 4.3.2 going', '421 4.3.2'],
    ['dot nonsense', /^\.$/, 'well', 'in doubt'],
    ['RCPT nonsense', /^RCPT/, 'well', 'unreached'],
  ])('%s', async (_case, command, reply, expected) => {
    const peer = await start({ extensions, on: (line) => (command.test(line) ? reply : undefined) });
    expect(summary(await client.send(message([hopTo(peer.port)])))).toEqual([expected]);
  });

  test('a refused message leaves the connection for the next', async () => {
    const peer = await start({ extensions, on: (line) => (line.startsWith('RCPT TO:<bad') ? '550 no' : undefined) });
    // Pipelined, the peer answers DATA with 354 although it took nobody: that connection is left without a dot.
    await client.send(message([hopTo(peer.port)], { to: ['bad@peer.test'] }));
    expect(summary(await client.send(message([hopTo(peer.port)])))).toEqual(['delivered']);
    expect(peer.mails).toHaveLength(1);
    expect(peer.sessions()).toBe(extensions === USUAL ? 2 : 1);
  });

  test('connections are kept, with RSET between', async () => {
    const peer = await start({ extensions });
    for (let i = 0; i < 3; i++) expect(summary(await client.send(message([hopTo(peer.port)])))).toEqual(['delivered']);
    expect(peer.sessions()).toBe(1);
    expect(peer.commands.filter((line) => line === 'RSET')).toHaveLength(2);
    expect(client.idle()).toBe(1);
    await client.close();
    expect(client.idle()).toBe(0);
  });
});

describe('drops', () => {
  test.each([
    'greeting',
    'EHLO gw.test',
    'MAIL',
    'RCPT',
    'DATA',
  ])('at %s: unreached, the next hop takes it', async (at) => {
    const peer = await start({ on: (line, ctx) => (line.startsWith(at) ? gone(ctx) : undefined) });
    expect(summary(await client.send(message([hopTo(peer.port)])))).toEqual(['unreached']);
    const other = await start();
    expect(summary(await client.send(message([hopTo(peer.port), hopTo(other.port)])))).toEqual(['delivered']);
  });
  test.each([
    ['drops', gone],
    ['is silent', () => null],
  ])('after the dot the peer %s: in doubt, and no other hop is tried', async (_name, act) => {
    const peer = await start({ on: (line, ctx) => (line === '.' ? act(ctx) : undefined) });
    const other = await start();
    const outcomes = await client.send(message([hopTo(peer.port), hopTo(other.port)]));
    expect(outcomes).toMatchObject([{ kind: 'in doubt', status: '4.4.2', evidence: { level: 'verify' } }]);
    expect(other.sessions()).toBe(0);
  });
  test('a kept connection that the peer closed is no failure', async () => {
    const peer = await start();
    await client.send(message([hopTo(peer.port)]));
    peer.hangUp();
    expect(summary(await client.send(message([hopTo(peer.port)])))).toEqual(['delivered']);
    expect(peer.sessions()).toBe(2);
  });
  test('a kept connection that answers 421 to the next message is no failure', async () => {
    const peer = await start({ on: (line) => (line === 'RSET' ? '421 4.4.2 idle too long' : undefined) });
    await client.send(message([hopTo(peer.port)]));
    expect(summary(await client.send(message([hopTo(peer.port)])))).toEqual(['delivered']);
    expect(peer.mails).toHaveLength(2);
  });
});

test.each([
  ['greeting', '554 go away'],
  ['greeting', '421 busy'],
  ['EHLO gw.test', '421 busy'],
])('%s %s: unreached, another hop takes it', async (at, reply) => {
  const peer = await start({ on: (line) => (line === at ? reply : undefined) });
  expect(await client.send(message([hopTo(peer.port)]))).toMatchObject([{ kind: 'unreached', status: '4.3.2' }]);
  const other = await start();
  expect(summary(await client.send(message([hopTo(peer.port), hopTo(other.port)])))).toEqual(['delivered']);
});

test('451 at MAIL: the next hop takes it', async () => {
  const peer = await start({ on: (line) => (line.startsWith('MAIL') ? '451 4.7.1 greylisted' : undefined) });
  const other = await start();
  expect(summary(await client.send(message([hopTo(peer.port), hopTo(other.port)])))).toEqual(['delivered']);
});

test('a reply dripped for ever ends at its deadline', async () => {
  const timers: NodeJS.Timeout[] = [];
  const peer = await start({
    on: (line, ctx) => {
      if (!line.startsWith('EHLO')) return undefined;
      timers.push(setInterval(() => ctx.raw('250-more\r\n'), 50));
      return null;
    },
  });
  expect(await client.send(message([hopTo(peer.port)]))).toMatchObject([
    { kind: 'unreached', status: '4.4.2', reason: 'mx.peer.test: no reply in time' },
  ]);
  timers.map(clearInterval);
});

test('refused in the middle of the data: the reply counts, no dot is sent', async () => {
  const peer = await start({
    on: (line, ctx) => {
      if (line !== 'DATA') return undefined;
      setTimeout(() => ctx.raw('552 5.3.4 too much\r\n'), 20);
      return '354 go on';
    },
  });
  const body = async function* () {
    yield Buffer.from('Subject: x\r\n\r\n');
    await new Promise((resolve) => setTimeout(resolve, 100));
    yield Buffer.from('more\r\n');
  };
  expect(summary(await client.send(message([hopTo(peer.port)], { body })))).toEqual(['552 5.3.4']);
  expect(peer.mails).toEqual([]);
});

describe('before the dot', () => {
  test('no lease, no dot, no other hop', async () => {
    const peer = await start();
    const other = await start();
    const asked: string[] = [];
    const beforeDot = async () => asked.push('asked') > 1;
    const outcomes = await client.send(message([hopTo(peer.port), hopTo(other.port)], { beforeDot }));
    expect(outcomes).toMatchObject([{ kind: 'unreached', status: '4.3.0' }]);
    expect([asked.length, peer.mails.length, other.sessions()]).toEqual([1, 0, 0]);
  });
  test('a body that cannot be read', async () => {
    const peer = await start();
    // biome-ignore lint/correctness/useYield: it fails before it has anything.
    const body = async function* (): AsyncGenerator<Uint8Array> {
      throw new Error('corrupt');
    };
    expect(await client.send(message([hopTo(peer.port)], { body }))).toMatchObject([
      { kind: 'unreached', status: '4.3.0' },
    ]);
    expect(peer.mails).toEqual([]);
  });
  test.each([
    'a\nb\r\n',
    'a\rb\r\n',
    'a\0\r\n',
    'x\r\n\n.\r\nMAIL FROM:<a@b>\r\n',
    'end\r',
  ])('mail data %j never ends in a dot', async (bad) => {
    const peer = await start();
    expect(summary(await client.send(message([hopTo(peer.port)], { text: `Subject: x\r\n\r\n${bad}` })))).toEqual([
      '554 5.6.0',
    ]);
    expect(peer.mails).toEqual([]);
  });
  test('stopped by its signal', async () => {
    const peer = await start({ on: (line) => (/^(MAIL|RCPT|DATA)/.test(line) ? null : undefined) });
    const stopping = new AbortController();
    setTimeout(() => stopping.abort(), 100);
    const outcomes = await client.send(message([hopTo(peer.port), hopTo(peer.port)], { signal: stopping.signal }));
    expect(outcomes).toMatchObject([{ kind: 'unreached', reason: 'mx.peer.test: stopped' }]);
    expect(peer.sessions()).toBe(1);
  });
});

describe('what the peer cannot take', () => {
  const without = (word: string): readonly string[] => USUAL.filter((each) => !each.startsWith(word));
  test('SIZE: refused here, nothing sent', async () => {
    const peer = await start({ extensions: ['SIZE 10'] });
    expect(summary(await client.send(message([hopTo(peer.port)])))).toEqual(['552 5.3.4']);
    expect(peer.commands.filter((line) => line.startsWith('MAIL'))).toEqual([]);
  });
  test('no SMTPUTF8: the recipient that needs it is refused, or all when a header field does', async () => {
    const peer = await start({ extensions: without('SMTPUTF8') });
    const to = ['j\u00fcrgen@peer.test', 'ann@peer.test'];
    expect(summary(await client.send(message([hopTo(peer.port)], { to })))).toEqual(['553 5.6.7', 'delivered']);
    const utf8 = { smtpUtf8: true, utf8Headers: true };
    expect(summary(await client.send(message([hopTo(peer.port)], utf8)))).toEqual(['554 5.6.7']);
    expect(peer.received.join('')).not.toMatch(/[^\0-\x7f]/);
  });
  test('raw octets in a header that came without SMTPUTF8 go on as they came', async () => {
    const peer = await start({ extensions: without('SMTPUTF8') });
    const mail = message([hopTo(peer.port)], { utf8Headers: true, eightBit: true });
    expect(summary(await client.send(mail))).toEqual(['delivered']);
  });
  test('SMTPUTF8 is said only where it is needed', async () => {
    const peer = await start();
    await client.send(message([hopTo(peer.port)], { smtpUtf8: true }));
    await client.send(message([hopTo(peer.port)], { to: ['j\u00fcrgen@peer.test'] }));
    expect(peer.mails.map((mail) => mail.commands[0]?.includes('SMTPUTF8'))).toEqual([false, true]);
    expect(Buffer.from(peer.mails[1]?.commands[1] ?? '', 'latin1').toString()).toBe('RCPT TO:<j\u00fcrgen@peer.test>');
  });
  const EIGHT_BIT =
    'Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\u00fc\u00dfe\r\n';
  test('no 8BITMIME: converted; with it: as it is', async () => {
    const seven = await start({ extensions: without('8BITMIME').filter((word) => word !== 'SMTPUTF8') });
    const send = { text: EIGHT_BIT, eightBit: true };
    expect(summary(await client.send(message([hopTo(seven.port)], send)))).toEqual(['delivered']);
    expect(seven.mails[0]?.data).not.toMatch(/[^\0-\x7f]/);
    expect(seven.mails[0]?.commands[0]).not.toContain('BODY=');
    expect((await simpleParser(seven.mails[0]?.data ?? '')).text?.trim()).toBe('Gr\u00fc\u00dfe');
    const eight = await start();
    await client.send(message([hopTo(eight.port)], send));
    expect(Buffer.from(eight.mails[0]?.data ?? '', 'latin1').toString()).toBe(EIGHT_BIT);
    expect(eight.mails[0]?.commands[0]).toContain(' BODY=8BITMIME');
  });
  test('no 8BITMIME and no way to convert: refused; never 8 bits, whatever the caller says', async () => {
    const peer = await start({ extensions: [] });
    const signed = 'Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nGr\u00fc\u00dfe\r\n--b--\r\n';
    expect(summary(await client.send(message([hopTo(peer.port)], { text: signed, eightBit: true })))).toEqual([
      '554 5.6.3',
    ]);
    expect(summary(await client.send(message([hopTo(peer.port)], { text: EIGHT_BIT })))).toEqual(['554 5.6.0']);
    expect(peer.received.join('')).not.toMatch(/[^\0-\x7f]/);
  });
  test('a server that knows only HELO', async () => {
    const peer = await start({ on: (line) => (line.startsWith('EHLO') ? '502 what' : undefined) });
    expect(summary(await client.send(message([hopTo(peer.port)], { demanded: 'may' })))).toEqual(['delivered']);
    expect(peer.mails[0]?.commands).toEqual(['MAIL FROM:<staff@clinic.test>', 'RCPT TO:<ann@peer.test>']);
  });
});

test('addresses that are none never reach the wire; the others go', async () => {
  const peer = await start();
  const to = ['a@peer.test>\r\nDATA\r\n.\r\n', 'b c@peer.test', 'ann@peer.test'];
  expect(summary(await client.send(message([hopTo(peer.port)], { to })))).toEqual([
    '553 5.1.3',
    '553 5.1.3',
    'delivered',
  ]);
  expect(summary(await client.send(message([hopTo(peer.port)], { reversePath: 'x\r\n@y.test' })))).toEqual([
    '553 5.1.7',
  ]);
  expect(peer.mails).toHaveLength(1);
});

test('DSN parameters, the null reverse-path, SIZE', async () => {
  const peer = await start();
  const base = message([hopTo(peer.port)], { reversePath: '', dsn: { ret: 'FULL', envid: 'id 1' } });
  const recipients = base.recipients.map((each) => ({
    ...each,
    dsn: { notify: ['FAILURE'] as const, orcpt: 'rfc822;ann@old.test' },
  }));
  await client.send({ ...base, recipients });
  expect(peer.mails[0]?.commands).toEqual([
    `MAIL FROM:<> SIZE=${base.size} RET=HDRS ENVID=id+201`,
    'RCPT TO:<ann@peer.test> NOTIFY=FAILURE ORCPT=rfc822;ann@old.test',
  ]);
});

test('a large body in many chunks arrives as it was, dots and all', async () => {
  const peer = await start();
  const line = '.0123456789 abcdefghijklmnopqrstuvwxyz\r\n';
  const whole = line.repeat(20_000);
  const bytes = Buffer.from(whole);
  const body = async function* () {
    for (let at = 0; at < bytes.length; at += 7_919) yield bytes.subarray(at, at + 7_919);
  };
  expect(summary(await client.send(message([hopTo(peer.port)], { body, size: bytes.length })))).toEqual(['delivered']);
  expect(peer.mails[0]?.data.replace(/(^|\n)\.\./g, '$1.')).toBe(whole);
});

test('connections are shared only by what is equal, and end after their number of messages', async () => {
  const few = clientFor([ca.cert], { limits: { messages: 2 } });
  const peer = await start();
  await few.send(message([hopTo(peer.port)]));
  await few.send(message([hopTo(peer.port, 'mx.peer.test', 'other.test')]));
  await few.send(message([hopTo(peer.port)], { helo: 'second.test' }));
  expect([peer.sessions(), few.idle()]).toEqual([3, 3]);
  await few.send(message([hopTo(peer.port)]));
  expect([peer.sessions(), few.idle()]).toEqual([3, 2]);
  await few.close();
});

test('an idle connection takes its leave', async () => {
  const brief = clientFor([ca.cert], { limits: { idle: 20 } });
  const peer = await start();
  await brief.send(message([hopTo(peer.port)]));
  while (!peer.commands.includes('QUIT')) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(brief.idle()).toBe(0);
});

test('no hop at all', async () => {
  expect(await client.send(message([]))).toEqual([{ kind: 'unreached', reason: 'no next hop', status: '4.4.4' }]);
});

test('idle connections count in the bound: the oldest gives way when one more is wanted', async () => {
  let most = 3;
  const bound = clientFor([ca.cert], { connections: () => most });
  const held = Promise.withResolvers<boolean>();
  const [a, b, c, d] = [await start(), await start(), await start(), await start()];
  const open = (): number => [a, b, c, d].reduce((sum, peer) => sum + peer.open(), 0);
  for (const peer of [a, b, c]) await bound.send(message([hopTo(peer.port)]));
  expect([bound.idle(), open()]).toEqual([3, 3]);
  const slow = bound.send(message([hopTo(d.port)], { beforeDot: () => held.promise }));
  while (d.mails.length + d.commands.filter((line) => line === 'DATA').length === 0 || a.open() > 0) await settled();
  expect([bound.idle(), a.open(), b.open(), c.open(), d.open()]).toEqual([2, 0, 1, 1, 1]);
  // One that is idle is used, and no other goes for it.
  await bound.send(message([hopTo(b.port)]));
  expect([bound.idle(), b.sessions()]).toEqual([2, 1]);
  // An operator lowers it.
  most = 1;
  held.resolve(true);
  await slow;
  expect(bound.idle()).toBe(1);
  while (open() > 1) await settled();
  await bound.close();
});
