// Clears what is over in the portal: expires and deletes parcels, removes sealed messages that no parcel owns any more.
// Runs in the background. The verb forgets keys first; the bytes are named again until they are gone.

import type { Duration } from '../domain/ids.ts';
import type { Line } from '../relay/line.ts';
import { type Sweep, sweeping } from '../relay/sweep.ts';
import type { Parcels } from '../store/parcels/port.ts';

/** Where the portal is no longer configured. */
const KEEP: Duration = 30 * 86_400_000;

export type PortalSweepDeps = {
  readonly line: Pick<Line, 'bodies' | 'settings' | 'clock' | 'log' | 'meter'>;
  readonly parcels: Pick<Parcels, 'sweep' | 'forgotten'>;
};

/** Also without a portal: what was put into one still ends. */
export function startPortalSweep(deps: PortalSweepDeps & { readonly line: Pick<Line, 'outages'> }): Sweep {
  const { line } = deps;
  return sweeping(line, 'portal sweep', async (stop) => {
    while (line.outages.trustsClock() && (await sweepParcels(deps)) > 0 && !stop.aborted);
  });
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
