// S/MIME with programs that other people's mail is read and written by: OpenSSL's cms and NSS, which is Thunderbird's. They open
// and verify what we send; we open and verify what they send.

import { execFileSync } from 'node:child_process';
import { createPrivateKey, randomInt } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { octetString } from '../../src/crypto/smime/der.ts';
import { partsOf, readEntity } from '../../src/crypto/smime/entity.ts';
import { SmimeError } from '../../src/crypto/smime/error.ts';
import { X509 } from '../../src/crypto/smime/oids.ts';
import { openSmime } from '../../src/crypto/smime/open.ts';
import { readCertificates } from '../../src/crypto/smime/read.ts';
import { extension, mailCertificate } from '../support/mail-pki.ts';
import { find, testWith } from '../support/programs.ts';
import { type SendOptions, smimeMessage } from '../support/smime.ts';

const folder = mkdtempSync(join(tmpdir(), 'smime-peers-'));
afterAll(() => rmSync(folder, { recursive: true }));

const now = Date.now();
const root = mailCertificate({ name: 'Root', authority: true });
const middle = mailCertificate({ name: 'Middle', authority: true, issuer: root });
const person = (name: string, key: 'RSA 2048' | 'P-256', issuer = middle) =>
  mailCertificate({ name, addresses: [`${name}@example.org`], issuer, key });
const people = {
  rob: person('rob', 'RSA 2048'),
  ana: person('ana', 'P-256'),
  /** Below the root itself: NSS takes no authorities from a PKCS#12 file on trust. */
  zoe: person('zoe', 'RSA 2048', root),
  /** With a key identifier, by which she can be named. */
  eve: mailCertificate({
    name: 'eve',
    addresses: ['eve@example.org'],
    issuer: root,
    key: 'RSA 2048',
    more: [extension(X509.subjectKeyIdentifier, octetString(Buffer.alloc(20, 7)))],
  }),
} as const;
type Name = keyof typeof people;
const chain = [middle];

const path = (name: string) => join(folder, name);
for (const [name, { certPem, keyPem }] of Object.entries({ root, middle, ...people })) {
  writeFileSync(path(`${name}.pem`), certPem);
  writeFileSync(path(`${name}.key`), keyPem);
}

/** Runs a program in the folder and gives its output. */
function run(
  program: 'openssl' | 'cmsutil' | 'certutil' | 'pk12util',
  args: readonly string[],
  input?: Uint8Array,
): Buffer {
  const stdio: 'pipe'[] = ['pipe', 'pipe', 'pipe'];
  return execFileSync(find(program)!, args, { cwd: folder, input: input ?? '', stdio, maxBuffer: 1 << 27 });
}
const cms = (args: string, input: Uint8Array) => run('openssl', ['cms', ...args.split(' ')], input);

const open = (message: Buffer, ...names: Name[]) =>
  openSmime(message, {
    keys: names.map((name) => ({ certificate: people[name].der, privateKey: people[name].privateKey })),
    roots: [root.der],
    now,
  });

const part = (type: string, body: string, encoding = '8bit') =>
  `Content-Type: ${type}\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n${body}`;
const TEXT = Buffer.from(
  part('text/plain; charset=utf-8', 'Grüße an 李\r\n.\r\n..\r\n.x\r\nFrom us\r\n\r\nFrom you: to\r\n'),
);
const ENTITIES: readonly (readonly [string, Buffer])[] = [
  ['text with dots, From and UTF-8', TEXT],
  ['text without a last line end', Buffer.from(part('text/plain', 'end'))],
  ['a long line', Buffer.from(part('text/html; charset=utf-8', `<p>${'ä'.repeat(4_000)}</p>\r\n`))],
  [
    'HTML and attachments',
    Buffer.from(
      `Content-Type: multipart/mixed; boundary="outer"\r\n\r\nFor old readers.\r\n--outer\r\n` +
        `Content-Type: multipart/alternative; boundary="inner"\r\n\r\n--inner\r\n${part('text/plain', 'Text\r\n')}\r\n--inner\r\n` +
        `${part('text/html; charset=utf-8', '<b>Größe</b>\r\n')}\r\n--inner--\r\n--outer\r\n` +
        `${part('application/pdf; name="Befund.pdf"', Buffer.alloc(3_000, 'pdf').toString('base64').replace(/.{76}/g, '$&\r\n'), 'base64')}` +
        '\r\n--outer--\r\n',
    ),
  ],
];

const WAYS: readonly (readonly [string, Name, SendOptions])[] = [
  ['RSA v1.5', 'rob', { to: [people.rob], signer: people.zoe }],
  ['RSA OAEP', 'rob', { to: [people.rob, people.zoe], keyTransport: 'oaep', signer: people.ana, chain }],
  ['ECDH P-256', 'ana', { to: [people.ana], signer: people.rob, chain }],
  ['both in one', 'ana', { to: [people.rob, people.ana], signer: people.ana, chain }],
];

for (const [way, name, options] of WAYS) {
  testWith(['openssl'])(`openssl opens and verifies what we send by ${way}`, async () => {
    for (const [, entity] of ENTITIES) {
      const signed = cms(`-decrypt -recip ${name}.pem -inkey ${name}.key`, smimeMessage(entity, options));
      expect(cms('-verify -CAfile root.pem -purpose smimesign', signed).equals(entity)).toBe(true);
      const { signer: _, ...unsigned } = options;
      expect(cms(`-decrypt -recip ${name}.pem -inkey ${name}.key`, smimeMessage(entity, unsigned)).equals(entity)).toBe(
        true,
      );
    }
  });
}

const large = () => {
  const lines = Buffer.from(`${'.'.padEnd(76, 'From dots')}\r\n`.repeat(25_000_000 / 78));
  return Buffer.concat([Buffer.from('Content-Type: text/plain\r\n\r\n'), lines]);
};

testWith(['openssl'])('25 MB to openssl and back', async () => {
  const entity = large();
  const message = smimeMessage(entity, { to: [people.ana, people.rob], signer: people.rob, chain });
  const signed = cms('-decrypt -recip ana.pem -inkey ana.key', message);
  expect(cms('-verify -CAfile root.pem', signed).equals(entity)).toBe(true);
  expect(open(message, 'ana').entity.equals(entity)).toBe(true);
  const theirs = cms('-encrypt -aes256 -binary -stream rob.pem', signed);
  expect(open(theirs, 'rob')).toMatchObject({ signed: 'valid' });
});

// ── from OpenSSL ──────────────────────────────────────────────────────────────────────────────────────────────────

const SIGNATURES: readonly (readonly [string, string, string])[] = [
  ['RSA v1.5', 'zoe', ''],
  ['RSA v1.5, content inside', 'zoe', ' -nodetach'],
  ['RSA v1.5 with SHA-512, streamed', 'zoe', ' -md sha512 -stream -nodetach'],
  ['RSA-PSS', 'zoe', ' -keyopt rsa_padding_mode:pss'],
  ['a key identifier', 'eve', ' -keyid'],
  ['no attributes', 'zoe', ' -noattr'],
  ['ECDSA', 'ana', ' -certfile middle.pem'],
  ['ECDSA with SHA-384', 'ana', ' -md sha384 -certfile middle.pem'],
];
/** What stands before and behind the certificate's file. */
const ENVELOPES: readonly (readonly [string, Name, string, string])[] = [
  ['RSA v1.5', 'rob', '-encrypt -aes256', ''],
  ['RSA v1.5, AES-128, streamed', 'rob', '-encrypt -aes128 -stream', ''],
  ['RSA v1.5, Triple DES', 'rob', '-encrypt -des3', ''],
  ['RSA OAEP', 'rob', '-encrypt -aes256 -recip', '-keyopt rsa_padding_mode:oaep'],
  ['RSA OAEP, SHA-256', 'rob', '-encrypt -aes256 -recip', '-keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha256'],
  ['ECDH', 'ana', '-encrypt -aes256 -stream', ''],
  ['ECDH, SHA-256', 'ana', '-encrypt -aes128 -recip', '-keyopt ecdh_kdf_md:sha256'],
  ['a key identifier', 'eve', '-encrypt -aes256 -keyid', ''],
  ['RSA and ECDH', 'rob', '-encrypt -aes256 ana.pem', ''],
];
const encrypt = ([, name, before, behind]: (typeof ENVELOPES)[number], octets: Uint8Array) =>
  cms(`${before} ${name}.pem ${behind}`.trim(), octets);

for (const [way, signer, options] of SIGNATURES) {
  testWith(['openssl'])(`we verify what openssl signs by ${way}`, async () => {
    const signed = cms(`-sign -binary -signer ${signer}.pem -inkey ${signer}.key${options}`, TEXT);
    for (const message of [signed, encrypt(ENVELOPES[0]!, signed)]) {
      const opened = open(message, 'rob');
      expect(opened).toMatchObject({ signed: 'valid', signer: [`${signer}@example.org`] });
      expect(opened.entity.equals(TEXT)).toBe(true);
    }
  });
}

testWith(['openssl'])('we open what openssl encrypts in each of its ways', async () => {
  for (const envelope of ENVELOPES) {
    const opened = open(encrypt(envelope, TEXT), envelope[1]);
    expect([envelope[0], opened.signed, opened.entity.equals(TEXT)]).toEqual([envelope[0], 'none', true]);
  }
});

testWith(['openssl'])(
  '200 changed octets of a signed and encrypted message, ours and theirs: nothing is released',
  async () => {
    const theirs = encrypt(ENVELOPES[0]!, cms('-sign -binary -signer zoe.pem -inkey zoe.key', TEXT));
    for (const message of [smimeMessage(TEXT, { to: [people.rob], signer: people.zoe }), theirs]) {
      const start = message.toString('latin1').search(/\r?\n\r?\n/);
      const octets = Buffer.from(message.toString('latin1', start), 'base64');
      // In front of the ciphertext stand some 400 octets of recipient and algorithms.
      const from = octets.indexOf(Buffer.from('2a864886f70d010701', 'hex')) + 50;
      const released: number[] = [];
      for (let i = 0; i < 200; i++) {
        const at = randomInt(from, octets.length);
        const changed = Buffer.from(octets);
        changed[at]! ^= randomInt(1, 256);
        const text = Buffer.concat([message.subarray(0, start), Buffer.from(`\r\n\r\n${changed.toString('base64')}`)]);
        try {
          open(text, 'rob');
          released.push(at);
        } catch (error) {
          expect(error).toBeInstanceOf(SmimeError);
        }
      }
      expect(released).toEqual([]);
    }
  },
);

// ── certificate files ─────────────────────────────────────────────────────────────────────────────────────────────

const read = (octets: Uint8Array, passphrase: string) => readCertificates(octets, { passphrase, now });
const EXPORT = 'pkcs12 -export -in rob.pem -inkey rob.key -certfile middle.pem -out -';

testWith(['openssl'])('PKCS#12 as OpenSSL writes it, of today and of before', async () => {
  const today = run('openssl', [...EXPORT.split(' '), '-passout', 'pass:Größe']);
  const before = run('openssl', [...EXPORT.split(' '), '-passout', 'pass:secret', '-legacy']);
  const own = run(
    'openssl',
    'pkcs12 -export -in ana.pem -inkey ana.key -out - -passout pass: -macalg SHA512'.split(' '),
  );
  for (const [file, passphrase, name] of [
    [today, 'Größe', 'rob'],
    [before, 'secret', 'rob'],
    [own, '', 'ana'],
  ] as const) {
    const found = read(file, passphrase);
    expect(found.map(({ facts }) => facts.addresses)).toEqual([[`${name}@example.org`]]);
    expect(Buffer.from(found[0]!.public).equals(people[name].der)).toBe(true);
    expect(Buffer.from(found[0]!.private!).equals(people[name].privateKey)).toBe(true);
    expect(found[0]!.facts.issuers).toHaveLength(name === 'rob' ? 1 : 0);
    expect(() => read(file, 'other')).toThrow(new SmimeError('passphrase wrong'));
  }
});

// ── NSS ───────────────────────────────────────────────────────────────────────────────────────────────────────────

const NSS = ['openssl', 'cmsutil', 'certutil', 'pk12util'] as const;

/** A database with the root and the keys of two people. */
function nssDatabase(): void {
  run('certutil', ['-N', '-d', folder, '--empty-password']);
  run('certutil', ['-A', '-n', 'root', '-t', ',C,', '-a', '-i', 'root.pem', '-d', folder]);
  for (const name of ['rob', 'zoe']) {
    const files = ['-in', `${name}.pem`, '-inkey', `${name}.key`, '-certfile', 'middle.pem', '-name', name];
    run('openssl', ['pkcs12', '-export', ...files, '-out', `${name}.p12`, '-passout', 'pass:secret']);
    run('pk12util', ['-i', `${name}.p12`, '-d', folder, '-W', 'secret']);
  }
}

/** CMS as it is, out of the message around it. */
const cmsIn = (message: Buffer) => Buffer.from(message.toString('latin1', message.indexOf('\r\n\r\n')), 'base64');
const nss = (args: readonly string[], octets: Uint8Array): Buffer => {
  writeFileSync(path('in'), octets);
  run('cmsutil', [...args, '-d', folder, '-i', 'in', '-o', 'out']);
  return readFileSync(path('out'));
};
const wrap = (octets: Buffer) =>
  Buffer.from(
    part('application/pkcs7-mime; name="smime.p7m"', octets.toString('base64').replace(/.{76}/g, '$&\r\n'), 'base64'),
  );

testWith(NSS)('NSS opens and verifies what we send, and we what it sends', async () => {
  nssDatabase();
  for (const [, entity] of ENTITIES) {
    const plain = nss(['-D'], cmsIn(smimeMessage(entity, { to: [people.rob, people.zoe] })));
    expect(plain.equals(entity)).toBe(true);
    // cmsutil takes the signed content and its signature as two files.
    const signed = nss(['-D'], cmsIn(smimeMessage(entity, { to: [people.rob], signer: people.zoe })));
    const { media, body } = readEntity(signed);
    const [content, signature] = partsOf(media, body);
    writeFileSync(path('content'), content!);
    expect(nss(['-D', '-u', '4', '-c', 'content'], cmsIn(signature!)).equals(entity)).toBe(true);
    writeFileSync(path('content'), Buffer.concat([content!, Buffer.from('.')]));
    expect(() => nss(['-D', '-u', '4', '-c', 'content'], cmsIn(signature!))).toThrow();

    const theirs = nss(['-S', '-N', 'zoe', '-G', '-P'], entity);
    const sent = wrap(nss(['-E', '-r', 'rob@example.org'], wrap(theirs)));
    const opened = open(sent, 'rob');
    expect(opened).toMatchObject({ signed: 'valid', signer: ['zoe@example.org'] });
    expect(opened.entity.equals(entity)).toBe(true);
  }
});

testWith(NSS)('PKCS#12 as NSS writes it', async () => {
  run('pk12util', ['-o', 'nss.p12', '-n', 'rob', '-d', folder, '-W', 'secret']);
  const [one] = read(readFileSync(path('nss.p12')), 'secret');
  expect(one?.facts).toMatchObject({ addresses: ['rob@example.org'], weak: null, cannotEncrypt: null });
  expect(Buffer.from(one!.public).equals(people.rob.der)).toBe(true);
  expect(createPrivateKey({ key: Buffer.from(one!.private!), format: 'der', type: 'pkcs8' })).toBeTruthy();
});
