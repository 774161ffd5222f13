// The portal's sweep on a real store: what expires, what is deleted, and that its bytes go with it.

import type { Address } from '../../../src/domain/ids.ts';
import { startPortalSweep, sweepParcels } from '../../../src/portal/sweep.ts';
import { settled } from '../../support/clock.ts';
import { DAY, HOST, openWorld, PATIENT, type World } from './world.ts';

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.close());

const sweep = () => sweepParcels({ line: world.line, parcels: world.store.parcels });
const parcelsOf = async (given?: Parameters<World['parcels']>[0]) => {
  const { transaction, links } = await world.parcels(given);
  const ids = await Promise.all(
    transaction.deliveries.map(async ({ id }) => (await world.store.parcels.ofDelivery(id))!),
  );
  return { links, parcels: ids, object: ids[0]!.body.object };
};
const stateOf = async (id: string) => (await world.store.parcels.parcel(id))?.state;
/** Whether sealed bytes of that object are still there, as the body store sees it. */
async function isStored(object: string): Promise<boolean> {
  let seen = false;
  await world.bodies.sweep(async (objects) => {
    seen ||= objects.includes(object);
    return new Set(objects);
  }, world.clock.now() + DAY);
  return seen;
}

test('expires what is due and deletes it, bytes and all, when it was kept long enough', async () => {
  const { parcels, links, object } = await parcelsOf();
  const { id } = parcels[0]!;
  expect(await sweep()).toBe(0);
  world.clock.advance(30 * DAY);
  expect(await sweep()).toBe(0);
  expect(await stateOf(id)).toBe('expired');
  expect(await world.portal.door(HOST, 'link', links[0] as string)).toMatchObject({ state: 'expired' });
  expect(await isStored(object)).toBe(true);
  world.clock.advance(30 * DAY);
  expect(await sweep()).toBe(1);
  expect(await stateOf(id)).toBe('deleted');
  expect(await world.portal.door(HOST, 'link', links[0] as string)).toBeNull();
  expect(await isStored(object)).toBe(false);
  expect(await sweep()).toBe(0);
});

test('an object of two parcels goes with the last one', async () => {
  const { parcels, object } = await parcelsOf({ to: [PATIENT, 'bob@oldmail.demo' as Address] });
  const by = { actor: 'ann', reason: 'test' };
  const verb = () => Buffer.from(world.line.random.bytes(16)).toString('hex');
  await world.store.parcels.retract(verb(), parcels[0]!.id, by);
  await sweep();
  expect(await isStored(object)).toBe(true);
  await world.store.parcels.retract(verb(), parcels[1]!.id, by);
  expect(await sweep()).toBe(1);
  expect(await isStored(object)).toBe(false);
});

test('bytes that could not be removed are named again', async () => {
  const { parcels, object } = await parcelsOf();
  await world.store.parcels.retract('ab'.repeat(16), parcels[0]!.id, { actor: 'ann', reason: 'test' });
  const failing = { ...world.line, bodies: { ...world.bodies, remove: () => Promise.reject(new Error('busy')) } };
  await expect(sweepParcels({ line: failing as never, parcels: world.store.parcels })).rejects.toThrow('busy');
  expect(await isStored(object)).toBe(true);
  expect(await sweep()).toBe(1);
  expect(await isStored(object)).toBe(false);
});

test('runs until it is stopped, and goes on after a failure', async () => {
  const calls: number[] = [];
  const parcels = {
    sweep: async (now: number) => {
      calls.push(now);
      if (calls.length === 1) throw Object.assign(new Error('x'), { code: 'full' });
      return [];
    },
    forgotten: async () => {},
  };
  const running = startPortalSweep({ line: world.line, parcels });
  const turns = async (n: number) => {
    while (calls.length < n) {
      world.clock.advance(5_000);
      await settled();
    }
  };
  await turns(3);
  await running.stop();
  expect(world.logged).toContain('stage failed');
  expect(world.logged.join()).toContain('"code":"full"');
  const { length } = calls;
  world.clock.advance(60_000);
  await settled();
  expect(calls).toHaveLength(length);
});
