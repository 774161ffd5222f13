import fc from 'fast-check';
import { readYaml } from '../../../src/config/document.ts';
import {
  cidrContains,
  domainMatches,
  isLoopback,
  normalDomain,
  parseIp,
  readAddress,
  readCidr,
  readHostPort,
} from '../../../src/config/names.ts';
import { nearest, pathText } from '../../../src/config/problem.ts';
import { createSecrets } from '../../../src/config/secrets.ts';
import {
  durationText,
  parseDuration,
  parseRate,
  parseSize,
  parseTerm,
  rateText,
  sizeText,
  termText,
} from '../../../src/config/units.ts';

test.each([
  ['30s', 30_000],
  ['30 seconds', 30_000],
  ['15 minutes', 900_000],
  ['4 hours', 14_400_000],
  ['5 days', 432_000_000],
  ['2 weeks', 1_209_600_000],
  ['250ms', 250],
])('duration %s', (text, ms) => {
  expect(parseDuration(text)).toEqual({ ok: true, value: ms });
});

test.each([
  ['150MB', 157_286_400],
  ['64 kB', 65_536],
  ['2GB', 2_147_483_648],
  ['17B', 17],
])('size %s', (text, octets) => {
  expect(parseSize(text)).toEqual({ ok: true, value: octets });
});

test.each([
  ['6 years', 72],
  ['6 years 1 month', 73],
  ['73 months', 73],
  ['1 year', 12],
])('term %s', (text, months) => {
  expect(parseTerm(text)).toEqual({ ok: true, value: months });
  expect(parseTerm(termText(months))).toEqual({ ok: true, value: months });
});

test.each([
  '',
  ' ',
  '6',
  '6years',
  '6 years1 month',
  '0 months',
  '2000 years',
  '30 days',
  72,
  null,
])('no term: %p', (value) => {
  expect(parseTerm(value).ok).toBe(false);
});

test.each([
  '',
  '5',
  '-5 days',
  '1.5 days',
  '5 constructor',
  '5 toString',
  '999999999999999 days',
  null,
  true,
  {},
])('no duration: %p', (value) => {
  expect(parseDuration(value).ok).toBe(false);
  expect(parseSize(value).ok).toBe(false);
});

test('what is written is read back', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 31_000_000_000 }), (n) => {
      expect(parseDuration(durationText(n))).toEqual({ ok: true, value: n });
      expect(parseSize(sizeText(n))).toEqual({ ok: true, value: n });
    }),
  );
});

test.each([
  ['192.0.2.0/24', '192.0.2.255', true],
  ['192.0.2.0/24', '192.0.3.0', false],
  ['192.0.2.128/25', '192.0.2.127', false],
  ['192.0.2.7', '192.0.2.7', true],
  ['192.0.2.0/24', '::ffff:192.0.2.9', true],
  ['2001:db8::/33', '2001:db8:7fff::1', true],
  ['2001:db8::/33', '2001:db8:8000::1', false],
  ['0.0.0.0/0', '::1', false],
  ['192.0.2.0/24', 'fe80::1%eth0', false],
])('%s contains %s: %p', (network, address, contains) => {
  const cidr = readCidr(network);
  expect(cidr.ok && cidrContains(cidr.value, address)).toBe(contains);
});

test.each([
  '1.2.3',
  '1.2.3.4.5',
  '01.2.3.4',
  '256.1.1.1',
  '::1::',
  '1::2::3',
  ':::',
  '1:2:3:4:5:6:7',
  'g::',
  '',
  '1:2:3:4:5:6:7:8:9',
  '12345::',
])('no IP address: %s', (text) => {
  expect(parseIp(text)).toBeNull();
});

test('parseIp never throws and has 4 or 16 bytes', () => {
  const text = fc.string({ unit: fc.constantFrom(...'0123456789abcf:./'), maxLength: 40 });
  fc.assert(
    fc.property(text, (one) => {
      const ip = parseIp(one);
      expect(ip === null || ip.bytes.length === (ip.family === 4 ? 4 : 16)).toBe(true);
      expect(ip?.bytes.every((byte) => byte >= 0 && byte <= 255) ?? true).toBe(true);
    }),
  );
});

test('loopback', () => {
  expect(['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'].map(isLoopback)).toEqual([true, true, true, true]);
  expect(['128.0.0.1', '::2', 'localhost', '10.0.0.1'].map(isLoopback)).toEqual([false, false, false, false]);
});

test.each([
  ['Example.ORG.', 'example.org'],
  ['bücher.example', 'xn--bcher-kva.example'],
  ['localhost', 'localhost'],
  ['a..b', null],
  ['-a.example', null],
  ['1.2.3.4', null],
  ['exa mple.org', null],
  ['http://x.example', null],
  [`${'a'.repeat(64)}.example`, null],
])('domain %s', (text, domain) => {
  expect(normalDomain(text)).toBe(domain);
});

test('*. means all below, not the domain itself and no other that ends like it', () => {
  const matches = ['a.example.org', 'b.a.example.org', 'example.org', 'badexample.org'].map((one) =>
    domainMatches('*.example.org', one),
  );
  expect(matches).toEqual([true, true, false, false]);
});

test.each(['a@b.example', 'a.b+c@b.example', "o'neil@b.example"])('address %s', (text) => {
  expect(readAddress(text)).toEqual({ ok: true, value: text });
});
test.each([
  'a',
  '@b.example',
  'a@',
  'a b@c.example',
  'a..b@c.example',
  'a@b@c.example',
  'a@[127.0.0.1]',
  '<a@b.example>',
])('no address: %s', (text) => {
  expect(readAddress(text).ok).toBe(false);
});

test.each([
  ['mail.example:25', { host: 'mail.example', port: 25 }],
  ['[2001:db8::1]:2525', { host: '2001:db8::1', port: 2525 }],
  ['192.0.2.1:53', { host: '192.0.2.1', port: 53 }],
])('%s', (text, value) => {
  expect(readHostPort(text)).toEqual({ ok: true, value });
});
test.each([
  'mail.example',
  'mail.example:0',
  'mail.example:65536',
  ':25',
  '2001:db8::1',
  '',
])('no host:port: %s', (text) => {
  expect(readHostPort(text).ok).toBe(false);
});

test('the nearest word is one that was probably meant', () => {
  const words = ['max_size', 'port', 'tls', 'address'];
  expect(['maxSize', 'prot', 'adress', 'tsl', 'webhooks', 'x'].map((one) => nearest(one, words))).toEqual([
    'max_size',
    'port',
    'address',
    'tls',
    null,
    null,
  ]);
});

test('a path of keys', () => {
  expect(pathText(['organizations', 0, 'domains', 1])).toBe('organizations[0].domains[1]');
  expect(pathText(['floors', 'domains', 'a.example'])).toBe('floors.domains["a.example"]');
});

test('any text is YAML with places or problems with places, never an exception', () => {
  const unit = fc.constantFrom(...'ab:-[]{}&*!#\n \'"|>%@,?\t1');
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 60 }), (text) => {
      const result = readYaml('x', text);
      const places = result.ok ? [result.source.place(['a', 0, 'b'])] : result.problems;
      for (const { line, column } of places) expect(line >= 1 && column >= 1).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test('deep nesting is a problem, not a crash', () => {
  expect(readYaml('x', '['.repeat(20_000))).toEqual({
    ok: false,
    problems: [{ file: 'x', line: 1, column: 1, path: '', message: 'is nested too deeply' }],
  });
});

test('a secret of the environment is taken out of it and stays known', async () => {
  const env: Record<string, string | undefined> = { KEY: 'abc\n' };
  const none = async () => null;
  const secrets = createSecrets({ env, read: none, stat: none });
  expect(await secrets.check({ env: 'KEY' })).toBeNull();
  expect(await secrets.read({ env: 'KEY' })).toMatchObject({ ok: true });
  expect(Object.hasOwn(env, 'KEY')).toBe(false);
  const again = await secrets.read({ env: 'KEY' });
  expect(again.ok && again.value.toString()).toBe('abc\n');
  expect(await secrets.read({ env: 'OTHER' })).toEqual({
    ok: false,
    wrong: 'the environment variable OTHER is not set',
  });
});

test.each([
  ['5/s', 200],
  ['7 / s', 1000 / 7],
  ['30/minute', 2_000],
  ['1000/hour', 3_600],
])('the rate %s', (text, ms) => {
  const read = parseRate(text);
  expect(read).toEqual({ ok: true, value: ms });
  expect(parseRate(rateText(ms))).toEqual({ ok: true, value: ms });
});

test.each([5, '5', '0/s', '5/day', '-1/s', '1.5/s', null, '5/minutes'])('no rate: %p', (value) => {
  expect(parseRate(value)).toMatchObject({ ok: false, wrong: expect.stringContaining('5/s') });
});
