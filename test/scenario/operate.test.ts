// An operator's life, by the command alone: who may, what waits, what became of it and why, what is changed, and the end of a day.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sealrelay } from '../support/gateway.ts';
import { openSession, type Session } from '../support/session.ts';
import { freePort } from '../support/smtp-sink.ts';
import { CLINIC, dataOf, openWorld, PHI, queueIdOf, SENDER, until, type World } from './world.ts';

const POLICY = `version: 1
rules:
  - name: to be looked at
    when: { recipient_domain: [held.test, floored.test] }
    then: hold
  - name: by the portal
    when: { recipient_domain: portal.test }
    then: { deliver: [portal] }
  - name: rest
    then: { deliver: [{ tls: encrypt }] }
`;
/** What `later.test` answers to RCPT; null: it takes the mail. */
let later: string | null = '451 4.2.0 later';
/** Lets `slow.test` answer to the final dot. */
let answerDot: (() => void) | null = null;

let world: World;
let submitPort: number;

beforeAll(async () => {
  const port = await freePort();
  submitPort = await freePort();
  const listen = {
    smtp: { address: '127.0.0.1', port, tls: 'required' },
    submit: { address: '127.0.0.1', port: submitPort },
  };
  world = await openWorld({
    policy: POLICY,
    domains: {
      ...{ 'good.test': 'usual', 'held.test': 'usual', 'floored.test': 'usual', 'portal.test': 'usual' },
      'later.test': (ca, mx) => ({
        certificate: ca.issue({ names: [mx] }),
        on: (command) => (command.startsWith('RCPT') && later !== null ? later : undefined),
      }),
      'slow.test': (ca, mx) => ({
        certificate: ca.issue({ names: [mx] }),
        on: (command, { raw }) => {
          if (command !== '.') return undefined;
          answerDot = () => raw('250 2.0.0 taken\r\n');
          return null;
        },
      }),
    },
    config: {
      listen,
      floors: { domains: { 'floored.test': { tls: 'verify' } } },
      tags: { secure: {} },
    },
    port,
  });
});

afterAll(() => world?.close());

const run = (...args: string[]) => world.run(...args);
const json = async <T>(...args: string[]): Promise<T> => JSON.parse((await run(...args, '--json')).out) as T;
const state = async (id: string) => (await world.show(id)).deliveries.map((one) => one.state);
/** As the person whose configuration, and token, stand in that folder. */
async function runIn(folder: string, ...args: string[]) {
  const mine = process.env.SEALRELAY_TOKEN_FILE;
  process.env.SEALRELAY_TOKEN_FILE = '';
  const ran = sealrelay({ ...world.files, folder }, args);
  process.env.SEALRELAY_TOKEN_FILE = mine;
  return ran;
}
/** A message that its server puts off. */
async function deferred(): Promise<string> {
  const id = await world.send({ to: ['ann@later.test'] });
  await until(async () => (await world.show(id)).deliveries[0]!.status === '4.2.0', 'deferred');
  return id;
}

describe('who may', () => {
  test('an auditor reads and changes nothing; without a token nothing is told', async () => {
    const folder = join(world.files.folder, 'auditor');
    mkdirSync(folder);
    const added = await run('user', 'add', 'eve', '--role', 'auditor', '--write', join(folder, 'sealrelay-token'));
    expect(added).toMatchObject({ code: 0, out: '' });
    mkdirSync(join(folder, 'sealrelay'), { mode: 0o700 });
    const token = readFileSync(join(folder, 'sealrelay-token'), 'utf8');
    writeFileSync(join(folder, 'sealrelay', 'token'), token, { mode: 0o600 });
    const asEve = (...args: string[]) => runIn(folder, ...args);
    expect(await asEve('status')).toMatchObject({ code: 0 });
    const refused = await asEve('queue', 'hold', '--all', '--yes');
    expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('an auditor reads and changes nothing') });
    const nobody = await runIn('/nonexistent', 'queue', 'list');
    expect(nobody).toMatchObject({ code: 1, err: expect.stringContaining('you have no token') });
    expect(await run('user', 'remove', 'eve')).toMatchObject({ code: 0 });
    expect(await asEve('status')).toMatchObject({ code: 1, err: expect.stringContaining('your token is not known') });
  });
});

describe('the queue', () => {
  afterEach(() => {
    later = '451 4.2.0 later';
  });

  test('what is put off is listed, held, released and tried again, each time after a dry run', async () => {
    const id = await deferred();
    const list = await run('queue', 'list', '--domain', 'later.test');
    expect(list.out).toMatch(new RegExp(`${id}\\.0 .* ready .* ann@later\\.test .*451 4\\.2\\.0 later`));

    expect((await run('queue', 'hold', id, '--dry-run')).out).toContain('would hold: 1 delivery');
    expect(await state(id)).toEqual(['ready']);
    expect(await run('queue', 'hold', id, '--reason', 'asked by phone')).toMatchObject({ code: 0 });
    expect(await state(id)).toEqual(['held']);
    expect((await run('queue', 'list', '--state', 'held', '--json')).out).toContain(id);

    expect((await run('queue', 'release', id, '--dry-run')).out).toContain('would release: 1 delivery');
    expect(await state(id)).toEqual(['held']);
    expect(await run('queue', 'release', id)).toMatchObject({ code: 0 });
    const isPutOffAgain = async () => {
      const { attempts, state } = (await world.show(id)).deliveries[0]!;
      return attempts === 2 && state === 'ready';
    };
    await until(isPutOffAgain, 'put off again');

    later = null;
    expect((await run('queue', 'retry', '--domain', 'later.test', '--dry-run')).out).toContain('would retry: 1');
    expect(await run('queue', 'retry', '--domain', 'later.test', '--yes')).toMatchObject({ code: 0 });
    await world.reaches(id, 'delivered');
    const again = await run('queue', 'retry', id);
    expect(again).toMatchObject({ code: 1, out: expect.stringContaining('it ended: delivered') });
  });

  test('a bounce wants a reason, and its sender is told', async () => {
    const id = await deferred();
    expect(await run('queue', 'bounce', id, '--yes')).toMatchObject({ code: 2 });
    expect((await run('queue', 'bounce', id, '--dry-run')).out).toContain('would bounce: 1');
    expect(await state(id)).toEqual(['ready']);
    expect(await run('queue', 'bounce', id, '--reason', 'domain closed', '--yes')).toMatchObject({ code: 0 });
    expect(await state(id)).toEqual(['bounced']);
    const told = () => world.peer(CLINIC).mails.filter(({ data }) => data.includes(id));
    await until(() => told().length === 1, 'told');
    expect(told()[0]!.data).toContain('Action: failed');
    expect(await run('queue', 'release', id)).toMatchObject({ code: 1 });
  });

  test('a drop wants a reason and a yes, and nobody is told', async () => {
    const id = await deferred();
    expect(await run('queue', 'drop', id, '--yes')).toMatchObject({ code: 2 });
    expect(await run('queue', 'drop', id, '--reason', 'test mail')).toMatchObject({ code: 2 });
    expect(await state(id)).toEqual(['ready']);
    expect(await run('queue', 'drop', id, '--reason', 'test mail', '--yes')).toMatchObject({ code: 0 });
    expect(await state(id)).toEqual(['dropped']);
    await until(async () => ['finished', 'bodiless'].includes((await world.show(id)).stage), 'finished, told or not');
    expect(world.peer(CLINIC).mails.filter(({ data }) => data.includes(id))).toEqual([]);
  });

  test('what a rule holds leaves only with a protection of the operator, a reason, and never below a floor', async () => {
    const id = await world.send({ to: ['ann@floored.test'] });
    await world.reaches(id, 'held');
    const plain = await run('queue', 'release', id);
    expect(plain).toMatchObject({ code: 1, out: expect.stringContaining('its decision is to hold') });
    expect(await run('queue', 'release', id, '--deliver', 'tls')).toMatchObject({ code: 2 });
    for (const below of ['tls:may', 'tls:encrypt', 'portal']) {
      const refused = await run('queue', 'release', id, '--deliver', below, '--reason', 'urgent');
      expect(refused).toMatchObject({ code: 1, out: expect.stringMatching(/floor/) });
    }
    expect(await state(id)).toEqual(['held']);
    expect(world.peer('floored.test').sessions()).toBe(0);
    const released = await run('queue', 'release', id, '--deliver', 'tls', '--reason', 'urgent, agreed with Dr. Lee');
    expect(released).toMatchObject({ code: 0 });
    await world.reaches(id, 'delivered');
    expect(world.peer('floored.test').mails.map(({ secure }) => secure)).toEqual([true]);
  });

  test('a protection that cannot be made yet is held, and stays held when it is released', async () => {
    const id = await world.send({ to: ['ann@portal.test'], text: PHI });
    const view = await world.reaches(id, 'held');
    expect(view.deliveries[0]).toMatchObject({ decision: 'portal' });
    await run('queue', 'release', id);
    await world.reaches(id, 'held');
    expect(world.peer('portal.test').sessions()).toBe(0);
  });

  test('a condition that means everything must be said', async () => {
    expect(await run('queue', 'hold', '--yes')).toMatchObject({ code: 2 });
    expect(await run('queue', 'hold', 'not-an-id')).toMatchObject({ code: 2 });
  });
});

describe('what became of it, and why', () => {
  let id: string;
  beforeAll(async () => {
    id = await world.send({ to: ['bob@good.test'], text: PHI, subject: 'canary-subject' });
    await world.reaches(id, 'delivered');
  });

  test('explain names the rule and answers for each condition', async () => {
    const { out } = await run('explain', id);
    expect(out).toContain('by rule "rest"');
    expect(out).toMatch(/no: rule "to be looked at"/);
    expect(out).toMatch(/yes: rule "rest"/);
    expect(out).toContain('delivered, level verify');
  });

  test('trace shows every step with the TLS it went by', async () => {
    const { out } = await run('trace', id);
    const events = [
      'message.accepted',
      'message.examined',
      'delivery.decided',
      'delivery.attempted',
      'delivery.delivered',
    ];
    const places = events.map((event) => out.indexOf(event));
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(places[0]).toBeGreaterThan(0);
    expect(out).toMatch(/TLSv1\.[23]/);
    expect(out).toContain('mx.good.test');
    expect(out).not.toMatch(/canary-subject|00482913/);
  });

  test('log search finds by recipient, domain, rule and state; the address may come by stdin', async () => {
    const found = await sealrelay(world.files, ['log', 'search', '--recipient', '-', '--json'], 'BOB@good.test\n');
    expect(JSON.parse(found.out)).toMatchObject({
      queueId: id,
      state: 'delivered',
      protection: 'tls: encrypt',
      level: 'verify',
    });
    const by = (...args: string[]) =>
      run('log', 'search', '--domain', 'good.test', '--sender', SENDER, '--json', ...args);
    expect((await by('--rule', 'rest', '--state', 'delivered')).out).toContain(id);
    expect((await by('--rule', 'by the portal')).out).toBe('');
    expect((await by('--until', '2026-01-01', '--since', '2025-01-01')).out).toBe('');
    expect((await by('--protection', 'tls')).out).toContain(id);
    expect((await by('--protection', 'portal')).out).toBe('');
    expect((await run('log', 'search', '--id', id)).out).toMatch(/ tls: verify +delivered /);
    const csv = await run('log', 'search', '--id', id, '--csv');
    expect(csv.out.split('\n')[0]).toMatch(/^accepted,ended,queueId,/);
    expect(csv.out.split('\n')).toHaveLength(3);
  });

  test('export gives the whole chain, verify proves it, and both stand in it', async () => {
    await run('log', 'verify');
    const entries = (await run('log', 'export')).out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, i) => i + entries[0].seq));
    const events = new Set(entries.map(({ event }) => event));
    for (const event of ['log.searched', 'log.verified', 'log.exported', 'message.viewed', 'delivery.dropped']) {
      expect(events).toContain(event);
    }
    expect(entries.filter(({ event }) => event === 'delivery.dropped')).toMatchObject([
      { actor: 'ops', boxed: { because: 'test mail' } },
    ]);
    const verified = await json<{ intact: boolean; entries: number }>('log', 'verify');
    expect(verified).toMatchObject({ intact: true });
    expect(verified.entries).toBeGreaterThanOrEqual(entries.length);
  });

  test('status says that it is ready, what waits, and where it listens', async () => {
    const status = await json<{ queue: { states: { held: number } }; listeners: { name: string }[] }>('status');
    expect(status).toMatchObject({ ready: true, mode: 'evaluation', reasons: [] });
    expect(status.queue.states.held).toBeGreaterThan(0);
    expect(status.listeners.map(({ name }) => name)).toEqual(['smtp', 'submit']);
  });
});

describe('submission', () => {
  let secret: string;
  let session: Session;
  const login = (name: string, word: string) => `AUTH PLAIN ${Buffer.from(`\0${name}\0${word}`).toString('base64')}`;
  const submit = async (from: string, header = from) => {
    await session.command('RSET');
    const mail = await session.command(`MAIL FROM:<${from}>`);
    if (mail.code !== 250) return mail;
    await session.command('RCPT TO:<ann@good.test>');
    await session.command('DATA');
    return session.data(Buffer.from(dataOf({ from: header, to: ['ann@good.test'] })));
  };

  beforeAll(async () => {
    const clinic = ['--organization', 'Clinic', '--from', `scanner@${CLINIC}`];
    secret = (await run('submission', 'add', 'scanner', ...clinic)).out.trim();
    session = await openSession({ port: submitPort, starttls: true });
  });
  afterAll(() => session?.destroy());

  test('the secret is shown once', async () => {
    expect(secret).toMatch(/^[a-z2-7]{32}$/);
    const list = await run('submission', 'list');
    expect(list.out).toContain(`scanner@${CLINIC}`);
    expect(list.out).not.toContain(secret);
  });

  test('in clear there is no AUTH and no mail', async () => {
    const plain = await openSession({ port: submitPort });
    expect(plain.ehlo.text).not.toMatch(/AUTH/);
    expect((await plain.command(login('scanner', secret))).code).toBeGreaterThanOrEqual(500);
    expect((await plain.command(`MAIL FROM:<scanner@${CLINIC}>`)).code).toBe(530);
    plain.destroy();
  });

  test('before the login, and with a wrong secret, nothing is taken', async () => {
    expect((await submit(`scanner@${CLINIC}`)).code).toBe(530);
    expect(await session.command(login('scanner', 'a'.repeat(32)))).toMatchObject({ code: 535 });
    expect((await submit(`scanner@${CLINIC}`)).code).toBe(530);
  });

  test('after it only its own addresses are, in header and envelope', async () => {
    expect(await session.command(login('scanner', secret))).toMatchObject({ code: 235 });
    expect(await submit(SENDER)).toMatchObject({ code: 550, text: expect.stringContaining('5.7.1') });
    expect(await submit(`scanner@${CLINIC}`, SENDER)).toMatchObject({ code: 550 });
    const id = queueIdOf(await submit(`scanner@${CLINIC}`));
    const view = await world.reaches(id, 'delivered');
    expect(view).toMatchObject({
      origin: 'submitted',
      received: { with: 'ESMTPSA', proof: ['SMTP AUTH', expect.anything()] },
    });
  });

  test('a login that is removed opens nothing', async () => {
    await run('submission', 'remove', 'scanner', '--reason', 'replaced');
    expect((await submit(`scanner@${CLINIC}`)).code).toBeGreaterThanOrEqual(500);
    const other = await openSession({ port: submitPort, starttls: true });
    expect(await other.command(login('scanner', secret))).toMatchObject({ code: 535 });
    other.destroy();
  });
});

test('a subject tag decides and does not leave; every other octet does', async () => {
  const head = `From: ${SENDER}\r\nTo: ann@good.test\r\nSubject: Re: [SECURE] your results\r\nX-Kept: [secure]\r\n`;
  const body = '\r\n[secure] stays in the body\r\n';
  const id = await world.send({ to: ['ann@good.test'], data: head + body });
  const view = await world.reaches(id, 'delivered');
  expect(view.subjectTags).toEqual(['secure']);
  const { data } = world.peer('good.test').mails.find((one) => one.data.includes('X-Kept'))!;
  const expected = head.replace(' [SECURE]', '') + body;
  expect(data.endsWith(expected)).toBe(true);
  expect(data.slice(0, -expected.length)).toMatch(/^Received: [^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*$/);
});

test('a stop takes nothing new, finishes what is under way, and loses nothing', async () => {
  const id = await world.send({ to: ['ann@slow.test'] });
  await until(() => answerDot !== null, 'at the final dot');
  const waiting = await deferred();
  const gateway = world.gateway();
  const stopped = gateway.stop();
  const isShut = async () => {
    const session = await openSession({ port: world.port }).catch(() => null);
    session?.destroy();
    return session?.greeting.code !== 220;
  };
  await until(isShut, 'shut');
  expect(gateway.child.exitCode).toBeNull();
  answerDot!();
  expect(await stopped).toBe(0);
  const offline = await run('log', 'verify', '--offline');
  expect(offline).toMatchObject({ code: 0, out: expect.stringContaining('hash chain intact') });
  await world.restart();
  const view = await world.show(id);
  expect(view.deliveries[0]).toMatchObject({ state: 'delivered', inDoubt: false, attempts: 1 });
  expect(world.peer('slow.test').mails).toHaveLength(1);
  expect((await world.show(waiting)).deliveries[0]).toMatchObject({ state: 'ready', attempts: 1 });
});
