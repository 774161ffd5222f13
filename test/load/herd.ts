// What does not come back all at once: connections after a restart with much queued, retries of what failed together, and
// connections when a destination that was away returns.

import { join } from 'node:path';
import Database from 'better-sqlite3';
import { pause, percentile, type Trial, until } from './trial.ts';
import { news } from './urgent.ts';
import { openWorld, USUAL, type World } from './world.ts';

const AWAY = 400;
const LIMIT = 5;

export const herd: Trial = {
  name: 'herd',
  promise: 'After a restart, and when a destination returns, no more than its connections; retries are spread.',
  run: async (rows) => {
    const world = await openWorld({
      peers: { 'one.test': USUAL, 'away.test': 'refusing', '*.bulk.test': USUAL },
      fillings: [
        news(Math.floor(rows / 10)),
        news(Math.floor(rows / 10), { recipient: (i) => `p${i}@one.test` }),
        news(AWAY, { priority: 'normal', recipient: (i) => `p${i}@away.test` }),
      ],
      config: { delivery: { per_destination: LIMIT } },
    });
    try {
      await world.start();
      const one = world.peers.get('one.test')!;
      const away = world.peers.get('away.test')!;
      await until(() => triedOf(world).length === AWAY, 'a try of all that cannot be delivered');
      await world.gateway().kill();
      await world.start();
      await pause(5_000);
      const next = triedOf(world);
      const middle = percentile(next, 0.5);
      const most = Math.max(...next.map((at) => next.filter((other) => other >= at && other < at + 1_000).length));
      await away.comeBack();
      await until(() => away.times.length >= AWAY / 4, 'the mail to the destination that returned', 180_000);
      return [
        {
          what: 'connections to one destination, before and after SIGKILL',
          value: one.most(),
          unit: '',
          atMost: LIMIT,
        },
        { what: `retries of ${AWAY} in the fullest second`, value: most, unit: '', atMost: AWAY / 5 },
        { what: 'half of them within', value: (middle - Math.min(...next)) / 1_000, unit: 's' },
        { what: 'connections to the destination that returned', value: away.most(), unit: '', atMost: LIMIT },
      ];
    } finally {
      await world.close();
    }
  },
};

/** When each delivery to the destination that is away is due again. */
function triedOf({ files }: World): number[] {
  const db = new Database(join(files.storage, 'queue.db'), { readonly: true });
  try {
    return db
      .prepare<[], number>(
        "SELECT not_before FROM delivery WHERE domain = 'away.test' AND state = 'ready' AND attempts > 0",
      )
      .pluck()
      .all();
  } finally {
    db.close();
  }
}
