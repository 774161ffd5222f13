// Keys that encrypt nothing, whatever their length.

import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import type { Certificate } from '../../../../src/crypto/smime/certificate.ts';
import { keyWeaknessOf } from '../../../../src/crypto/smime/facts.ts';

const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const jwk = publicKey.export({ format: 'jwk' });

test.each([
  ['AQ', 'RSA with the exponent 1'],
  ['Ag', 'RSA with the exponent 2'],
  ['Aw', null],
  ['AQAB', null],
])('RSA with an exponent of %s', (e, why) => {
  const key = createPublicKey({ key: { ...jwk, e }, format: 'jwk' });
  expect(keyWeaknessOf({ publicKey: key } as Certificate)).toBe(why);
});
