// Clears what is over in the portal: expires and deletes parcels, removes sealed messages that no parcel owns any more.
// Runs in the background. The verb forgets keys first; the bytes are named again until they are gone.

import type { Duration } from '../domain/ids.ts';
import { codeOf, type Line } from '../relay/line.ts';
import { isFull } from '../relay/patience.ts';
import type { Parcels } from '../store/parcels/port.ts';

const EVERY: Duration = 5_000;
/** Where the portal is no longer configured. */
const KEEP: Duration = 30 * 86_400_000;

export type PortalSweepDeps = {
  readonly line: Pick<Line, 'bodies' | 'settings' | 'clock' | 'log' | 'meter'>;
  readonly parcels: Pick<Parcels, 'sweep' | 'forgotten'>;
};

/** Also without a portal: what was put into one still ends. */
export function startPortalSweep(deps: PortalSweepDeps & { readonly line: Pick<Line, 'outages'> }): {
  stop(): Promise<void>;
} {
  const { line } = deps;
  const stopped = new AbortController();
  const done = (async () => {
    while (!stopped.signal.aborted) {
      try {
        while (line.outages.trustsClock() && (await sweepParcels(deps)) > 0 && !stopped.signal.aborted);
      } catch (error) {
        if (!isFull(error)) {
          line.meter.alarm('stage failed');
          line.log.error({ stage: 'portal sweep', code: codeOf(error) }, 'the sweep failed and is tried again');
        }
      }
      await line.clock.sleep(EVERY, stopped.signal).catch(() => {});
    }
  })();
  return {
    stop: async () => {
      stopped.abort();
      await done;
    },
  };
}

/** Returns how many sealed messages it removed. */
export async function sweepParcels({ line, parcels }: PortalSweepDeps): Promise<number> {
  const over = await parcels.sweep(line.clock.now(), line.settings().portal?.keep ?? KEEP);
  for (const { parcel, body } of over) {
    await line.bodies.remove(body);
    await parcels.forgotten(parcel);
  }
  return over.length;
}
