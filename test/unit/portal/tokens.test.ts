// Tokens, grants, data keys and sessions, on a real ring: what opens with what, and nothing with anything else.

import { VaultError } from '../../../src/crypto/vault.ts';
import type { Grant } from '../../../src/domain/portal.ts';
import type { Ring } from '../../../src/keys/ring.ts';
import {
  isToken,
  locatorOf,
  makeGrant,
  makeSession,
  newId,
  newKey,
  newToken,
  openDataKey,
  openGrant,
  openSessionKey,
  sealDataKey,
  sessionHash,
} from '../../../src/portal/tokens.ts';
import { NOON, random, readyVault } from '../../support/vault.ts';

let vault: Ring;
beforeAll(async () => {
  vault = await readyVault();
});

const conversation = newId(random);
const what = { organization: 'clinic', conversation, kind: 'link', expiresAt: NOON } as const;
const grantOf = (token: string, key: Uint8Array, more: Partial<Grant> = {}) =>
  makeGrant(vault, random, { ...what, ...more }, token, key);

test('a token is 32 characters a-z2-7 of 20 octets, one to one', () => {
  const known = { ...random, bytes: () => Buffer.from('00443214c74254b635cf84653a56d7c675be77df', 'hex') };
  expect(newToken(known)).toBe('abcdefghijklmnopqrstuvwxyz234567');
  const tokens = new Set(Array.from({ length: 1_000 }, () => newToken(random)));
  expect(tokens.size).toBe(1_000);
  expect([...tokens].every(isToken)).toBe(true);
  expect(new Set([...tokens].map(locatorOf)).size).toBe(1_000);
  expect(new Set([...tokens].flatMap((one) => [...one])).size).toBe(32);
});

test.each([
  '',
  'a'.repeat(31),
  'a'.repeat(33),
  'A'.repeat(32),
  `${'a'.repeat(31)}1`,
  `${'a'.repeat(32)}\n`,
])('is no token: %j', (text) => {
  expect(isToken(text)).toBe(false);
  expect(() => locatorOf(text)).toThrow('no token');
});

test('ids are 26 characters of 130 bits', () => {
  const ids = Array.from({ length: 1_000 }, () => newId(random));
  expect(new Set(ids).size).toBe(1_000);
  expect(ids.every((id) => /^[a-z2-7]{26}$/.test(id))).toBe(true);
  expect(new Set(ids.map((id) => id.at(-1))).size).toBe(32);
});

test('a grant opens with its token and the organization key', () => {
  const token = newToken(random);
  const key = newKey(random);
  const grant = grantOf(token, key);
  expect(grant.locator).toBe(locatorOf(token));
  expect(Buffer.from(openGrant(vault, grant, token))).toEqual(Buffer.from(key));
  // Nothing of the token or the key stands in it.
  const octets = Buffer.from(grant.box).toString('latin1');
  expect(octets).not.toContain(Buffer.from(key).toString('latin1'));
  expect(JSON.stringify(grant)).not.toContain(token);
});

test('and with nothing else', async () => {
  const token = newToken(random);
  const key = newKey(random);
  const grant = grantOf(token, key);
  const wrong: [Grant, string, Pick<Ring, 'open'>][] = [
    [grant, newToken(random), vault],
    [{ ...grant, kind: 'sender' }, token, vault],
    [{ ...grant, conversation: newId(random) }, token, vault],
    [{ ...grant, organization: 'practice' }, token, vault],
    [{ ...grant, locator: locatorOf(newToken(random)) }, token, vault],
    [{ ...grant, box: Buffer.from(grant.box).fill(0, 40, 41) }, token, vault],
    [grant, token, await readyVault()],
  ];
  for (const [one, by, ring] of wrong) expect(() => openGrant(ring, one, by)).toThrow(VaultError);
  // Two kinds under one token would still have two keys.
  const sender = grantOf(token, newKey(random), { kind: 'sender' });
  expect(() => openGrant(vault, { ...sender, kind: 'link' }, token)).toThrow(VaultError);
});

test('a data key opens for its parcel and object only', () => {
  const key = newKey(random);
  const dataKey = newKey(random);
  const object = 'ab'.repeat(16);
  const parcel = { id: newId(random), organization: 'clinic' };
  const box = sealDataKey(random, key, parcel, object, dataKey);
  // What the body store keeps beside the object has a bound.
  expect(box.length).toBeLessThanOrEqual(84);
  const body = { object, file: '', offset: 0, length: 0, key: Buffer.from(box).toString('base64url') };
  expect(Buffer.from(openDataKey(key, { ...parcel, body }))).toEqual(Buffer.from(dataKey));
  for (const [by, other] of [
    [newKey(random), { ...parcel, body }],
    [key, { ...parcel, id: newId(random), body }],
    [key, { ...parcel, organization: 'practice', body }],
    [key, { ...parcel, body: { ...body, object: 'ac'.repeat(16) } }],
    [key, { ...parcel, body: { ...body, key: '' } }],
  ] as const) {
    expect(() => openDataKey(by, other)).toThrow(VaultError);
  }
});

test('a session opens with its cookie, of which the row holds a hash', () => {
  const key = newKey(random);
  const place = { organization: 'clinic', conversation };
  const made = makeSession(random, place, key);
  expect(made.cookie).toMatch(/^[A-Za-z0-9_-]{43}$/);
  expect(sessionHash(made.cookie)).toEqual(made.hash);
  expect(made.hash).toHaveLength(32);
  expect(Buffer.from(made.hash)).not.toEqual(Buffer.from(made.cookie, 'base64url'));
  const row = { ...place, hash: made.hash, key: made.key };
  expect(Buffer.from(openSessionKey(made.cookie, row))).toEqual(Buffer.from(key));
  const other = makeSession(random, place, key);
  expect(() => openSessionKey(other.cookie, row)).toThrow(VaultError);
  expect(() => openSessionKey(made.cookie, { ...row, conversation: newId(random) })).toThrow(VaultError);
  for (const cookie of ['', 'x', `${made.cookie}=`, made.cookie.slice(1), `${made.cookie.slice(1)}+`]) {
    expect(sessionHash(cookie)).toBeNull();
  }
});

test('octets of keys that random gave are overwritten', () => {
  const given: Uint8Array[] = [];
  const watched = {
    ...random,
    bytes: (n: number) => {
      const bytes = random.bytes(n);
      given.push(bytes);
      return bytes;
    },
  };
  const token = newToken(watched);
  makeSession(watched, { organization: 'clinic', conversation }, newKey(random));
  expect(isToken(token)).toBe(true);
  expect(
    given.filter(({ length }) => length !== 12).map((bytes) => Buffer.from(bytes).every((one) => one === 0)),
  ).toEqual([true, true]);
});
