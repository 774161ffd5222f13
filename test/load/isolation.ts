// One organization's mail beside another's 100,000: alone, and behind them, in turn.

import type { Trial } from './trial.ts';
import { news } from './urgent.ts';
import { inTurn, NORTH, openWorld, SOUTH, USUAL } from './world.ts';

export const isolation: Trial = {
  name: 'isolation',
  promise: 'One organization’s 100,000 messages delay another’s p95 by at most 20 %.',
  run: async (rows) => {
    const peers = { '*.bulk.test': USUAL, 'clinic.test': USUAL };
    const filling = news(rows, { priority: 'normal', sender: `staff@${NORTH}` });
    const alone = await openWorld({ peers });
    const behind = await openWorld({ peers, fillings: [filling] });
    try {
      const probing = { from: SOUTH, to: 'clinic.test', count: 150, every: 50 };
      const [before = 0, after = 0] = await inTurn([alone, behind], probing);
      return [
        { what: 'p95 from MAIL to arrival, alone', value: before, unit: 'ms' },
        { what: `p95 while ${rows} messages of the other wait and leave`, value: after, unit: 'ms' },
        { what: 'more', value: (after / before - 1) * 100, unit: '%', atMost: 20 },
        { what: 'the other’s that left meanwhile', value: behind.peers.get('*.bulk.test')!.times.length, unit: '' },
      ];
    } finally {
      await alone.close();
      await behind.close();
    }
  },
};
