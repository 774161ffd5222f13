// What a line of a test is given for destinations: all of them answer, and have as many connections as they like.

import type { Destinations } from '../../src/relay/destinations/destinations.ts';

/** `inHand`: transactions that may be in hand for each. */
export function goodDestinations(inHand = 20): Destinations {
  return {
    inHand: () => inHand,
    enter: async () => ({ kind: 'go', signal: new AbortController().signal, watch: () => {}, leave: () => {} }),
    waiting: () => 0,
    tryAll: () => {},
  };
}
