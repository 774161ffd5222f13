// What attackers send by SMTP, row by row, to a whole gateway: the reply that each must get, and what comes of it. Rows that
// other tests prove are listed in test/README.md.

import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { parsePath } from '../../src/mail/address.ts';
import { hasCode } from '../dialogue/play.ts';
import { Talker } from '../dialogue/talker.ts';
import { freePort } from '../support/smtp-sink.ts';
import { CLINIC, openWorld, SENDER, until, type World } from './world.ts';

const POLICY = 'version: 1\nrules:\n  - { name: all, then: { deliver: [{ tls: may }] } }\n';
const WORD = 'canary-word';

let world: World;
beforeAll(async () => {
  const port = await freePort();
  world = await openWorld({
    policy: POLICY,
    port,
    domains: { 'good.test': 'usual' },
    config: {
      listen: { smtp: { address: '127.0.0.1', port, tls: 'optional' } },
      limits: { connections_per_minute: 100_000 },
    },
  });
}, 60_000);
afterAll(() => world?.close());

/** All lines that come to what is said after the greeting, by their codes; QUIT ends what is still open. */
async function answers(said: string): Promise<string[]> {
  const talker = new Talker(world.port);
  try {
    const greeting = await talker.reply();
    if (!greeting.startsWith('220 ')) return [greeting];
    talker.send(`${said}QUIT\r\n`);
    const lines: string[] = [];
    for (let line = await talker.line(); line !== null; line = await talker.line()) lines.push(line);
    expect(lines.filter((line) => !hasCode(line))).toEqual([]);
    expect(lines.join('\n')).not.toContain(WORD);
    return lines
      .filter((line) => !/^221 /.test(line))
      .map((line) => /^\d{3}(?: [245]\.\d+\.\d+)?/.exec(line)?.[0] ?? line);
  } finally {
    talker.close();
  }
}

const HELO = 'HELO client.test\r\n';
const MAIL = `${HELO}MAIL FROM:<${SENDER}>\r\n`;

test.each<[row: string, said: string, replies: string[]]>([
  ['pipelining before EHLO', `MAIL FROM:<${SENDER}>\r\nRCPT TO:<${WORD}@good.test>\r\n`, ['503 5.5.1', '503 5.5.1']],
  ['HTTP over SMTP', `GET /${WORD} HTTP/1.1\r\nHost: ${WORD}\r\n\r\n`, ['421 4.7.0']],
  ['bare LF in a command', `${HELO}NOOP ${WORD}\nMAIL FROM:<>\r\n`, ['250', '500 5.5.2']],
  ['bare CR inside MAIL', `${HELO}MAIL FROM:<a@b.test>\rRCPT TO:<c@d.test>\r\n`, ['250', '500 5.5.2']],
  ['NUL in a command', `${HELO}MAIL FROM:<a\0@b.test>\r\n`, ['250', '500 5.5.2']],
  ['a command of more than 512 octets', `${HELO}NOOP ${'x'.repeat(600)}\r\n`, ['250', '500 5.5.2']],
  ['a command of more than 2,048 octets', `${HELO}RCPT TO:<${'x'.repeat(9_000)}@good.test>\r\n`, ['250', '500 5.5.2']],
  ['octets that are no text', `${HELO}NOOP \xff\xfe${WORD}\r\n`, ['250', '500 5.5.2']],
  ['a TLS handshake in clear', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n', ['500 5.5.2']],
  [
    'commands of others',
    `${HELO}XCLIENT NAME=x\r\nXFORWARD NAME=x\r\nWIZ\r\nDEBUG\r\nSHELL\r\n`,
    ['250', ...Array(5).fill('500 5.5.1')],
  ],
  ['a proxy header', 'PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n', ['500 5.5.1']],
  ['asking who is here', `${HELO}VRFY root\r\nEXPN staff\r\n`, ['250', '252 2.1.5', '502 5.5.1']],
  ['data without a recipient', `${MAIL}DATA\r\n`, ['250', '250 2.1.0', '554 5.5.1']],
  ['a size that is declared too large', `EHLO a.test\r\nMAIL FROM:<${SENDER}> SIZE=99999999999\r\n`, ['552 5.3.4']],
])('%s', async (_, said, replies) => {
  const got = await answers(said);
  expect(said.startsWith('EHLO') ? got.slice(-replies.length) : got).toEqual(
    said.startsWith(HELO) ? ['250', ...replies.slice(1)] : replies,
  );
});

describe('addresses of RCPT', () => {
  test.each<[what: string, path: string, replies: string[]]>([
    ['CR LF', `<${WORD}\r\nDATA@good.test>`, ['501 5.1.3', '500 5.5.1']],
    ['a space', `<${WORD} x@good.test>`, ['501 5.1.3']],
    ['a bracket inside', `<${WORD}>x@good.test>`, ['501 5.5.4']],
    ['U+2028', `<${WORD}\xe2\x80\xa8@good.test>`, ['553 5.6.7']],
    ['a zero-width space in the domain', `<${WORD}@go\xe2\x80\x8bod.test>`, ['553 5.6.7']],
    ['two @, without quotes', `<${WORD}@evil.test@good.test>`, ['501 5.1.3']],
    ['two @, quoted: the last one counts', `<"${WORD}@evil.test"@good.test>`, ['250 2.1.5']],
    ['a space in quotes', `<"${WORD} b"@good.test>`, ['250 2.1.5']],
    ['% is a character like others', `<${WORD}%evil.test@good.test>`, ['250 2.1.5']],
    ['! too', `<evil.test!${WORD}@good.test>`, ['250 2.1.5']],
    ['a source route goes', `<@evil.test:${WORD}@good.test>`, ['250 2.1.5']],
    ['an address literal of ourselves', `<${WORD}@[127.0.0.1]>`, ['550 5.1.2']],
    ['one of IPv6', `<${WORD}@[IPv6:::1]>`, ['550 5.1.2']],
    ['a name of one label', `<${WORD}@localhost>`, ['550 5.1.2']],
    ['a number', `<${WORD}@127.0.0.1>`, ['501 5.1.3']],
    ['nobody', '<>', ['501 5.1.3']],
    ['a local part of 65', `<${'x'.repeat(65)}@good.test>`, ['501 5.1.3']],
    ['the host itself', `<${WORD}@gw.clinic.test>`, ['550 5.1.1']],
    ['xtext with a line end', `<${WORD}@good.test> ORCPT=rfc822;a+0D+0Ab`, ['501 5.5.4']],
  ])('%s', async (_, path, replies) => {
    const got = await answers(`EHLO a.test\r\nMAIL FROM:<${SENDER}>\r\nRCPT TO:${path}\r\n`);
    expect(got.slice(got.indexOf('250 2.1.0') + 1)).toEqual(replies);
  });

  /** Pairs that a reader takes for one. They are the same name, or one of them is refused, or they stay two by their A-labels. */
  test.each<[string, string, 'same' | 'refused' | 'two']>([
    ['good.test', 'GOOD.TEST', 'same'],
    ['bücher.example', 'BÜCHER.example', 'same'],
    ['bücher.example', 'xn--bcher-kva.example', 'same'],
    ['bücher.example', 'bu\u0308cher.example', 'same'],
    ['faß.example', 'xn--fa-hia.example', 'same'],
    ['good.test', 'good.test.', 'refused'],
    ['good.test', 'good\u3002test', 'refused'],
    ['good.test', 'good\uff0etest', 'refused'],
    ['good.test', 'good\uff61test', 'refused'],
    ['good.test', 'g\u00adood.test', 'refused'],
    ['good.test', 'g\u200bood.test', 'refused'],
    ['good.test', 'g\u200dood.test', 'refused'],
    ['good.test', 'g\u2060ood.test', 'refused'],
    ['good.test', '\ufeffgood.test', 'refused'],
    ['good.test', '\u202egood.test', 'refused'],
    ['good.test', '\uff47ood.test', 'refused'],
    ['good.test', 'g\u24deod.test', 'refused'],
    ['good.test', 'g\u1d52od.test', 'refused'],
    ['good.test', '\u{1d420}ood.test', 'refused'],
    ['good.test', ' good.test', 'refused'],
    ['good.test', 'good.test\u00a0', 'refused'],
    ['good.test', 'good.t\u0435st', 'two'],
    ['apple.example', '\u0430pple.example', 'two'],
    ['apple.example', 'xn--pple-43d.example', 'two'],
    ['good.test', 'g\u03bfod.test', 'two'],
    ['good.test', 'go\u043ed.test', 'two'],
    ['faß.example', 'fass.example', 'two'],
    ['bank.example', 'b\u0251nk.example', 'two'],
    ['bank.example', 'bank-.example', 'refused'],
    ['bank.example', 'xn--.example', 'refused'],
    ['bank.example', 'xn--bank.example', 'two'],
  ])('the domains %s and %j', (one, other, how) => {
    const [a, b] = [one, other].map((domain) => parsePath(`<a@${domain}>`, { smtpUtf8: true }));
    expect(a).toHaveProperty('ok');
    if (how === 'refused') expect(b).toHaveProperty('error');
    else if (how === 'same') expect(b).toEqual(a);
    else {
      expect(b).toMatchObject({ ok: expect.stringMatching(/^a@[\x21-\x7e]+$/) });
      expect(b).not.toEqual(a);
    }
  });
});

describe('mail data', () => {
  const HEAD = `From: ${SENDER}\r\nSubject: x\r\n`;
  const sent = async (data: string): Promise<string> => {
    const talker = new Talker(world.port);
    await talker.reply();
    const rcpt = 'RCPT TO:<ann@good.test>';
    expect(await talker.say('HELO a.test', `MAIL FROM:<${SENDER}>`, rcpt, 'DATA')).toMatch(/^354 /);
    talker.send(`${data}\r\n.\r\n`);
    const reply = await talker.reply();
    expect(hasCode(reply)).toBe(true);
    // One reply to all of it: the next is that to NOOP.
    expect(await talker.say('NOOP')).toBe('250 2.0.0 OK');
    talker.close();
    return reply.slice(0, 9);
  };

  test.each<[row: string, data: string, reply: string]>([
    ['NUL', `${HEAD}\r\na\0b`, '550 5.6.0'],
    ['a bare LF', `${HEAD}\r\na\nb`, '550 5.5.2'],
    ['a bare CR', `${HEAD}\r\na\rb`, '550 5.5.2'],
    ['a header section of 20 MB', `${HEAD}${`X: ${'x'.repeat(990)}\r\n`.repeat(20_000)}\r\nx`, '554 5.6.0'],
    ['200,000 header fields', `${HEAD}${'X: \r\n'.repeat(200_000)}\r\nx`, '554 5.6.0'],
    ['51 hops', `${'Received: from a by b\r\n'.repeat(51)}${HEAD}\r\nx`, '554 5.4.6'],
    ['no sender', 'Subject: x\r\n\r\nx', '550 5.7.1'],
    ['two senders in two fields', `From: ${SENDER}\r\n${HEAD}\r\nx`, '550 5.7.1'],
    ['a stranger beside the sender', `From: ${SENDER}, mallory@evil.test\r\n\r\nx`, '550 5.7.1'],
    ['a sender in an encoded word', `From: =?utf-8?q?lee=40clinic.test?= <mallory@evil.test>\r\n\r\nx`, '550 5.7.1'],
    ['a display name that is another address', `From: ${SENDER} <mallory@evil.test>\r\n\r\nx`, '550 5.7.1'],
    ['a sender before a comment', `From: mallory@evil.test(<${SENDER}>)\r\n\r\nx`, '550 5.7.1'],
  ])('%s: none comes of it', async (_, data, reply) => {
    const before = world.peer('good.test').mails.length;
    expect(await sent(data)).toBe(reply);
    // What came after it is there, so that what did not come will not come any more.
    await world.reaches(await world.send({ to: ['ann@good.test'] }), 'delivered');
    expect(world.peer('good.test').mails).toHaveLength(before + 1);
  });

  test.each<[row: string, body: string]>([
    ['a line of 200,000 octets', 'x'.repeat(200_000)],
    ['octets beyond ASCII without BODY=8BITMIME', 'caf\xc3\xa9 \xff'],
    ['lines of dots', '.\r\n..\r\n...\r\n.x'],
  ])('%s: it arrives octet for octet', async (_, body) => {
    const data = `${HEAD}Message-ID: <${Math.random()}@${CLINIC}>\r\n\r\n${body}\r\n`;
    await world.reaches(await world.send({ to: ['ann@good.test'], data }), 'delivered');
    const came = world.peer('good.test').mails.at(-1)?.data.replaceAll(/^\./gm, '');
    expect(came?.slice(came.indexOf('\r\n\r\n'))).toBe(`\r\n\r\n${body}\r\n`);
  });
});

test('a client that floods and never reads is ended, and costs no memory; others are served', async () => {
  const rss = () =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${world.gateway().pid}/status`, 'utf8'))?.[1]) / 1_024;
  const before = rss();
  const socket = connect(world.port, '127.0.0.1').pause();
  socket.on('error', () => {});
  // The greeting, and nothing more.
  await new Promise((resolve) => socket.once('readable', resolve));
  socket.read();
  socket.write(HELO);
  const lines = Buffer.from('NOOP\r\n'.repeat(100_000));
  for (let n = 0; n < 100; n++) socket.write(lines);
  expect(await answers(HELO)).toEqual(['250']);
  let came = '';
  socket.on('data', (chunk) => {
    came += chunk;
  });
  await until(() => came.includes('421 4.7.0 Too many errors\r\n'), 'the end');
  expect(came.length).toBeLessThan(10_000);
  expect(rss() - before).toBeLessThan(100);
  socket.destroy();
});

test('the log is lines of JSON, and tells nothing that was said', () => {
  const lines = world.gateway().log().trimEnd().split('\n');
  for (const line of lines) expect(JSON.parse(line)).toHaveProperty('msg');
  expect(lines.join('\n') + world.gateway().errors()).not.toMatch(/canary|evil\.test|good\.test|mallory/);
});
