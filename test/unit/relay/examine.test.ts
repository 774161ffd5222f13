// What is taken for delivery along with its decision: nothing while its destination is at its bound of connections.

import type { Delivery, MessageLease } from '../../../src/domain/types.ts';
import { examineMessage } from '../../../src/relay/examine.ts';
import type { Line } from '../../../src/relay/line.ts';
import { goodDestinations } from '../../support/destinations.ts';
import { NO_OUTAGES } from '../../support/outages.ts';

async function decideWith(perDestination: Map<string, number>) {
  const taken: unknown[] = [];
  const woken: string[] = [];
  const line = {
    queue: {
      decided: async (...args: unknown[]) => {
        taken.push(args[5]);
        return [];
      },
    },
    decide: () => ({ action: { kind: 'deliver', protections: [] }, rule: 'r', because: '', policyVersion: 'v' }),
    settings: () => ({ deliveriesInFlight: 10, connections: 10 }),
    outages: NO_OUTAGES,
    destinations: goodDestinations(2),
    load: { delivering: 2, perDestination, perOrganization: new Map() },
    owner: 'test',
    clock: { now: () => 0 },
    random: { bytes: (n: number) => new Uint8Array(n) },
    log: { info: () => {} },
    wake: (stage: string) => woken.push(stage),
  };
  const message = { id: 'm', organization: 'o', examination: { subjectTags: [] } };
  const deliveries = [{ id: 'm.0', state: 'undecided', destination: 'there.test' } as unknown as Delivery];
  await examineMessage(line as unknown as Line, { lease: {}, message, deliveries } as unknown as MessageLease);
  return { taken: taken[0], woken };
}

test('a destination with a free connection is taken with its decision', async () => {
  const { taken } = await decideWith(new Map([['there.test', 1]]));
  expect(taken).toMatchObject({ owner: 'test', limit: 8 });
});

test('a full destination is left to the queue, which is asked', async () => {
  const { taken, woken } = await decideWith(new Map([['there.test', 2]]));
  expect(taken).toBeUndefined();
  expect(woken).toEqual(['deliver']);
});
