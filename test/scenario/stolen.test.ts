// A thief takes the data folder of a gateway that died amid its work, after a message left by four ways and was picked up: nothing of
// it, of who wrote to whom, and no key to the portal can be read in any file, nor in the log.

import { randomBytes } from 'node:crypto';
import { cpSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ask } from '../../src/cli/client.ts';
import { findCanaries, findCanariesIn } from '../support/canary.ts';
import { mailCertificate, pgpPair } from '../support/correspondents.ts';
import { codeIn, linkIn, visitor } from '../support/pick-up.ts';
import { freePort } from '../support/smtp-sink.ts';
import { CLINIC, openWorld, until, type World } from './world.ts';

const CANARY = Object.fromEntries(
  ['sender', 'name', 'recipient', 'subject', 'body', 'file', 'reply'].map((what) => [
    what,
    `${what}-${randomBytes(8).toString('hex')}`,
  ]),
) as Record<string, string>;
const SENDER = `${CANARY.sender}@${CLINIC}`;
const to = (domain: string) => `${CANARY.recipient}@${domain}`;
const POLICY = `version: 1
rules:
  - name: by key
    when: { recipient_domain: [pgp.test, smime.test] }
    then: { deliver: [pgp, smime] }
  - name: by portal
    when: { recipient_domain: old.test }
    then: { deliver: [{ portal: may }] }
  - name: rest
    then: { deliver: [tls] }
`;
const MESSAGE = [
  `From: ${CANARY.name} <${SENDER}>`,
  `Subject: ${CANARY.subject}`,
  'MIME-Version: 1.0',
  'Content-Type: multipart/mixed; boundary=b',
  '',
  '--b',
  '',
  `${CANARY.body} diagnosis`,
  '--b',
  `Content-Type: text/plain; name="${CANARY.file}.txt"`,
  'Content-Disposition: attachment',
  '',
  `${CANARY.body}`,
  '--b--',
  '',
].join('\r\n');

let world: World;
let origin: string;
let portalPort: number;

beforeAll(async () => {
  const port = await freePort();
  portalPort = await freePort();
  origin = `https://127.0.0.1:${portalPort}`;
  world = await openWorld({
    policy: POLICY,
    port,
    domains: { 'tls.test': 'usual', 'pgp.test': 'usual', 'smime.test': 'usual', 'old.test': () => ({}) },
    config: {
      listen: {
        smtp: { address: '127.0.0.1', port, tls: 'required' },
        portal: { address: '127.0.0.1', port: portalPort },
      },
      portal: { url: origin },
      log: { level: 'trace' },
    },
  });
  for (const text of [(await pgpPair(to('pgp.test'))).public, mailCertificate(world.ca, to('smime.test')).cert]) {
    const file = Buffer.from(text).toString('base64');
    await ask({ socket: world.files.storage }, 'write', 'keys.import', { file, pin: true });
  }
}, 60_000);

afterAll(() => world?.close());

const mailsTo = (domain: string) => world.peer(domain).mails.map(({ data }) => data);

test('no word of message, people, links and sessions in the files, their copy and the log', async () => {
  const domains = ['tls.test', 'pgp.test', 'smime.test', 'old.test'];
  const id = await world.send({ from: SENDER, to: domains.map(to), data: MESSAGE });
  await until(async () => {
    const { deliveries } = await world.show(id);
    return deliveries.map(({ state }) => state).join(' ') === 'delivered delivered delivered noticed';
  }, 'sent by four ways');
  expect(mailsTo('pgp.test')[0]).toContain('BEGIN PGP MESSAGE');
  expect(mailsTo('smime.test')[0]).toContain('smime-type=enveloped-data');
  await until(() => mailsTo(CLINIC).length > 0, 'receipt');
  const link = await linkIn(mailsTo('old.test')[0]!, 'm');
  const sender = await linkIn(mailsTo(CLINIC)[0]!, 's');
  const phone = visitor(origin, portalPort);
  const field = await phone.send(await phone.get(link), /\/m\//);
  await until(() => mailsTo('old.test').length > 1, 'code');
  const code = (await codeIn(mailsTo('old.test')[1]!))!;
  const page = await phone.send(field, /\/code/, { code });
  expect(page.text).toContain(CANARY.body);
  const file = /href="([^"]+\/a\/\d+)"/.exec(page.text)?.[1] as string;
  expect((await phone.get(file)).text.trim()).toBe(CANARY.body);
  await phone.send(page, /\/reply/, { text: CANARY.reply! });
  await until(() => mailsTo(CLINIC).some((mail) => mail.includes(CANARY.reply!)), 'reply');

  const log = world.gateway().log();
  await world.gateway().kill();
  const copy = join(world.files.folder, 'copy');
  cpSync(world.files.storage, copy, { recursive: true, filter: (path) => !path.endsWith('.sock') });
  expect(readdirSync(copy)).toContain('queue.db-wal');
  const token = (url: string) => url.slice(url.lastIndexOf('/') + 1);
  const secrets = [token(link), token(sender), ...phone.cookies.values()];
  expect(secrets).toHaveLength(3);
  const looked = [...Object.values(CANARY), ...secrets];
  expect(findCanaries([world.files.storage, copy], looked)).toEqual([]);
  // It names routes and parcels; a parcel's name opens nothing.
  expect(findCanariesIn(log, looked, 'log')).toEqual([]);
  rmSync(copy, { recursive: true });
  await world.restart();
});
