import type { Address } from '../../../src/domain/ids.ts';
import { type Connection, type LoginFacts, prove, sieve, trustedOrganization } from '../../../src/trust/prove.ts';

const north = trustedOrganization({
  name: 'North',
  domains: ['north.example'],
  from: { networks: [{ text: '192.0.2.0/24' }] },
});
const south = trustedOrganization({
  name: 'South',
  domains: ['south.example'],
  from: { networks: [{ text: '192.0.2.128/25' }, { text: '2001:db8::/32' }] },
});
const both = [north, south];
const login: LoginFacts = {
  organization: 'North',
  from: ['ehr@north.example', '@lab.north.example'],
  priority: 'bulk',
};
const smtp = (ip: string): Connection => ({ ip, listener: 'smtp' });
const submit: Connection = { ip: '198.51.100.1', listener: 'submit', login: 'ehr' };

function outcome(connection: Connection, from: string[], reversePath: string, facts: LoginFacts | null = null): string {
  const result = prove(connection, from as Address[], reversePath, both, facts);
  return 'refused' in result ? `refused: ${result.because}` : result.organization;
}

test.each<[string, string, string[], string]>([
  ['192.0.2.1', 'a@north.example', ['a@north.example'], 'North'],
  ['192.0.2.1', '', ['a@NORTH.example'], 'North'],
  ['192.0.2.1', 'a@south.example', ['a@south.example'], 'refused: header From'],
  ['192.0.2.200', 'a@south.example', ['a@south.example'], 'South'],
  ['192.0.2.200', 'a@north.example', ['a@south.example'], 'refused: reverse-path'],
  ['192.0.2.200', 'a@north.example', ['a@north.example'], 'North'],
  ['::ffff:192.0.2.1', 'a@north.example', ['a@north.example'], 'North'],
  ['2001:db8::1', 'a@south.example', ['a@south.example'], 'South'],
  ['203.0.113.1', 'a@north.example', ['a@north.example'], 'refused: network'],
  ['192.0.2.1', 'a@north.example', [], 'refused: header From'],
  ['192.0.2.1', 'a@north.example', ['a@north.example', 'x@evil.example'], 'refused: header From'],
  ['192.0.2.1', 'a@north.example', ['"a@north.example"@evil.example'], 'refused: header From'],
  ['192.0.2.1', 'a@sub.north.example', ['a@north.example'], 'refused: reverse-path'],
])('from %s, reverse-path <%s>, From %j: %s', (ip, reversePath, from, expected) => {
  expect(outcome(smtp(ip), from, reversePath)).toBe(expected);
});

test('a login sends only as what is in its list, and only for its organization', () => {
  expect(outcome(submit, ['ehr@north.example'], 'ehr@north.example', login)).toBe('North');
  expect(outcome(submit, ['other@north.example'], '', login)).toBe('refused: header From');
  expect(outcome(submit, ['x@lab.north.example'], '', login)).toBe('refused: header From');
  expect(outcome(submit, ['ehr@north.example'], 'ehr@north.example', null)).toBe('refused: login');
  expect(prove(submit, ['ehr@north.example' as Address], '', both, login)).toMatchObject({ priority: 'bulk' });
});

test('a network proves nothing on the submission listener', () => {
  expect(outcome({ ip: '192.0.2.1', listener: 'submit' }, ['a@north.example'], '', null)).toBe('refused: login');
});

test('two organizations with the same domain and network are ambiguous', () => {
  const twin = { ...north, name: 'Twin' };
  const result = prove(smtp('192.0.2.1'), ['a@north.example' as Address], '', [north, twin], null);
  expect(result).toMatchObject({ because: 'ambiguous', refused: { code: 550, enhanced: '5.7.1' } });
});

test('a refusal never names an organization', () => {
  const result = prove(smtp('192.0.2.1'), ['a@south.example' as Address], '', both, null);
  expect(JSON.stringify(result)).not.toMatch(/North|South/i);
});

test('the sieve refuses at MAIL what no data could prove', () => {
  expect(sieve(smtp('203.0.113.1'), both)).toMatchObject({ because: 'network' });
  expect(sieve(smtp('192.0.2.1'), both)).toBeNull();
  expect(sieve({ ip: '192.0.2.1', listener: 'submit' }, both)).toMatchObject({ because: 'login' });
});
