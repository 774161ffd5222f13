// What a line of a test is given for outages: there are none.

import type { Outages } from '../../src/relay/outage.ts';

export const NO_OUTAGES: Outages = {
  look: () => {},
  tried: () => {},
  stood: () => 0,
  trustsClock: () => true,
  away: () => false,
  warnAfter: () => 1,
  room: (most) => most,
};
