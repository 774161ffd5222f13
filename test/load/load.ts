// `npm run load [-- --only NAME] [-- --rows 100000]`: the line under load, each trial against a gateway of its own. Prints
// figures beside their bounds; ends with 1 when any is missed.

import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { herd } from './herd.ts';
import { isolation } from './isolation.ts';
import { commands, cost, start } from './large.ts';
import { pacing } from './pacing.ts';
import { peers } from './peers.ts';
import { type Figure, judge, type Trial } from './trial.ts';
import { urgent } from './urgent.ts';

const TRIALS: readonly Trial[] = [urgent, pacing, isolation, peers, herd, start, commands, cost];

const { values } = parseArgs({
  options: { only: { type: 'string' }, rows: { type: 'string', default: '100000' } },
});
const chosen = TRIALS.filter(({ name }) => values.only === undefined || name === values.only);
if (chosen.length === 0) {
  console.error(`no trial ${values.only}; there are: ${TRIALS.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}
let missed = 0;
for (const trial of chosen) {
  console.log(`${trial.name}: ${trial.promise} (load average ${(loadavg()[0] ?? 0).toFixed(1)})`);
  for (const { line, holds } of (await figuresOf(trial)).map(judge)) {
    console.log(line);
    if (!holds) missed += 1;
  }
}
console.log(missed === 0 ? 'all bounds hold' : `${missed} missed`);
// What a failed trial left open must not keep this from ending.
process.exit(missed === 0 ? 0 : 1);

async function figuresOf({ run }: Trial): Promise<readonly Figure[]> {
  try {
    return await run(Number(values.rows));
  } catch (error) {
    console.log(`  ${error instanceof Error ? error.message : error}`);
    missed += 1;
    return [];
  }
}
