// A queue of 100,000: how long a start takes, what people ask of it, and what a message costs beside it.

import { type Ran, sealrelay } from '../support/gateway.ts';
import { usageOf } from '../support/processes.ts';
import { openSession } from '../support/session.ts';
import { type Figure, pause, percentile, type Trial, until } from './trial.ts';
import { news } from './urgent.ts';
import { NORTH, openWorld, SOUTH, send, type World } from './world.ts';

export const start: Trial = {
  name: 'start',
  promise: 'With 100,000 queued it starts within 10 s.',
  run: async (rows) => {
    const world = await openWorld({ peers: { '*.bulk.test': { slow: 0 } }, fillings: [news(rows)] });
    try {
      const ready = await world.start();
      await until(() => world.peers.get('*.bulk.test')!.times.length > 0, 'the first delivery');
      await world.gateway().kill();
      const again = await world.start();
      return [
        { what: `ready with ${rows} queued`, value: ready / 1000, unit: 's', atMost: 10 },
        { what: 'ready after SIGKILL while they leave', value: again / 1000, unit: 's', atMost: 10 },
      ];
    } finally {
      await world.close();
    }
  },
};

export const commands: Trial = {
  name: 'commands',
  promise: '`sealrelay queue …` and mailq on 100,000 rows answer in a second.',
  run: async (rows) => {
    const held = news(rows, { held: true, recipient: (i) => `p${i}@d${i % 1000}.bulk.test` });
    const world = await openWorld({ peers: { '*.bulk.test': { slow: 0 } }, fillings: [held] });
    try {
      await world.start();
      const ask = (...args: string[]) => timed(world, args);
      await ask('user', 'add', 'load', '--role', 'admin', '--write');
      const listed = await ask('queue', 'list', '--limit', '1', '--json');
      const { delivery, queueId } = JSON.parse(listed.ran.out) as { delivery: string; queueId: string };
      const asked: readonly (readonly string[])[] = [
        ['status'],
        ['mailq', '--limit', '100'],
        ['queue', 'list', '--limit', '100'],
        ['queue', 'list', '--domain', 'd7.bulk.test'],
        ['queue', 'list', '--domain', 'nowhere.test'],
        ['queue', 'list', '--recipient', 'p5@d5.bulk.test'],
        ['queue', 'list', '--sender', `nobody@${NORTH}`],
        ['queue', 'list', '--organization', 'South'],
        ['queue', 'list', '--state', 'ready'],
        ['queue', 'list', '--older-than', '4h'],
        ['queue', 'show', queueId],
        ['explain', delivery],
        ['trace', queueId],
        ['queue', 'bounce', '--domain', 'd7.bulk.test', '--reason', 'load', '--dry-run'],
        ['queue', 'release', delivery, '--deliver', 'tls:may', '--reason', 'load'],
      ];
      const figures: Figure[] = [];
      for (const args of asked) {
        const { ms } = await ask(...args);
        figures.push({ what: `sealrelay ${args.map(short).join(' ')}`, value: ms / 1000, unit: 's', atMost: 1 });
      }
      const waits: number[] = [];
      let asking = true;
      // What who sends mail meanwhile waits for an answer.
      const sender = (async () => {
        while (asking) {
          const session = await openSession({ port: world.port });
          for (let i = 0; i < 5; i++) {
            const begun = performance.now();
            await session.command('NOOP');
            waits.push(performance.now() - begun);
            await pause(5);
          }
          await session.quit();
        }
      })();
      // Told below: unhandled it would end this process, and leave the gateway.
      sender.catch(() => undefined);
      const whole = await ask('mailq', '--json');
      asking = false;
      await sender;
      const lines = whole.ran.out.split('\n').length - 1;
      figures.push({ what: `sealrelay mailq, all ${lines} rows of it`, value: whole.ms / 1000, unit: 's' });
      const of = 'an answer by SMTP meanwhile';
      figures.push({ what: `${of}, 99 of 100`, value: percentile(waits, 0.99), unit: 'ms', atMost: 50 });
      figures.push({ what: `${of}, the slowest of ${waits.length}`, value: Math.max(...waits), unit: 'ms' });
      return figures;
    } finally {
      await world.close();
    }
  },
};

function short(word: string): string {
  return word.length > 20 ? 'ID' : word;
}

async function timed(world: World, args: readonly string[]): Promise<{ ran: Ran; ms: number }> {
  const begun = performance.now();
  const ran = await sealrelay(world.files, args);
  if (ran.code !== 0) throw new Error(`sealrelay ${args.join(' ')}: exit code ${ran.code}: ${ran.err}`);
  return { ran, ms: performance.now() - begun };
}

/** Messages of one measurement, and sessions that send them. */
const COUNT = 2_000;
const SESSIONS = 10;

export const cost: Trial = {
  name: 'cost',
  promise: 'A message costs the same with 1,000, 10,000 and 100,000 queued, within 20 %.',
  run: async (rows) => {
    const sizes = [rows / 100, rows / 10, rows];
    const figures: Figure[] = [];
    const costs: { cpu: number; rate: number }[] = [];
    for (const queued of sizes) {
      // What waits is held: it costs by its being there, not by leaving meanwhile.
      const filling = news(queued, { held: true });
      const world = await openWorld({
        peers: { 'clinic.test': { slow: 0 }, '*.bulk.test': { slow: 0 } },
        fillings: [filling],
        config: { delivery: { per_destination: 20 }, limits: { connections_per_minute: 100_000 } },
      });
      try {
        await world.start();
        await burst(world, COUNT);
        const best = { cpu: Number.POSITIVE_INFINITY, rate: 0 };
        for (let round = 0; round < 3; round++) {
          const cpu = usageOf(world.gateway().pid).cpu;
          const begun = performance.now();
          await burst(world, COUNT);
          best.rate = Math.max(best.rate, COUNT / ((performance.now() - begun) / 1000));
          best.cpu = Math.min(best.cpu, (usageOf(world.gateway().pid).cpu - cpu) / COUNT);
        }
        costs.push(best);
        figures.push({
          what: `CPU a message with ${queued} queued, best of 3 × ${COUNT}`,
          value: best.cpu,
          unit: 'ms',
        });
        figures.push({ what: 'accepted and delivered', value: best.rate, unit: '/s' });
      } finally {
        await world.close();
      }
    }
    const spread = (values: number[]) => (Math.max(...values) / Math.min(...values) - 1) * 100;
    figures.push({ what: 'CPU: most beside least', value: spread(costs.map(({ cpu }) => cpu)), unit: '%', atMost: 20 });
    figures.push({
      what: 'rate: most beside least',
      value: spread(costs.map(({ rate }) => rate)),
      unit: '%',
      atMost: 20,
    });
    return figures;
  },
};

let bursts = 0;

async function burst(world: World, count: number): Promise<void> {
  const { times } = world.peers.get('clinic.test')!;
  const before = times.length;
  bursts += 1;
  let next = 0;
  const one = async () => {
    const session = await openSession({ port: world.port });
    while (next < count) await send(session, SOUTH, `burst${bursts}.${next++}@clinic.test`);
    await session.quit();
  };
  await Promise.all(Array.from({ length: SESSIONS }, one));
  await until(() => times.length - before >= count, 'the burst to arrive');
}
