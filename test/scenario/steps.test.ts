// The gateway is killed amid notice, receipt, variant, code and reply, at some of the steps that `node test/crash/steps.ts` goes through one by one.

import { openTrial, type Trial, tryCode, tryReply, trySend } from '../crash/steps.ts';

let trial: Trial;

beforeAll(async () => {
  trial = await openTrial();
}, 60_000);

afterAll(() => trial?.world.close());

afterEach(() => {
  expect(trial.wrong).toEqual([]);
});

test.each([4, 23, 48, 71, 102, 139])('before step %d of a message by PGP and portal', async (step) => {
  await trySend(trial, step);
}, 60_000);

test.each([5, 31])('before step %d of a code', async (step) => {
  const { link } = await trySend(trial, 0);
  await tryCode(trial, link!, step);
}, 60_000);

test.each([3, 12, 25])('before step %d of a reply', async (step) => {
  const { link } = await trySend(trial, 0);
  await tryReply(trial, link!, step);
}, 60_000);

test('most of them were kills', () => {
  expect(trial.kills).toBeGreaterThan(6);
});
