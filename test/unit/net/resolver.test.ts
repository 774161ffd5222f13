import { createResolver, type Resolver, systemServers } from '../../../src/net/resolver.ts';
import { type DnsServer, startDns } from '../../support/dns.ts';
import { seeded } from '../../support/random.ts';

const ZONES = {
  'good.test': {
    MX: [
      [10, 'MX1.good.test'],
      [20, 'mx2.good.test'],
    ],
  },
  'mx1.good.test': { A: ['127.0.0.10'], AAAA: ['::1'] },
  'none.test': { A: ['127.0.0.11'] },
  'null.test': { MX: [[0, '.']] },
  'text.test': { TXT: ['one', 'two'] },
  'text-alias.test': { CNAME: 'text.test' },
  'alias.test': { CNAME: 'good.test' },
  'alias4.test': { CNAME: 'v4.test' },
  'v4.test': { A: ['127.0.0.12', '127.0.0.13'] },
  'loop-a.test': { CNAME: 'loop-b.test' },
  'loop-b.test': { CNAME: 'loop-a.test' },
  'big.test': { MX: [[1, 'mx.big.test']], fault: 'truncated' },
  'lower.test': { MX: [[1, 'mx.lower.test']], fault: 'lowercase' },
  'fail.test': { fault: 'SERVFAIL' },
  'refused.test': { fault: 'REFUSED' },
  'silent.test': { fault: 'silent' },
  'garbage.test': { fault: 'garbage' },
  'forged.test': { MX: [[1, 'mx.forged.test']], fault: 'other question' },
  'bad-mx.test': {
    MX: [
      [1, 'a b.test'],
      [2, '127.0.0.1'],
    ],
  },
  'mixed-mx.test': {
    MX: [
      [1, 'a b.test'],
      [2, 'mx.ok.test'],
    ],
  },
  'bad-alias.test': { CNAME: 'a b.test' },
} as const;

describe('resolver', () => {
  let dns: DnsServer;
  let now = 0;
  let resolver: Resolver;
  beforeEach(async () => {
    dns = await startDns(ZONES);
    now = 0;
    const deps = { clock: { now: () => now }, random: seeded(1), servers: [dns.server], tryMs: 150, tries: 2 };
    resolver = createResolver(deps);
  });
  afterEach(() => dns.close());

  test('text records', async () => {
    const found = { kind: 'found', records: ['one', 'two'] };
    expect(await resolver.txt('TEXT.test')).toMatchObject(found);
    expect(await resolver.txt('text-alias.test')).toMatchObject(found);
    expect(await resolver.txt('none.test')).toMatchObject({ kind: 'none' });
    expect(await resolver.txt('missing.test')).toMatchObject({ kind: 'nxdomain' });
    expect(await resolver.txt('a b.test')).toMatchObject({ kind: 'nxdomain' });
    expect(await resolver.txt('fail.test')).toMatchObject({ kind: 'failed' });
    expect(dns.asked.filter((one) => one.startsWith('udp TXT'))).toHaveLength(6);
  });

  test.each([
    [
      'good.test',
      [
        { preference: 10, exchange: 'mx1.good.test' },
        { preference: 20, exchange: 'mx2.good.test' },
      ],
    ],
    [
      'GOOD.test.',
      [
        { preference: 10, exchange: 'mx1.good.test' },
        { preference: 20, exchange: 'mx2.good.test' },
      ],
    ],
    [
      'alias.test',
      [
        { preference: 10, exchange: 'mx1.good.test' },
        { preference: 20, exchange: 'mx2.good.test' },
      ],
    ],
    ['null.test', [{ preference: 0, exchange: '' }]],
    ['big.test', [{ preference: 1, exchange: 'mx.big.test' }]],
    ['lower.test', [{ preference: 1, exchange: 'mx.lower.test' }]],
    ['mixed-mx.test', [{ preference: 2, exchange: 'mx.ok.test' }]],
  ])('MX of %s', async (name, records) => {
    expect(await resolver.mx(name)).toEqual({ kind: 'found', records, authenticated: false });
  });

  test.each([
    ['none.test', { kind: 'none', authenticated: false }],
    ['missing.test', { kind: 'nxdomain', authenticated: false }],
    ['fail.test', { kind: 'failed', reason: 'DNS server answered SERVFAIL' }],
    ['refused.test', { kind: 'failed', reason: 'DNS server answered REFUSED' }],
    ['silent.test', { kind: 'failed', reason: 'DNS timeout' }],
    ['garbage.test', { kind: 'failed', reason: 'DNS server unreachable or its answer malformed' }],
    ['forged.test', { kind: 'failed', reason: 'DNS server unreachable or its answer malformed' }],
    ['bad-mx.test', { kind: 'failed', reason: 'MX records hold no valid name' }],
    ['bad-alias.test', { kind: 'failed', reason: 'alias to an invalid name' }],
    ['loop-a.test', { kind: 'failed' }],
    ['not a name', { kind: 'nxdomain' }],
  ])('MX of %s: %j', async (name, expected) => {
    expect(await resolver.mx(name)).toMatchObject(expected);
  });

  test('addresses: both families, aliases, one family', async () => {
    expect(await resolver.addresses('mx1.good.test')).toMatchObject({
      records: [
        { family: 4, address: '127.0.0.10' },
        { family: 6, address: '::1' },
      ],
    });
    expect(await resolver.addresses('alias4.test')).toMatchObject({
      kind: 'found',
      records: [{ address: '127.0.0.12' }, { address: '127.0.0.13' }],
    });
    expect(await resolver.addresses('good.test')).toMatchObject({ kind: 'none' });
    expect(await resolver.addresses('missing.test')).toMatchObject({ kind: 'nxdomain' });
    expect(await resolver.addresses('fail.test')).toMatchObject({ kind: 'failed' });
  });

  test('goes to TCP only where UDP does not do', async () => {
    await resolver.mx('good.test');
    await resolver.mx('big.test');
    expect(dns.asked).toEqual(['udp MX good.test', 'udp MX big.test', 'tcp MX big.test']);
  });

  test('asks once for many, again after the TTL, and does not keep failures', async () => {
    await Promise.all([resolver.mx('good.test'), resolver.mx('good.test')]);
    await resolver.mx('good.test');
    expect(dns.asked).toHaveLength(1);
    now = 300_001;
    await resolver.mx('good.test');
    expect(dns.asked).toHaveLength(2);
    await resolver.mx('fail.test');
    dns.zones['fail.test'] = { MX: [[1, 'mx.fail.test']] };
    expect(await resolver.mx('fail.test')).toMatchObject({ kind: 'found' });
  });

  test('asked anew what was answered before does not count, and the new answer is kept', async () => {
    await resolver.mx('none.test');
    const zone = { MX: [[1, 'mx.good.test']] } as const;
    dns.zones['none.test'] = zone;
    expect((await resolver.mx('none.test')).kind).toBe('none');
    expect((await resolver.mx('none.test', 'anew')).kind).toBe('found');
    expect((await resolver.mx('none.test')).kind).toBe('found');
    await resolver.addresses('v4.test');
    delete dns.zones['v4.test'];
    expect((await resolver.addresses('v4.test')).kind).toBe('found');
    expect((await resolver.addresses('v4.test', 'anew')).kind).toBe('nxdomain');
  });

  test('a second server answers for a silent one', async () => {
    const silent = await startDns({ 'good.test': { fault: 'silent' } });
    const servers = [silent.server, dns.server];
    const both = createResolver({ clock: { now: () => 0 }, random: seeded(2), servers, tryMs: 100 });
    expect(await both.mx('good.test')).toMatchObject({ kind: 'found' });
    await silent.close();
  });

  test('AD counts from loopback', async () => {
    const signed = await startDns(ZONES, { authenticated: true });
    const other = createResolver({ clock: { now: () => 0 }, random: seeded(3), servers: [signed.server] });
    expect(await other.mx('good.test')).toMatchObject({ authenticated: true });
    await signed.close();
  });
});

test('servers: only addresses; resolv.conf', () => {
  const deps = { clock: { now: () => 0 }, random: seeded(4) };
  expect(() => createResolver({ ...deps, servers: ['localhost'] })).toThrow('IP address');
  expect(systemServers('# x\nnameserver 10.0.0.1\n nameserver ::1\noptions ndots:1\n')).toEqual(['10.0.0.1', '::1']);
});
