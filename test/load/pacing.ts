// A destination whose mail may not come faster than it says, with much more waiting for it, in all three priorities.

import { pause, percentile, type Trial, until } from './trial.ts';
import { news } from './urgent.ts';
import { openWorld, probe, SOUTH, USUAL } from './world.ts';

const RATE = 5;
const SECONDS = 20;

export const pacing: Trial = {
  name: 'pacing',
  promise: `A cap of ${RATE}/s on a destination holds within 10 %, and is used.`,
  run: async (rows) => {
    const to = { recipient: (i: number) => `p${i}@paced.test` };
    const world = await openWorld({
      peers: { 'paced.test': USUAL, '*.bulk.test': USUAL, 'clinic.test': USUAL },
      fillings: [
        news(SECONDS * RATE * 2, { ...to, priority: 'normal' }),
        news(SECONDS * RATE * 2, { ...to, organization: 'South', sender: `news@${SOUTH}` }),
        news(Math.floor(rows / 10)),
      ],
      config: { delivery: { pace: { 'paced.test': `${RATE}/s` } } },
    });
    try {
      await world.start();
      const { times } = world.peers.get('paced.test')!;
      await until(() => times.length > RATE, 'its first mail');
      const from = times.length;
      const others = probe(world, { from: SOUTH, to: 'clinic.test', count: SECONDS * 4, every: 250 });
      await pause(SECONDS * 1_000);
      const taken = times.slice(from);
      const rate = (taken.length - 1) / ((taken.at(-1)! - taken[0]!) / 1_000);
      const most = Math.max(...taken.map((at) => taken.filter((one) => one >= at && one < at + 10_000).length)) / 10;
      return [
        { what: `messages a second in ${SECONDS} s`, value: rate, unit: '/s', atMost: RATE * 1.1 },
        { what: 'below the cap', value: (1 - rate / RATE) * 100, unit: '%', atMost: 10 },
        { what: 'most in any 10 s', value: most, unit: '/s', atMost: RATE * 1.1 },
        { what: 'p95 of another destination meanwhile', value: percentile(await others, 0.95), unit: 'ms' },
      ];
    } finally {
      await world.close();
    }
  },
};
