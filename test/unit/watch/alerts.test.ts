// Who is told when an alert cannot be made for all.

import type { Address } from '../../../src/domain/ids.ts';
import { tell } from '../../../src/watch/alerts.ts';
import { CLINIC, openWorld, PRACTICE, type World } from '../portal/world.ts';

let world: World;
beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.close());

const TO = ['it@clinic.example', 'it@practice.example'] as Address[];
const LOW = [{ name: 'low disk', value: 'nothing free' }] as const;
const ANCHOR = [{ name: 'anchor failed', value: '1 time' }] as const;

/** Organizations in `broken` have no keys. */
function tellAll(broken: readonly string[]) {
  const { line, store } = world;
  const ready = async (organization: string) => {
    if (broken.includes(organization)) throw Object.assign(new Error('canary'), { code: 'BROKEN' });
    await line.ready(organization);
  };
  return tell({ line: { ...line, ready }, store: store.watch, to: () => TO }, ANCHOR, LOW);
}
const waiting = async () =>
  (await world.store.queue.list({ states: ['ready'], limit: 10 })).map((one) => one.organization);

test.each([
  [CLINIC, PRACTICE],
  [PRACTICE, CLINIC],
])('when it cannot be made for %s the others are told', async (broken, other) => {
  expect(await tellAll([broken])).toEqual(new Set(['anchor failed']));
  expect(await waiting()).toEqual([other]);
  const words = world.logged.join();
  expect(words).toContain(`"organization":"${broken}","code":"BROKEN"`);
  expect(words).not.toContain('canary');
  expect(world.logged).toContain('stage failed');
  // Not again at the next look.
  expect(await tellAll([])).toEqual(new Set());
  expect(await waiting()).toEqual([other]);
});

test('when it can be made for none, all are told at the next look', async () => {
  expect(await tellAll([CLINIC, PRACTICE])).toEqual(new Set());
  expect(await waiting()).toEqual([]);
  expect(await tellAll([])).toEqual(new Set(['anchor failed']));
  expect((await waiting()).sort()).toEqual([CLINIC, PRACTICE]);
});
