// `npm run fuzz`: changed valid inputs against each parser of what comes from outside.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { randomSeed, readOptions, someOf, text, whole } from '../support/options.ts';
import { type Outcome, runTarget, saidOf, targetNames } from './run.ts';

const { seed, count, from, only, input } = readOptions({
  usage: 'npm run fuzz --',
  about:
    'Feeds changed valid inputs to each parser of what comes from outside: none may crash, hang, grow or break a promise. What is printed of one that does repeats it: a seed and an index, or the input itself.',
  options: {
    seed: randomSeed(),
    count: whole(100_000, 'inputs for each target'),
    from: whole(0, 'index of the first input', { least: 0 }),
    only: someOf(targetNames(), targetNames(), 'targets'),
    input: text('BASE64', 'this input alone, for the first target of --only'),
  },
  example: 'npm run fuzz -- --seed 7 --only mime,header',
  exits: { 0: 'no promise was broken', 1: 'one was' },
});
if (input !== undefined) {
  const args = [join(import.meta.dirname, 'child.ts'), only[0] as string, '--input', input];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  console.log(status === 0 ? 'nothing is wrong with it' : `${stdout}${stderr}`.replaceAll('\\n', '\n'));
  process.exit(status ?? 1);
}

const line = (name: string, outcome: Outcome, seconds: number): string =>
  [
    name.padEnd(14),
    `${outcome.tried.toLocaleString('en')} inputs`.padStart(15),
    `${Math.round(outcome.octets / Math.max(1, outcome.tried)).toLocaleString('en')} octets each`.padStart(20),
    `+${Math.round(outcome.growth / 1_048_576)} MB`.padStart(8),
    `${seconds.toFixed(0)} s`.padStart(6),
    outcome.failure === null ? '' : `  FAILED at ${outcome.failure.index}`,
  ].join(' ');

console.log(`seed ${seed}`);
let failed = 0;
let tried = 0;
for (const name of only) {
  const begun = Date.now();
  const outcome = await runTarget(name, seed, count, from);
  console.log(line(name, outcome, (Date.now() - begun) / 1_000));
  tried += outcome.tried;
  if (outcome.failure === null) continue;
  failed += 1;
  console.log(saidOf(name, seed, outcome.failure));
}
console.log(`${tried.toLocaleString('en')} inputs, ${failed} of ${only.length} targets failed`);
process.exit(failed === 0 ? 0 : 1);
