// Destinations that are dead, hang, refuse and are slow, with mail waiting for each, beside one that works.

import type { Trial } from './trial.ts';
import { news } from './urgent.ts';
import { inTurn, type Manner, openWorld, SOUTH, USUAL } from './world.ts';

/** Domains of each kind: a provider that is down has many. */
const DOMAINS = 20;
const KINDS = ['dead', 'hanging', 'refusing', 'slow'] as const;
const MANNERS: Readonly<Record<string, Manner>> = {
  ...{ 'clinic.test': USUAL, '*.dead.test': 'dead', '*.hanging.test': 'hanging' },
  ...{ '*.refusing.test': 'refusing', '*.slow.test': { slow: 5_000 } },
};

export const peers: Trial = {
  name: 'peers',
  promise: 'A dead, a hanging and a slow destination slow nobody: p95 of others at most 20 % more.',
  run: async (rows) => {
    const count = Math.max(1, Math.floor(rows / 20));
    const to = (domains: number) =>
      KINDS.map((kind) => news(count, { priority: 'normal', recipient: (i) => `p${i}@d${i % domains}.${kind}.test` }));
    const worlds = [
      await openWorld({ peers: MANNERS }),
      await openWorld({ peers: MANNERS, fillings: to(1) }),
      await openWorld({ peers: MANNERS, fillings: to(DOMAINS) }),
    ];
    try {
      const probing = { from: SOUTH, to: 'clinic.test', count: 150, every: 50 };
      const [alone = 0, one = 0, many = 0] = await inTurn(worlds, probing);
      return [
        { what: 'p95 from MAIL to arrival, alone', value: alone, unit: 'ms' },
        { what: `p95 beside one of each kind, ${count} waiting for each`, value: one, unit: 'ms' },
        { what: 'more', value: (one / alone - 1) * 100, unit: '%', atMost: 20 },
        { what: `p95 beside ${DOMAINS} domains of each kind`, value: many, unit: 'ms' },
        { what: 'more', value: (many / alone - 1) * 100, unit: '%', atMost: 20 },
      ];
    } finally {
      for (const world of worlds) await world.close();
    }
  },
};
