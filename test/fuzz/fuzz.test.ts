// Every target with a few inputs of a seed that is new each time; `npm run fuzz` tries more.

import { randomInt } from 'node:crypto';
import { runTarget, saidOf, targetNames } from './run.ts';

const seed = randomInt(2 ** 31);
const COUNT = 2_000;

test.each(targetNames())(`%s holds for ${COUNT} inputs of seed ${seed}`, async (name) => {
  const { failure, tried } = await runTarget(name, seed, COUNT);
  if (failure !== null) throw new Error(saidOf(name, seed, failure));
  expect(tried).toBe(COUNT);
}, 300_000);
