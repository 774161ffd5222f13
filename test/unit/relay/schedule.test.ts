// When a stage asks the queue: not again and again while a destination is full, and in time for what stands behind an earlier time.

import type { Line } from '../../../src/relay/line.ts';
import { createSchedule } from '../../../src/relay/schedule.ts';
import { goodDestinations } from '../../support/destinations.ts';
import { NO_OUTAGES } from '../../support/outages.ts';

type Due = Awaited<ReturnType<Line['queue']['nextDue']>>;

function lineWith(full: boolean, due: () => Due) {
  const leased: number[] = [];
  const line = {
    queue: {
      toExamine: async () => [],
      toNotify: async () => [],
      lease: async () => {
        leased.push(Date.now());
        // As a store in a thread answers: after the promises of this turn.
        await new Promise((wake) => setImmediate(wake));
        return [];
      },
      nextDue: async () => due(),
    },
    outages: NO_OUTAGES,
    destinations: goodDestinations(1),
    settings: () => ({
      ...{
        deliveriesInFlight: 10,
        notificationsInFlight: 20,
        connections: 10,
        paces: {},
        examineWaiting: 10,
        recipientsPerTransaction: 1,
        warnAfter: 1,
      },
    }),
    load: {
      incoming: 0,
      examining: 0,
      delivering: 0,
      notifying: 0,
      perOrganization: new Map(),
      perDestination: new Map(full ? [['slow.test', 1]] : []),
    },
    owner: 'test',
    clock: { now: Date.now, sleep: async () => {} },
    log: { info: () => {}, warn: () => {}, error: () => {} },
    meter: { alarm: () => {} },
  };
  return { line: line as unknown as Line, leased };
}

const turns = async (n: number): Promise<void> => {
  for (let i = 0; i < n; i++) await new Promise((wake) => setImmediate(wake));
};

test('a full destination does not make it ask in a loop; a freed connection makes it ask once more', async () => {
  const { line, leased } = lineWith(true, () => ({ examine: null, deliver: null, notify: null }));
  const schedule = createSchedule();
  schedule.start(line);
  await turns(50);
  expect(leased).toHaveLength(1);
  schedule.freed('deliver');
  await turns(50);
  expect(leased).toHaveLength(2);
  await schedule.stop(0);
});

test('a connection that is freed while the queue is asked is not forgotten', async () => {
  const { line, leased } = lineWith(true, () => ({ examine: null, deliver: null, notify: null }));
  const schedule = createSchedule();
  schedule.start(line);
  // Its last delivery ends before the queue has answered: nobody frees anything later.
  line.load.perDestination.clear();
  schedule.freed('deliver');
  await turns(50);
  expect(leased).toHaveLength(2);
  await schedule.stop(0);
});

test('a connection that is freed at any moment behind the answer is not forgotten', async () => {
  // One commit answers the lease and the settlements together: deliveries end a few promises behind the lease.
  for (let behind = 0; behind < 15; behind++) {
    const { line, leased } = lineWith(true, () => ({ examine: null, deliver: null, notify: null }));
    const schedule = createSchedule();
    const { lease } = line.queue;
    let asked = 0;
    const queue = line.queue as { lease: typeof lease };
    queue.lease = async (...args) => {
      const answer = await lease(...args);
      asked += 1;
      if (asked > 1) return answer;
      const end = async (): Promise<void> => {
        for (let i = 0; i < behind; i++) await null;
        line.load.perDestination.clear();
        schedule.freed('deliver');
      };
      void end();
      return answer;
    };
    schedule.start(line);
    await turns(50);
    expect({ behind, leased: leased.length }).toEqual({ behind, leased: 2 });
    await schedule.stop(0);
  }
});

test('what comes while the queue is asked waits for nothing that is in hand', async () => {
  const { line, leased } = lineWith(true, () => ({ examine: null, deliver: null, notify: null }));
  const schedule = createSchedule();
  schedule.start(line);
  // New mail for another destination; the one that is full may hang for minutes.
  schedule.wake('deliver');
  await turns(50);
  expect(leased).toHaveLength(2);
  await schedule.stop(0);
});

test('where only what is kept is left, a destination that has room is asked for again too', async () => {
  const { line, leased } = lineWith(false, () => ({ examine: null, deliver: null, notify: null }));
  const { lease } = line.queue;
  const decision = { action: { kind: 'deliver', protections: [{ name: 'tls', level: 'may' }] } };
  const delivery = { id: 'm.0', step: 0, because: '', destination: 'a.test', decision };
  const taken = {
    lease: { no: 1, until: 1 },
    message: { id: 'm', organization: 'Small', size: 1 },
    deliveries: [delivery],
  };
  Object.assign(line, { destinations: goodDestinations(), resolve: () => new Promise(() => {}) });
  const settings = { ...line.settings(), built: ['tls'] };
  Object.assign(line, { settings: () => settings });
  Object.assign(line.queue, {
    lease: async (...args: Parameters<typeof lease>) => {
      await lease(...args);
      return leased.length === 1 ? [taken] : [];
    },
  });
  line.load.delivering = 8;
  line.load.perOrganization.set('Busy', 8);
  const schedule = createSchedule();
  schedule.start(line);
  await turns(50);
  // Of one that had none in hand the queue gives one at a time.
  expect(leased).toHaveLength(2);
  await schedule.stop(0);
});

test('a time that came in behind an earlier one is kept', async () => {
  const start = Date.now();
  const times = [start + 20, start + 60];
  const next = () => ({ examine: null, deliver: times.find((at) => at > Date.now()) ?? null, notify: null });
  const { line, leased } = lineWith(false, next);
  const schedule = createSchedule();
  schedule.start(line);
  for (const at of times) schedule.wakeAt('deliver', at);
  while (!leased.some((at) => at >= start + 59)) await turns(1);
  expect(leased.some((at) => at < start + 59)).toBe(true);
  await schedule.stop(0);
});

test('stop waits for what a run still gets from the queue', async () => {
  const { line } = lineWith(false, () => ({ examine: null, deliver: null, notify: null }));
  const answer = Promise.withResolvers<never[]>();
  Object.assign(line.queue, { lease: () => answer.promise });
  Object.assign(line.clock, { sleep: () => turns(1) });
  const schedule = createSchedule();
  schedule.start(line);
  let stopped = false;
  const stopping = schedule.stop(60_000).then(() => {
    stopped = true;
  });
  await turns(10);
  expect(stopped).toBe(false);
  answer.resolve([]);
  await stopping;
});
