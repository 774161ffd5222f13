// Reload of a gateway in live mode: what is wrong or weaker is not taken over, and the old configuration goes on, audibly.

import { X509Certificate } from 'node:crypto';
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectPlain, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { parse, stringify } from 'yaml';
import { ask } from '../../src/cli/client.ts';
import type { MessageView } from '../../src/control/views.ts';
import { type Running, sealrelay, startGateway } from '../support/gateway.ts';
import { makeCa } from '../support/pki.ts';
import { openSession } from '../support/session.ts';
import { type LiveFiles, testAsRoot, writeLive } from './live.ts';
import { dataOf, queueIdOf, until } from './world.ts';

const policyOf = (deliver: string) => `version: 1
rules:
  - name: all mail
    then: { deliver: [${deliver}] }
`;
const STRONG = policyOf('tls');
const WEAK = policyOf('{ tls: encrypt }');
const FLOORED = { floors: { domains: { 'floored.test': { tls: 'dane' } } } };

let files: LiveFiles;
let gateway: Running;

beforeAll(async () => {
  files = await writeLive(STRONG, FLOORED);
  process.env.SEALRELAY_TOKEN_FILE = join(files.folder, 'sealrelay', 'token');
  if (process.getuid?.() !== 0) return;
  gateway = await startGateway(files);
  expect(await run('user', 'add', 'ops', '--role', 'admin', '--write')).toMatchObject({ code: 0 });
});

afterAll(async () => {
  await gateway?.stop();
  rmSync(files.folder, { recursive: true, force: true });
});

const run = (...args: string[]) => sealrelay(files, args);
const fileOf = (name: string) => join(files.folder, name);

/** Writes a file for as long as a test runs, and puts the old one back. */
function write(name: string, text: string): void {
  writeFileSync(fileOf(name), text);
  chmodSync(fileOf(name), name === 'key.pem' ? 0o600 : 0o644);
}

function configWith(change: Readonly<Record<string, unknown>>): string {
  return stringify({ ...(parse(original.config) as object), ...change });
}

let original: { config: string; policy: string; cert: string; key: string };
beforeEach(() => {
  const read = (name: string) => readFileSync(fileOf(name), 'utf8');
  original = { config: read('gateway.yaml'), policy: STRONG, cert: read('cert.pem'), key: read('key.pem') };
});
afterEach(() => {
  write('gateway.yaml', original.config);
  write('policy.yaml', original.policy);
  write('cert.pem', original.cert);
  write('key.pem', original.key);
});

/** Sends a message and gives the decision for it, in words. */
async function decisionFor(to: string): Promise<string> {
  const session = await openSession({ port: files.port, starttls: true });
  await session.command('MAIL FROM:<lee@clinic.test>');
  await session.command(`RCPT TO:<${to}>`);
  await session.command('DATA');
  const id = queueIdOf(await session.data(Buffer.from(dataOf({ to: [to] }))));
  await session.quit();
  const show = () => ask<MessageView>({ socket: files.storage }, 'read', 'queue.show', { id });
  await until(async () => (await show()).stage === 'decided', 'decided');
  return (await show()).deliveries[0]!.decision;
}

/** Fingerprint of the certificate that the listener shows. */
async function shown(): Promise<string> {
  const secure = connect({ socket: await afterStartTls(), rejectUnauthorized: false });
  await new Promise((resolve, reject) => secure.once('secureConnect', resolve).once('error', reject));
  const { fingerprint256 } = secure.getPeerX509Certificate()!;
  secure.destroy();
  return fingerprint256;
}

async function afterStartTls(): Promise<Socket> {
  const socket = connectPlain({ port: files.port, host: '127.0.0.1' });
  const said = async (line: string | null): Promise<void> => {
    if (line !== null) socket.write(`${line}\r\n`);
    for (let text = ''; !/^\d{3} .*\r\n$/m.test(text); ) {
      text += await new Promise<string>((resolve) => socket.once('data', (chunk) => resolve(String(chunk))));
    }
  };
  await said(null);
  await said('EHLO client.test');
  await said('STARTTLS');
  return socket;
}

const fingerprintOf = (pem: string) => new X509Certificate(pem).fingerprint256;

testAsRoot('a broken configuration is refused with its place, and the old one goes on', async () => {
  write('gateway.yaml', configWith({ lissten: {} }));
  const line =
    readFileSync(files.config, 'utf8')
      .split('\n')
      .findIndex((one) => one.startsWith('lissten')) + 1;
  const place = `gateway.yaml:${line}:1 lissten: `;
  const before = JSON.parse((await run('status', '--json')).out) as { configLoadedAt: string };
  const reloaded = await run('reload');
  expect(reloaded).toMatchObject({ code: 1 });
  expect(reloaded.out).toContain(place);
  expect(reloaded.out).toMatch(/did you mean "listen"/);
  expect(reloaded.out).toContain('the configuration and policy of before go on');
  const after = JSON.parse((await run('status', '--json')).out) as { configLoadedAt: string };
  expect(after.configLoadedAt).toBe(before.configLoadedAt);
  expect(await decisionFor('ann@partner.test')).toBe('tls');
});

testAsRoot('what deliveries were started with is not said to be taken over', async () => {
  const { protection, delivery } = parse(original.config) as { protection: object; delivery?: object };
  const change = {
    protection: { ...protection, tls: { minimum: '1.3' } },
    delivery: { ...delivery, connect_timeout: '7s' },
  };
  write('gateway.yaml', configWith(change));
  const { needsRestart } = JSON.parse((await run('reload', '--json')).out) as { needsRestart: string[] };
  expect(needsRestart).toEqual(['protection.tls', 'delivery.connect_timeout']);
  const again = JSON.parse((await run('reload', '--json')).out) as { needsRestart: string[] };
  expect(again.needsRestart).toEqual(needsRestart);
});

testAsRoot('networks that prove an organization are those of the new configuration at once', async () => {
  const networks = (list: string[]) =>
    configWith({ organizations: [{ name: 'Clinic', domains: ['clinic.test'], from: { networks: list } }] });
  const mail = async () => {
    const session = await openSession({ port: files.port, starttls: true });
    const reply = await session.command('MAIL FROM:<lee@clinic.test>');
    await session.quit();
    return reply;
  };
  expect(await mail()).toMatchObject({ code: 250 });
  write('gateway.yaml', networks(['192.0.2.0/24']));
  expect(await run('reload')).toMatchObject({ code: 0 });
  expect(await mail()).toMatchObject({ code: 550, text: expect.stringMatching(/^550 5\.7\.1 /) });
  write('gateway.yaml', original.config);
  expect(await run('reload')).toMatchObject({ code: 0 });
  expect(await mail()).toMatchObject({ code: 250 });
});

testAsRoot('SIGHUP refuses it too, on standard error', async () => {
  write('policy.yaml', STRONG.replace('deliver', 'delivr'));
  gateway.child.kill('SIGHUP');
  await until(() => /not reloaded: \S*policy\.yaml:4:\d+ /.test(gateway.errors()), 'said');
  expect(await decisionFor('ann@partner.test')).toBe('tls');
});

testAsRoot(
  'a policy that protects stored mail less is refused until an operator accepts it with a reason',
  async () => {
    await decisionFor('ann@partner.test');
    write('policy.yaml', WEAK);
    const refused = await run('reload');
    expect(refused.code).toBe(1);
    expect(refused.out).toMatch(/rule "all mail": .*tls.* would become .*tls: encrypt.* by rule "all mail"/);
    gateway.child.kill('SIGHUP');
    await until(() => gateway.errors().includes('not reloaded: the new policy protects mail less'), 'refused');
    expect(await decisionFor('ann@partner.test')).toBe('tls');

    expect(await run('reload', '--accept-weaker')).toMatchObject({ code: 2 });
    expect(await decisionFor('ann@partner.test')).toBe('tls');

    const accepted = await run('reload', '--accept-weaker', '--reason', 'ticket 4711');
    expect(accepted.code).toBe(3);
    expect(await decisionFor('ann@partner.test')).toBe('tls: encrypt');
    const entries = (await run('log', 'export')).out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const loaded = entries.filter(({ event }) => event === 'config.loaded').at(-1);
    expect(loaded).toMatchObject({ actor: 'ops', detail: { weaker: 1 }, boxed: { reason: 'ticket 4711' } });
    expect(entries.filter(({ event }) => event === 'config.refused').length).toBeGreaterThanOrEqual(2);

    write('policy.yaml', STRONG);
    expect(await run('reload')).toMatchObject({ code: 0 });
    expect(await decisionFor('ann@partner.test')).toBe('tls');
  },
);

testAsRoot('taking away a floor counts as weaker', async () => {
  expect(await decisionFor('ann@floored.test')).toBe('hold');
  write('gateway.yaml', configWith({ floors: {} }));
  const refused = await run('reload');
  expect(refused.code).toBe(1);
  expect(refused.out).toContain('protects mail less');
  expect(await decisionFor('ann@floored.test')).toBe('hold');
});

testAsRoot('a new certificate is shown after a reload, without a restart and without cutting a session', async () => {
  const { pid } = gateway;
  const old = await openSession({ port: files.port, starttls: true });
  expect(await shown()).toBe(fingerprintOf(original.cert));
  const next = makeCa().issue({ names: ['gw.clinic.test'] });
  write('cert.pem', next.chain);
  write('key.pem', next.key);
  expect(await run('reload')).toMatchObject({ code: 0 });
  expect(await shown()).toBe(fingerprintOf(next.cert));
  expect(await old.command('NOOP')).toMatchObject({ code: 250 });
  await old.quit();
  expect(JSON.parse((await run('status', '--json')).out)).toMatchObject({ pid, ready: true });
});

testAsRoot('a certificate that its key does not fit is refused, and the old one is shown', async () => {
  const [one, other] = [makeCa().issue({ names: ['gw.clinic.test'] }), makeCa().issue({ names: ['gw.clinic.test'] })];
  const before = await shown();
  write('cert.pem', one.chain);
  write('key.pem', other.key);
  const reloaded = await run('reload');
  expect(reloaded.code).toBe(1);
  expect(reloaded.out).toContain('is not the key of that certificate');
  expect(await shown()).toBe(before);
});

testAsRoot('what only a restart changes is named', async () => {
  write('gateway.yaml', configWith({ log: { level: 'debug' } }));
  const reloaded = await run('reload');
  expect(reloaded.code).toBe(3);
  expect(reloaded.out).toContain('takes effect at the next start: log');
});
