// What a sender does behind a code: see whether it was opened, give it more time, take it back. No key of the message is
// needed for that, and none is opened.

import type { Duration } from '../domain/ids.ts';
import type { Parcel } from '../domain/portal.ts';
import type { Actor } from '../domain/types.ts';
import { verbId } from '../store/queue/port.ts';
import type { PortalDeps } from './deps.ts';
import type { Desk, Door } from './portal.ts';

const DAY: Duration = 86_400_000;
/** Longest extension, in days from now. */
export const DAYS_MAX = 365;
const SENDER: Actor = 'portal sender';

export function createDesk({ line, parcels }: PortalDeps, parcel: Parcel, door: Door): Desk {
  const { id, recipient, openedAt, repliedAt, createdAt } = parcel;
  const by = { actor: SENDER, reason: 'asked for by the sender in the portal' };
  return {
    kind: 'sender',
    parcel: id,
    ...{ door, recipient, openedAt, repliedAt, createdAt },
    extend: async (days) => {
      const whole = Math.min(DAYS_MAX, Math.max(1, Math.trunc(days) || 1));
      const until = line.clock.now() + whole * DAY;
      // More time is all that can be given.
      if (until <= parcel.expiresAt) return parcel.expiresAt;
      await parcels.extend(verbId(line), id, until, by);
      return until;
    },
    retract: () => parcels.retract(verbId(line), id, by),
  };
}
