// GnuPG opens what we send, and we open what it sends: every kind of message, octet for octet.

import { generateKey } from 'openpgp';
import { blocksIn } from '../../src/crypto/pgp/armor.ts';
import { openPgpMime } from '../../src/crypto/pgp/open.ts';
import { pgpMime } from '../../src/crypto/pgp/protect.ts';
import { readPgpKeys } from '../../src/crypto/pgp/read.ts';
import type { KeyRead } from '../../src/domain/keys.ts';
import { type Gpg, openGpg } from '../support/gpg.ts';
import { find, testWith } from '../support/programs.ts';
import { seeded } from '../support/random.ts';

const testGpg = testWith(['gpg']);
const random = seeded(42);
const MB = 1_048_576;
const now = Date.now;

const ATTACHMENT = Buffer.from(random.bytes(30_000)).toString('base64').replace(/.{76}/g, '$&\r\n');
const ENTITIES: Readonly<Record<string, Buffer>> = {
  text: Buffer.from('Content-Type: text/plain; charset=us-ascii\r\n\r\nYour results are in.\r\n'),
  'HTML with attachments': Buffer.from(
    `Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Año &amp; <b>ñ</b></p>\r\n--x\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n${ATTACHMENT}\r\n--x--\r\n`,
  ),
  'UTF-8 in 8 bits': Buffer.from('Content-Type: text/plain; charset=utf-8\r\n\r\nZürich, Łódź, 東京 🩺\r\n'),
  'every octet': Buffer.from([...Array(256).keys()]),
  'lines beginning with "." and "From "': Buffer.from(
    'Content-Type: text/plain\r\n\r\n.\r\n..\r\n.a\r\nFrom us\r\n>From you\r\n- dash\r\n-----BEGIN PGP MESSAGE-----\r\n',
  ),
  'blanks at line ends, long lines, no last line end': Buffer.from(
    `X: y\r\n\r\na \t\r\n\r\n \r\n${'long '.repeat(5_000)}`,
  ),
  empty: Buffer.alloc(0),
  'one octet': Buffer.from('a'),
  'two octets': Buffer.from('ab'),
};

let gpg: Gpg;
let us: KeyRead;
/** Correspondents by what GnuPG makes when asked for it. */
const peers: Record<string, KeyRead> = {};
const PEERS = {
  'rsa2048@peer.test': ['rsa2048', 'rsa2048'],
  'future@peer.test': ['future-default'],
  'nist@peer.test': ['nistp256', 'nistp256'],
} as const;

/** The keys that gpg keeps for an address, as `--export` gives them. */
async function keyOf(address: string, command = '--export'): Promise<KeyRead> {
  const [key] = await readPgpKeys(gpg.run([command, address]).out, { now: now() });
  return key!;
}

beforeAll(async () => {
  const { privateKey } = await generateKey({
    type: 'rsa',
    rsaBits: 2_048,
    userIDs: [{ name: 'Office', email: 'office@clinic.test' }],
    format: 'object',
  });
  us = (await readPgpKeys(privateKey.write(), { now: now() }))[0]!;
  // Without gpg each test says so.
  if (find('gpg') === null) return;
  gpg = openGpg();
  gpg.run(['--import'], us.public);
  for (const [address, [algorithm, subkey]] of Object.entries(PEERS)) {
    gpg.generate(address, algorithm, subkey);
    peers[address] = await keyOf(address, '--export-secret-keys');
  }
}, 30_000);

afterAll(() => gpg?.close());

async function messageOf(entity: Buffer, recipients: readonly KeyRead[], signer: KeyRead | null = us): Promise<Buffer> {
  const { contentType, body } = pgpMime([entity], {
    recipients: recipients.map((key) => key.public),
    ...(signer === null ? {} : { signer: signer.private! }),
    now: now(),
    boundary: '=_boundary',
  });
  const chunks: Uint8Array[] = [Buffer.from(`From: us@clinic.test\r\nContent-Type: ${contentType}\r\n\r\n`)];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** What a mail program of a GnuPG user sends (RFC 3156 §4). */
function wrapped(armor: Buffer): Buffer {
  const head =
    'MIME-Version: 1.0\r\nContent-Type: multipart/encrypted;\r\n protocol="application/pgp-encrypted"; boundary="=-b"\r\n\r\nThis is an OpenPGP/MIME encrypted message\r\n--=-b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n--=-b\r\nContent-Type: application/octet-stream; name="msg.asc"\r\n\r\n';
  return Buffer.from(`${head}${armor.toString('latin1').replace(/\r?\n/g, '\r\n')}\r\n--=-b--\r\n`, 'latin1');
}

function fromGpg(entity: Buffer, ...options: string[]): Buffer {
  return wrapped(gpg.run(['--encrypt', '--armor', '-r', 'office@clinic.test', ...options], entity).out);
}

const FROM_FUTURE = ['--sign', '-u', 'future@peer.test'];

testGpg('gpg opens what we send, and says that the signature is good', async () => {
  for (const address of Object.keys(PEERS)) {
    for (const [what, entity] of Object.entries(ENTITIES)) {
      const message = await messageOf(entity, [peers[address]!]);
      const { out, err } = gpg.run(['--decrypt'], message);
      expect([address, what, out.equals(entity)]).toEqual([address, what, true]);
      expect(err).toMatch(/Good signature from "Office <office@clinic.test>"/);
      expect(err).not.toMatch(/WARNING: (?!Using untrusted key|This key is not certified)/);
      // Nothing for a server to change on the way, and nothing for one to take for its own.
      const lines = message.toString('latin1').split('\r\n');
      expect(lines.filter((line) => !/^[\t\x20-\x7E]{0,76}$/.test(line) || /^(\.|From )/.test(line))).toEqual([]);
    }
  }
});

testGpg('each of several recipients opens the one message', async () => {
  const message = await messageOf(ENTITIES.text!, Object.values(peers));
  for (const address of Object.keys(PEERS)) {
    const { out } = gpg.run(['--decrypt', '--try-secret-key', address], message);
    expect(out.equals(ENTITIES.text!)).toBe(true);
    const one = { privateKeys: [peers[address]!.private!], verifyWith: [us.public], now: now() };
    expect(await openPgpMime(message, one)).toEqual({ entity: ENTITIES.text, signed: 'valid' });
  }
});

testGpg('without a signer gpg tells of none', async () => {
  const message = await messageOf(ENTITIES.text!, [peers['future@peer.test']!], null);
  const { out, err } = gpg.run(['--decrypt'], message);
  expect(out.equals(ENTITIES.text!)).toBe(true);
  expect(err).not.toMatch(/signature/i);
});

testGpg('an organization signs with a key that gpg made', async () => {
  for (const address of Object.keys(PEERS)) {
    const message = await messageOf(ENTITIES.text!, [peers['future@peer.test']!], peers[address]!);
    expect(gpg.run(['--decrypt'], message).err).toMatch(`Good signature from "${address}"`);
  }
});

testGpg('25 MB in both directions', async () => {
  const entity = Buffer.alloc(25 * MB, random.bytes(99_991));
  const sent = await messageOf(entity, [peers['future@peer.test']!]);
  const { out, err } = gpg.run(['--decrypt'], sent);
  expect(out.equals(entity)).toBe(true);
  expect(err).toMatch(/Good signature/);
  const options = { privateKeys: [us.private!], verifyWith: [peers['future@peer.test']!.public], now: now() };
  const opened = await openPgpMime(fromGpg(entity, ...FROM_FUTURE), options);
  expect(opened.entity.equals(entity)).toBe(true);
  expect(opened.signed).toBe('valid');
});

testGpg('we open and verify what gpg sends', async () => {
  for (const address of Object.keys(PEERS)) {
    const options = { privateKeys: [us.private!], verifyWith: [peers[address]!.public], now: now() };
    for (const [what, entity] of Object.entries(ENTITIES)) {
      const opened = await openPgpMime(fromGpg(entity, '--sign', '-u', address), options);
      expect([address, what, opened.entity.equals(entity), opened.signed]).toEqual([address, what, true, 'valid']);
    }
  }
});

testGpg('however gpg was told to write it', async () => {
  const entity = ENTITIES['UTF-8 in 8 bits']!;
  const options = { privateKeys: [us.private!], verifyWith: [peers['future@peer.test']!.public], now: now() };
  for (const how of [
    ['--textmode'],
    ['--compress-algo', 'none'],
    ['--compress-algo', 'bzip2'],
    ['--cipher-algo', 'AES'],
    ['--throw-keyids'],
    ['--digest-algo', 'SHA512'],
  ]) {
    const opened = await openPgpMime(fromGpg(entity, ...FROM_FUTURE, ...how), options);
    expect([how, opened.entity.toString(), opened.signed]).toEqual([how, entity.toString(), 'valid']);
  }
  const unsigned = await openPgpMime(fromGpg(entity), options);
  expect(unsigned).toEqual({ entity, signed: 'none' });
  const stranger = await openPgpMime(fromGpg(entity, '--sign', '-u', 'nist@peer.test'), options);
  expect(stranger).toEqual({ entity, signed: 'invalid' });
});

testGpg('one changed octet of what gpg encrypted releases nothing, 200 times', async () => {
  const entity = Buffer.from(`Content-Type: text/plain\r\n\r\n${'canary\r\n'.repeat(200)}`);
  const options = { privateKeys: [us.private!], verifyWith: [peers['future@peer.test']!.public], now: now() };
  const [block] = blocksIn(fromGpg(entity, ...FROM_FUTURE, '--compress-algo', 'none'));
  expect(block!.octets!.length).toBeGreaterThan(entity.length + 200);
  for (let i = 0; i < 200; i++) {
    const octets = Buffer.from(block!.octets!);
    // Behind the session key, which stands in front.
    const at = octets.length - 1 - Math.floor(random.fraction() * entity.length);
    octets[at]! ^= 1 << Math.floor(random.fraction() * 8);
    const armor = `-----BEGIN PGP MESSAGE-----\n\n${octets.toString('base64')}\n-----END PGP MESSAGE-----\n`;
    await expect(openPgpMime(wrapped(Buffer.from(armor)), options)).rejects.toMatchObject({ code: 'does not open' });
  }
});

testGpg('what gpg made that cannot be encrypted to says why', async () => {
  gpg.generate('dsa@peer.test', 'dsa2048', 'rsa2048');
  gpg.generate('dsa1024@peer.test', 'dsa1024');
  gpg.generate('brainpool@peer.test', 'brainpoolP256r1', 'brainpoolP256r1');
  gpg.generate('sign@peer.test', 'ed25519');
  const facts = async (address: string) => (await keyOf(address)).facts;
  expect(await facts('dsa@peer.test')).toMatchObject({ weak: 'DSA, which is no longer used', algorithm: 'RSA 2048' });
  expect(await facts('dsa1024@peer.test')).toMatchObject({ weak: 'DSA with 1024 bits' });
  expect(await facts('brainpool@peer.test')).toMatchObject({
    cannotEncrypt: 'signatures on brainpoolP256r1 are not supported',
  });
  expect(await facts('sign@peer.test')).toMatchObject({ cannotEncrypt: 'no subkey for encryption' });
});

testGpg('user ids and times as gpg changes them', async () => {
  const fingerprint = gpg.generate('Carol <carol@peer.test>', 'future-default');
  gpg.run(['--quick-add-uid', fingerprint, 'Carol <Carol@Second.test>']);
  gpg.run(['--quick-add-uid', fingerprint, 'Carol <gone@peer.test>']);
  gpg.run(['--quick-revoke-uid', fingerprint, 'Carol <gone@peer.test>']);
  gpg.run(['--quick-set-expire', fingerprint, '2027-02-01']);
  const { facts } = await keyOf(fingerprint);
  expect([...facts.addresses].sort()).toEqual(['carol@peer.test', 'carol@second.test']);
  expect(new Date(facts.validUntil!).toISOString()).toMatch(/^2027-0(1-31|2-01)T/);
  expect(facts).toMatchObject({ fingerprint, algorithm: 'Curve25519', weak: null, revoked: null, cannotEncrypt: null });
});

testGpg('keyrings armored and binary, and a locked key', async () => {
  const addresses = Object.keys(PEERS);
  for (const armor of [['--armor'], []]) {
    const file = gpg.run([...armor, '--export', ...addresses]).out;
    const keys = await readPgpKeys(file, { now: now() });
    expect(keys.map(({ facts }) => facts.addresses[0]).sort()).toEqual([...addresses].sort());
  }
  const phrase = ['--passphrase', 'correct horse'];
  gpg.run([...phrase, '--quick-gen-key', 'locked@peer.test', 'future-default', 'default', 'never']);
  const file = gpg.run([...phrase, '--armor', '--export-secret-keys', 'locked@peer.test']).out;
  await expect(readPgpKeys(file, { now: now() })).rejects.toMatchObject({ code: 'passphrase needed' });
  await expect(readPgpKeys(file, { now: now(), passphrase: 'no' })).rejects.toMatchObject({ code: 'passphrase wrong' });
  const [key] = await readPgpKeys(file, { now: now(), passphrase: 'correct horse' });
  const message = await messageOf(ENTITIES.text!, [key!]);
  const opened = await openPgpMime(message, { privateKeys: [key!.private!], verifyWith: [us.public], now: now() });
  expect(opened).toEqual({ entity: ENTITIES.text, signed: 'valid' });
});
