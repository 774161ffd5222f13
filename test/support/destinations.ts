// What a line of a test is given for destinations: all of them answer, and have as many connections as the settings say.

import type { Destinations } from '../../src/relay/destinations.ts';

export const GOOD_DESTINATIONS: Destinations = {
  width: (_, most) => most,
  enter: async () => ({ kind: 'go', leave: () => {} }),
  waiting: () => 0,
  tryAll: () => {},
};
