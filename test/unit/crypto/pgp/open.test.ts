import { createCipheriv, randomBytes } from 'node:crypto';
import {
  config,
  createMessage,
  decrypt,
  encrypt,
  encryptSessionKey,
  enums,
  type PrivateKey,
  readMessage,
} from 'openpgp';
import { blocksIn } from '../../../../src/crypto/pgp/armor.ts';
import { openPgpMime } from '../../../../src/crypto/pgp/open.ts';
import { pgpMime } from '../../../../src/crypto/pgp/protect.ts';
import { seeded } from '../../../support/random.ts';
import { DAY, joined, makeKey, NOW, publicOf } from './keys.ts';

const ENTITY = Buffer.from(`Content-Type: text/plain\r\n\r\n${'canary-words\r\n'.repeat(40)}`);
const ann = await makeKey();
const us = await makeKey({ userIDs: [{ email: 'office@clinic.test' }] });
const keys = { privateKeys: [ann.write()], verifyWith: [publicOf(us)], now: NOW };
const armor = await armorOf();

async function armorOf(given: Partial<Parameters<typeof encrypt>[0]> = {}): Promise<string> {
  const message = await createMessage({ binary: ENTITY, date: new Date(NOW) });
  return String(
    await encrypt({ message, encryptionKeys: ann, signingKeys: us, date: new Date(NOW), ...given, format: 'armored' }),
  );
}

function mime(armored: string, head = ''): Buffer {
  return Buffer.from(
    `Subject: x\r\nContent-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary=b\r\n\r\n--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n--b\r\nContent-Type: application/octet-stream\r\n${head}\r\n${armored}\r\n--b--\r\n`,
  );
}

test.each([
  ['PGP/MIME', (text: string) => mime(text)],
  ['PGP/MIME with LF alone', (text: string) => Buffer.from(mime(text).toString().replaceAll('\r\n', '\n'))],
  [
    'PGP/MIME in base64',
    (text: string) => mime(Buffer.from(text).toString('base64'), 'Content-Transfer-Encoding: base64\r\n'),
  ],
  ['the text of a message', (text: string) => Buffer.from(`Subject: x\r\n\r\nhello\r\n${text}\r\nbye`)],
  [
    'the text of a message, quoted-printable',
    (text: string) => Buffer.from(`Content-Transfer-Encoding: quoted-printable\r\n\r\n${text.replaceAll('=', '=3D')}`),
  ],
  ['armor alone', (text: string) => Buffer.from(text)],
])('opens %s', async (_, wrap) => {
  expect(await openPgpMime(wrap(armor), keys)).toEqual({ entity: ENTITY, signed: 'valid' });
});

test.each<[string, Partial<Parameters<typeof encrypt>[0]>]>([
  ['compressed', { config: { preferredCompressionAlgorithm: enums.compression.zlib } }],
  ['AES-128', { sessionKey: { data: new Uint8Array(16).fill(7), algorithm: 'aes128' } }],
  ['AEAD', { sessionKey: { data: new Uint8Array(32).fill(7), algorithm: 'aes256', aeadAlgorithm: 'gcm' } }],
  ['a hidden recipient', { wildcard: true }],
])('opens %s', async (_, given) => {
  expect(await openPgpMime(mime(await armorOf(given)), keys)).toEqual({ entity: ENTITY, signed: 'valid' });
});

describe('signatures', () => {
  const stranger = makeKey();
  test.each<[string, () => Promise<{ signingKeys?: PrivateKey[]; verifyWith?: Uint8Array[]; now?: number }>, string]>([
    ['of nobody', async () => ({ signingKeys: [] }), 'none'],
    ['of a stranger', async () => ({ signingKeys: [await stranger] }), 'invalid'],
    ['of two, one known', async () => ({ signingKeys: [await stranger, us] }), 'valid'],
    ['with nobody to ask', async () => ({ verifyWith: [] }), 'invalid'],
    ['with another key to ask', async () => ({ verifyWith: [publicOf(await stranger)] }), 'invalid'],
    ['by a clock that is a minute ahead', async () => ({ now: NOW - 60_000 }), 'valid'],
    ['of tomorrow', async () => ({ now: NOW - DAY / 2 }), 'invalid'],
    [
      'of a key revoked since as known to others',
      async () => {
        const flag = enums.reasonForRevocation.keyCompromised;
        return { verifyWith: [publicOf(await us.revoke({ flag }, new Date(NOW)))] };
      },
      'invalid',
    ],
  ])('%s', async (_, given, signed) => {
    const { signingKeys, ...asked } = await given();
    const text = signingKeys === undefined ? armor : await armorOf({ signingKeys });
    expect(await openPgpMime(mime(text), { ...keys, ...asked })).toEqual({ entity: ENTITY, signed });
  });
});

describe('does not open', () => {
  const closed = { code: 'does not open', message: 'does not open' };

  test('without the key', async () => {
    await expect(openPgpMime(mime(armor), { ...keys, privateKeys: [us.write()] })).rejects.toMatchObject(closed);
    await expect(openPgpMime(mime(armor), { ...keys, privateKeys: [] })).rejects.toMatchObject(closed);
  });

  test('cut off', async () => {
    for (const part of [0.5, 0.9, 0.99]) {
      await expect(openPgpMime(mime(armor.slice(0, armor.length * part)), keys)).rejects.toMatchObject(closed);
    }
  });

  test('with any one of 200 octets changed, ours and with AEAD', async () => {
    const random = seeded(7);
    const aead = await armorOf({
      sessionKey: { data: new Uint8Array(32).fill(7), algorithm: 'aes256', aeadAlgorithm: 'gcm' },
    });
    const ours = pgpMime([ENTITY], { recipients: [publicOf(ann)], signer: us.write(), now: NOW, boundary: 'b' });
    const messages = [Buffer.from(aead), await joined(ours.body)].map((text) => blocksIn(text)[0]!.octets!);
    for (let i = 0; i < 200; i++) {
      const octets = Buffer.from(messages[i % 2]!);
      // What is encrypted stands last.
      const at = octets.length - 1 - Math.floor(random.fraction() * ENTITY.length);
      octets[at]! ^= 1 + Math.floor(random.fraction() * 255);
      await expect(openPgpMime(armored(octets), keys)).rejects.toMatchObject(closed);
    }
  });

  test('as encrypted data without integrity (tag 9), which EFAIL falls back to', async () => {
    const key = randomBytes(32);
    const session = {
      data: key,
      algorithm: 'aes256',
      encryptionKeys: ann,
      date: new Date(NOW),
      format: 'binary',
    } as const;
    const cfb = (iv: Buffer) => createCipheriv('aes-256-cfb', key, iv);
    // RFC 9580 §5.7: a random block with its last two octets again, then the resynchronization of §12.9.
    const block = randomBytes(16);
    const prefix = cfb(Buffer.alloc(16)).update(Buffer.concat([block, block.subarray(14)]));
    const literal = packet(11, Buffer.concat([Buffer.from('b\0\0\0\0\0'), ENTITY]));
    const data = packet(9, Buffer.concat([prefix, cfb(prefix.subarray(2)).update(literal)]));
    const octets = Buffer.concat([await encryptSessionKey(session), data]);
    const careless = await decrypt({
      message: await readMessage({ binaryMessage: octets }),
      decryptionKeys: ann,
      format: 'binary',
      config: { allowUnauthenticatedMessages: true },
    });
    expect(Buffer.from(careless.data).equals(ENTITY)).toBe(true);
    await expect(openPgpMime(armored(octets), keys)).rejects.toMatchObject(closed);
  });

  test('when it grows without end', async () => {
    const message = await createMessage({ binary: Buffer.alloc(170 * 1_048_576) });
    const rules = { ...config, preferredCompressionAlgorithm: enums.compression.zlib };
    const bomb = await encrypt({ message, encryptionKeys: ann, date: new Date(NOW), config: rules });
    expect(bomb.length).toBeLessThan(1_000_000);
    await expect(openPgpMime(Buffer.from(bomb), keys)).rejects.toMatchObject(closed);
  });
});

test.each([
  ['nothing', ''],
  ['text', 'Subject: x\r\n\r\nhello\r\n'],
  [
    'a key',
    'Subject: x\r\n\r\n-----BEGIN PGP PUBLIC KEY BLOCK-----\r\n\r\nAAAA\r\n-----END PGP PUBLIC KEY BLOCK-----\r\n',
  ],
  [
    'a message beside others',
    `Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n<img src="\r\n--b\r\n\r\n${armor}\r\n--b--\r\n`,
  ],
])('not a message: %s', async (_, text) => {
  await expect(openPgpMime(Buffer.from(text), keys)).rejects.toMatchObject({ code: 'not a message' });
});

test('a key that is none is damaged', async () => {
  const given = { ...keys, privateKeys: [Buffer.from('canary')] };
  await expect(openPgpMime(mime(armor), given)).rejects.toMatchObject({ code: 'damaged', message: 'damaged' });
});

function armored(octets: Buffer): Buffer {
  return Buffer.from(`-----BEGIN PGP MESSAGE-----\n\n${octets.toString('base64')}\n-----END PGP MESSAGE-----\n`);
}

/** RFC 9580 §4.2.1 with a length of five octets. */
function packet(tag: number, body: Buffer): Buffer {
  const head = Buffer.from([0xc0 | tag, 0xff, 0, 0, 0, 0]);
  head.writeUInt32BE(body.length, 2);
  return Buffer.concat([head, body]);
}
