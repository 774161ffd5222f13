// Words that must not be read by whoever holds the disk, the log or the metrics: they go in by every door and are looked for everywhere.

import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ask } from '../../src/cli/client.ts';
import { findCanaries, findCanariesIn, type Leak } from '../support/canary.ts';
import { sealrelay, startGateway } from '../support/gateway.ts';
import type { PeerOptions } from '../support/peer.ts';
import type { Ca } from '../support/pki.ts';
import { argumentsOf } from '../support/processes.ts';
import { openSession } from '../support/session.ts';
import { freePort } from '../support/smtp-sink.ts';
import { CLINIC, openWorld, PHI, until, type World } from './world.ts';

/** By what they are; each is random, so that it stands nowhere by chance. */
const CANARY = Object.fromEntries(
  ['sender', 'name', 'recipient', 'listed', 'subject', 'body', 'attachment', 'reply', 'reason', 'login', 'orcpt'].map(
    (what) => [what, `${what}-${randomBytes(8).toString('hex')}`],
  ),
) as Record<string, string>;
const ALL = Object.values(CANARY);
const SENDER = `${CANARY.sender}@${CLINIC}`;
const to = (domain: string) => `${CANARY.recipient}@${domain}`;

/** A server whose every reply has the word in it, and one of them is this. */
function talkative(own: Record<string, string> = {}): (ca: Ca, mx: string) => PeerOptions {
  const usual: Record<string, string> = {
    ...{ greeting: '220 mx', MAIL: '250 2.1.0', RCPT: '250 2.1.5', DATA: '354', '.': '250 2.0.0', RSET: '250 2.0.0' },
    ...own,
  };
  return (ca, mx) => ({
    certificate: ca.issue({ names: [mx] }),
    on: (command) => {
      const reply = usual[command.split(' ')[0]!];
      return reply === undefined ? undefined : `${reply} ${CANARY.reply}`;
    },
  });
}

const POLICY = `version: 1
rules:
  - name: listed
    when: { recipient: "${CANARY.listed}@held.test" }
    then: hold
  - name: rest
    warn: see the handbook
    then: { deliver: [{ tls: encrypt }] }
`;

let world: World;
let webPort: number;
let submitPort: number;
/** What all runs of the gateway have said. */
let said = '';

beforeAll(async () => {
  const port = await freePort();
  webPort = await freePort();
  submitPort = await freePort();
  world = await openWorld({
    policy: POLICY,
    port,
    domains: {
      'good.test': talkative(),
      'refuses.test': talkative({ RCPT: '550 5.1.1' }),
      'later.test': talkative({ RCPT: '451 4.2.0' }),
      'lost.test': talkative({ '.': '554 5.6.0' }),
      'closed.test': talkative({ greeting: '554 5.3.2' }),
      'no-tls.test': talkative({ STARTTLS: '454 4.7.0' }),
      'held.test': 'usual',
    },
    config: {
      listen: {
        smtp: { address: '127.0.0.1', port, tls: 'required' },
        submit: { address: '127.0.0.1', port: submitPort },
        web: { address: '127.0.0.1', port: webPort },
      },
      log: { level: 'trace' },
    },
  });
  await traffic();
}, 60_000);

afterAll(() => world?.close());

/** A message with every word in it; `filler` octets make it large. */
function message(filler = 0): string {
  const boundary = 'b0undary';
  const encoded = Buffer.from(`${PHI} ${CANARY.body} ${'x'.repeat(filler)}`).toString('base64');
  return [
    `From: ${CANARY.name} <${SENDER}>`,
    `To: ${to('good.test')}`,
    `Subject: =?utf-8?B?${Buffer.from(`[secure] ${CANARY.subject}`).toString('base64')}?=`,
    'MIME-Version: 1.0',
    `Content-Type: multipart/mixed; boundary=${boundary}`,
    '',
    `--${boundary}`,
    'Content-Type: text/plain',
    '',
    `${PHI} ${CANARY.body}`,
    `--${boundary}`,
    `Content-Type: text/plain; name="${CANARY.attachment}.txt"`,
    `Content-Disposition: attachment; filename="${CANARY.attachment}.txt"`,
    'Content-Transfer-Encoding: base64',
    '',
    ...(encoded.match(/.{1,76}/g) ?? []),
    `--${boundary}--`,
    '',
  ].join('\r\n');
}

/** Every way in, every way a delivery can end, and what an operator may type. */
async function traffic(): Promise<void> {
  const from = SENDER;
  const send = (domain: string, data = message()) => world.send({ from, to: [to(domain)], data });
  const delivered = [await send('good.test'), await send('good.test', message(3_000_000))];
  const bounced = [await send('refuses.test'), await send('lost.test')];
  const later = [await send('later.test'), await send('closed.test'), await send('no-tls.test')];
  const held = await world.send({ from, to: [`${CANARY.listed}@held.test`], data: message() });
  for (const id of delivered) await world.reaches(id, 'delivered');
  for (const id of bounced) await world.reaches(id, 'bounced');
  for (const id of later) await until(async () => (await world.show(id)).deliveries[0]!.because !== '', 'tried');
  await world.reaches(held, 'held');
  await refusedInSession();
  await submitted();
  const reason = ['--reason', CANARY.reason!];
  expect(await world.run('queue', 'hold', later[0]!, ...reason)).toMatchObject({ code: 0 });
  expect(await world.run('queue', 'drop', later[0]!, '--yes', ...reason)).toMatchObject({ code: 0 });
  expect(await world.run('queue', 'bounce', held, '--yes', ...reason)).toMatchObject({ code: 0 });
  const told = () => world.peer(CLINIC).mails.length;
  await until(() => told() >= 4, 'told of three bounces and what is held');
  const found = await sealrelay(world.files, ['log', 'search', '--recipient', '-', '--json'], to('good.test'));
  expect(found.out).toContain(CANARY.recipient);
  expect(await world.run('reload')).toMatchObject({ code: 0 });
}

/** What is refused is logged too. */
async function refusedInSession(): Promise<void> {
  const session = await openSession({ port: world.port, starttls: true, helo: 'client.test' });
  for (const line of [
    `MAIL FROM:<${CANARY.sender} @${CLINIC}>`,
    `VRFY ${CANARY.recipient}`,
    `${CANARY.body}`,
    `MAIL FROM:<${CANARY.sender}@elsewhere.test> ENVID=${CANARY.orcpt}`,
    `RCPT TO:<${CANARY.recipient}@gw.clinic.test>`,
    `RCPT TO:<${CANARY.recipient}@nodots>`,
    `RCPT TO:<${to('good.test')}> NOTIFY=FAILURE ORCPT=rfc822;${CANARY.orcpt}@good.test`,
    'DATA',
  ]) {
    await session.command(line);
  }
  const refused = await session.data(Buffer.from(message()));
  expect(refused.code).toBe(550);
  await session.quit();
}

async function submitted(): Promise<void> {
  const clinic = ['--organization', 'Clinic', '--from', `${CANARY.login}@${CLINIC}`];
  const secret = (await world.run('submission', 'add', 'app', ...clinic)).out.trim();
  ALL.push(secret, readFileSync(process.env.SEALRELAY_TOKEN_FILE!, 'utf8').trim());
  const session = await openSession({ port: submitPort, starttls: true });
  await session.command(`AUTH PLAIN ${Buffer.from(`\0app\0${secret}wrong`).toString('base64')}`);
  const login = await session.command(`AUTH PLAIN ${Buffer.from(`\0app\0${secret}`).toString('base64')}`);
  expect(login.code).toBe(235);
  await session.command(`MAIL FROM:<${CANARY.login}@${CLINIC}>`);
  await session.command(`RCPT TO:<${to('good.test')}>`);
  await session.command('DATA');
  const data = message().replace(CANARY.sender!, CANARY.login!);
  expect(await session.data(Buffer.from(data))).toMatchObject({ code: 250 });
  await session.quit();
}

function leaksOnDisk(): Leak[] {
  return findCanaries([world.files.storage], ALL);
}

function takeLog(): void {
  said += world.gateway().log() + world.gateway().errors();
}

test('the words went through: they stand where they belong', async () => {
  const forms = (text: string) => new Set(findCanariesIn(text, ALL).map(({ canary }) => canary));
  const out = world.peer('good.test').received.join('');
  for (const what of ['sender', 'name', 'recipient', 'subject', 'body', 'attachment', 'login']) {
    expect(forms(out)).toContain(CANARY[what]);
  }
  const back = world.peer(CLINIC).received.join('');
  for (const what of ['recipient', 'reply']) expect(forms(back)).toContain(CANARY[what]);
  const audit: unknown[] = [];
  await ask({ socket: world.files.storage }, 'read', 'log.export', {}, async (page) => void audit.push(...page));
  for (const what of ['reply', 'reason', 'recipient']) expect(forms(JSON.stringify(audit))).toContain(CANARY[what]);
});

test('the search would find one in the data folder', () => {
  const planted = join(world.files.storage, 'bodies', 'planted');
  writeFileSync(planted, Buffer.from(`x${CANARY.body}`).toString('base64'));
  expect(leaksOnDisk().map(({ file }) => file)).toEqual([planted]);
  rmSync(planted);
});

test('none stands in the data folder of a running gateway, its WAL included', () => {
  const files = readdirSync(world.files.storage, { recursive: true }).map(String);
  expect(files.some((name) => name.endsWith('-wal'))).toBe(true);
  expect(leaksOnDisk()).toEqual([]);
});

test('none stands in metrics, health, or the arguments of its processes', async () => {
  for (const page of ['metrics', 'health/ready', 'health/live', `${CANARY.body}`]) {
    const text = await (await fetch(`http://127.0.0.1:${webPort}/${page}`)).text();
    expect(text.length).toBeGreaterThan(10);
    expect(findCanariesIn(text, ALL, page)).toEqual([]);
  }
  expect(findCanariesIn(argumentsOf(world.gateway().pid), ALL)).toEqual([]);
});

test('none stands on the disk after it was killed, started again and stopped, nor in all that it ever logged', async () => {
  takeLog();
  await world.gateway().kill();
  expect(leaksOnDisk()).toEqual([]);
  const again = await startGateway(world.files);
  expect(leaksOnDisk()).toEqual([]);
  expect(await again.stop()).toBe(0);
  said += again.log() + again.errors();
  expect(leaksOnDisk()).toEqual([]);
  expect(said).toContain('"msg":"accepted"');
  expect(said).toContain('"msg":"bounced"');
  expect(findCanariesIn(said, ALL, 'log')).toEqual([]);
});
