// `npm run load`: the line under load, each trial against a gateway of its own.

import { loadavg } from 'node:os';
import { readOptions, someOf, whole } from '../support/options.ts';
import { herd } from './herd.ts';
import { isolation } from './isolation.ts';
import { commands, cost, start } from './large.ts';
import { pacing } from './pacing.ts';
import { peers } from './peers.ts';
import { type Figure, judge, type Trial } from './trial.ts';
import { urgent } from './urgent.ts';

const TRIALS: readonly Trial[] = [urgent, pacing, isolation, peers, herd, start, commands, cost];

const NAMES = TRIALS.map(({ name }) => name);

const { only, rows } = readOptions({
  usage: 'npm run load --',
  about:
    'Puts the line under load, a trial for each promise, each against a gateway of its own that has many messages queued. Prints figures beside their bounds.',
  options: {
    only: someOf(NAMES, NAMES, 'trials'),
    rows: whole(100_000, 'messages queued'),
  },
  example: 'npm run load -- --only herd --rows 10000',
  exits: { 0: 'all bounds hold', 1: 'one is missed' },
});
let missed = 0;
for (const trial of TRIALS.filter(({ name }) => only.includes(name))) {
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
    return await run(rows);
  } catch (error) {
    console.log(`  ${error instanceof Error ? error.message : error}`);
    missed += 1;
    return [];
  }
}
