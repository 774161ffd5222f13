// Which accepted messages were answered 250. The mark travels with the next accept into its transaction: after a crash, a
// row above it whose body does not open was never acknowledged (src/README.md, "State").

import type { QueueId } from '../../domain/ids.ts';

export type Acknowledgements = {
  /** The row is committed; the 250 is still to come. Numbers come in order. */
  accepted(id: QueueId, n: number): void;
  acknowledged(id: QueueId): void;
  /** All messages up to this number are acknowledged. */
  mark(): number;
};

export function trackAcknowledgements(): Acknowledgements {
  const waiting = new Map<QueueId, number>();
  let last = 0;
  return {
    accepted: (id, n) => {
      last = Math.max(last, n);
      waiting.set(id, n);
    },
    acknowledged: (id) => {
      waiting.delete(id);
    },
    mark: () => {
      const [oldest] = waiting.values();
      return oldest === undefined ? last : oldest - 1;
    },
  };
}
