// What is proven in a network that organizations share, from the outcomes of the signatures and from the header section.

import type { Address, OrganizationName } from '../../../src/domain/ids.ts';
import { parseHeader } from '../../../src/mail/header.ts';
import type { Outcome } from '../../../src/trust/dkim/verify.ts';
import { prove, sieve, trustedOrganization } from '../../../src/trust/prove.ts';
import { createLookUpKey, judge, whose } from '../../../src/trust/shared.ts';

const shared = [{ text: '198.51.100.0/24' }];
const north = trustedOrganization({
  name: 'North' as OrganizationName,
  domains: ['north.example'],
  from: {
    networks: [{ text: '192.0.2.0/24' }],
    shared: { networks: shared, dkim: ['north.example', 'n.cloud.example'] },
  },
});
const south = trustedOrganization({
  name: 'South' as OrganizationName,
  domains: ['south.example'],
  from: { networks: [], shared: { networks: shared, dkim: ['south.example'] } },
});
/** Says that a part of what others share is its own; the configuration would be refused. */
const greedy = trustedOrganization({
  name: 'Greedy' as OrganizationName,
  domains: ['greedy.example'],
  from: { networks: [{ text: '198.51.100.7' }] },
});
const all = [north, south, greedy];

test('a shared network lets a session begin, and proves nothing', () => {
  const there = { ip: '198.51.100.7', listener: 'smtp' } as const;
  expect(sieve(there, all)).toBeNull();
  const from = (address: string) => prove(there, [address as Address], '', all, null);
  expect(from('a@north.example')).toEqual({ organization: 'North', priority: 'normal', needs: 'DKIM' });
  expect(from('a@greedy.example')).toMatchObject({ because: 'header From' });
  expect(prove({ ...there, ip: '192.0.2.1' }, ['a@north.example' as Address], '', all, null)).toMatchObject({
    proof: ['network', 'header From and reverse-path'],
  });
  expect(sieve({ ...there, listener: 'submit' }, all)).toMatchObject({ because: 'login' });
});

const who = { organization: 'North' as OrganizationName, priority: 'normal' } as const;
const pass = (domain: string): Outcome => ({ domain, outcome: 'pass' });
const fail = (domain: string): Outcome => ({ domain, outcome: 'fail', reason: 'expired' });
const temporary = (domain: string): Outcome => ({ domain, outcome: 'temporary', reason: 'x' });
const [n, s] = ['north.example', 'south.example'];

test.each<[string, Outcome[], string]>([
  ['its own passes', [pass(n)], 'North'],
  ['one of two passes', [fail(n), pass(n)], 'North'],
  ['its own passes, a neighbour’s does not', [fail(s), pass(n)], 'North'],
  ['only a neighbour’s passes', [pass(s), fail(n)], '550 5.7.1'],
  ['both pass', [pass(n), pass(s)], '550 5.7.1 ambiguous'],
  ['none passes', [fail(n)], '550 5.7.1'],
  ['none is there', [], '550 5.7.1'],
  ['its key is not to be had', [temporary(n)], '451 4.7.5'],
  ['one key is not to be had, another fails', [fail(n), temporary(n)], '451 4.7.5'],
  ['one key is not to be had, another passes', [temporary(n), pass(n)], 'North'],
  ['one key is not to be had, another passes, a neighbour’s does not', [temporary(n), pass(n), fail(s)], 'North'],
  ['its own fails, a neighbour’s key is not to be had', [fail(n), temporary(s)], '550 5.7.1'],
  ['it may be ambiguous', [temporary(s), pass(n)], '451 4.7.5'],
])('%s', (_, outcomes, expected) => {
  const result = judge(outcomes, (domain) => domain !== s, who);
  if ('proof' in result) {
    expect(expected).toBe(result.organization);
    expect(result.proof).toEqual(['shared network', 'DKIM d=north.example', 'header From and reverse-path']);
    return;
  }
  const { code, enhanced } = result.refused;
  expect(`${code} ${enhanced}${result.because === 'ambiguous' ? ' ambiguous' : ''}`).toBe(expected);
  expect(JSON.stringify(result)).not.toMatch(/north|south/i);
});

const TAGS = 'v=1; a=rsa-sha256; s=x; bh=AAAA; b=AAAA; h=From:Date';
const ONE = {
  from: 'From: a@north.example',
  date: `Date: ${new Date().toUTCString()}`,
  signature: `DKIM-Signature: d=n.cloud.example; ${TAGS}`,
};

function headerOnly(lines: readonly string[], ip = '198.51.100.7') {
  const header = parseHeader(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`));
  const connection = { ip, listener: 'smtp' } as const;
  const sent = { connection, header, from: ['a@north.example' as Address], reversePath: '', login: null };
  return whose(sent, all, async () => [], Date.now());
}

test('what the header section alone can refuse', () => {
  expect(headerOnly(Object.values(ONE))).toMatchObject({ organization: 'North' });
  const because = (lines: readonly string[]) => {
    const result = headerOnly(lines);
    return 'refused' in result ? `${result.refused.enhanced} ${result.because}` : 'none';
  };
  expect(because([ONE.from, ONE.date])).toBe('5.7.1 DKIM: there is none');
  expect(because([ONE.from, ONE.date, ONE.signature.replace('n.cloud', 'south')])).toMatch(/registered for it$/);
  expect(because([ONE.from, ONE.date, ONE.signature.replace('n.cloud', 'else')])).toMatch(/registered for it$/);
  expect(because([ONE.from, ONE.date, `${ONE.signature}; l=3`])).toMatch(/does not count, covers part of the body/);
  for (const name of ['From', 'Subject', 'date', 'TO', 'Message-ID', 'MIME-Version', 'Content-Type']) {
    const twice = [...Object.values(ONE), `${name}: x`, `${name.toUpperCase()}: y`];
    expect([name, because(twice)]).toEqual([name, '5.6.0 header section']);
  }
  expect(because([...Object.values(ONE), 'no field'])).toBe('5.6.0 header section');
  // Where DKIM is not asked for, nothing of this matters.
  expect(headerOnly([ONE.from, 'Subject: x', 'Subject: y'], '192.0.2.1')).toMatchObject({ organization: 'North' });
});

test('that there is no key is believed only while the resolver sees the world', async () => {
  const resolver = (txt: string, com: string) =>
    ({
      txt: async () => ({ kind: txt, records: ['k'] }),
      mx: async (name: string) => ({ kind: name === 'com' ? com : 'nxdomain' }),
    }) as unknown as Parameters<typeof createLookUpKey>[0];
  const keys = async (txt: string, com: string) => createLookUpKey(resolver(txt, com))('x._domainkey.north.example');
  expect(await keys('found', 'failed')).toEqual(['k']);
  expect(await keys('none', 'none')).toEqual([]);
  expect(await keys('nxdomain', 'none')).toEqual([]);
  expect(await keys('nxdomain', 'nxdomain')).toBe('unknown');
  expect(await keys('failed', 'none')).toBe('unknown');
});
