import fc from 'fast-check';
import { encryptKey, enums, type Key, readKey, readPrivateKey } from 'openpgp';
import { readPgpKeys } from '../../../../src/crypto/pgp/read.ts';
import type { KeyFacts } from '../../../../src/domain/keys.ts';
import { DAY, makeKey, NOW, publicOf } from './keys.ts';

const SECOND = 1_000;
const CREATED = NOW - DAY;

async function factsOf(key: Key, now = NOW): Promise<KeyFacts> {
  const [read] = await readPgpKeys(key.toPublic().write(), { now });
  return read!.facts;
}

describe('algorithms', () => {
  test.each<[string, Parameters<typeof makeKey>[0]]>([
    ['Curve25519', {}],
    ['Curve25519', { type: 'curve25519' }],
    ['Curve448', { type: 'curve448' }],
    ['P-256', { curve: 'nistP256' }],
    ['P-384', { curve: 'nistP384' }],
    ['RSA 2048', { type: 'rsa', rsaBits: 2_048 }],
  ])('%s', async (algorithm, options) => {
    const key = await makeKey(options);
    expect(await factsOf(key)).toEqual({
      kind: 'pgp',
      fingerprint: key.getFingerprint(),
      addresses: ['ann@peer.test'],
      validFrom: CREATED,
      validUntil: null,
      algorithm,
      weak: null,
      revoked: null,
      cannotEncrypt: null,
      cannotSign: null,
      issuers: [],
    });
  });

  test('of a version 6 key', async () => {
    const facts = await factsOf(await makeKey({ type: 'curve25519', config: { v6Keys: true } }));
    expect(facts).toMatchObject({ algorithm: 'Curve25519', addresses: ['ann@peer.test'], cannotEncrypt: null });
    expect(facts.fingerprint).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe('too weak', () => {
  test('RSA with 1024 bits', async () => {
    const key = await makeKey({ type: 'rsa', rsaBits: 1_024, config: { minRSABits: 1_024 } });
    expect(await factsOf(key)).toMatchObject({
      algorithm: 'RSA 1024',
      weak: 'RSA with 1024 bits',
      cannotEncrypt: null,
    });
  });

  test('a strong subkey does not help a weak main key', async () => {
    const options = { type: 'rsa', rsaBits: 1_024, config: { minRSABits: 1_024 } } as const;
    const key = await makeKey({ ...options, subkeys: [{ type: 'rsa', rsaBits: 2_048 }] });
    expect(await factsOf(key)).toMatchObject({ algorithm: 'RSA 2048', weak: 'RSA with 1024 bits' });
  });
});

describe('addresses', () => {
  test('of all user ids, lower case, A-labels, each once', async () => {
    const userIDs = [
      { name: 'Ann', email: 'Ann.Smith@Peer.TEST' },
      { email: 'ann@bücher.test' },
      { name: 'Ann again', email: 'ann.smith@peer.test' },
      { name: 'no address' },
    ];
    expect((await factsOf(await makeKey({ userIDs }))).addresses).toEqual([
      'ann.smith@peer.test',
      'ann@xn--bcher-kva.test',
    ]);
  });

  test('not of a user id that was revoked', async () => {
    const key = await makeKey({ userIDs: [{ email: 'old@peer.test' }, { email: 'ann@peer.test' }] });
    key.users[0] = await key.users[0]!.revoke(key.keyPacket as never, undefined, new Date(NOW - 1));
    expect((await factsOf(key)).addresses).toEqual(['ann@peer.test']);
  });

  test('not of a user id that the key did not sign', async () => {
    const key = await makeKey();
    const other = await makeKey({ userIDs: [{ email: 'boss@peer.test' }] });
    key.users.push(other.users[0]!);
    expect(key.getUserIDs()).toContain('<boss@peer.test>');
    expect((await factsOf(key)).addresses).toEqual(['ann@peer.test']);
  });

  test('of an expired and of a revoked key too', async () => {
    const expired = await makeKey({ keyExpirationTime: 60 });
    const revoked = await (await makeKey()).revoke({}, new Date(NOW - 1));
    for (const key of [expired, revoked]) expect((await factsOf(key)).addresses).toEqual(['ann@peer.test']);
  });
});

describe('validity', () => {
  test('ends with the main key', async () => {
    const key = await makeKey({ keyExpirationTime: 3_600, subkeys: [{}] });
    const until = CREATED + 3_600 * SECOND;
    for (const now of [until - SECOND, until + SECOND]) {
      expect(await factsOf(key, now)).toMatchObject({ validFrom: CREATED, validUntil: until, cannotEncrypt: null });
    }
  });

  test('ends with the subkey that is encrypted to', async () => {
    const key = await makeKey({ keyExpirationTime: 7_200, subkeys: [{ keyExpirationTime: 3_600 }] });
    const until = CREATED + 3_600 * SECOND;
    for (const now of [until - SECOND, until + SECOND]) {
      expect(await factsOf(key, now)).toMatchObject({ validUntil: until, cannotEncrypt: null });
    }
  });

  test('is that of a subkey still good, not of a newer one that expired', async () => {
    const key = await (await makeKey()).addSubkey({ date: new Date(NOW - DAY / 2), keyExpirationTime: 60 });
    expect(await factsOf(key)).toMatchObject({ validFrom: CREATED, validUntil: null });
    expect(await factsOf(key, NOW - DAY / 2 + SECOND)).toMatchObject({
      validFrom: NOW - DAY / 2,
      validUntil: NOW - DAY / 2 + 60 * SECOND,
    });
  });

  test('begins in the future where a clock is behind', async () => {
    expect(await factsOf(await makeKey(), CREATED - DAY)).toMatchObject({
      addresses: ['ann@peer.test'],
      validFrom: CREATED,
      cannotEncrypt: null,
    });
  });
});

describe('revoked', () => {
  test.each([
    ['noReason', 'its owner revoked it'],
    ['keySuperseded', 'its owner replaced it by another key'],
    ['keyCompromised', 'its owner says that its private key is known to others'],
    ['keyRetired', 'its owner no longer uses it'],
  ] as const)('%s', async (reason, revoked) => {
    const flag = enums.reasonForRevocation[reason];
    const key = await (await makeKey()).revoke({ flag, string: 'canary-words' }, new Date(NOW - 1));
    const facts = await factsOf(key);
    expect(facts).toMatchObject({ revoked, weak: null, cannotEncrypt: null, algorithm: 'Curve25519' });
    expect(JSON.stringify(facts)).not.toMatch(/canary/);
  });

  test('not by another key', async () => {
    const key = await makeKey();
    const other = await (await makeKey()).revoke({}, new Date(NOW - 1));
    key.revocationSignatures.push(...other.revocationSignatures);
    expect(await factsOf(key)).toMatchObject({ revoked: null });
  });
});

describe('unfit', () => {
  test('only for signing', async () => {
    const key = await makeKey({ subkeys: [{ sign: true }] });
    expect(await factsOf(key)).toMatchObject({
      algorithm: 'Ed25519',
      cannotEncrypt: 'no subkey for encryption',
      cannotSign: null,
      weak: null,
    });
  });

  test('its subkey is revoked', async () => {
    const key = await makeKey();
    key.subkeys[0] = await key.subkeys[0]!.revoke(key.keyPacket as never, {}, new Date(NOW - 1));
    expect(await factsOf(key)).toMatchObject({ cannotEncrypt: 'its subkey for encryption is revoked', revoked: null });
  });

  test('its subkey was bound by another key', async () => {
    const key = await makeKey({ subkeys: [] });
    key.subkeys.push((await makeKey()).subkeys[0]!);
    expect(await factsOf(key)).toMatchObject({ cannotEncrypt: 'no subkey for encryption' });
  });

  test('no user id of its own', async () => {
    const key = await makeKey();
    key.users = (await makeKey({ userIDs: [{ email: 'boss@peer.test' }] })).users;
    expect(await factsOf(key)).toMatchObject({ cannotEncrypt: 'no user id that it signed itself', addresses: [] });
  });
});

describe('files', () => {
  test('several blocks with text between them, and a binary keyring', async () => {
    const keys = [await makeKey(), await makeKey(), await makeKey()];
    const text = `mail of today\r\n${keys.map((key) => key.toPublic().armor()).join('\nand\r\n')}bye`;
    const ring = Buffer.concat(keys.map(publicOf));
    for (const file of [Buffer.from(text), ring]) {
      const read = await readPgpKeys(file, { now: NOW });
      expect(read.map(({ facts }) => facts.fingerprint)).toEqual(keys.map((key) => key.getFingerprint()));
      expect(read.map((one) => 'private' in one)).toEqual([false, false, false]);
    }
  });

  test('what others certified is left out', async () => {
    const key = (await makeKey()).toPublic();
    const certified = await key.signAllUsers([await makeKey()], new Date(NOW));
    const [read] = await readPgpKeys(certified.write(), { now: NOW });
    expect(certified.write().length).toBeGreaterThan(key.write().length + 50);
    expect(Buffer.from(read!.public)).toEqual(Buffer.from(key.write()));
  });

  test.each([
    ['nothing', ''],
    ['text', 'hello, this is no key'],
    ['a picture', Buffer.from('ffd8ffe000104a46494600010101', 'hex')],
    ['a message', '-----BEGIN PGP MESSAGE-----\n\naGVsbG8=\n-----END PGP MESSAGE-----\n'],
    ['a certificate', '-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n'],
  ])('not a key: %s', async (_, file) => {
    await expect(readPgpKeys(Buffer.from(file), { now: NOW })).rejects.toMatchObject({
      code: 'not a key',
      message: 'not a key',
    });
  });

  test('damaged: cut off, without the blank line, empty, cut packets', async () => {
    const key = await makeKey();
    const text = key.toPublic().armor();
    const block = '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END PGP PUBLIC KEY BLOCK-----\n';
    const files = [text.slice(0, 300), text.replace(/\r?\n\r?\n/, '\n'), block, publicOf(key).subarray(0, 200)];
    for (const file of files) {
      await expect(readPgpKeys(Buffer.from(file), { now: NOW })).rejects.toMatchObject({ code: 'damaged' });
    }
  });

  test('one changed octet makes no other key with an address', async () => {
    const octets = publicOf(await makeKey());
    for (let at = 0; at < octets.length; at += 7) {
      const changed = Buffer.from(octets);
      changed[at]! ^= 0x04;
      const read = await readPgpKeys(changed, { now: NOW }).catch((error) => error.code);
      if (typeof read === 'string') expect(['damaged', 'not a key']).toContain(read);
      else for (const { facts } of read) expect([[], ['ann@peer.test']]).toContainEqual(facts.addresses);
    }
  });

  test('never another error, whatever the file holds', async () => {
    const octets = publicOf(await makeKey());
    const mixed = fc.tuple(fc.nat(octets.length), fc.uint8Array({ maxLength: 80 }));
    await fc.assert(
      fc.asyncProperty(mixed, async ([at, noise]) => {
        const file = Buffer.concat([octets.subarray(0, at), noise, octets.subarray(at)]);
        await readPgpKeys(file, { now: NOW }).catch((error) => expect(error).toHaveProperty('code'));
      }),
      { numRuns: 100 },
    );
  });
});

describe('private keys', () => {
  test('come without passphrase, the public part apart', async () => {
    const key = await makeKey();
    const [read] = await readPgpKeys(Buffer.from(key.armor()), { now: NOW });
    expect((await readPrivateKey({ binaryKey: read!.private! })).isDecrypted()).toBe(true);
    expect((await readKey({ binaryKey: read!.public })).isPrivate()).toBe(false);
    expect(read!.facts).toMatchObject({ fingerprint: key.getFingerprint(), cannotEncrypt: null });
  });

  test('are opened by their passphrase only', async () => {
    const locked = await encryptKey({ privateKey: await makeKey(), passphrase: 'correct horse' });
    const file = Buffer.from(locked.armor());
    const [read] = await readPgpKeys(file, { now: NOW, passphrase: 'correct horse' });
    expect((await readPrivateKey({ binaryKey: read!.private! })).isDecrypted()).toBe(true);
    for (const [passphrase, code] of [
      [undefined, 'passphrase needed'],
      ['', 'passphrase needed'],
      ['canary', 'passphrase wrong'],
    ] as const) {
      const options = passphrase === undefined ? { now: NOW } : { now: NOW, passphrase };
      await expect(readPgpKeys(file, options)).rejects.toMatchObject({ code, message: code });
    }
  });

  test('are damaged when they do not belong to the public part', async () => {
    const key = await makeKey();
    const other = await makeKey();
    Object.assign(key.keyPacket, {
      privateParams: (other.keyPacket as unknown as { privateParams: object }).privateParams,
    });
    await expect(readPgpKeys(key.write(), { now: NOW })).rejects.toMatchObject({ code: 'damaged' });
  });

  test('a stub of the main key and its subkeys', async () => {
    const key = await makeKey({ subkeys: [{}, { sign: true }] });
    (key.keyPacket as unknown as { makeDummy(): void }).makeDummy();
    const [read] = await readPgpKeys(key.write(), { now: NOW });
    expect(read).toHaveProperty('private');
  });
});

/** Its signature of a subkey is cut, which openpgp notices only when the key is written and read again. */
const CUT_LATE = [
  'xv8AAAAzBGsEKsAWCSsGAQQB2kcPAQEHQDNkwuyoGEq/YXI5J7o6cRQmBI9VE6BXhaJon3Rlfq+rzf8AAAATQW5uIDxhbm5AcGVlci50ZXN0Ps',
  'L/AAAA0wQTFgoAhQWCawQqwAMLCQcJEJTyeVb0wf3WRRQAAAAAABwAIHNhbHRAbm90YXRpb25zLm9wZW5wZ3Bqcy5vcmdb7aq0TkUwgFiwl3Mc',
  'PcbDG8J93561rpViJYFV/4JCZQUVCggODAQWAAIBAhkBApsDAh4BFiEE57XbXiJrd9NjP1XwlPJ5VvTB/dYAAOlWAP9RC6o9ANvc039BLuy7YE',
  'B5zuZNSdBxXipc/6vs5xPrbgEAseGx+w7osRBF2UL0vzXYKkUrUs0cnQsfcRtcxkhf2wHO/wAAADgEawQqwBIKKwYBBAGXVQEFAQEHQLcWHEjQ',
  'T0HjUDxYjmGTtXNzT8vyQRALE/t+mLXzS+pKAwEIB8L/AAABhwQYFgoAcAWCawQqBBgBCgBwBYJrBCrACRD34P6JMtVpWEUUAAAAAAAcACBzYW',
  'x0QG5vdGF0aW9ucy5vcGVucGdwanMub3JniZXHf7o0tzrnPJYS+FJRNVQc2LLLl+WZpQ7s3LBi7lUCmwwWIQRPCv16ubMjt00+rH334P6JMtVp',
  'WAAAbhkH+gO0SkF41K4E89t/8yD8BAVB4sDPX6cLoqLraNh8DH8Q2CkltB8PSsQh+7ZpDnClE5RUT5+d8bWwVaXbYcOXTJq5gGSRoqlz4O3sXK',
  '8bUujsnTiVI5yFnQjGEMbrJoEdA1+y6Q9+jiBlTa902Ccmgb8jc/BSCvahHNUthEOG9TWuUEsYd+RPWXykCtlwh5zsyy5ug2SJZkOSe8/CwdA/',
  '1qb1WU802bNami7uuJFyAqt3VMMMzYajwLqUAXcuo33gsDT4jn4lDX7b/kYa34ab814CvnqAk8MRkiigVZB6HJikuvJxk5K3so/wIMEYZG5tpO',
  '+F1KStUwgWdLpQP7bd/O8=',
].join('');

test('damage that openpgp notices late is damage', async () => {
  await expect(readPgpKeys(Buffer.from(CUT_LATE, 'base64'), { now: NOW })).rejects.toThrow('damaged');
});
