// The watch over all of it.

import { join } from 'node:path';
import type { Address } from '../domain/ids.ts';
import { certificateEndings, ownKeyEndings } from '../watch/endings.ts';
import { createMeasure } from '../watch/measure.ts';
import { startWatch, type Watch } from '../watch/watch.ts';
import type { Base } from './base.ts';
import type { Running } from './line.ts';
import type { State } from './state.ts';

/** The line, and who watches it. */
export type Watched = Running & { readonly watch: Watch };

export function openWatch(base: Base, { store, bodies, reserve }: State, { line }: Running): Watch {
  const { inForce, alarms, metrics, startedAt, closers } = base;
  const config = () => inForce.current.config;
  const measure = createMeasure({
    ...{
      line,
      startedAt,
      store: store.watch,
      audit: store.audit,
      archive: store.archive,
      stats: store.stats,
      wal: store.wal,
    },
    batch: config().limits.store_batch,
    // Where no backup looks.
    path: join(config().storage.path, 'made'),
    disk: async () => ({
      free: (await bodies.space()).free,
      reserve: config().limits.reserve_disk + (reserve.isMissing() ? reserve.wanted : 0),
      full: reserve.isMissing(),
    }),
    // Whoever keeps something that ends hands in its list here.
    endings: [() => certificateEndings(config()), () => ownKeyEndings(store.book)],
    silence: () =>
      config().organizations.flatMap(({ name, silence }) =>
        silence === undefined ? [] : [{ organization: name, after: silence }],
      ),
  });
  const watch = startWatch({
    ...{ line, measure, store: store.watch },
    settings: () => config().queue.held,
    bounds: () => {
      const { held, oldest, disk, expiry } = config().alerts;
      return { held, oldest, disk, expiry, heldLimit: config().queue.held.limit };
    },
    to: () => config().alerts.to as readonly Address[],
    raised: () => alarms.list(),
    stands: alarms.stands,
    measured: metrics.watched,
  });
  closers.push(() => watch.stop());
  return watch;
}
