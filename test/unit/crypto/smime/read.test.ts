import { createPrivateKey, X509Certificate } from 'node:crypto';
import forge from 'node-forge';
import {
  bitString,
  childrenOf,
  context,
  type Element,
  explicit,
  octetString,
  octetsOf,
  readWhole,
  sequence,
  smallInteger,
  tlv,
} from '../../../../src/crypto/smime/der.ts';
import { SmimeError } from '../../../../src/crypto/smime/error.ts';
import { PURPOSE, X509 } from '../../../../src/crypto/smime/oids.ts';
import { readCertificates } from '../../../../src/crypto/smime/read.ts';
import { extension, type MailCertificateOptions, mailCertificate } from '../../../support/mail-pki.ts';

const now = Date.now();
const root = mailCertificate({ name: 'Root', authority: true });
const middle = mailCertificate({ name: 'Middle', authority: 0, issuer: root });
const ana = mailCertificate({ name: 'Ana', addresses: ['Ana@Example.org'], issuer: middle });
const rsa = mailCertificate({ name: 'Rsa', addresses: ['rsa@example.org'], issuer: middle, key: 'RSA 2048' });

const read = (text: string | Uint8Array, passphrase?: string) =>
  readCertificates(Buffer.from(text as string), { now, ...(passphrase === undefined ? {} : { passphrase }) });
const refused = (code: ConstructorParameters<typeof SmimeError>[0]) => new SmimeError(code);
const factsOf = (options: Partial<MailCertificateOptions>) =>
  read(mailCertificate({ name: 'One', addresses: ['one@example.org'], ...options }).der)[0]!.facts;

function keyPem(key: string, options: { type: 'pkcs1' | 'pkcs8' | 'sec1'; cipher?: string }): string {
  const secret = options.cipher === undefined ? {} : { cipher: options.cipher, passphrase: 'pä55' };
  return createPrivateKey(key).export({ format: 'pem', type: options.type, ...secret } as never) as string;
}

test('a certificate, what it says, and who issued it', () => {
  const [one, ...more] = read(`${ana.certPem}${root.certPem}\n${middle.certPem}`);
  expect(more).toEqual([]);
  expect(one).toEqual({
    facts: {
      kind: 'smime',
      fingerprint: new X509Certificate(ana.der).fingerprint256.replace(/:/g, '').toLowerCase(),
      addresses: ['ana@example.org'],
      validFrom: new X509Certificate(ana.der).validFromDate.getTime(),
      validUntil: new X509Certificate(ana.der).validToDate.getTime(),
      algorithm: 'P-256',
      weak: null,
      revoked: null,
      cannotEncrypt: null,
      cannotSign: null,
      issuers: [middle.der.toString('base64'), root.der.toString('base64')],
    },
    public: ana.der,
  });
  expect(read(ana.der)[0]?.facts.issuers).toEqual([]);
});

test('several certificates, each with its key, wherever that stands; one twice', () => {
  const file = [rsa.keyPem, ana.certPem, rsa.certPem, ana.certPem, middle.certPem, 'Bag Attributes\n', ana.keyPem].join(
    '\r\n',
  );
  const found = read(file);
  expect(found.map((one) => one.facts.addresses)).toEqual([['ana@example.org'], ['rsa@example.org']]);
  expect(found.map((one) => Buffer.from(one.private!))).toEqual([ana.privateKey, rsa.privateKey]);
});

test('an authority alone is told, as unfit', () => {
  expect(read(root.certPem).map(({ facts }) => facts.cannotEncrypt)).toEqual(['it is a certificate of an authority']);
});

test('an old root that says nowhere that it is one is an issuer still', () => {
  const old = mailCertificate({ name: 'Old', usage: null, purposes: null });
  const leaf = mailCertificate({ name: 'Leaf', addresses: ['leaf@example.org'], issuer: old });
  expect(read(old.certPem + leaf.certPem).map(({ facts }) => facts.addresses)).toEqual([['leaf@example.org']]);
});

test.each<[string, string, string | undefined]>([
  ['PKCS#8', rsa.keyPem, undefined],
  ['PKCS#1', keyPem(rsa.keyPem, { type: 'pkcs1' }), undefined],
  ['SEC1', keyPem(ana.keyPem, { type: 'sec1' }), undefined],
  ['PKCS#8 encrypted', keyPem(rsa.keyPem, { type: 'pkcs8', cipher: 'aes-256-cbc' }), 'pä55'],
  ['PKCS#1 encrypted', keyPem(rsa.keyPem, { type: 'pkcs1', cipher: 'des-ede3-cbc' }), 'pä55'],
  ['SEC1 encrypted', keyPem(ana.keyPem, { type: 'sec1', cipher: 'aes-128-cbc' }), 'pä55'],
])('a private key as %s', (_, key, passphrase) => {
  const file = `${key}${rsa.certPem}${ana.certPem}`;
  const found = read(file, passphrase).filter((one) => one.private);
  expect(found.map((one) => Buffer.from(one.private!))).toEqual([
    key.includes('EC ') ? ana.privateKey : rsa.privateKey,
  ]);
  if (passphrase === undefined) return;
  expect(() => read(file)).toThrow(refused('passphrase needed'));
  expect(() => read(file, 'other')).toThrow(refused('passphrase wrong'));
});

test.each<[string, Partial<MailCertificateOptions>, string]>([
  ['of both kinds, each once', { addresses: ['A@x.org', 'b@x.org'], subjectAddress: 'a@X.org' }, 'a@x.org b@x.org'],
  ['of the subject alone', { addresses: [], subjectAddress: 'Old@x.org' }, 'old@x.org'],
  ['that are none', { addresses: ['a@x.org\0.evil.org', 'a b@x.org', '<c@x.org>', '', 'd@x.org\r\nTo: e@x.org'] }, ''],
  ['none', { addresses: [] }, ''],
])('addresses %s', (_, options, addresses) => {
  expect(factsOf(options).addresses.join(' ')).toBe(addresses);
});

test.each<[string | null, Partial<MailCertificateOptions>]>([
  [null, { key: 'RSA 3072' }],
  [null, { key: 'P-384' }],
  ['RSA with 1024 bits', { key: 'RSA 1024' }],
  ['the curve secp256k1', { key: 'secp256k1' }],
  ['signed with SHA-1', { hash: 'sha1' }],
])('weak: %s (%#)', (weak, options) => {
  expect(factsOf(options).weak).toBe(weak);
});

const FORBIDS = 'its key usage forbids it';
const NO_MAIL = 'its extended key usage is not for mail';
test.each<[string | null, Partial<MailCertificateOptions>]>([
  [null, { usage: null, purposes: null }],
  [null, { key: 'RSA 2048', usage: 0x20 }],
  [null, { purposes: ['1.3.6.1.5.5.7.3.1', PURPOSE.emailProtection] }],
  [null, { purposes: [PURPOSE.any] }],
  [FORBIDS, { key: 'RSA 2048', usage: 0x80 }],
  [FORBIDS, { key: 'RSA 2048', usage: 0x88 }],
  [FORBIDS, { usage: 0xa0 }],
  [NO_MAIL, { purposes: ['1.3.6.1.5.5.7.3.1'] }],
  ['it is a certificate of an authority', { authority: true, usage: null }],
  ['keys of the curve P-384 cannot be encrypted to here', { key: 'P-384' }],
  ['its kind of key cannot be encrypted to', { key: 'Ed25519' }],
  ['its kind of key cannot be encrypted to', { key: 'RSA-PSS', issuer: root }],
])('cannot encrypt: %s (%#)', (why, options) => {
  expect(factsOf(options).cannotEncrypt).toBe(why);
});

test.each<[string | null, Partial<MailCertificateOptions>]>([
  [null, { usage: null, purposes: null }],
  [null, { usage: 0x80 }],
  [null, { usage: 0x40 }],
  [null, { key: 'P-384', usage: 0x80 }],
  ['its key usage forbids to sign', { key: 'RSA 2048', usage: 0x20 }],
  [NO_MAIL, { purposes: ['1.3.6.1.5.5.7.3.1'] }],
  ['it is a certificate of an authority', { authority: true, usage: null }],
  ['its kind of key cannot sign here', { key: 'Ed25519' }],
  ['its kind of key cannot sign here', { key: 'RSA-PSS', issuer: root }],
])('cannot sign: %s (%#)', (why, options) => {
  expect(factsOf(options).cannotSign).toBe(why);
});

test('names of algorithms, and no end', () => {
  expect(factsOf({ key: 'RSA 2048' }).algorithm).toBe('RSA 2048');
  expect(factsOf({ key: 'Ed25519' }).algorithm).toBe('Ed25519');
  expect(factsOf({ key: 'RSA-PSS', issuer: root }).algorithm).toBe('RSA-PSS 2048');
  expect(factsOf({ until: new Date('9999-12-31T23:59:59Z') }).validUntil).toBeNull();
});

test.each<[ConstructorParameters<typeof SmimeError>[0], string | Uint8Array]>([
  ['not a certificate', ''],
  ['not a certificate', 'hello'],
  ['not a certificate', sequence(smallInteger(1))],
  ['not a certificate', ana.der.subarray(0, -1)],
  ['not a certificate', ana.keyPem],
  [
    'not a certificate',
    `-----BEGIN CERTIFICATE-----\n${root.privateKey.toString('base64')}\n-----END CERTIFICATE-----\n`,
  ],
  ['damaged', ana.certPem.replace('-----END', '---END')],
  ['damaged', ana.certPem.replace(/\n(....)/, '\n!!!!')],
  ['damaged', `${ana.certPem}-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n`],
  ['key of another certificate', ana.certPem + rsa.keyPem],
])('refused: %s (%#)', (code, file) => {
  expect(() => read(file)).toThrow(refused(code));
});

test('an extension that stands twice is no certificate', () => {
  const twice = [0, 1].map(() => extension(X509.extendedKeyUsage, sequence()));
  expect(() => factsOf({ purposes: null, more: twice })).toThrow(refused('not a certificate'));
});

test.each([0, 1])('a date that is none (%#) is no certificate: it would never expire', (which) => {
  const date = Buffer.from(ana.der);
  const first = date.indexOf(Buffer.from('301e170d', 'hex')) + 2;
  date.write('99', first + 4 + 15 * which, 'latin1');
  expect(() => read(date)).toThrow(refused('not a certificate'));
});

test('an extension that is no DER is damaged', () => {
  expect(() => factsOf({ more: [extension(X509.subjectAltName, bitString(Buffer.alloc(3)))], addresses: [] })).toThrow(
    refused('damaged'),
  );
});

// ── PKCS#12; what OpenSSL and NSS make is read in test/scenario/smime-peers.test.ts ───────────────────────────────────

/** Signed with RSA too: forge writes another certificate when it is not. */
const own = mailCertificate({ name: 'Own', addresses: ['own@example.org'], key: 'RSA 2048' });

function pfx(passphrase: string | null, algorithm: 'aes256' | '3des', useMac = true, count = 10): Buffer {
  const made = forge.pkcs12.toPkcs12Asn1(
    forge.pki.privateKeyFromPem(own.keyPem),
    [forge.pki.certificateFromPem(own.certPem)],
    passphrase,
    { algorithm, count, useMac },
  );
  return Buffer.from(forge.asn1.toDer(made).getBytes(), 'latin1');
}

test.each(['aes256', '3des'] as const)('PKCS#12 with %s', (algorithm) => {
  const file = pfx('secret', algorithm);
  const [one] = read(file, 'secret');
  expect(Buffer.from(one!.public)).toEqual(own.der);
  expect(Buffer.from(one!.private!)).toEqual(own.privateKey);
  expect(() => read(file)).toThrow(refused('passphrase needed'));
  expect(() => read(file, '')).toThrow(refused('passphrase wrong'));
  expect(() => read(file, 'Secret')).toThrow(refused('passphrase wrong'));
  const changed = Buffer.from(file);
  changed[changed.length >> 1]! ^= 1;
  expect(() => read(changed, 'secret')).toThrow(SmimeError);
});

test('PKCS#12 without MAC', () => {
  expect(read(pfx('secret', 'aes256', false), 'secret')).toHaveLength(1);
  expect(() => read(pfx('secret', 'aes256', false), 'other')).toThrow(refused('passphrase wrong'));
});

test('PKCS#12 of many keys that together would be derived for minutes is refused', () => {
  const data = (octets: Buffer) =>
    sequence(Buffer.from('06092a864886f70d010701', 'hex'), tlv(context(0), octetString(octets)));
  const inData = (info: Element | undefined) => readWhole(octetsOf(explicit(childrenOf(info)[1], 0)));
  const file = (count: number): Buffer => {
    const [, safe] = childrenOf(readWhole(pfx('secret', '3des', false, 20_000)));
    const infos = childrenOf(inData(safe));
    const [bag] = childrenOf(inData(infos[1]));
    const bags = Array<Buffer>(count).fill(bag!.raw);
    return sequence(smallInteger(3), data(sequence(infos[0]!.raw, data(sequence(...bags)))));
  };
  expect(read(file(3), 'secret')).toHaveLength(1);
  // Without a MAC all is told as a wrong passphrase.
  expect(() => read(file(60), 'secret')).toThrow(refused('passphrase wrong'));
});

test('PKCS#12 that would be derived for hours is refused', () => {
  const mac = sequence(
    sequence(sequence(Buffer.from('06052b0e03021a', 'hex')), octetString(Buffer.alloc(20))),
    octetString(Buffer.alloc(8)),
    tlv(2, Buffer.from([0x7f, 0xff, 0xff, 0xff])),
  );
  const data = sequence(Buffer.from('06092a864886f70d010701', 'hex'), tlv(context(0), octetString(sequence())));
  expect(() => read(sequence(smallInteger(3), data, mac), 'x')).toThrow(refused('unsupported'));
});
