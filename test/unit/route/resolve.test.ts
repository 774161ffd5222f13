import { createEgress } from '../../../src/net/egress.ts';
import type { AddressRecord, Lookup, MxRecord } from '../../../src/net/resolver.ts';
import { createResolve, type Names, type ResolveDeps } from '../../../src/route/resolve.ts';
import { seeded } from '../../support/random.ts';

type Zone = {
  readonly mx?: readonly (readonly [number, string])[] | 'nxdomain' | 'failed';
  readonly a?: readonly string[] | 'failed';
};

function resolverOf(zones: Record<string, Zone>, authenticated = false): Names {
  const failed = { kind: 'failed', reason: 'DNS timeout' } as const;
  const mx = async (name: string): Promise<Lookup<MxRecord>> => {
    const found = zones[name]?.mx;
    if (zones[name] === undefined || found === 'nxdomain') return { kind: 'nxdomain', authenticated };
    if (found === undefined) return { kind: 'none', authenticated };
    if (found === 'failed') return failed;
    return { kind: 'found', authenticated, records: found.map(([preference, exchange]) => ({ preference, exchange })) };
  };
  const addresses = async (name: string): Promise<Lookup<AddressRecord>> => {
    const found = zones[name]?.a;
    if (found === 'failed') return failed;
    if (zones[name] === undefined) return { kind: 'nxdomain', authenticated };
    if (found === undefined) return { kind: 'none', authenticated };
    const records = found.map((address) => ({ address, family: address.includes(':') ? (6 as const) : (4 as const) }));
    return { kind: 'found', authenticated, records };
  };
  return { mx, addresses };
}

const ZONES: Record<string, Zone> = {
  test: {},
  'good.test': {
    mx: [
      [20, 'mx3.test'],
      [10, 'mx1.test'],
      [10, 'mx2.test'],
    ],
  },
  'mx1.test': { a: ['127.0.0.1', '::1', '127.0.0.11'] },
  'mx2.test': { a: ['127.0.0.2'] },
  'mx3.test': { a: ['127.0.0.3'] },
  'implicit.test': { a: ['127.0.0.4'] },
  'empty.test': {},
  'null.test': { mx: [[0, '']] },
  'null-beside.test': {
    mx: [
      [0, ''],
      [5, 'mx2.test'],
    ],
  },
  'ours.test': {
    mx: [
      [10, 'mx1.test'],
      [20, 'gw.test'],
      [20, 'mx2.test'],
      [30, 'mx3.test'],
    ],
  },
  'loop.test': {
    mx: [
      [10, 'gw.test'],
      [20, 'mx2.test'],
    ],
  },
  'fail.test': { mx: 'failed' },
  'fail-address.test': {
    mx: [
      [1, 'gone.test'],
      [2, 'half.test'],
    ],
  },
  'half.test': { a: 'failed' },
  'dangling.test': { mx: [[1, 'gone.test']] },
  'outside.test': { mx: [[1, 'mx.outside.test']] },
  'mx.outside.test': { a: ['10.0.0.1'] },
  'self.test': { mx: [[1, 'self.test']], a: ['127.0.0.5'] },
};

function resolveWith(more: Partial<ResolveDeps> = {}) {
  const egress = createEgress({ mode: 'evaluation' });
  return createResolve({
    resolver: resolverOf(ZONES),
    egress,
    random: seeded(1),
    ownNames: ['GW.test.'],
    port: 2525,
    ...more,
  });
}
const addressesOf = async (destination: string, more: Partial<ResolveDeps> = {}): Promise<string[] | null> => {
  const route = await resolveWith(more)(destination);
  return route.kind === 'hops' ? route.hops.map((hop) => hop.address) : null;
};

test('by preference, families in turn, equal ones in any order', async () => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 40; seed++)
    seen.add((await addressesOf('good.test', { random: seeded(seed) }))?.join(' ') ?? '');
  expect([...seen].sort()).toEqual([
    '127.0.0.1 ::1 127.0.0.11 127.0.0.2 127.0.0.3',
    '127.0.0.11 ::1 127.0.0.1 127.0.0.2 127.0.0.3',
    '127.0.0.2 127.0.0.1 ::1 127.0.0.11 127.0.0.3',
    '127.0.0.2 127.0.0.11 ::1 127.0.0.1 127.0.0.3',
  ]);
});

test.each([
  ['implicit.test', ['127.0.0.4']],
  ['null-beside.test', ['127.0.0.2']],
  ['ours.test', ['127.0.0.1', '::1', '127.0.0.11']],
])('%s → %j', async (destination, expected) => {
  expect([...((await addressesOf(destination)) ?? [])].sort()).toEqual([...expected].sort());
});

test.each([
  ['null.test', 556, '5.1.10'],
  ['missing.test', 550, '5.1.2'],
  ['empty.test', 550, '5.1.2'],
  ['dangling.test', 550, '5.4.4'],
  ['loop.test', 554, '5.4.6'],
  ['localhost', 550, '5.1.2'],
  ['127.0.0.1', 550, '5.1.2'],
  ['[127.0.0.1]', 550, '5.1.2'],
  ['a b.test', 550, '5.1.2'],
])('%s is refused: %i %s', async (destination, code, enhanced) => {
  expect(await resolveWith()(destination)).toMatchObject({ kind: 'refused', reply: { code, enhanced } });
});

test.each(['fail.test', 'fail-address.test'])('%s is unreached, not refused', async (destination) => {
  expect(await resolveWith()(destination)).toEqual({ kind: 'unreached', reason: 'DNS timeout', status: '4.4.3' });
});

test('egress: barred in evaluation, refused in live', async () => {
  expect(await resolveWith()('outside.test')).toEqual({ kind: 'barred', reason: 'evaluation mode' });
  const live = resolveWith({ egress: createEgress({ mode: 'live' }) });
  for (const destination of ['outside.test', 'good.test']) {
    expect(await live(destination)).toMatchObject({ kind: 'refused', reply: { enhanced: '5.4.4' } });
  }
});

test.each([
  [
    'good.test',
    false,
    [
      ['good.test', 'recipient domain'],
      ['mx3.test', 'MX, unsigned DNS'],
    ],
  ],
  [
    'good.test',
    true,
    [
      ['good.test', 'recipient domain'],
      ['mx3.test', 'MX, signed DNS'],
    ],
  ],
  ['self.test', false, [['self.test', 'recipient domain']]],
])('reference names of %s, signed %p', async (destination, signed, expected) => {
  const route = await resolveWith({ resolver: resolverOf(ZONES, signed) })(destination);
  const last = route.kind === 'hops' ? route.hops.at(-1) : undefined;
  expect(last?.references.map(({ name, source }) => [name, source])).toEqual(expected);
});

test('smart host: its port, its name, no MX; a missing one is no reason to bounce', async () => {
  const smartHost = (destination: string) =>
    destination === 'back.test'
      ? { host: 'MX1.test', port: 26 }
      : destination === 'gone.test'
        ? { host: 'none.test', port: 25 }
        : null;
  const resolve = resolveWith({ smartHost });
  const route = await resolve('back.test');
  expect(route).toMatchObject({
    hops: expect.arrayContaining([
      { mx: 'mx1.test', address: '::1', port: 26, references: [{ name: 'mx1.test', source: 'smart host' }] },
    ]),
  });
  expect(await resolve('gone.test')).toMatchObject({ kind: 'unreached', status: '4.4.3' });
  expect(await resolveWith({ smartHost: () => ({ host: '127.0.0.9', port: 27 }) })('any')).toMatchObject({
    hops: [{ address: '127.0.0.9', port: 27 }],
  });
});

test('the posture strikes MX hosts out and names the references', async () => {
  const posture = async () => ({ allows: (mx: string) => mx === 'mx2.test', references: () => [] });
  expect(await addressesOf('good.test', { posture })).toEqual(['127.0.0.2']);
  const none = async () => ({ allows: () => false, references: () => [] });
  expect(await resolveWith({ posture: none })('good.test')).toMatchObject({ kind: 'unreached' });
});

describe('a resolver that says of everything that it is not there', () => {
  const lies: Record<string, Record<string, Zone>> = {
    'no name exists': {},
    'no name has records': Object.fromEntries(Object.keys(ZONES).map((name) => [name, {}])),
    'every name is a portal in our own network': Object.fromEntries(
      Object.keys(ZONES).map((name) => [name, { a: ['10.0.0.1'] }]),
    ),
  };
  const live = { egress: createEgress({ mode: 'live' }) };
  /** Outside, since in live mode a name may not lead to our own network. */
  const outside = {
    test: {},
    'good.test': { mx: [[10, 'mx.good.test']] },
    'mx.good.test': { a: ['9.9.9.9'] },
    'other.test': { mx: [[10, 'mx.good.test']] },
    'implicit.test': { a: ['9.9.9.10'] },
  } satisfies Record<string, Zone>;
  const begin = () => {
    const world: { zones: Record<string, Zone> } = { zones: outside };
    const resolver: Names = {
      mx: (name) => resolverOf(world.zones).mx(name),
      addresses: (name) => resolverOf(world.zones).addresses(name),
    };
    return { world, resolve: resolveWith({ ...live, resolver }) };
  };

  test.each(
    Object.entries(lies),
  )('is not believed once a name was known, and is again afterwards: %s', async (_, zones) => {
    const { world, resolve } = begin();
    expect((await resolve('good.test')).kind).toBe('hops');
    world.zones = zones;
    for (const name of ['other.test', 'missing.test'])
      expect(await resolve(name)).toMatchObject({ kind: 'unreached', status: '4.4.3' });
    world.zones = outside;
    expect((await resolve('other.test')).kind).toBe('hops');
    expect(await resolve('missing.test')).toMatchObject({ kind: 'refused', reply: { enhanced: '5.1.2' } });
  });

  test('is not believed when nothing is known yet, of the top of the name', async () => {
    const { world, resolve } = begin();
    world.zones = {};
    expect(await resolve('good.test')).toMatchObject({ kind: 'unreached', status: '4.4.3' });
    world.zones = outside;
    expect(await resolve('missing.test')).toMatchObject({ kind: 'refused' });
    // A mistyped top, where the resolver knows no other: nobody can tell, until something is known.
    expect(await resolve('good.tset')).toMatchObject({ kind: 'unreached' });
    await resolve('good.test');
    expect(await resolve('good.tset')).toMatchObject({ kind: 'refused' });
  });

  test('is believed of a mistyped top, when nothing is known yet, where it knows one that surely is', async () => {
    const { world, resolve } = begin();
    world.zones = { com: {} };
    expect(await resolve('good.con')).toMatchObject({ kind: 'refused', reply: { enhanced: '5.1.2' } });
    for (const zones of [{}, { com: { mx: 'failed' as const } }, { com: {}, invalid: { a: ['10.0.0.1'] } }]) {
      world.zones = zones;
      expect(await resolve('good.con')).toMatchObject({ kind: 'unreached', status: '4.4.3' });
    }
  });

  test.each([
    ['is a portal in our own network', { a: ['10.0.0.1'] }],
    ['has no records', {}],
  ] satisfies [string, Zone][])('is not believed when nothing is known yet, and each name %s', async (_, zone) => {
    const { world, resolve } = begin();
    world.zones = new Proxy<Record<string, Zone>>({}, { get: () => zone });
    expect(await resolve('good.test')).toMatchObject({ kind: 'unreached', status: '4.4.3' });
    world.zones = outside;
    expect((await resolve('good.test')).kind).toBe('hops');
  });

  test('one destination that is gone is not its own witness, nor the only one', async () => {
    const { world, resolve } = begin();
    await resolve('good.test');
    await resolve('other.test');
    world.zones = { ...outside, 'other.test': {} };
    expect(await resolve('other.test')).toMatchObject({ kind: 'refused' });
    expect(await resolve('missing.test')).toMatchObject({ kind: 'refused' });
  });
});
