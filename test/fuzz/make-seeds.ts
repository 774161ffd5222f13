// `node test/fuzz/make-seeds.ts`: makes the keys, certificates and encrypted messages that fuzzing starts from. They stand in
// seeds/ so that a seed and an index mean the same input everywhere; nobody ever used these keys for anything.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import forge from 'node-forge';
import { createMessage, encrypt, encryptKey, enums, generateKey, type PrivateKey } from 'openpgp';
import { type MailCertificate, mailCertificate } from '../support/mail-pki.ts';
import { readOptions } from '../support/options.ts';
import { smimeMessage } from '../support/smime.ts';

const NOW = Date.UTC(2026, 10, 24, 12);
const ENTITY = Buffer.from('Content-Type: text/plain\r\n\r\nThe result is fine.\r\n');
const text = (octets: Uint8Array): string => Buffer.from(octets).toString('base64');

async function pgp(): Promise<object> {
  const date = new Date(NOW - 86_400_000);
  const make = async (options: object): Promise<PrivateKey> =>
    (
      await generateKey({
        type: 'ecc',
        curve: 'curve25519Legacy',
        userIDs: [{ name: 'Ann', email: 'ann@peer.test' }],
        date,
        ...options,
        format: 'object',
      } as never)
    ).privateKey as never;
  const ann = await make({});
  const office = await make({ userIDs: [{ email: 'office@clinic.test' }] });
  const rsa = await make({ type: 'rsa', rsaBits: 2048 });
  const modern = await make({ config: { v6Keys: true }, type: 'curve25519' });
  const locked = await encryptKey({ privateKey: ann, passphrase: 'secret', config: { s2kIterationCountByte: 0 } });
  const sent = async (given: object): Promise<string> =>
    text(
      (await encrypt({
        message: await createMessage({ binary: ENTITY, date: new Date(NOW) }),
        encryptionKeys: ann,
        signingKeys: office,
        date: new Date(NOW),
        ...given,
        format: 'binary',
      } as never)) as unknown as Uint8Array,
    );
  return {
    now: NOW,
    own: text(ann.write()),
    from: text(office.toPublic().write()),
    keys: [ann.toPublic().write(), ann.write(), rsa.toPublic().write(), modern.toPublic().write(), locked.write()].map(
      text,
    ),
    messages: [
      await sent({}),
      await sent({ config: { preferredCompressionAlgorithm: enums.compression.zlib } }),
      await sent({ sessionKey: { data: new Uint8Array(32).fill(7), algorithm: 'aes256', aeadAlgorithm: 'gcm' } }),
      await sent({ wildcard: true, signingKeys: undefined }),
    ],
  };
}

function smime(): object {
  const dates = { from: new Date(NOW - 86_400_000), until: new Date('2046-01-01') };
  const root = mailCertificate({ name: 'Root', authority: true, ...dates });
  const ana = mailCertificate({ name: 'Ana', addresses: ['ana@example.org'], issuer: root, ...dates });
  const rob = mailCertificate({ name: 'Rob', addresses: ['rob@example.org'], issuer: root, key: 'RSA 2048', ...dates });
  const self = mailCertificate({ name: 'Self', addresses: ['self@example.org'], key: 'RSA 2048', ...dates });
  const pfx = (algorithm: 'aes256' | '3des', useMac: boolean): string =>
    Buffer.from(
      forge.asn1
        .toDer(
          forge.pkcs12.toPkcs12Asn1(
            forge.pki.privateKeyFromPem(self.keyPem),
            [forge.pki.certificateFromPem(self.certPem)],
            'secret',
            { algorithm, count: 10, useMac },
          ),
        )
        .getBytes(),
      'latin1',
    ).toString('base64');
  const key = ({ der, privateKey }: MailCertificate) => ({ certificate: text(der), privateKey: text(privateKey) });
  return {
    now: NOW,
    root: text(root.der),
    keys: [key(ana), key(rob)],
    certificates: [ana.der, rob.der, root.der].map(text),
    pkcs12: [pfx('aes256', false), pfx('3des', false), pfx('aes256', true)],
    pem: [text(Buffer.from(`${ana.keyPem}${ana.certPem}${root.certPem}`))],
    messages: [
      smimeMessage(ENTITY, { to: [ana, rob], signer: ana, chain: [root], now: NOW }),
      smimeMessage(ENTITY, { to: [rob], now: NOW }),
      smimeMessage(ENTITY, { to: [rob], keyTransport: 'oaep', now: NOW }),
    ].map(text),
  };
}

readOptions({
  usage: 'node test/fuzz/make-seeds.ts',
  about:
    'Makes new keys, certificates and encrypted messages for fuzzing to start from, in place of those in test/fuzz/seeds. A seed and an index then mean other inputs than before.',
  options: {},
  example: 'node test/fuzz/make-seeds.ts',
  exits: { 0: 'made' },
});
for (const [name, seeds] of Object.entries({ pgp: await pgp(), smime: smime() })) {
  writeFileSync(join(import.meta.dirname, 'seeds', `${name}.json`), `${JSON.stringify(seeds, null, 2)}\n`);
}
