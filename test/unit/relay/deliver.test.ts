// An outcome is recorded although the disk is full for a while; any other refusal of the store is not repeated.

import type { Transaction } from '../../../src/domain/types.ts';
import { deliverTransaction } from '../../../src/relay/deliver.ts';
import type { Line } from '../../../src/relay/line.ts';
import { QueueError } from '../../../src/store/queue/port.ts';
import { goodDestinations } from '../../support/destinations.ts';
import { NO_OUTAGES } from '../../support/outages.ts';

async function settled(failures: readonly QueueError[]): Promise<{ calls: unknown[]; ended: string }> {
  const calls: unknown[] = [];
  let now = 0;
  const line = {
    queue: {
      settle: async (verb: string) => {
        calls.push(verb);
        const failure = failures[calls.length - 1];
        if (failure !== undefined) throw failure;
      },
    },
    resolve: async () => ({ kind: 'refused', reply: { code: 550, enhanced: '5.1.2', text: 'no such domain' } }),
    lookUpKey: async () => ({ kind: 'none', why: 'no key known' }),
    outages: NO_OUTAGES,
    destinations: goodDestinations(),
    settings: () => ({ built: ['tls'], clocks: { lacking: 1, attempts: 1 } }),
    clock: {
      now: () => now,
      sleep: async (ms: number) => {
        now += ms;
      },
    },
    random: { bytes: () => Buffer.from(String(calls.length)), fraction: () => 0 },
    log: { info: () => {} },
    meter: { outcome: () => {} },
    wake: () => {},
  };
  const decision = { action: { kind: 'deliver', protections: [{ name: 'tls', level: 'may' }] } };
  const deliveries = [{ id: 'm.0', step: 0, attempts: 1, because: '', destination: 'there.test', decision }];
  const transaction = { lease: { no: 1 }, message: { id: 'm', origin: 'relayed' }, deliveries };
  const ended = await deliverTransaction(line as unknown as Line, transaction as unknown as Transaction).then(
    () => 'recorded',
    (error: QueueError) => error.code,
  );
  return { calls, ended };
}

const full = new QueueError('full', 'the disk is full');

test('a full disk is waited out, by the same verb', async () => {
  const { calls, ended } = await settled([full, full]);
  expect(ended).toBe('recorded');
  expect(calls).toHaveLength(3);
  expect(new Set(calls).size).toBe(1);
});

test('longer than a lease: else it would be sent again', async () => {
  const { calls, ended } = await settled(Array.from({ length: 5_000 }, () => full));
  expect(ended).toBe('recorded');
  expect(calls).toHaveLength(5_001);
});

test('a store that is closed is not asked again', async () => {
  const { calls, ended } = await settled([new QueueError('closed', 'closed')]);
  expect(ended).toBe('closed');
  expect(calls).toHaveLength(1);
});

test('a key that is revoked while others of the lease are sent is not used', async () => {
  const revoked = new Set<string>();
  const made: string[] = [];
  const settled: unknown[] = [];
  const line = {
    queue: {
      settle: async (_: string, __: unknown, settlements: { outcome: unknown }[]) => settled.push(...settlements),
    },
    resolve: async () => ({ kind: 'hops', hops: [] }),
    lookUpKey: async (_: string, recipient: string) =>
      revoked.has(recipient)
        ? { kind: 'none', why: 'revoked here' }
        : { kind: 'found', key: { id: recipient, facts: { kind: 'pgp', fingerprint: recipient }, pinned: false } },
    variant: async (_: unknown, { id }: { id: string }) => {
      made.push(id);
      return { size: 1, open: () => [], release: async () => {} };
    },
    send: async () => {
      revoked.add('b@x.test');
      return [{ kind: 'unreached', reason: 'no answer', status: '4.4.1' }];
    },
    outages: NO_OUTAGES,
    destinations: goodDestinations(),
    settings: () => ({ built: ['pgp'], clocks: { lacking: 1, attempts: 1 }, hostname: 'gw', organizations: [] }),
    ...{ clock: { now: () => 0 }, random: { bytes: () => Buffer.alloc(1), fraction: () => 0 } },
    ...{ log: { info: () => {} }, meter: { outcome: () => {}, alarm: () => {} }, wake: () => {}, wakeAt: () => {} },
  };
  const decision = { action: { kind: 'deliver', protections: [{ name: 'pgp', level: 'encrypt' }] } };
  const deliveries = ['a@x.test', 'b@x.test'].map((recipient) => ({
    ...{ id: recipient, recipient, step: 0, stepSince: null, stepAttempts: 0, attempts: 1, because: '', decision },
    ...{ destination: 'x.test', dsn: {}, expiresAt: 9 },
  }));
  const message = { id: 'm', origin: 'notice', cause: { key: 'a b' }, dsn: {}, size: 1 };
  const transaction = { lease: { no: 1, until: 1_000_000 }, message, deliveries };
  await deliverTransaction(line as unknown as Line, transaction as unknown as Transaction);
  expect(made).toEqual(['a@x.test']);
  expect(settled).toMatchObject([
    { outcome: { kind: 'unreached' } },
    { outcome: { kind: 'lacking', reason: 'revoked here' } },
  ]);
});
