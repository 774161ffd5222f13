// Calls and answers of rebuilding the queue from the bodies.

import type { KeyRowCall } from './keys.ts';
import type { Octets } from './octets.ts';
import type { AcceptCall } from './queue.ts';

export type BeginRecoveryCall = readonly [
  epoch: number,
  /** Clear audit detail, JSON. */
  detail: string,
  keys: readonly KeyRowCall[],
  unclaimed: readonly (readonly [object: string, organization: string, kind: 'parcel' | 'body', createdAt: number])[],
];

/** Boxes: a `because` for each delivery. */
export type RecoverCall = readonly [message: AcceptCall, boxes: readonly Octets[]];

export type RecoverAnswer = 'held' | 'repeated';
