import { constants, createHash, createPrivateKey, sign } from 'node:crypto';
import fc from 'fast-check';
import { parseCertificate } from '../../../../src/crypto/smime/certificate.ts';
import {
  algorithm,
  childrenOf,
  context,
  explicit,
  NULL,
  octetString,
  oid,
  readWhole,
  sequence,
  setOf,
  smallInteger,
  tlv,
} from '../../../../src/crypto/smime/der.ts';
import { partsOf, readEntity } from '../../../../src/crypto/smime/entity.ts';
import { SmimeError } from '../../../../src/crypto/smime/error.ts';
import { issuerAndSerialNumber } from '../../../../src/crypto/smime/identifier.ts';
import { CMS, RSA, SHA256 } from '../../../../src/crypto/smime/oids.ts';
import { openSmime } from '../../../../src/crypto/smime/open.ts';
import { type MailCertificate, mailCertificate } from '../../../support/mail-pki.ts';
import { smimeMessage } from '../../../support/smime.ts';

const now = Date.now();
const root = mailCertificate({ name: 'Root', authority: true });
const ana = mailCertificate({ name: 'Ana', addresses: ['ana@example.org'], issuer: root });
const rob = mailCertificate({ name: 'Rob', addresses: ['rob@example.org'], issuer: root, key: 'RSA 2048' });
const desk = mailCertificate({ name: 'Desk', addresses: ['desk@clinic.example'], issuer: root });
const entity = Buffer.from('Content-Type: text/plain\r\n\r\nThe result is fine.\r\n');

const open = (message: Buffer, roots: MailCertificate[] = [root], keys: MailCertificate[] = [ana]) =>
  openSmime(message, {
    keys: keys.map(({ der, privateKey }) => ({ certificate: der, privateKey })),
    roots: roots.map(({ der }) => der),
    now,
  });

/** The message with a changed octet in what base64 stands for. */
function changed(message: Buffer, at: number, by: number): Buffer {
  const end = message.indexOf('\r\n\r\n') + 4;
  const octets = Buffer.from(message.toString('latin1', end), 'base64');
  octets[at < 0 ? octets.length + at : at]! ^= by;
  return Buffer.concat([message.subarray(0, end), Buffer.from(octets.toString('base64'))]);
}

/** Octets of the ciphertext, which stands last. */
function ciphertextOf(message: Buffer): number {
  const cms = Buffer.from(message.toString('latin1', message.indexOf('\r\n\r\n') + 4), 'base64');
  const enveloped = explicit(childrenOf(readWhole(cms))[1], 0);
  return childrenOf(childrenOf(enveloped)[2])[2]!.content.length;
}

test('a flipped bit in the ciphertext of a signed message releases nothing', () => {
  const message = smimeMessage(entity, { to: [ana], signer: desk, chain: [root] });
  const ciphertext = ciphertextOf(message);
  expect(ciphertext).toBeGreaterThan(1_500);
  expect(open(message).signed).toBe('valid');
  fc.assert(
    fc.property(fc.integer({ min: 1, max: ciphertext }), fc.integer({ min: 1, max: 255 }), (back, by) => {
      expect(() => open(changed(message, -back, by))).toThrow(SmimeError);
    }),
    { numRuns: 300 },
  );
});

test('nor does one in the initial vector, which changes the text and leaves no noise', () => {
  const message = smimeMessage(entity, { to: [ana], signer: desk });
  // Before the ciphertext stand its tag and length, before these the vector.
  const end = ciphertextOf(message) + 4;
  for (let bit = 0; bit < 128; bit++) {
    const flipped = changed(message, -end - 16 + (bit >> 3), 1 << (bit & 7));
    // The case of a letter may change: the signature is seen, and right.
    try {
      expect(open(flipped)).toEqual({ entity, signed: 'valid', signer: ['desk@clinic.example'] });
    } catch (error) {
      expect(error).toBeInstanceOf(SmimeError);
    }
  }
});

test('without a signature a flipped bit in the text is released, as noise, and the docstring says so', () => {
  const text = Buffer.from(`Content-Type: text/plain\r\n\r\n${'a'.repeat(200)}`);
  const message = changed(smimeMessage(text, { to: [ana] }), -100, 1);
  const opened = open(message);
  expect(opened.signed).toBe('none');
  expect(opened.entity.equals(text)).toBe(false);
});

test.each<[string, MailCertificate, MailCertificate[]]>([
  ['of an unknown authority', mailCertificate({ name: 'S', addresses: ['s@x.org'] }), [root]],
  ['that no root is configured for', desk, []],
  [
    'not for mail',
    mailCertificate({ name: 'S', addresses: ['s@x.org'], issuer: root, purposes: ['1.3.6.1.5.5.7.3.1'] }),
    [root],
  ],
  ['not for signing', mailCertificate({ name: 'S', addresses: ['s@x.org'], issuer: root, usage: 0x08 }), [root]],
  [
    'expired',
    mailCertificate({ name: 'S', addresses: ['s@x.org'], issuer: root, until: new Date(now - 1_000) }),
    [root],
  ],
  ['too weak', mailCertificate({ name: 'S', addresses: ['s@x.org'], issuer: root, key: 'RSA 1024' }), [root]],
])('rightly signed by a certificate %s: invalid', (_, signer, roots) => {
  const opened = open(smimeMessage(entity, { to: [ana], signer }), roots);
  expect(opened.signed).toBe('invalid');
  expect(opened.signer).toHaveLength(1);
  expect(opened.entity.equals(entity)).toBe(true);
});

// ── SignedData put together by hand ───────────────────────────────────────────────────────────────────────────────

type Hand = {
  readonly content?: Buffer;
  readonly digest?: Buffer;
  readonly type?: string;
  readonly attributes?: Buffer[] | null;
  readonly scheme?: Buffer;
  readonly hash?: string;
  readonly certificates?: Buffer[];
  readonly sign?: (octets: Buffer) => Buffer;
};

const key = createPrivateKey({ key: rob.privateKey, format: 'der', type: 'pkcs8' });
const pkcs1 = (octets: Buffer) => sign('sha256', octets, key);
const attribute = (name: string, ...values: Buffer[]) => sequence(oid(name), setOf(...values));

/** An opaque SignedData by Rob as application/pkcs7-mime. */
function opaque(hand: Hand = {}): Buffer {
  const content = hand.content ?? entity;
  const digest = hand.digest ?? createHash('sha256').update(content).digest();
  const attributes = hand.attributes === undefined ? good(digest) : hand.attributes;
  const signed = attributes ? setOf(...attributes) : content;
  const info = sequence(
    smallInteger(1),
    issuerAndSerialNumber(parseCertificate(rob.der)),
    algorithm(hand.hash ?? SHA256),
    ...(attributes ? [Buffer.concat([Buffer.from([0xa0]), signed.subarray(1)])] : []),
    hand.scheme ?? algorithm(RSA.encryption, NULL),
    octetString((hand.sign ?? pkcs1)(signed)),
  );
  const signedData = sequence(
    smallInteger(1),
    setOf(algorithm(SHA256)),
    sequence(oid(hand.type ?? CMS.data), tlv(context(0), octetString(content))),
    tlv(context(0), ...(hand.certificates ?? [rob.der])),
    setOf(info),
  );
  const cms = sequence(oid(CMS.signedData), tlv(context(0), signedData));
  return Buffer.from(
    `Content-Type: application/pkcs7-mime; smime-type=signed-data\r\nContent-Transfer-Encoding: base64\r\n\r\n${cms.toString('base64')}`,
  );
}

const good = (digest: Buffer) => [
  attribute(CMS.contentType, oid(CMS.data)),
  attribute(CMS.messageDigest, octetString(digest)),
];
const digest = createHash('sha256').update(entity).digest();
const pssScheme = (salt: number, mask = SHA256) =>
  algorithm(
    RSA.pss,
    sequence(
      tlv(context(0), algorithm(SHA256, NULL)),
      tlv(context(1), algorithm(RSA.mgf1, algorithm(mask, NULL))),
      tlv(context(2), smallInteger(salt)),
    ),
  );
const pss = (saltLength: number) => (octets: Buffer) =>
  sign('sha256', octets, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength });

test.each<[string, Hand]>([
  ['RSA v1.5', {}],
  ['RSA v1.5 by its own name', { scheme: algorithm('1.2.840.113549.1.1.11', NULL) }],
  ['RSA-PSS', { scheme: pssScheme(32), sign: pss(32) }],
  ['RSA-PSS with another salt', { scheme: pssScheme(20), sign: pss(20) }],
  ['no attributes', { attributes: null }],
])('signed by hand with %s: valid, alone and in an envelope', (_, hand) => {
  const message = opaque(hand);
  for (const one of [message, smimeMessage(message, { to: [ana] })]) {
    expect(open(one)).toEqual({ entity, signed: 'valid', signer: ['rob@example.org'] });
  }
});

const asAttributes = setOf(...good(digest));
test.each<[string, Hand, ConstructorParameters<typeof SmimeError>[0]]>([
  ['another digest', { digest: Buffer.alloc(32) }, 'damaged'],
  ['another signature', { sign: (octets) => pkcs1(octets.subarray(1)) }, 'damaged'],
  ['no certificate', { certificates: [root.der] }, 'damaged'],
  ['no digest', { attributes: good(digest).slice(0, 1) }, 'damaged'],
  ['two digests', { attributes: [...good(digest), good(digest)[1]!] }, 'damaged'],
  [
    'a digest of two values',
    {
      attributes: [good(digest)[0]!, attribute(CMS.messageDigest, octetString(digest), octetString(Buffer.alloc(32)))],
    },
    'damaged',
  ],
  ['no content type', { attributes: good(digest).slice(1) }, 'damaged'],
  [
    'another content type',
    { attributes: [attribute(CMS.contentType, oid(CMS.signedData)), good(digest)[1]!] },
    'damaged',
  ],
  ['another type of content', { type: CMS.signedData }, 'unsupported'],
  ['attributes sent as a content', { content: asAttributes, attributes: null }, 'damaged'],
  ['SHA-1', { hash: '1.3.14.3.2.26' }, 'unsupported'],
  ['a signature with SHA-1', { scheme: algorithm('1.2.840.113549.1.1.5', NULL) }, 'unsupported'],
  ['ECDSA by an RSA key', { scheme: algorithm('1.2.840.10045.4.3.2') }, 'unsupported'],
  ['RSA-PSS with another salt than it says', { scheme: pssScheme(20), sign: pss(32) }, 'damaged'],
  ['RSA-PSS with another mask', { scheme: pssScheme(32, '2.16.840.1.101.3.4.2.2'), sign: pss(32) }, 'unsupported'],
  ['a signature of no DER', { sign: () => Buffer.alloc(0) }, 'damaged'],
])('nothing is released with %s', (_, hand, code) => {
  expect(() => open(opaque(hand))).toThrow(new SmimeError(code));
  expect(() => open(smimeMessage(opaque(hand), { to: [ana] }))).toThrow(new SmimeError(code));
});

// ── MIME ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const inEnvelope = (text: string) => smimeMessage(Buffer.from(text, 'latin1'), { to: [ana] });
test.each([
  ['nothing', ''],
  ['no header section', 'Hello\r\n'],
  ['no end of the header section', 'Content-Type: text/plain\r\n'],
  ['no Content-Type', 'Subject: x\r\n\r\nHello'],
  ['two Content-Types', 'Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\nHello'],
  ['noise in the header section', 'Content-Type: text/plain; x=\x93\x01\r\n\r\nHello'],
  ['noise as a type', 'Content-Type: text/\xC3\xA4\r\n\r\nHello'],
  ['a type that is none', 'Content-Type: lultipart/signed; boundary=b\r\n\r\nHello'],
  [
    'what a changed signature leaves',
    'Content-Type: text/x-signed; protocol="application/pkcs7-signature"\r\n\r\nHello',
  ],
  ['no boundary', 'Content-Type: multipart/mixed\r\n\r\n--\r\n\r\n----\r\n'],
  ['a boundary that is not there', 'Content-Type: multipart/mixed; boundary=b\r\n\r\n--c\r\n\r\n--c--\r\n'],
  ['a multipart that is cut off', 'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n'],
  ['noise before the first boundary', 'Content-Type: multipart/mixed; boundary=b\r\n\r\n\x93\r\n--b\r\n\r\n--b--\r\n'],
  ['noise behind the last boundary', 'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n--b--\r\n\x00'],
  ['a signature of one part', 'Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n'],
])('%s inside is damaged', (_, text) => {
  expect(() => open(inEnvelope(text))).toThrow(new SmimeError('damaged'));
});

test.each([
  ['plain mail', entity],
  [
    'a PGP signature',
    Buffer.from(
      'Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--b--\r\n',
    ),
  ],
  ['an envelope in an envelope', smimeMessage(smimeMessage(entity, { to: [ana] }), { to: [ana] })],
  [
    'quoted-printable CMS',
    Buffer.from('Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nx'),
  ],
])('%s is not supported', (_, message) => {
  expect(() => open(message)).toThrow(new SmimeError('unsupported'));
});

test('base64 that is none', () => {
  const text = smimeMessage(entity, { to: [ana] }).toString('latin1');
  expect(() => open(Buffer.from(text.replace(/\r\n(.{10})/, '\r\n$1\x01'), 'latin1'))).toThrow(SmimeError);
  expect(() => open(Buffer.from(text.replace(/(\r\n\r\n.{10})/, '$1!')))).toThrow(new SmimeError('damaged'));
});

test('parts: what stands between lines of the boundary, longer ones are text', () => {
  const text =
    'Content-Type: multipart/mixed; boundary="b b"\r\n\r\npreamble\r\n--b b \r\none\r\n--b bb\r\n x--b b\r\n--b b\r\n\r\n--b b\n\n--b b--';
  const { media, body } = readEntity(Buffer.from(text));
  expect(partsOf(media, body).map(String)).toEqual(['one\r\n--b bb\r\n x--b b', '', '']);
});

test('a point that is not on the curve of our key', () => {
  const message = smimeMessage(entity, { to: [ana] });
  const end = message.indexOf('\r\n\r\n') + 4;
  const octets = Buffer.from(message.toString('latin1', end), 'base64');
  const point = octets.indexOf(Buffer.from('03420004', 'hex'));
  expect(point).toBeGreaterThan(0);
  octets[point + 10]! ^= 1;
  const text = Buffer.concat([message.subarray(0, end), Buffer.from(octets.toString('base64'))]);
  expect(() => open(text)).toThrow(new SmimeError('damaged'));
});

test('whatever comes is opened or a code', () => {
  const message = smimeMessage(entity, { to: [ana, rob], signer: desk });
  const size = Buffer.from(message.toString('latin1', message.indexOf('\r\n\r\n') + 4), 'base64').length;
  fc.assert(
    fc.property(fc.nat(size - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
      try {
        expect(open(changed(message, at, by)).entity.equals(entity)).toBe(true);
      } catch (error) {
        if (!(error instanceof SmimeError)) throw error;
      }
    }),
    { numRuns: 400 },
  );
});
