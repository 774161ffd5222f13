// Mail in chunks through the whole gateway: from a real Exim, which uses CHUNKING wherever it is offered, and from clients that
// do with it what Exchange and attackers do.

import { type Exim, openExim } from '../support/exim.ts';
import { lacking, testWith } from '../support/programs.ts';
import { openSession, type Reply, type Session } from '../support/session.ts';
import { dataOf, openWorld, PHI, queueIdOf, SENDER, until, type World } from './world.ts';

const POLICY = `version: 1
rules:
  - { name: phi, when: { finding: { phi: true } }, then: { deliver: [{ tls: verify }] } }
  - { name: not readable, when: { coverage: [partial, unreadable] }, then: { deliver: [{ tls: verify }] } }
  - { name: rest, then: { deliver: [{ tls: encrypt }] } }
`;
const TO = 'a@plain.test';

let world: World;
let exim: Exim | null = null;

beforeAll(async () => {
  world = await openWorld({ policy: POLICY, domains: { 'plain.test': 'usual', 'other.test': 'usual' } });
  if (lacking(['exim4']).length === 0) exim = openExim(world.port);
}, 60_000);
afterAll(async () => {
  exim?.stop();
  await world?.close();
});

/** Message as it came to the domain's server, dots un-stuffed. */
const came = (domain = 'plain.test'): string[] => world.peer(domain).mails.map(({ data }) => data.replace(/^\./gm, ''));
const bodyOf = (message: string): string => message.slice(message.indexOf('\r\n\r\n') + 4);

const LINE = 'ZG90cyBhbmQgbGluZXM'.repeat(4);
const BODIES: Readonly<Record<string, string>> = {
  'dots and commands': '.\n..\n.x\n\nBDAT 3 LAST\n.\nQUIT\n.\n',
  'no body': '',
  'longest lines': `${'x'.repeat(998)}\n.${'y'.repeat(997)}\n`,
  '8 bits': 'r\xe4ksm\xf6rg\xe5s \xff\n',
  'two megabytes': `${`${LINE}\n.\n`.repeat(26_000)}`,
};

describe('an Exim that sends to us', () => {
  const scenario = testWith(['exim4']);

  for (const [name, body] of Object.entries(BODIES)) {
    scenario(
      name,
      async () => {
        const before = came().length;
        const message = `From: ${SENDER}\nTo: ${TO}\nSubject: ${name}\n\n${body}`;
        const log = await exim!.send(Buffer.from(message, 'latin1'), SENDER, [TO]);
        // K: by CHUNKING.
        expect(log.join('\n')).toMatch(/ => a@plain\.test .* X=TLS1\.3:.* K C="250 2\.6\.0 Queued as/);
        await until(() => came().length > before, 'a message at the far side');
        expect(bodyOf(came().at(-1)!)).toBe(body.replaceAll('\n', '\r\n'));
      },
      60_000,
    );
  }

  scenario(
    'one recipient refused, the other has it; a sender that proves nothing has its reply to the last chunk',
    async () => {
      const before = came('other.test').length;
      const message = Buffer.from(`From: ${SENDER}\nTo: b@other.test\nSubject: x\n\nx\n`);
      const log = await exim!.send(message, SENDER, ['x@gw.clinic.test', 'b@other.test']);
      expect(log.join('\n')).toMatch(/ \*\* x@gw\.clinic\.test .* 550 5\.1\.1 No such mailbox/);
      expect(log.join('\n')).toMatch(/ => b@other\.test .* K C="250 2\.6\.0 /);
      await until(() => came('other.test').length > before, 'a message at the far side');
      const foreign = Buffer.from('From: eve@elsewhere.test\nTo: b@other.test\nSubject: x\n\nx\n');
      const refused = await exim!.send(foreign, 'eve@elsewhere.test', ['b@other.test']);
      expect(refused.join('\n')).toMatch(/ \*\* b@other\.test .* 550 5\.7\.1 /);
    },
  );
});

async function begun(): Promise<Session> {
  const session = await openSession({ port: world.port, starttls: true });
  expect(session.ehlo.text).toMatch(/^250-CHUNKING/m);
  expect(session.ehlo.text).not.toContain('BINARYMIME');
  await session.command(`MAIL FROM:<${SENDER}>`);
  await session.command(`RCPT TO:<${TO}>`);
  return session;
}

/** In chunks of so many octets, all sent at once; the reply to the last one. */
async function byChunks(message: string, size: number): Promise<Reply> {
  const session = await begun();
  let wire = '';
  let count = 0;
  for (let at = 0; at < message.length; at += size) {
    const chunk = message.slice(at, at + size);
    wire += `BDAT ${chunk.length}${at + size >= message.length ? ' LAST' : ''}\r\n${chunk}`;
    count++;
  }
  session.raw(Buffer.from(wire, 'latin1'));
  let reply = await session.reply();
  for (let i = 1; i < count; i++) {
    expect(reply.text).toBe('250 2.0.0 Chunk taken');
    reply = await session.reply();
  }
  await session.quit();
  return reply;
}

test.each([
  1, 7, 1_000_000,
])('mail with bare LFs, in chunks of %d, is read, judged and sent on with CRLF', async (size) => {
  const text = `${PHI}\n.\n..\n\n.\r\nMAIL FROM:<evil@example.org>\n.\n`;
  const letter = dataOf({ to: [TO], subject: `bare ${size}` })
    .replaceAll('\r\n', '\n')
    .replace('nothing special\n', text);
  expect(letter).toContain(PHI);
  const id = queueIdOf(await byChunks(letter, size));
  await world.reaches(id, 'delivered');
  expect((await world.run('explain', id)).out).toContain('by rule "phi"');
  const mail = world.peer('plain.test').mails.at(-1)!;
  expect(mail.data).toContain(`Subject: bare ${size}\r\n`);
  expect(mail.data).not.toMatch(/\r(?!\n)|(?<!\r)\n/);
  expect(bodyOf(mail.data)).toBe(text.replace(/\r?\n/g, '\r\n').replace(/^\./gm, '..'));
});

test('what was not whole leaves nothing: the client leaves, takes it back, or sends what is refused', async () => {
  const accepted = (): number =>
    world
      .gateway()
      .log()
      .match(/"msg":"accepted"/g)?.length ?? 0;
  const before = accepted();
  const head = dataOf({ to: [TO], text: 'never whole' });
  const chunk = (more: number, last = ''): string => `BDAT ${head.length + more}${last}\r\n${head}`;
  const lost = await begun();
  lost.raw(chunk(10, ' LAST'));
  const between = await begun();
  between.raw(chunk(0));
  expect((await between.reply()).code).toBe(250);
  between.destroy();
  lost.destroy();
  const reset = await begun();
  reset.raw(chunk(0));
  expect((await reset.reply()).code).toBe(250);
  expect((await reset.command('RSET')).code).toBe(250);
  expect((await reset.command('BDAT 0 LAST')).text).toBe('503 5.5.1 Send MAIL first');
  await reset.quit();
  for (const [evil, reply] of [
    ['\rx', '550 5.6.0 Bare CR in mail data'],
    ['\0x', '550 5.6.0 NUL in mail data'],
  ] as const) {
    const session = await begun();
    session.raw(`${chunk(2)}${evil}BDAT 0 LAST\r\n`);
    expect([(await session.reply()).text, (await session.reply()).text]).toEqual([reply, reply]);
    await session.quit();
  }
  // What came after all of them is there, and nothing else.
  const id = queueIdOf(await byChunks(dataOf({ to: [TO] }), 100));
  await world.reaches(id, 'delivered');
  expect(accepted()).toBe(before + 1);
  expect((await world.run('queue', 'list', '--json')).out).toBe('');
  expect(came().join()).not.toContain('never whole');
});
