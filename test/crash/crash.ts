// `npm run crash`: the gateway is killed with SIGKILL at random moments under load, and at the end what was acknowledged is compared with what
// arrived at sinks that live in this process.

import { setTimeout as sleep } from 'node:timers/promises';
import { type Running, startGateway } from '../support/gateway.ts';
import { randomSeed, readOptions, share, whole } from '../support/options.ts';
import { seeded } from '../support/random.ts';
import { type Load, startLoad } from './load.ts';
import { closeTrial, drain, note, openTrial, report, start, type Trial } from './trial.ts';

/** Of the kills, those that come while the gateway starts, and when: a start takes about this many ms. */
const IN_START = 0.25;
const START_MS = 1_200;
/** The queue must be empty this long after the last kill: retries of what was under way come within a few minutes. */
const DRAIN_MS = 5 * 60_000;

async function killInStart(trial: Trial): Promise<void> {
  const wait = trial.random.fraction() * START_MS;
  let killed: Promise<unknown> = Promise.resolve();
  const gateway = await startGateway(trial.files, {
    onSpawn: (child) => {
      killed = sleep(wait).then(() => child.kill('SIGKILL'));
    },
  }).catch(() => null);
  await killed;
  if (gateway !== null) note(trial, gateway, await gateway.ended);
  trial.kills += 1;
  trial.killsInStart += 1;
}

/** The load rests while the audit is verified: what comes in that time proves nothing and is verified after each later kill. */
async function startResting(trial: Trial, load: Load): Promise<Running> {
  load.pause();
  const gateway = await start(trial);
  load.resume();
  return gateway;
}

async function killUnderLoad(trial: Trial, load: Load, life: number): Promise<void> {
  const gateway = await startResting(trial, load);
  await sleep(trial.random.fraction() * life);
  note(trial, gateway, await gateway.kill());
  trial.kills += 1;
}

async function main(): Promise<number> {
  const options = readOptions({
    usage: 'npm run crash --',
    about:
      'Kills the gateway with SIGKILL at random moments under load, also while it starts, and starts it again. At the end the queue drains, and what was acknowledged is compared with what arrived.',
    options: {
      kills: whole(20, 'how often it is killed', { least: 0 }),
      seed: randomSeed(),
      life: whole(1500, 'longest time between a start and its kill, ms'),
      sessions: whole(8, 'senders at the same time'),
      drop: share(0, 'part of the transactions that the next hop takes and then cuts without a reply'),
      seconds: whole(0, 'how long the load goes on after the last kill', { least: 0 }),
    },
    example: 'npm run crash -- --kills 100 --seed 7',
    exits: {
      0: 'nothing was lost or changed',
      1: 'a recipient was lost, a message was changed, more came twice than was in doubt, two DSNs speak of one recipient, the audit does not verify, or it was ended early',
    },
  });
  const { seed, kills } = options;
  const begun = Date.now();
  const trial = await openTrial(seed, { drop: options.drop });
  const show = (words: string): void => {
    if (!process.stdout.isTTY) return;
    const { acknowledged, arrived } = trial.ledger.totals();
    process.stdout.write(
      `\r\x1b[K${trial.kills}/${kills} kills, ${acknowledged} acknowledged, ${arrived} arrived ${words}`,
    );
  };
  const load = startLoad(trial.files.port, options.sessions, seeded(seed + 1), trial.ledger);
  // Who ends it before its time, `timeout` too, gets the figures so far.
  let isEnough = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      isEnough = true;
    });
  }
  while (trial.kills < kills && !isEnough) {
    if (trial.kills > 0 && trial.random.fraction() < IN_START) await killInStart(trial);
    else await killUnderLoad(trial, load, options.life);
    show('');
  }
  const gateway = await startResting(trial, load);
  await sleep(options.seconds * 1000);
  await load.stop();
  const drained = await drain(trial, DRAIN_MS, show);
  const ended = await gateway.stop();
  note(trial, gateway, ended === 0 ? 'SIGKILL' : ended);
  if (process.stdout.isTTY) process.stdout.write('\r\x1b[K');
  const seconds = ((Date.now() - begun) / 1000).toFixed(0);
  const short = trial.kills < kills ? ` of ${kills} wanted` : '';
  const kinds = `${trial.dropped > 0 ? `the next hop took ${trial.dropped} recipients and cut without a reply; ` : ''}${trial.kills}${short}, of them ${trial.killsInStart} while starting; seed ${seed}; ${seconds} s`;
  const good = report(trial, load, ['kills', kinds], drained);
  await closeTrial(trial, good);
  return good && trial.kills >= kills ? 0 : 1;
}

process.exitCode = await main();
