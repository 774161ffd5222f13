import { createAuthenticator, hashSecret, verifySecret } from '../../../src/trust/login.ts';

test('a secret opens its own hash and no other', async () => {
  const hash = await hashSecret('correct horse');
  expect(hash).toMatch(/^argon2id\$19456\$2\$1\$[\w-]{22}\$[\w-]{43}$/);
  expect(await verifySecret('correct horse', hash)).toBe(true);
  expect(await verifySecret('wrong horse', hash)).toBe(false);
  expect(await verifySecret('correct horse', 'plain')).toBe(false);
});

test('an unknown login fails, a removed one is not remembered', async () => {
  const secretHash = await hashSecret('s');
  let known = true;
  const find = async (name: string) => (known && name === 'ehr' ? { name, secretHash } : null);
  const authenticator = createAuthenticator({ find, clock: { now: () => 0 } });
  expect(await authenticator.verify('ehr', 's')).toBe(true);
  expect(await authenticator.verify('ehr', 's')).toBe(true);
  expect(await authenticator.verify('other', 's')).toBe(false);
  known = false;
  expect(await authenticator.verify('ehr', 's')).toBe(false);
});
