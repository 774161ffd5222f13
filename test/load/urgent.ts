// An urgent mail behind everything that waits: a message for the portal comes in by SMTP, and its notice is urgent.

import type { Filling } from './fill.ts';
import { percentile, type Trial } from './trial.ts';
import { NORTH, openWorld, probe, SOUTH, USUAL } from './world.ts';

/** News of a login with `priority: bulk`, for 200 destinations. */
export function news(rows: number, change: Partial<Filling> = {}): Filling {
  return {
    ...{ count: rows, organization: 'North', sender: `news@${NORTH}`, priority: 'bulk' },
    recipient: (i) => `p${i}@d${i % 200}.bulk.test`,
    ...change,
  };
}

export const urgent: Trial = {
  name: 'urgent',
  promise: 'An urgent message leaves within 2 s behind 100,000 bulk ones.',
  run: async (rows) => {
    const world = await openWorld({
      peers: { '*.bulk.test': USUAL, 'portal.test': { slow: 0 }, [SOUTH]: { slow: 0 } },
      fillings: [news(rows)],
    });
    try {
      await world.start();
      const took = await probe(world, { from: SOUTH, to: 'portal.test', count: 40, every: 250 });
      const others = world.peers.get('*.bulk.test')!.times.length;
      return [
        {
          what: 'from MAIL to the arrival of its notice, longest of 40',
          value: Math.max(...took) / 1000,
          unit: 's',
          atMost: 2,
        },
        { what: 'median', value: percentile(took, 0.5) / 1000, unit: 's' },
        { what: 'bulk messages that left meanwhile', value: others, unit: '' },
      ];
    } finally {
      await world.close();
    }
  },
};
