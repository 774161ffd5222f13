// Approvals against who writes rows, and against two who come at once.

import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { Approvals } from '../../src/store/approvals/port.ts';
import { DAY } from './store-bench.ts';
import { type Place, setUp } from './store-place.ts';

let place: Place;
let approvals: Approvals;

beforeEach(async () => {
  place = setUp();
  await place.open();
  approvals = place.store().approvals;
});
afterEach(async () => {
  await place.store().close();
  place.remove();
});

async function confirmed(): Promise<string> {
  const asked = { command: 'queue.drop', args: {}, of: '', reason: 'test' };
  const { id } = await approvals.ask(asked, 'ann', place.clock.at + DAY, 'waiting');
  await approvals.confirm(id, 'bob', 'looked at it');
  return id;
}

test('two that use one confirmation at once: one does', async () => {
  const id = await confirmed();
  const both = await Promise.allSettled([approvals.use(id, 'ann'), approvals.use(id, 'ann')]);
  expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
});

test.each(['use', 'refuse'] as const)('a confirmed row that is put back after %s is not used', async (how) => {
  const id = await confirmed();
  const db = new Database(join(place.path, 'queue.db'));
  const row = db.prepare<[], { state: string; box: Buffer }>('SELECT state, box FROM approval').get()!;
  await approvals[how](id, 'ann', 'no');
  db.prepare('UPDATE approval SET state = ?, box = ?').run(row.state, row.box);
  db.close();
  await expect(approvals.use(id, 'ann')).rejects.toThrow(`${id} is used or refused already`);
});

test('a confirmation can be taken back until it is used', async () => {
  const id = await confirmed();
  await approvals.refuse(id, 'bob', 'it was a mistake');
  await expect(approvals.use(id, 'ann')).rejects.toMatchObject({ code: 'wrong state' });
  expect(await approvals.open()).toEqual([]);
});
