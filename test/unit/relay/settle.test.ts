import fc from 'fast-check';
import type { Address, DeliveryId, QueueId } from '../../../src/domain/ids.ts';
import type { Decision, Delivery, Evidence, Outcome, Protection } from '../../../src/domain/types.ts';
import { nextAttempt, possibleStep, settle } from '../../../src/relay/settle.ts';

const NOW = 1_800_000_000_000;
const HOUR = 3_600_000;
const evidence: Evidence = {
  hop: 'mx.example.org',
  address: '192.0.2.1',
  port: 25,
  mx: 'mx.example.org',
  level: 'verify',
};
const options = {
  now: NOW,
  clocks: { lacking: 15 * 60_000, attempts: 3 },
  built: ['tls', 'portal'] as const,
  fraction: 0.5,
};

function decision(protections: readonly Protection[]): Decision {
  return { action: { kind: 'deliver', protections }, rule: 'r', because: '', policyVersion: 'v', engineVersion: '1' };
}

const LIST: readonly Protection[] = [
  { name: 'tls', level: 'verify' },
  { name: 'smime', level: 'encrypt' },
  { name: 'portal', level: 'encrypt' },
];

function delivery(more: Partial<Delivery> = {}): Delivery {
  return {
    id: 'q.0' as DeliveryId,
    message: 'q' as QueueId,
    organization: 'Clinic',
    recipient: 'p@example.org' as Address,
    dsn: {},
    destination: 'example.org',
    priority: 'normal',
    state: 'leased',
    decision: decision(LIST),
    because: '',
    status: '',
    step: 0,
    stepSince: null,
    stepAttempts: 0,
    attempts: 1,
    notBefore: NOW,
    expiresAt: NOW + 5 * 24 * HOUR,
    toldAt: null,
    level: null,
    inDoubt: false,
    ...more,
  };
}

const lack = (atOnce: boolean): Outcome => ({
  kind: 'lacking',
  reason: 'STARTTLS not offered',
  status: '5.7.10',
  atOnce,
});
const reply = (code: number) => ({ code, enhanced: `${String(code)[0]}.1.1`, text: 'said so' });

test.each<[string, Partial<Delivery>, Outcome, object]>([
  ['2yz delivers', {}, { kind: 'delivered', reply: reply(250), evidence }, { next: { state: 'delivered' } }],
  [
    '5yz bounces',
    {},
    { kind: 'refused', reply: reply(550), evidence },
    { next: { state: 'bounced' }, status: '5.1.1' },
  ],
  ['4yz waits', {}, { kind: 'refused', reply: reply(450), evidence }, { next: { state: 'ready' }, status: '4.1.1' }],
  ['an unknown code waits', {}, { kind: 'refused', reply: reply(999) }, { next: { state: 'ready' } }],
  [
    'unreached waits',
    {},
    { kind: 'unreached', reason: 'timed out', status: '4.4.1' },
    { next: { state: 'ready', step: 0 } },
  ],
  ['in doubt waits', {}, { kind: 'in doubt', reason: 'no reply', status: '4.4.2' }, { next: { state: 'ready' } }],
  [
    'unreached never runs the clock of the step',
    { stepSince: NOW - 9 * HOUR, stepAttempts: 9 },
    { kind: 'unreached', reason: 'timed out', status: '4.4.1' },
    { next: { state: 'ready', step: 0, stepAttempts: 9 } },
  ],
  [
    'the end of the lifetime bounces',
    { expiresAt: NOW },
    { kind: 'unreached', reason: 'x', status: '4.4.1' },
    { next: { state: 'bounced' }, status: '5.4.7' },
  ],
  [
    'a first lack waits on its step',
    {},
    lack(false),
    { next: { state: 'ready', step: 0, stepSince: NOW, stepAttempts: 1 } },
  ],
  [
    'a lack within the minutes waits however often',
    { stepSince: NOW - 60_000, stepAttempts: 20 },
    lack(false),
    { next: { state: 'ready', step: 0, stepAttempts: 21 } },
  ],
  [
    'a lack beyond the minutes waits for the attempts',
    { stepSince: NOW - HOUR, stepAttempts: 1 },
    lack(false),
    { next: { state: 'ready', step: 0, stepAttempts: 2 } },
  ],
  [
    'when both have passed the next protection that can be made is taken',
    { stepSince: NOW - HOUR, stepAttempts: 2 },
    lack(false),
    {
      next: { state: 'ready', notBefore: NOW, step: 2, stepSince: null, stepAttempts: 0 },
      because: 'tls: STARTTLS not offered → portal',
    },
  ],
  [
    'a lack that will not change goes on at once',
    {},
    lack(true),
    { next: { state: 'ready', notBefore: NOW, step: 2 } },
  ],
  [
    'with nothing left it is held, never sent plainer',
    { decision: decision([{ name: 'tls', level: 'verify' }]) },
    lack(true),
    { next: { state: 'held' }, because: 'tls: STARTTLS not offered; no other protection is left' },
  ],
])('%s', (_name, more, outcome, expected) => {
  expect(settle(delivery(more), outcome, options)).toMatchObject(expected);
});

describe('an outage of our own', () => {
  const unreached: Outcome = { kind: 'unreached', reason: 'timed out', status: '4.4.1' };
  const lifetime = 5 * 24 * HOUR;
  /** Nothing went out in the six hours before now. */
  const six = (away: boolean) => ({
    ...options,
    outage: { lifetime, away, stood: (from: number) => Math.min(6 * HOUR, NOW - from) },
  });

  test('does not count for the lifetime', () => {
    const old = delivery({ expiresAt: NOW - 6 * HOUR + 1 });
    expect(settle(old, unreached, options).next.state).toBe('bounced');
    expect(settle(old, unreached, six(true)).next.state).toBe('ready');
    expect(settle(delivery({ expiresAt: NOW - 6 * HOUR }), unreached, six(true)).next.state).toBe('bounced');
  });

  test('does not count for the clock of a step: no portal because of us', () => {
    const since = { stepSince: NOW - 6 * HOUR - 1, stepAttempts: 2 };
    expect(settle(delivery(since), lack(false), options).next).toMatchObject({ step: 2 });
    expect(settle(delivery(since), lack(false), six(false)).next).toMatchObject({ step: 0, stepAttempts: 3 });
  });

  test('is looked for the end of: no wait of an hour', () => {
    const { next } = settle(delivery({ attempts: 30 }), unreached, six(true));
    expect(next).toMatchObject({ notBefore: NOW + 5 * 60_000 });
  });
});

test('waits grow, stay within jitter, and never go backwards', () => {
  fc.assert(
    fc.property(fc.nat(50), fc.double({ min: 0, max: 0.999, noNaN: true }), (attempts, fraction) => {
      const wait = nextAttempt(attempts, NOW, fraction) - NOW;
      expect(wait).toBeGreaterThanOrEqual(0.8 * 60_000);
      expect(wait).toBeLessThanOrEqual(1.2 * HOUR);
      expect(nextAttempt(attempts + 1, NOW, fraction) - NOW).toBeGreaterThanOrEqual(wait);
    }),
  );
});

test('never takes a step backwards, never past the list, never one that cannot be made', () => {
  fc.assert(
    fc.property(fc.nat(2), fc.boolean(), fc.nat(5), (step, atOnce, tries) => {
      const { next } = settle(delivery({ step, stepAttempts: tries, stepSince: NOW - HOUR }), lack(atOnce), options);
      if (next.state !== 'ready') return;
      expect(next.step).toBeGreaterThanOrEqual(step);
      expect(next.step === step || options.built.includes(LIST[next.step]?.name as 'tls')).toBe(true);
    }),
  );
});

test('finds the first protection that can be made', () => {
  expect(possibleStep(LIST, 0, ['smime'])).toBe(1);
  expect(possibleStep(LIST, 2, ['tls'])).toBeNull();
});

test('names the protection that was tried, whatever stands before it in the list', () => {
  const delivered: Outcome = { kind: 'delivered', reply: reply(250), evidence };
  expect(settle(delivery({ step: 2 }), delivered, options)).toMatchObject({ step: 2, protection: 'portal' });
  expect(settle(delivery({ step: 0 }), lack(true), options)).toMatchObject({ step: 0, protection: 'tls' });
});

test.each<[Partial<Evidence>, string]>([
  [{}, 'connection without TLS'],
  [
    { version: 'TLSv1.2', lack: 'certificate has expired' },
    'TLS 1.2, certificate not verified: certificate has expired',
  ],
  [
    { version: 'TLSv1.3', name: { matched: 'mx.example.org', source: 'MX, unsigned DNS' } },
    'TLS 1.3, certificate valid for mx.example.org (MX, unsigned DNS)',
  ],
])('a delivered one says what the connection showed: %j', (shown, words) => {
  const outcome: Outcome = { kind: 'delivered', reply: reply(250), evidence: { ...evidence, ...shown } };
  expect(settle(delivery(), outcome, options).because).toBe(`${words}; 250 2.1.1 said so`);
});
