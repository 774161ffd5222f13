// Key files of OpenPGP → what is known of each key. Runs in a worker: the files come from outside, and openpgp is heavy.
// A key that is expired, revoked, weak or of no use is read all the same, its facts say so; only a file that holds no key,
// is damaged or stays locked is an error. Logs nothing.

import {
  config,
  enums,
  type Key,
  type PrivateKey,
  readKey,
  readKeys,
  type SecretKeyPacket,
  type SecretSubkeyPacket,
  type Subkey,
} from 'openpgp';
import { normalAddress, type Time } from '../../domain/ids.ts';
import type { KeyFacts, KeyRead } from '../../domain/keys.ts';
import { parsePath } from '../../mail/address.ts';
import { blocksIn } from './armor.ts';
import { PgpError } from './error.ts';

/** Finds the key that would be encrypted to although it is too weak for it. */
const WEAK_TOO: typeof config = {
  ...config,
  minRSABits: 0,
  rejectPublicKeyAlgorithms: new Set(),
  rejectCurves: new Set(),
};
/** Tags of a public and of a secret key (RFC 9580 §5.5.1). */
const KEY_TAGS = [6, 5];
/** 256 MiB (2^18 KiB): a locked key may ask for as much as it likes (RFC 9580 §3.7.1.4). */
const LOCKED = { ...config, maxArgon2MemoryExponent: 18 };

type Packet = Key['keyPacket'] | Subkey['keyPacket'];
/** The types of openpgp leave out that it takes rules. */
type Secret = (SecretKeyPacket | SecretSubkeyPacket) & {
  decrypt(passphrase: string, rules: typeof LOCKED): Promise<void>;
};

/**
 * The keys of an armored file, of one or several blocks, or of a binary keyring, public and private. Private keys are
 * opened with the passphrase. Throws PgpError: `not a key`, `damaged`, `passphrase needed`, `passphrase wrong`.
 */
export async function readPgpKeys(
  file: Uint8Array,
  options: { readonly passphrase?: string; readonly now: Time },
): Promise<KeyRead[]> {
  const keys: Key[] = [];
  for (const octets of packetsOf(Buffer.from(file.buffer, file.byteOffset, file.byteLength))) {
    keys.push(...(await keysOf(octets)));
  }
  const read: KeyRead[] = [];
  for (const key of keys) read.push(await keyRead(key, options).catch(asDamaged));
  return read;
}

/** openpgp reads some packets only when it is asked of them. */
function asDamaged(error: unknown): never {
  throw error instanceof PgpError ? error : new PgpError('damaged');
}

function packetsOf(file: Buffer): Buffer[] {
  const first = file[0] ?? 0;
  if (first >= 0x80 && KEY_TAGS.includes(tagOf(first))) return [file];
  const blocks = blocksIn(file).filter(({ label }) => label === '' || label.endsWith('KEY BLOCK'));
  if (blocks.length === 0) throw new PgpError('not a key');
  return blocks.map(({ octets }) => {
    if (octets === null || octets.length === 0) throw new PgpError('damaged');
    return octets;
  });
}

/** RFC 9580 §4.2: bit 6 tells the two formats apart. */
function tagOf(first: number): number {
  return first & 0x40 ? first & 0x3f : (first & 0x3f) >> 2;
}

async function keysOf(octets: Uint8Array): Promise<Key[]> {
  try {
    return await readKeys({ binaryKeys: octets });
  } catch (error) {
    // Keys of versions that nobody uses any more are passed over, and none is left.
    const none = error instanceof Error && error.message === 'No key packet found';
    throw new PgpError(none ? 'not a key' : 'damaged');
  }
}

async function keyRead(key: Key, options: { readonly passphrase?: string; readonly now: Time }): Promise<KeyRead> {
  // Pictures and what others certified say nothing here, and there can be megabytes of them.
  key.users = key.users.filter((user) => user.userID !== null);
  for (const user of key.users) user.otherCertifications = [];
  const facts = await factsOf(key, options.now);
  const read = { facts, public: key.toPublic().write() };
  if (!key.isPrivate()) return read;
  await unlock(key, options.passphrase);
  return secretsOf(key).length > 0 ? { ...read, private: key.write() } : read;
}

// ── facts ──

async function factsOf(key: Key, now: Time): Promise<KeyFacts> {
  const created = key.getCreationTime().getTime();
  const at = new Date(Math.max(now, created));
  const used = await encryptedTo(key, at);
  const ends = [await key.getExpirationTime(), used && 'mainKey' in used ? await used.getExpirationTime(at) : null];
  const until = Math.min(...ends.map((end) => (end === null ? Number.POSITIVE_INFINITY : Number(end))));
  return {
    kind: 'pgp',
    fingerprint: key.getFingerprint(),
    addresses: await addressesOf(key, at),
    validFrom: Math.max(created, used?.getCreationTime().getTime() ?? 0),
    validUntil: until === Number.POSITIVE_INFINITY ? null : until,
    algorithm: algorithmOf((used ?? key).keyPacket),
    weak: weaknessOf(key.keyPacket) ?? (used ? weaknessOf(used.keyPacket) : null),
    revoked: await revocationOf(key, at),
    cannotEncrypt: used ? null : await whyNotEncrypt(key, at),
    cannotSign: (await signsWith(key, at)) ? null : 'no key for signing',
    issuers: [],
  };
}

/** The key that openpgp would encrypt to, or would have while none was expired; of a revoked one as if it were not. */
async function encryptedTo(given: Key, at: Date): Promise<Key | Subkey | null> {
  const key = await readKey({ binaryKey: given.toPublic().write() });
  key.revocationSignatures = [];
  for (const when of [at, null]) {
    for (const rules of [config, WEAK_TOO]) {
      const used = await key.getEncryptionKey(undefined, when, undefined, rules).catch(() => null);
      if (used !== null) return used;
    }
  }
  return null;
}

async function addressesOf(key: Key, at: Date): Promise<string[]> {
  const addresses = new Set<string>();
  for (const user of key.users) {
    const path = parsePath(user.userID?.email ?? '', { smtpUtf8: true });
    if (!('ok' in path) || path.ok === '') continue;
    if (await user.verify(at, config).catch(() => false)) addresses.add(normalAddress(path.ok));
  }
  return [...addresses];
}

const CURVES: Readonly<Record<string, string>> = {
  nistP256: 'P-256',
  nistP384: 'P-384',
  nistP521: 'P-521',
  curve25519Legacy: 'Curve25519',
  ed25519Legacy: 'Ed25519',
};
const NAMES: Readonly<Record<string, string>> = {
  x25519: 'Curve25519',
  x448: 'Curve448',
  ed25519: 'Ed25519',
  ed448: 'Ed448',
  elgamal: 'ElGamal',
  dsa: 'DSA',
};

function nameOf(packet: Packet): string {
  const { algorithm, curve } = packet.getAlgorithmInfo();
  if (curve !== undefined) return CURVES[curve] ?? curve;
  return NAMES[algorithm] ?? (algorithm.startsWith('rsa') ? 'RSA' : algorithm);
}

function algorithmOf(packet: Packet): string {
  const { bits } = packet.getAlgorithmInfo();
  return bits === undefined ? nameOf(packet) : `${nameOf(packet)} ${bits}`;
}

/** Exactly what openpgp refuses to encrypt to. Its bound for RSA is 2047, because some keys lack their first bit. */
function weaknessOf(packet: Packet): string | null {
  const { bits, curve } = packet.getAlgorithmInfo();
  const name = nameOf(packet);
  if (name === 'RSA') return (bits ?? 0) < config.minRSABits ? `RSA with ${bits} bits` : null;
  if (config.rejectPublicKeyAlgorithms.has(packet.algorithm)) {
    return (bits ?? 0) < 2_048 ? `${name} with ${bits} bits` : `${name}, which is no longer used`;
  }
  const known = curve !== undefined && enums.curve[curve as keyof typeof enums.curve];
  return known && config.rejectCurves.has(known) ? `curve ${name}` : null;
}

/** RFC 9580 §5.2.3.31. The owner's own words are not repeated. */
const REVOKED: Readonly<Record<number, string>> = {
  1: 'its owner replaced it by another key',
  2: 'its owner says that its private key is known to others',
  3: 'its owner no longer uses it',
};

async function revocationOf(key: Key, at: Date): Promise<string | null> {
  if (!(await key.isRevoked(undefined, undefined, at))) return null;
  const reasons = key.revocationSignatures.map((signature) => signature.reasonForRevocationFlag ?? 0);
  return REVOKED[Math.max(...reasons)] ?? 'its owner revoked it';
}

/** True also for one that is too weak or expired, of which other facts speak. */
async function signsWith(key: Key, at: Date): Promise<boolean> {
  for (const when of [at, null]) {
    for (const rules of [config, WEAK_TOO]) {
      if (await key.getSigningKey(undefined, when, undefined, rules).catch(() => null)) return true;
    }
  }
  return false;
}

async function whyNotEncrypt(key: Key, at: Date): Promise<string> {
  const { curve } = key.getAlgorithmInfo();
  // openpgp wants a package of its own to check signatures on the other curves.
  if (curve !== undefined && !(curve in CURVES)) return `signatures on ${curve} are not supported`;
  const signed = await key.getPrimaryUser(at).catch(() => null);
  if (signed === null) return 'no user id that it signed itself';
  for (const subkey of key.subkeys) {
    if (await isRevoked(subkey, at)) return 'its subkey for encryption is revoked';
  }
  return 'no subkey for encryption';
}

/** RFC 9580 §5.2.3.29: what a subkey for encryption is marked with. */
const ENCRYPTS = enums.keyFlags.encryptCommunication | enums.keyFlags.encryptStorage;

async function isRevoked(subkey: Subkey, at: Date): Promise<boolean> {
  const binding = subkey.bindingSignatures.at(-1);
  const encrypts = ((binding?.keyFlags?.[0] ?? 0) & ENCRYPTS) !== 0;
  return binding !== undefined && encrypts && subkey.isRevoked(binding, subkey.mainKey.keyPacket, at);
}

// ── private parts ──

async function unlock(key: PrivateKey, passphrase: string | undefined): Promise<void> {
  for (const packet of secretsOf(key)) {
    if (!packet.isDecrypted()) await decrypt(packet, passphrase);
    // A private part that does not belong to the public one gives itself away with the first signature it makes.
    await packet.validate().catch(() => {
      throw new PgpError('damaged');
    });
  }
}

async function decrypt(packet: Secret, passphrase: string | undefined): Promise<void> {
  if (passphrase === undefined || passphrase === '') throw new PgpError('passphrase needed');
  try {
    await packet.decrypt(passphrase, LOCKED);
  } catch (error) {
    const wrong = error instanceof Error && error.message.startsWith('Incorrect key passphrase');
    throw new PgpError(wrong ? 'passphrase wrong' : 'damaged');
  }
}

/** Without those that are stubs: of a main key that is kept elsewhere, of a card. */
function secretsOf(key: PrivateKey): Secret[] {
  return key
    .getKeys()
    .map(({ keyPacket }) => keyPacket as Secret)
    .filter((packet) => !packet.isMissingSecretKeyMaterial());
}
