import { createEgress } from '../../../src/net/egress.ts';
import { isHostName, isMailDomain, parseServer } from '../../../src/net/names.ts';

describe('egress, live', () => {
  const { refusal } = createEgress({ mode: 'live' });
  test.each([
    '127.0.0.1',
    '127.255.0.9',
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '198.18.0.1',
    '192.0.2.1',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:8.8.8.8',
    '::ffff:7f00:1',
    '::127.0.0.1',
    'fe80::1',
    'fe80::1%eth0',
    'fc00::1',
    'fd12::1',
    'ff02::1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    '2001:0:1::1',
    '2001:db8::1',
    '3fff::1',
    'fec0::1',
    'localhost',
    '',
  ])('refuses %p', (address) => {
    expect(refusal(address, 'mx.example.test')).not.toBeNull();
  });
  test.each(['8.8.8.8', '172.32.0.1', '9.9.9.9', '2a00:1450:4001::1b', '2607:f8b0::1'])('allows %p', (address) => {
    expect(refusal(address, 'mx.example.test')).toBeNull();
  });
  test('takes no overrides', () => {
    expect(() => createEgress({ mode: 'live', hosts: [{ name: 'mx.test' }] })).toThrow('live mode');
  });
});

describe('egress, evaluation', () => {
  const egress = createEgress({
    mode: 'evaluation',
    hosts: [
      { address: '192.0.2.0/28', port: 2525 },
      { name: 'mx.named.test' },
      { name: 'both.test', address: '10.0.0.1' },
      {},
    ],
  });
  test.each([
    ['127.0.0.2', 'any.test', null],
    ['::1', 'any.test', null],
    ['192.0.2.15', 'any.test', null],
    ['192.0.2.16', 'any.test', 'evaluation mode'],
    ['8.8.8.8', 'any.test', 'evaluation mode'],
    ['8.8.8.8', 'MX.named.test', null],
    ['10.0.0.1', 'both.test', null],
    ['10.0.0.1', 'other.test', 'evaluation mode'],
    ['10.0.0.2', 'both.test', 'evaluation mode'],
    ['::ffff:127.0.0.1', 'any.test', 'evaluation mode'],
    ['127.0.0.1.example.com', 'mx.named.test', 'evaluation mode'],
  ])('%s as %s: %s', (address, host, expected) => {
    expect(egress.refusal(address, host)).toBe(expected);
  });
  test('knows the port of an override', () => {
    expect(egress.portOf('192.0.2.1', 'x.test')).toBe(2525);
    expect(egress.portOf('127.0.0.1', 'x.test')).toBeNull();
  });
});

describe('names', () => {
  test.each([
    ['mx.example.com', true],
    ['_spf.example.com', true],
    ['MX.Example', true],
    ['a', true],
    ['xn--bcher-kva.example', true],
    ['', false],
    ['a..b', false],
    ['-a.b', false],
    ['a b.c', false],
    ['a\0.b', false],
    [`${'a'.repeat(64)}.b`, false],
    ['bücher.example', false],
    ['a.b.', false],
    ['a/b.c', false],
    [`${'a.'.repeat(127)}ab`, false],
  ])('host name %p: %p', (name, expected) => {
    expect(isHostName(name)).toBe(expected);
  });
  test.each([
    ['example.com', true],
    ['localhost', false],
    ['127.0.0.1', false],
    ['[127.0.0.1]', false],
    ['1.2.3', false],
    ['a.b.c.1', false],
  ])('mail domain %p: %p', (name, expected) => {
    expect(isMailDomain(name)).toBe(expected);
  });
  test.each([
    ['127.0.0.1', { address: '127.0.0.1', port: 53 }],
    ['127.0.0.1:5353', { address: '127.0.0.1', port: 5353 }],
    ['::1', { address: '::1', port: 53 }],
    ['[::1]:99', { address: '::1', port: 99 }],
    ['localhost:53', null],
    ['127.0.0.1:0', null],
    ['127.0.0.1:70000', null],
  ])('server %p', (text, expected) => {
    expect(parseServer(text, 53)).toEqual(expected);
  });
});
