import { randomBytes } from 'node:crypto';
import { base32, tokenOctets } from '../../../src/crypto/base32.ts';

// RFC 4648 §10, in lower case and without padding.
test.each([
  ['', ''],
  ['f', 'my'],
  ['fo', 'mzxq'],
  ['foo', 'mzxw6'],
  ['foob', 'mzxw6yq'],
  ['fooba', 'mzxw6ytb'],
  ['foobar', 'mzxw6ytboi'],
])('%j is written %j', (octets, text) => {
  expect(base32(Buffer.from(octets))).toBe(text);
});

test('what a token is written from comes back', () => {
  for (const octets of [
    Buffer.alloc(20),
    Buffer.alloc(20, 255),
    ...Array.from({ length: 50 }, () => randomBytes(20)),
  ]) {
    expect(tokenOctets(base32(octets))).toEqual(octets);
  }
});

test.each([
  '',
  'a'.repeat(31),
  'a'.repeat(33),
  'A'.repeat(32),
  `${'a'.repeat(31)}1`,
  `${'a'.repeat(31)}=`,
])('%j is no token', (text) => {
  expect(tokenOctets(text)).toBeNull();
});
