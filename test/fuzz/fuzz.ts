// `npm run fuzz [-- --seed N --count 100000 --only NAME]`: changed valid inputs against each parser of what comes from outside.
// Ends with 1 when one of them broke a promise; what is printed then repeats it: seed and index, or `--only NAME --input BASE64`.

import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Outcome, runTarget, saidOf, targetNames } from './run.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    count: { type: 'string', default: '100000' },
    from: { type: 'string', default: '0' },
    only: { type: 'string', multiple: true },
    input: { type: 'string' },
  },
});
const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed);
const all = targetNames();
const names = values.only ?? all;
const unknown = names.filter((name) => !all.includes(name));
if (unknown.length > 0 || !Number.isSafeInteger(seed)) {
  console.error(`targets are ${all.join(', ')}`);
  process.exit(2);
}
if (values.input !== undefined) {
  const args = [join(import.meta.dirname, 'child.ts'), names[0] as string, '--input', values.input];
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
for (const name of names) {
  const begun = Date.now();
  const outcome = await runTarget(name, seed, Number(values.count), Number(values.from));
  console.log(line(name, outcome, (Date.now() - begun) / 1_000));
  tried += outcome.tried;
  if (outcome.failure === null) continue;
  failed += 1;
  console.log(saidOf(name, seed, outcome.failure));
}
console.log(`${tried.toLocaleString('en')} inputs, ${failed} of ${names.length} targets failed`);
process.exit(failed === 0 ? 0 : 1);
