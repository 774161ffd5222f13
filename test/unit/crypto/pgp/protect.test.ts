import { decryptSessionKeys, encryptKey, readMessage } from 'openpgp';
import { blocksIn } from '../../../../src/crypto/pgp/armor.ts';
import { openPgpMime } from '../../../../src/crypto/pgp/open.ts';
import { type PgpMimeOptions, pgpMime } from '../../../../src/crypto/pgp/protect.ts';
import { DAY, joined, makeKey, NOW, publicOf } from './keys.ts';

const ENTITY = Buffer.from('Content-Type: text/plain; charset=utf-8\r\n\r\n.\r\nFrom here: ä\r\n');
const ann = await makeKey();
const us = await makeKey({ userIDs: [{ email: 'office@clinic.test' }] });
const options: PgpMimeOptions = { recipients: [publicOf(ann)], signer: us.write(), now: NOW, boundary: 'b-1' };
const keys = { privateKeys: [ann.write()], verifyWith: [publicOf(us)], now: NOW };

async function messageOf(
  given: Partial<PgpMimeOptions> = {},
  entity: Iterable<Uint8Array> = [ENTITY],
): Promise<Buffer> {
  const { contentType, body } = pgpMime(entity, { ...options, ...given });
  return Buffer.concat([Buffer.from(`Subject: ...\r\nContent-Type: ${contentType}\r\n\r\n`), await joined(body)]);
}

test('the form of RFC 3156', async () => {
  const { contentType, body } = pgpMime([ENTITY], options);
  expect(contentType).toBe('multipart/encrypted; protocol="application/pgp-encrypted";\r\n\tboundary="b-1"');
  const text = (await joined(body)).toString('latin1');
  const armor =
    /-----BEGIN PGP MESSAGE-----\r\n\r\n(?:[A-Za-z0-9+/]{76}\r\n)+(?:[A-Za-z0-9+/=]{4,76}\r\n)?=[A-Za-z0-9+/]{4}\r\n-----END PGP MESSAGE-----\r\n/;
  expect(armor.test(text)).toBe(true);
  expect(text.replace(armor, 'ARMOR\r\n')).toBe(
    [
      '--b-1',
      'Content-Type: application/pgp-encrypted',
      'Content-Description: PGP/MIME version identification',
      '',
      'Version: 1',
      '',
      '--b-1',
      'Content-Type: application/octet-stream; name="encrypted.asc"',
      'Content-Description: OpenPGP encrypted message',
      'Content-Disposition: inline; filename="encrypted.asc"',
      '',
      'ARMOR',
      '',
      '--b-1--',
      '',
    ].join('\r\n'),
  );
});

test.each([
  0, 1, 56, 57, 58, 1_000, 65_535, 65_536, 65_537, 300_000,
])('%i octets, in pieces of any size', async (size) => {
  const entity = Buffer.alloc(size, 'ä\r\n.\r\nFrom\r\n\0');
  for (const piece of size > 2_000 ? [999, 70_000] : [1, 57, 2_000]) {
    const pieces = Array.from({ length: Math.ceil(size / piece) }, (_, i) =>
      entity.subarray(i * piece, (i + 1) * piece),
    );
    const message = await messageOf({}, pieces);
    expect(
      message
        .toString('latin1')
        .split('\r\n')
        .filter((line) => !/^[\t\x20-\x7E]{0,76}$/.test(line)),
    ).toEqual([]);
    const opened = await openPgpMime(message, keys);
    expect(opened.entity.equals(entity)).toBe(true);
    expect(opened.signed).toBe('valid');
  }
});

test('octets are taken when they are given, and may change afterwards', async () => {
  function* reused() {
    const chunk = Buffer.alloc(100_000);
    for (let i = 0; i < 5; i++) yield chunk.fill(i);
  }
  const { entity } = await openPgpMime(await messageOf({}, reused()), keys);
  expect([0, 1, 2, 3, 4].map((i) => entity[i * 100_000 + 50_000])).toEqual([0, 1, 2, 3, 4]);
});

test('without a signer it is not signed', async () => {
  const { signer: _, ...unsigned } = options;
  const { contentType, body } = pgpMime([ENTITY], unsigned);
  const message = Buffer.concat([Buffer.from(`Content-Type: ${contentType}\r\n\r\n`), await joined(body)]);
  expect(await openPgpMime(message, keys)).toEqual({ entity: ENTITY, signed: 'none' });
});

test('AES-256 without AEAD whatever the keys prefer, and each recipient opens it', async () => {
  const modern = await makeKey({ type: 'curve25519', config: { aeadProtect: true } });
  const version6 = await makeKey({ type: 'curve25519', config: { aeadProtect: true, v6Keys: true } });
  const rsa = await makeKey({ type: 'rsa', rsaBits: 2_048 });
  for (const all of [[modern], [version6], [ann, rsa, modern, version6]]) {
    const message = await messageOf({ recipients: all.map(publicOf) });
    const { octets } = blocksIn(message)[0]!;
    const parsed = await readMessage({ binaryMessage: octets! });
    const versions = parsed.packets.map((packet) => (packet as unknown as { version: number }).version);
    expect(versions).toEqual([...all.map(() => 3), 1]);
    for (const key of all) {
      const [session] = await decryptSessionKeys({
        message: await readMessage({ binaryMessage: octets! }),
        decryptionKeys: key,
      });
      expect(session).toMatchObject({ algorithm: 'aes256' });
      expect(await openPgpMime(message, { ...keys, privateKeys: [key.write()] })).toEqual({
        entity: ENTITY,
        signed: 'valid',
      });
    }
  }
});

test('two messages have nothing in common', async () => {
  const [one, two] = [await messageOf(), await messageOf()].map((message) => blocksIn(message)[0]!.octets!);
  expect(one!.subarray(20, 60).equals(two!.subarray(20, 60))).toBe(false);
  expect(one!.subarray(-60).equals(two!.subarray(-60))).toBe(false);
});

describe('what cannot be encrypted to', () => {
  test.each<[string, () => Promise<Uint8Array>, number]>([
    ['expired', async () => publicOf(await makeKey({ keyExpirationTime: 60 })), NOW],
    ['not yet valid', async () => publicOf(ann), NOW - 2 * DAY],
    ['revoked', async () => publicOf(await (await makeKey()).revoke({}, new Date(NOW - 1))), NOW],
    ['only for signing', async () => publicOf(await makeKey({ subkeys: [{ sign: true }] })), NOW],
    ['weak', async () => publicOf(await makeKey({ type: 'rsa', rsaBits: 1_024, config: { minRSABits: 1_024 } })), NOW],
  ])('%s', async (_, key, now) => {
    const recipients = [publicOf(ann), await key()];
    const body = pgpMime([ENTITY], { ...options, recipients, now }).body;
    await expect(joined(body)).rejects.toMatchObject({ code: 'no encryption key', message: 'no encryption key' });
  });

  test('nobody', async () => {
    await expect(messageOf({ recipients: [] })).rejects.toMatchObject({ code: 'no encryption key' });
  });

  test('no key at all', async () => {
    await expect(messageOf({ recipients: [Buffer.from('canary')] })).rejects.toMatchObject({ code: 'damaged' });
  });
});

test.each<[string, () => Promise<Uint8Array>, string]>([
  ['expired', async () => (await makeKey({ keyExpirationTime: 60 })).write(), 'no signing key'],
  ['locked', async () => (await encryptKey({ privateKey: us, passphrase: 'x' })).write(), 'no signing key'],
  ['public', async () => publicOf(us), 'damaged'],
])('what cannot sign: %s', async (_, key, code) => {
  await expect(messageOf({ signer: await key() })).rejects.toMatchObject({ code });
});

test('a boundary is one', () => {
  for (const boundary of ['', 'a b', 'a"', 'a\r\nX: y', 'x'.repeat(61)]) {
    expect(() => pgpMime([], { ...options, boundary })).toThrow(RangeError);
  }
});

test.each([
  0, 1, 40,
])('what the source throws after %i chunks comes out, without an end of the message', async (chunks) => {
  function* broken() {
    for (let i = 0; i < chunks; i++) yield Buffer.alloc(50_000);
    throw Object.assign(new Error(), { code: 'corrupt' });
  }
  let text = '';
  const run = async () => {
    for await (const chunk of pgpMime(broken(), options).body) text += Buffer.from(chunk).toString('latin1');
  };
  await expect(run()).rejects.toMatchObject({ code: 'corrupt' });
  expect(text).not.toContain('-----END');
});

test('who stops reading closes the source, and little of it was read', async () => {
  let given = 0;
  let closed = () => {};
  const whenClosed = new Promise<void>((resolve) => {
    closed = resolve;
  });
  function* endless() {
    try {
      for (;;) {
        given += 1;
        yield Buffer.alloc(65_536);
      }
    } finally {
      closed();
    }
  }
  let chunks = 0;
  for await (const _ of pgpMime(endless(), options).body) if (++chunks === 10) break;
  await whenClosed;
  expect(given).toBeLessThan(30);
});
