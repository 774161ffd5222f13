import { createDecipheriv, createSecretKey, hkdfSync, randomBytes } from 'node:crypto';
import { BOX_OVERHEAD, boxKey, keyOfBox, makeBox, openBox } from '../../../src/crypto/box.ts';
import { deriver, hkdf, join, keyId } from '../../../src/crypto/derive.ts';
import { nonces } from '../../../src/crypto/nonces.ts';
import { VaultError } from '../../../src/crypto/vault.ts';

const place = { organization: 'clinic', table: 'delivery', row: 'r1', column: 'recipient' };
const key = boxKey(Buffer.alloc(32, 7));
const plain = Buffer.from('someone@example.org');
const box = makeBox(key, place, plain, randomBytes(12));

describe('derive', () => {
  test.each(['sealrelay/1 commit', 'sealrelay/1 chunk', ''])('hkdf is that of node for info %p', (info) => {
    const secret = randomBytes(32);
    const expected = Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), info, 32));
    expect(hkdf(secret, info)).toEqual(expected);
    expect(deriver(secret)(info)).toEqual(expected);
  });

  test('joined fields carry their length, in octets', () => {
    expect(join('é', Buffer.of(9)).toString('hex')).toBe('00000002c3a90000000109');
    expect(join()).toHaveLength(0);
    expect(join('ab', 'c')).not.toEqual(join('a', 'bc'));
    expect(join('', 'a')).not.toEqual(join('a', ''));
  });

  test('a key id is four octets and differs between keys', () => {
    const id = keyId(createSecretKey(Buffer.alloc(32, 1)));
    expect(id).toHaveLength(4);
    expect(id).not.toEqual(keyId(createSecretKey(Buffer.alloc(32, 2))));
  });
});

describe('box', () => {
  test('opens at its place under its key', () => {
    expect(openBox(key, place, box)).toEqual(plain);
    expect(box).toHaveLength(plain.length + BOX_OVERHEAD);
    expect(box.includes(plain)).toBe(false);
    expect(keyOfBox(box)).toBe(key.id.readUInt32BE());
  });

  test('an empty value has a box too', () => {
    expect(openBox(key, place, makeBox(key, place, Buffer.alloc(0), randomBytes(12)))).toHaveLength(0);
  });

  test('is key id ‖ nonce ‖ AES-256-GCM ‖ tag over the joined place', () => {
    const decipher = createDecipheriv('aes-256-gcm', Buffer.alloc(32, 7), box.subarray(4, 16), { authTagLength: 16 });
    decipher.setAAD(join('sealrelay/1 box', 'clinic', 'delivery', 'r1', 'recipient', key.id));
    decipher.setAuthTag(box.subarray(-16));
    expect(Buffer.concat([decipher.update(box.subarray(16, -16)), decipher.final()])).toEqual(plain);
  });

  test.each([
    ['organization', { ...place, organization: 'other' }],
    ['table', { ...place, table: 'message' }],
    ['row', { ...place, row: 'r2' }],
    ['column', { ...place, column: 'sender' }],
    ['border between fields', { ...place, table: 'deliver', row: 'yr1' }],
  ])('does not open at another %s', (_, other) => {
    expect(() => openBox(key, other, box)).toThrow(VaultError);
  });

  test('does not open under another key, changed in any octet, or shortened by any number', () => {
    expect(() => openBox(boxKey(Buffer.alloc(32, 8)), place, box)).toThrow(VaultError);
    for (let i = 0; i < box.length; i++) {
      const changed = Buffer.from(box);
      changed[i]! ^= 1;
      expect(() => openBox(key, place, changed)).toThrow(VaultError);
      expect(() => openBox(key, place, box.subarray(0, i))).toThrow(VaultError);
    }
  });

  test('what is too short names no key', () => {
    expect(keyOfBox(Buffer.alloc(BOX_OVERHEAD - 1))).toBe(-1);
    expect(() => boxKey(Buffer.alloc(31))).toThrow('32 octets');
  });

  test('the id of a key above 2^31 is a positive number', () => {
    const high = Buffer.alloc(BOX_OVERHEAD, 0xff);
    expect(keyOfBox(high)).toBe(0xffffffff);
  });
});

test('nonces are drawn many at once and never given twice', () => {
  let draws = 0;
  const bytes = (n: number) => {
    draws += 1;
    return randomBytes(n);
  };
  const next = nonces({ bytes, fraction: () => 0 }, 12);
  const seen = new Set(Array.from({ length: 1000 }, () => Buffer.from(next()).toString('hex')));
  expect(seen.size).toBe(1000);
  expect([...seen].every((nonce) => nonce.length === 24)).toBe(true);
  expect(draws).toBeLessThan(10);
});
