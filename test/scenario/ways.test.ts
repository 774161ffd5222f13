// One message to six people, each in the best way that is possible for them; then their ways change: a server loses STARTTLS, a
// key is revoked, a certificate expires. Nothing leaves plainer than decided, and the trace says in words what happened.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MessageView } from '../../src/control/views.ts';
import { mailCertificate, pgpPair } from '../support/correspondents.ts';
import { find } from '../support/programs.ts';
import { freePort } from '../support/smtp-sink.ts';
import { openWorld, PHI, SENDER, until, type World } from './world.ts';

const POLICY = `version: 1
rules:
  - name: keys
    when: { recipient_domain: [pgp.test, smime.test] }
    then: { deliver: [smime, pgp, portal] }
  - name: only by key
    when: { recipient_domain: only.test }
    then: { deliver: [pgp] }
  - name: encrypted at least
    when: { recipient_domain: plain.test }
    then: { deliver: [{ tls: encrypt }, portal] }
  - name: rest
    then: { deliver: [{ tls: verify }, { portal: may }] }
`;
const TO = {
  tls: 'ann@verified.test',
  encrypt: 'bob@plain.test',
  pgp: 'carol@pgp.test',
  smime: 'dave@smime.test',
  portal: 'patient@old.test',
  only: 'frank@only.test',
} as const;
const DAY = 86_400_000;
const SHIFT = fileURLToPath(new URL('../support/clock-shift.ts', import.meta.url));

let world: World;
let folder: string;
let stripped = false;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sealrelay-keys-'));
  const port = await freePort();
  world = await openWorld({
    policy: POLICY,
    port,
    domains: {
      'verified.test': (ca, mx) => ({
        certificate: ca.issue({ names: [mx] }),
        on: (command) => (stripped && command.startsWith('EHLO') ? '250 mx.verified.test' : undefined),
      }),
      'plain.test': 'usual',
      'pgp.test': 'usual',
      'smime.test': 'usual',
      'old.test': () => ({}),
      'only.test': 'usual',
    },
    config: {
      listen: {
        smtp: { address: '127.0.0.1', port, tls: 'required' },
        portal: { address: '127.0.0.1', port: await freePort() },
      },
      protection: { clocks: { lacking: '1s', attempts: 1 } },
    },
  });
  writeFileSync(join(folder, 'root.pem'), world.ca.cert);
  await importKey(TO.pgp, (await pgpPair(TO.pgp)).public, '--pin');
  await importKey(TO.only, (await pgpPair(TO.only)).public, '--pin');
  const certificate = mailCertificate(world.ca, TO.smime, new Date(Date.now() + 2 * DAY));
  writeFileSync(join(folder, 'dave.key'), certificate.key);
  await importKey(TO.smime, certificate.cert, '--pin');
}, 60_000);

afterAll(async () => {
  await world.close();
  rmSync(folder, { recursive: true, force: true });
});

async function importKey(address: string, text: string, ...flags: string[]): Promise<void> {
  const file = join(folder, `${address}.key-file`);
  writeFileSync(file, text);
  const ran = await world.run('keys', 'import', file, '--organization', 'Clinic', ...flags);
  if (ran.code !== 0) throw new Error(ran.err);
}

function stateOf(view: MessageView, recipient: string) {
  return view.deliveries.find((one) => one.recipient === recipient)!;
}

async function settled(id: string): Promise<MessageView> {
  let view = await world.show(id);
  const moving = ['undecided', 'ready', 'leased', 'noticing'];
  await until(
    async () => {
      view = await world.show(id);
      return view.deliveries.every((one) => !moving.includes(one.state));
    },
    () => view.deliveries.map((one) => `${one.recipient} ${one.state}: ${one.because}`).join('\n'),
  );
  return view;
}

/** The last message that came to an address, but notices. */
function lastTo(address: string): string {
  const domain = address.slice(address.indexOf('@') + 1);
  const mails = world.peer(domain).mails.filter((one) => one.data.includes(`From: ${SENDER}`));
  return mails.at(-1)?.data ?? '';
}

test('six people, five protections, one message', async () => {
  const id = await world.send({ to: Object.values(TO), subject: 'canary-subject', text: PHI });
  const view = await settled(id);
  const states = Object.fromEntries(view.deliveries.map((one) => [one.recipient, [one.state, one.decision, one.step]]));
  expect(states).toEqual({
    [TO.tls]: ['delivered', 'tls, portal: may', 0],
    [TO.encrypt]: ['delivered', 'tls: encrypt, portal', 0],
    [TO.pgp]: ['delivered', 'smime, pgp, portal', 1],
    [TO.smime]: ['delivered', 'smime, pgp, portal', 0],
    [TO.portal]: ['noticed', 'tls, portal: may', 1],
    [TO.only]: ['delivered', 'pgp', 0],
  });
  expect(stateOf(view, TO.pgp).because).toMatch(
    /^smime: no certificate known → pgp with key [0-9A-F]{16} \(pinned\): TLS 1\.3/,
  );
  expect(stateOf(view, TO.portal).because).toMatch(/^tls: STARTTLS not offered.* → portal: notice: /);
  for (const address of [TO.pgp, TO.smime, TO.only]) {
    expect(lastTo(address)).toMatch(/Subject: \[\.\.\.\]/);
    expect(lastTo(address)).not.toMatch(/canary|00482913|A1c/);
  }
  expect(lastTo(TO.tls)).toContain('00482913');
  const notice = world.peer('old.test').mails.at(-1)?.data ?? '';
  expect(notice).toContain('/m/');
  expect(notice).not.toMatch(/canary|00482913|A1c/);
  if (find('openssl') !== null) {
    writeFileSync(join(folder, 'dave.eml'), lastTo(TO.smime));
    const opened = execFileSync('openssl', [
      ...['cms', '-decrypt', '-inform', 'SMIME', '-in', join(folder, 'dave.eml')],
      ...['-inkey', join(folder, 'dave.key'), '-recip', join(folder, `${TO.smime}.key-file`)],
    ]).toString();
    expect(opened).toContain('Subject: canary-subject');
    expect(opened).toContain('00482913');
  }
  expect(readFileSync(world.files.config, 'utf8')).toContain('portal');
});

test('then the ways change, and each goes the next way or is held', async () => {
  stripped = true;
  const { key } = JSON.parse((await world.run('keys', 'list', '--for', TO.only, '--json')).out);
  const revoked = await world.run('keys', 'revoke', key, '--reason', 'lost phone');
  expect(revoked).toEqual(expect.objectContaining({ code: 0 }));
  await world.restart({ flags: ['--import', SHIFT], env: { SHIFT_MS: String(3 * DAY) } });
  const id = await world.send({ to: Object.values(TO), text: PHI });
  const view = await settled(id);
  const states = Object.fromEntries(view.deliveries.map((one) => [one.recipient, [one.state, one.step]]));
  expect(states).toEqual({
    [TO.tls]: ['noticed', 1],
    [TO.encrypt]: ['delivered', 0],
    [TO.pgp]: ['delivered', 1],
    [TO.smime]: ['noticed', 2],
    [TO.portal]: ['noticed', 1],
    [TO.only]: ['held', 0],
  });
  expect(stateOf(view, TO.only).because).toMatch(/^pgp: revoked here .*; no other protection is left$/);
  const trace = (await world.run('trace', id)).out;
  expect(trace).toMatch(/smime: expired \d{4}-\d\d-\d\d → pgp: no key known/);
  expect(trace).toMatch(/tls: STARTTLS not offered .*→ portal/);
});
