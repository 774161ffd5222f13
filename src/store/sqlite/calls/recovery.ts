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

/** Begins the epoch of a restored database; `detail`: clear audit detail, JSON. */
export type BeginRestoreCall = readonly [epoch: number, detail: string];

/** What was made void. */
export type RestoreAnswer = { readonly sessions: number; readonly codes: number; readonly operators: number };

/** Unfinished deliveries, each with the box of its `because`. */
export type HoldRestoredCall = readonly (readonly [delivery: string, box: Octets])[];
