import { createPrivateKey, X509Certificate } from 'node:crypto';
import { selfMadeCertificate } from '../../../src/crypto/certificate.ts';

test('the self-made certificate names the host, fits its key and is valid now', () => {
  const now = Date.UTC(2026, 10, 24);
  const { cert, key } = selfMadeCertificate('gw.clinic.example', now);
  const read = new X509Certificate(cert);
  expect(read.checkHost('gw.clinic.example')).toBe('gw.clinic.example');
  expect(read.checkPrivateKey(createPrivateKey(key))).toBe(true);
  expect(read.verify(read.publicKey)).toBe(true);
  expect(read.validFromDate.getTime()).toBeLessThan(now);
  expect(read.validToDate.getTime()).toBeGreaterThan(now + 300 * 86_400_000);
});
