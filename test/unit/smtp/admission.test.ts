import { Admission } from '../../../src/smtp/admission.ts';
import { REPLIES } from '../../../src/smtp/answers.ts';

const NOW = 1_000_000;
const open = (limits: Partial<ConstructorParameters<typeof Admission>[0]> = {}) =>
  new Admission({ sessions: 10, perAddress: 10, connectionsPerMinute: 0, authFailures: 3, ...limits });

test('all sessions, given back when they leave', () => {
  const admission = open({ sessions: 2 });
  expect(admission.enter('192.0.2.1', NOW)).toBeNull();
  expect(admission.enter('192.0.2.2', NOW)).toBeNull();
  expect(admission.enter('192.0.2.3', NOW)).toBe(REPLIES.tooManySessions);
  admission.leave('192.0.2.1');
  expect(admission.enter('192.0.2.3', NOW)).toBeNull();
});

test.each([
  ['an address', ['192.0.2.1', '192.0.2.1', '192.0.2.2']],
  ['an IPv6 /64', ['2001:db8::1', '2001:db8::ffff:2', '2001:db8:0:1::1']],
])('sessions of %s', (_, [first, same, other]) => {
  const admission = open({ perAddress: 1 });
  expect(admission.enter(first!, NOW)).toBeNull();
  expect(admission.enter(same!, NOW)).toBe(REPLIES.tooManyFromAddress);
  expect(admission.enter(other!, NOW)).toBeNull();
  admission.leave(first!);
  expect(admission.enter(same!, NOW)).toBeNull();
});

test('connections a minute, those refused too; 0 is no bound', () => {
  const admission = open({ connectionsPerMinute: 2 });
  for (const at of [0, 1]) {
    expect(admission.enter('192.0.2.1', NOW + at)).toBeNull();
    admission.leave('192.0.2.1');
  }
  expect(admission.enter('192.0.2.1', NOW + 2)).toBe(REPLIES.tooManyFromAddress);
  expect(admission.enter('192.0.2.1', NOW + 59_999)).toBe(REPLIES.tooManyFromAddress);
  expect(admission.enter('192.0.2.1', NOW + 60_000)).toBeNull();
  const free = open();
  for (let i = 0; i < 1000; i++) {
    expect(free.enter('192.0.2.1', NOW)).toBeNull();
    free.leave('192.0.2.1');
  }
});

test('failed logins bar the address, twice as long each time, up to a quarter of an hour', () => {
  const admission = open({ authFailures: 2 });
  const ip = '192.0.2.1';
  let now = NOW;
  admission.failed(ip, now);
  expect(admission.barred(ip, now)).toBe(false);
  for (const wait of [10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 640_000, 900_000, 900_000]) {
    admission.failed(ip, now);
    expect(admission.barred(ip, now + wait - 1)).toBe(true);
    now += wait;
    expect(admission.barred(ip, now)).toBe(false);
  }
  expect(admission.barred('192.0.2.2', NOW)).toBe(false);
  admission.succeeded(ip);
  admission.failed(ip, now);
  expect(admission.barred(ip, now)).toBe(false);
});

test('who is barred or connected is not forgotten when others are', () => {
  const admission = open({ perAddress: 1, authFailures: 1 });
  admission.enter('192.0.2.1', NOW);
  for (let i = 0; i < 8; i++) admission.failed('192.0.2.2', NOW);
  const later = NOW + 899_999;
  expect(admission.enter('192.0.2.3', later)).toBeNull();
  expect(admission.enter('192.0.2.1', later)).toBe(REPLIES.tooManyFromAddress);
  expect(admission.barred('192.0.2.2', later)).toBe(true);
});
