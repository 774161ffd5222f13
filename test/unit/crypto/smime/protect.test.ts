import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  algorithmOf,
  childrenOf,
  explicit,
  oidOf,
  readWhole,
  smallIntegerOf,
} from '../../../../src/crypto/smime/der.ts';
import { SmimeError } from '../../../../src/crypto/smime/error.ts';
import { base64Lines } from '../../../../src/crypto/smime/lines.ts';
import { openSmime } from '../../../../src/crypto/smime/open.ts';
import { smimeEnvelope } from '../../../../src/crypto/smime/protect.ts';
import { type MailCertificate, mailCertificate } from '../../../support/mail-pki.ts';
import { type SendOptions, smimeMessage } from '../../../support/smime.ts';

const now = Date.now();
const root = mailCertificate({ name: 'Root', authority: true });
const ana = mailCertificate({ name: 'Ana', addresses: ['ana@example.org'], issuer: root });
const rob = mailCertificate({ name: 'Rob', addresses: ['rob@example.org'], issuer: root, key: 'RSA 2048' });
const desk = mailCertificate({ name: 'Desk', addresses: ['desk@clinic.example'], issuer: root, usage: 0x80 });
const big = mailCertificate({ name: 'Big', addresses: ['big@clinic.example'], issuer: root, key: 'RSA 3072' });

const law = mailCertificate({ name: 'Law', addresses: ['law@clinic.example'], issuer: root, key: 'P-384' });

const HEADER = 'Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n';
const entity = Buffer.from(`${HEADER}Grüße\r\n.\r\n..\r\nFrom us\r\n${'x'.repeat(3_000)}`);

const open = (message: Buffer, ...keys: MailCertificate[]) =>
  openSmime(message, {
    keys: keys.map(({ der, privateKey }) => ({ certificate: der, privateKey })),
    roots: [root.der],
    now,
  });

function envelopedIn(message: Buffer) {
  const body = message.toString('latin1').split('\r\n\r\n')[1]!;
  const [type, content] = childrenOf(readWhole(Buffer.from(body, 'base64')));
  return { type: oidOf(type), fields: childrenOf(explicit(content, 0)) };
}

test.each<[string, SendOptions, 'valid' | 'none', string[] | undefined]>([
  ['RSA', { to: [rob] }, 'none', undefined],
  ['RSA OAEP', { to: [rob], keyTransport: 'oaep' }, 'none', undefined],
  ['P-256', { to: [ana] }, 'none', undefined],
  ['both, signed by P-256', { to: [rob, ana], signer: desk }, 'valid', ['desk@clinic.example']],
  ['both, signed by RSA', { to: [ana, rob], signer: big, chain: [root] }, 'valid', ['big@clinic.example']],
  ['P-256, signed by P-384', { to: [ana], signer: law }, 'valid', ['law@clinic.example']],
  ['one octet at a time', { to: [ana], signer: desk, piece: 1 }, 'valid', ['desk@clinic.example']],
])('to %s: opened as it was', (_, options, signed, signer) => {
  const message = smimeMessage(entity, options);
  for (const recipient of options.to) {
    const opened = open(message, recipient);
    expect(opened.entity.equals(entity)).toBe(true);
    expect(opened.signed).toBe(signed);
    expect(opened.signer).toEqual(signer);
  }
  expect(() => open(message, desk)).toThrow(new SmimeError('no key'));
});

test('every length of the last block', () => {
  for (let length = 0; length <= 33; length++) {
    const text = Buffer.concat([Buffer.from(HEADER), Buffer.alloc(length, 97)]);
    expect(open(smimeMessage(text, { to: [ana] }), ana).entity.equals(text)).toBe(true);
    expect(open(smimeMessage(text, { to: [ana], signer: desk }), ana).entity.equals(text)).toBe(true);
  }
});

test('the form: definite lengths, version, algorithms', () => {
  const rsaOnly = envelopedIn(smimeMessage(entity, { to: [rob, rob] }));
  expect(rsaOnly.type).toBe('1.2.840.113549.1.7.3');
  expect(smallIntegerOf(rsaOnly.fields[0])).toBe(0);
  expect(childrenOf(rsaOnly.fields[1])).toHaveLength(2);
  const mixed = envelopedIn(smimeMessage(entity, { to: [rob, ana] }));
  expect(smallIntegerOf(mixed.fields[0])).toBe(2);
  const [, scheme, content] = childrenOf(mixed.fields[2]);
  expect(algorithmOf(scheme).oid).toBe('2.16.840.1.101.3.4.1.42');
  expect(content).toMatchObject({ tag: 0x80, indefinite: false });
});

test('fields and lines', () => {
  const message = smimeMessage(Buffer.concat([entity, randomBytes(200_000)]), { to: [ana] }).toString('latin1');
  const [header, body, ...more] = message.split('\r\n\r\n');
  expect(more).toEqual([]);
  expect(header).toContain(
    'Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name="smime.p7m"\r\n' +
      'Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename="smime.p7m"',
  );
  const lines = body!.split('\r\n');
  expect(lines.pop()).toBe('');
  expect(lines.pop()!.length).toBeLessThanOrEqual(76);
  expect(lines.every((line) => line.length === 76)).toBe(true);
});

test.each([0, 1, 56, 57, 58, 58_368, 58_369])('base64 of %i octets in any pieces', (length) => {
  const octets = randomBytes(length);
  const expected = octets.toString('base64').replace(/.{1,76}/g, '$&\r\n');
  for (const piece of [1_000, 58_368, 70_000]) {
    const pieces = Array.from({ length: Math.ceil(length / piece) }, (_, i) =>
      octets.subarray(i * piece, (i + 1) * piece),
    );
    expect(Buffer.concat([...base64Lines(pieces)]).toString()).toBe(expected);
  }
});

test('key and initial vector are those that were drawn, once', () => {
  const drawn: number[] = [];
  const random = (length: number) => {
    drawn.push(length);
    return createHash('shake256', { outputLength: length }).update(`${drawn.length}`).digest();
  };
  const { body } = smimeEnvelope(() => [entity], { recipients: [ana.der], now, boundary: 'b', random });
  const octets = Buffer.from(Buffer.concat([...body]).toString(), 'base64');
  expect(drawn).toEqual([32, 16]);
  expect(octets.includes(createHash('shake256', { outputLength: 16 }).update('2').digest())).toBe(true);
});

const p384 = mailCertificate({ name: 'P384', key: 'P-384' });
const edwards = mailCertificate({ name: 'Ed', key: 'Ed25519' });
test.each<[ConstructorParameters<typeof SmimeError>[0], () => unknown]>([
  ['unfit', () => smimeMessage(entity, { to: [] })],
  ['unfit', () => smimeMessage(entity, { to: [ana, p384] })],
  ['unfit', () => smimeMessage(entity, { to: [edwards] })],
  ['unfit', () => smimeMessage(entity, { to: [ana], signer: edwards })],
  [
    'key of another certificate',
    () => smimeMessage(entity, { to: [ana], signer: { ...desk, privateKey: ana.privateKey } }),
  ],
  ['damaged', () => smimeMessage(entity, { to: [ana], signer: { ...desk, privateKey: Buffer.from('x') } })],
  ['not a certificate', () => smimeMessage(entity, { to: [{ ...ana, der: ana.der.subarray(1) }] })],
])('refused: %s (%#)', (code, send) => {
  expect(send).toThrow(new SmimeError(code));
});

test('an entity that is another one the second time is not sent to its end', () => {
  let pass = 0;
  const { body } = smimeEnvelope(() => [entity, Buffer.alloc(pass++)], {
    recipients: [ana.der],
    now,
    boundary: 'b',
    random: randomBytes,
  });
  expect(() => [...body]).toThrow(new SmimeError('damaged'));
});

test('150 MB go through a worker process that grows by less than 60 MB', () => {
  const source = new URL('../../../../', import.meta.url);
  const program = `
    import { randomBytes } from 'node:crypto';
    import { mailCertificate } from '${source}test/support/mail-pki.ts';
    import { smimeEnvelope } from '${source}src/crypto/smime/protect.ts';
    const root = mailCertificate({ name: 'Root', authority: true });
    const [to, own] = ['to', 'own'].map((name) => mailCertificate({ name, issuer: root, key: 'RSA 2048' }));
    const signer = { certificate: own.der, chain: [root.der], privateKey: own.privateKey };
    const chunk = Buffer.alloc(65536, 'text\\r\\n');
    const send = (chunks) => {
      const entity = function* () { for (let i = 0; i < chunks; i++) yield chunk; };
      const options = { recipients: [to.der], signer, now: Date.now(), boundary: 'b', random: randomBytes };
      let octets = 0, most = 0;
      for (const piece of smimeEnvelope(entity, options).body) {
        octets += piece.length;
        most = Math.max(most, process.memoryUsage.rss());
      }
      return { octets, most };
    };
    send(10);
    const base = process.memoryUsage.rss();
    const { octets, most } = send(2400);
    console.log(JSON.stringify({ octets, grown: most - base }));`;
  const args = ['--permission', `--allow-fs-read=${source.pathname}`, '--input-type=module', '-e', program];
  const { octets, grown } = JSON.parse(execFileSync(process.execPath, args, { env: {} }).toString());
  expect(octets).toBeGreaterThan((2400 * 65_536 * 4) / 3);
  expect(grown).toBeLessThan(60_000_000);
});
