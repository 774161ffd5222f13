// SMTP smuggling through the whole gateway, with a server behind it that falls to it: Debian's Postfix as it comes takes 4 of
// these 13 for the end of the data. Whatever is sent to us, and whatever we make of a message, at most one comes out.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { readPrivateKey } from 'openpgp';
import { openPgpMime } from '../../src/crypto/pgp/open.ts';
import { openSmime } from '../../src/crypto/smime/open.ts';
import { pgpPair } from '../support/correspondents.ts';
import { mailCertificate } from '../support/mail-pki.ts';
import { codeIn, linkIn, visitor } from '../support/pick-up.ts';
import { makeCa } from '../support/pki.ts';
import { type Postfix, startPostfix } from '../support/postfix.ts';
import { lacking, testWith } from '../support/programs.ts';
import { openSession, type Reply } from '../support/session.ts';
import { openSink, type Sink, type Sunk } from '../support/sink.ts';
import { freePort } from '../support/smtp-sink.ts';
import { CLINIC, openWorld, SENDER, until, type World } from './world.ts';

/** What is sent in place of CRLF . CRLF. */
const VARIANTS: readonly string[] = [
  ...['\n.\n', '\n.\r\n', '\r\n.\n', '\r\n.\r\r\n', '\r.\r', '\r.\n', '\r.\r\n', '\n.\r', '\r\n.\r'],
  ...['\r\n\0.\r\n', '\r\n.\0\r\n', '\r\n..\r\n', '\r\n. \r\n'],
];
/** Those that this Postfix takes for the end. */
const TAKEN_BY_POSTFIX = 4;
const EVIL = 'MAIL FROM:<evil@smuggled.test>\r\nRCPT TO:<victim@smuggled.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nx';
const DOMAINS = ['plain.test', 'pgp.test', 'smime.test', 'oldmail.test', CLINIC];
const POLICY = `version: 1
rules:
  - { name: pgp, when: { recipient_domain: pgp.test }, then: { deliver: [{ pgp: may }] } }
  - { name: smime, when: { recipient_domain: smime.test }, then: { deliver: [{ smime: may }] } }
  - { name: portal, when: { recipient_domain: oldmail.test }, then: { deliver: [{ portal: may }] } }
  - { name: rest, then: { deliver: [{ tls: may }] } }
`;

const scenario = testWith(['postfix']);
const root = mailCertificate({ name: 'Root', authority: true });
const dave = mailCertificate({ name: 'Dave', addresses: ['dave@smime.test'], issuer: root });
let folder: string;
let sink: Sink;
let postfix: Postfix;
let world: World;
let portal: number;
const sunk: Sunk[] = [];

beforeAll(async () => {
  if (lacking(['postfix']).length > 0) return;
  folder = mkdtempSync(join(tmpdir(), 'sealrelay-smuggling-'));
  sink = await openSink({ onMessage: (message) => sunk.push(message) });
  const ca = makeCa();
  const issued = ca.issue({ names: DOMAINS.map((domain) => `mx.${domain}`) });
  for (const [name, text] of Object.entries({ 'ca.pem': ca.cert, 'cert.pem': issued.chain, 'key.pem': issued.key })) {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
  }
  postfix = await startPostfix(sink.port, {
    smtpd_tls_security_level: 'may',
    smtpd_tls_cert_file: join(folder, 'cert.pem'),
    smtpd_tls_key_file: join(folder, 'key.pem'),
  });
  const port = await freePort();
  portal = await freePort();
  world = await openWorld({
    policy: POLICY,
    port,
    domains: Object.fromEntries(DOMAINS.filter((one) => one !== CLINIC).map((domain) => [domain, 'none'] as const)),
    config: {
      listen: {
        smtp: { address: '127.0.0.1', port, tls: 'optional' },
        portal: { address: '127.0.0.1', port: portal },
      },
      portal: { url: `https://localhost:${portal}` },
      tags: { secure: {} },
      limits: { connections_per_minute: 100_000 },
      overrides: {
        hosts: DOMAINS.map((domain) => ({ name: `mx.${domain}`, port: postfix.port })),
        ca: [join(folder, 'ca.pem')],
      },
    },
  });
}, 60_000);
afterAll(async () => {
  await world?.close();
  postfix?.stop();
  await sink?.close();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

function bodyWith(variant: string, mark: string): string {
  return `From: ${SENDER}\r\nTo: a@plain.test\r\nSubject: ${mark}\r\n\r\nhello${variant}${EVIL}\r\n.\r\n`;
}

/** Sends a body cut at that place, and gives all replies to it; the connection is done then. */
async function sendCut(port: number, body: string, cut: number): Promise<Reply[]> {
  const session = await openSession({ port });
  for (const command of [`MAIL FROM:<${SENDER}>`, 'RCPT TO:<a@plain.test>', 'DATA']) await session.command(command);
  session.raw(Buffer.from(body.slice(0, cut), 'latin1'));
  await turn();
  session.raw(Buffer.from(`${body.slice(cut)}QUIT\r\n`, 'latin1'));
  const replies: Reply[] = [];
  for (;;) {
    const reply = await session.reply().catch(() => null);
    if (reply === null) return replies;
    replies.push(reply);
    if (reply.code === 221) session.destroy();
  }
}

const smuggled = () => sunk.filter(({ mail, recipients }) => /smuggled/.test(mail + recipients));
/** Waits until nothing is on its way in Postfix any more: what it took before `mark` came is behind it in the sink. */
async function drained(): Promise<void> {
  await until(() => {
    const removed = postfix.log().match(/qmgr\[\d+\]: \w+: removed/g)?.length ?? 0;
    const queued = postfix.log().match(/qmgr\[\d+\]: \w+: from=/g)?.length ?? 0;
    const cleaned = postfix.log().match(/cleanup\[\d+\]: \w+: message-id=/g)?.length ?? 0;
    return cleaned === queued && queued === removed;
  }, 'an empty queue behind us');
}

scenario(
  'the server behind us falls to four of them when it is asked alone',
  async () => {
    sunk.length = 0;
    const fallen: string[] = [];
    for (const variant of VARIANTS) {
      const before = smuggled().length;
      const replies = await sendCut(postfix.port, bodyWith(variant, 'alone'), 40);
      await drained();
      if (smuggled().length > before) fallen.push(variant);
      expect(replies.length).toBeGreaterThan(0);
    }
    expect(fallen).toHaveLength(TAKEN_BY_POSTFIX);
  },
  60_000,
);

scenario(
  'inbound: none of them, cut anywhere, becomes a second message',
  async () => {
    sunk.length = 0;
    for (const [index, variant] of VARIANTS.entries()) {
      const body = bodyWith(variant, `inbound-${index}`);
      const at = body.indexOf(`hello${variant}`) + 5;
      const clean = !/\r(?!\n)|(?<!\r)\n|\0/.test(body);
      for (let cut = at - 1; cut <= at + variant.length + 1; cut++) {
        const replies = await sendCut(world.port, body, cut);
        expect([variant, cut, replies.map(({ text }) => text.slice(0, 9))]).toEqual([
          variant,
          cut,
          [clean ? '250 2.6.0' : variant.includes('\0') ? '550 5.6.0' : '550 5.5.2', '221 2.0.0'],
        ]);
      }
    }
    const cuts = VARIANTS.filter((one) => !/\r(?!\n)|(?<!\r)\n|\0/.test(one)).reduce(
      (sum, one) => sum + one.length + 3,
      0,
    );
    await until(
      () => sunk.length >= cuts,
      () => `${cuts} messages, but ${sunk.length}`,
    );
    await drained();
    expect(sunk).toHaveLength(cuts);
    expect(smuggled()).toEqual([]);
  },
  120_000,
);

scenario(
  'inbound, in chunks: each of them is content of the one message, or that one is refused',
  async () => {
    sunk.length = 0;
    let taken = 0;
    for (const [index, variant] of VARIANTS.entries()) {
      const body = bodyWith(variant, `chunks-${index}`);
      // A bare LF is completed; a bare CR and NUL are what is refused.
      const clean = !/\r(?!\n)|\0/.test(body);
      const at = body.indexOf(`hello${variant}`) + 5;
      for (const end of [at, at + 1, at + variant.length]) {
        const session = await openSession({ port: world.port });
        for (const command of [`MAIL FROM:<${SENDER}>`, 'RCPT TO:<a@plain.test>']) await session.command(command);
        const rest = body.length - end;
        session.raw(
          Buffer.from(`BDAT ${end}\r\n${body.slice(0, end)}BDAT ${rest} LAST\r\n${body.slice(end)}`, 'latin1'),
        );
        await session.reply();
        const { text } = await session.reply();
        expect([variant, end, text.slice(0, 9)]).toEqual([variant, end, clean ? '250 2.6.0' : '550 5.6.0']);
        if (clean) taken += 1;
        await session.quit();
      }
    }
    await until(
      () => sunk.length >= taken,
      () => `${taken} messages, but ${sunk.length}`,
    );
    await drained();
    expect(sunk).toHaveLength(taken);
    expect(smuggled()).toEqual([]);
    for (const { data } of sunk) expect(data.toString('latin1')).toContain('Subject: smuggled');
  },
  120_000,
);

/** Bodies that hold each of them: as lines of dots, and where a decoder finds them. */
function letterOf(to: string, mark: string, as: 'dots' | 'base64' | 'quoted-printable'): string {
  const evil = VARIANTS.map((variant) => `hello${variant}${EVIL}`).join('\r\n');
  const head = [
    `From: ${SENDER}`,
    `To: ${to}`,
    `Subject: [secure] ${mark}`,
    `Message-ID: <${mark}@${CLINIC}>`,
    'MIME-Version: 1.0',
  ];
  const dots = ['.', '..', '.\t', `. ${EVIL}`, '...', '.', ''].join('\r\n');
  const coded =
    as === 'base64'
      ? Buffer.from(evil, 'latin1').toString('base64').replace(/.{76}/g, '$&\r\n')
      : [...Buffer.from(evil, 'latin1')]
          .map((octet) => `=${octet.toString(16).toUpperCase().padStart(2, '0')}`)
          .join('')
          .replace(/.{72}/g, '$&=\r\n');
  const text = as === 'dots' ? dots : coded;
  return [
    ...head,
    'Content-Type: text/plain',
    ...(as === 'dots' ? [] : [`Content-Transfer-Encoding: ${as}`]),
    '',
    text,
    '',
  ].join('\r\n');
}

const FORMS = ['dots', 'base64', 'quoted-printable'] as const;

async function importKey(address: string, text: string): Promise<void> {
  const file = join(folder, `${address}.key`);
  writeFileSync(file, text);
  const ran = await world.run('keys', 'import', file, '--organization', 'Clinic', '--pin');
  if (ran.code !== 0) throw new Error(ran.err);
}

/** Sends it, and gives the one message that came out for it. */
async function through(to: string, as: (typeof FORMS)[number]): Promise<{ sent: string; came: Buffer }> {
  sunk.length = 0;
  const mark = `mark-${as}-${to.replace(/\W/g, '-')}`;
  const sent = letterOf(to, mark, as);
  await world.reaches(await world.send({ to: [to], data: sent }), 'delivered');
  await until(() => sunk.length > 0, 'a message behind Postfix');
  await drained();
  expect(sunk.map(({ recipients }) => recipients.join())).toEqual([expect.stringContaining(`<${to}>`)]);
  return { sent, came: sunk[0]!.data };
}

const bodyOf = (message: Buffer | string): string => message.toString('latin1').replace(/^.*?\r\n\r\n/s, '');

scenario(
  'outbound: as it stands, with a tag taken out',
  async () => {
    for (const as of FORMS) {
      const { sent, came } = await through('a@plain.test', as);
      expect(bodyOf(came)).toBe(bodyOf(sent));
      expect(came.toString('latin1')).not.toContain('[secure]');
    }
  },
  60_000,
);

scenario(
  'outbound: by PGP',
  async () => {
    const carol = await pgpPair('carol@pgp.test');
    await importKey('carol@pgp.test', carol.public);
    const privateKey = (await readPrivateKey({ armoredKey: carol.private })).write();
    for (const as of FORMS) {
      const { sent, came } = await through('carol@pgp.test', as);
      const { entity } = await openPgpMime(came, { privateKeys: [privateKey], now: Date.now() });
      expect(bodyOf(entity)).toBe(bodyOf(sent));
    }
  },
  60_000,
);

scenario(
  'outbound: by S/MIME',
  async () => {
    await importKey('dave@smime.test', `${dave.certPem}`);
    const keys = [{ certificate: dave.der, privateKey: dave.privateKey }];
    for (const as of FORMS) {
      const { sent, came } = await through('dave@smime.test', as);
      const { entity } = openSmime(came, { keys, roots: [root.der], now: Date.now() });
      expect(bodyOf(entity)).toBe(bodyOf(sent));
    }
  },
  60_000,
);

scenario(
  'outbound: an answer written in the portal',
  async () => {
    sunk.length = 0;
    await world.reaches(await world.send({ to: ['p@oldmail.test'], text: 'your results' }), 'noticed');
    const mailTo = async (to: string, after: number) => {
      await until(() => sunk.slice(after).some(({ recipients }) => recipients.join().includes(to)), `a mail to ${to}`);
      return sunk.slice(after).find(({ recipients }) => recipients.join().includes(to))!.data;
    };
    const person = visitor(`https://localhost:${portal}`, portal);
    const door = await person.get(await linkIn(await mailTo('p@oldmail.test', 0), 'm'));
    const before = sunk.length;
    const asked = await person.send(door, /\/m\/[a-z2-7]+$/);
    const inside = await person.send(asked, /\/code$/, {
      code: (await codeIn(await mailTo('p@oldmail.test', before))) ?? '',
    });
    const text = VARIANTS.map((variant) => `hello${variant}${EVIL}`).join('\r\n');
    const answered = sunk.length;
    await person.send(inside, /\/reply/, { text: `mark-reply${text}` });
    const came = (await mailTo(SENDER, answered)).toString('latin1');
    await drained();
    expect(came).toMatch(/^Reply-To: p@oldmail\.test/m);
    expect(smuggled()).toEqual([]);
    expect(sunk.slice(answered).filter(({ data }) => /Secure reply/.test(data.toString('latin1')))).toHaveLength(1);
  },
  60_000,
);
