// The queue, rebuilt from the bodies after the database was lost, or brought back from a backup. `begin` and `put` fill an empty
// database, `beginRestored` and `holdUnfinished` prepare one from a backup; the others serve a running gateway.

import type { OrganizationName, Time } from '../../domain/ids.ts';
import type { Actor, NewMessage } from '../../domain/types.ts';
import type { KeyRow } from '../../keys/port.ts';
import type { VerbId } from '../queue/port.ts';

/** A sealed object that nothing in the new database opens. */
export type Unclaimed = {
  /** 32 hex. */
  readonly object: string;
  readonly organization: OrganizationName;
  readonly kind: 'parcel' | 'body';
  readonly createdAt: Time;
};

export type Voided = { readonly sessions: number; readonly codes: number; readonly operators: number };

/** Deliveries of a restored database that have not ended. */
export type Unfinished = {
  /** Held by the restore. */
  readonly held: number;
  /** Held by a decision or an operator before the backup, and so still. */
  readonly heldBefore: number;
  /** Whose notice has not ended: it is held instead of them. */
  readonly noticing: number;
  /** Mail with a code that is void now: ended without a word. */
  readonly dropped: number;
};

export interface Recovery {
  /** Begins the epoch of a database without entries: its first entry says what was found (`detail`), and the keys stand. */
  begin(
    epoch: number,
    detail: Readonly<Record<string, unknown>>,
    keys: readonly KeyRow[],
    unclaimed: readonly Unclaimed[],
  ): Promise<void>;
  /** All its deliveries held and in doubt, until `Queue.releaseRecovered`. `repeated`: its cause was consumed by another. */
  put(message: NewMessage): Promise<'held' | 'repeated'>;
  /** Begins a later epoch of a database that was brought back from a backup, and makes void what opened it: login
   *  sessions, pick-up codes, operators with their tokens. `detail`: of the first entry. */
  beginRestored(epoch: number, detail: Readonly<Record<string, unknown>>): Promise<Voided>;
  /** Holds all that is not finished, in doubt, until `Queue.releaseRecovered`. */
  holdUnfinished(): Promise<Unfinished>;
  /** Deliveries that wait for release, and objects kept from the sweep. */
  counts(): Promise<{ readonly deliveries: number; readonly unclaimed: number }>;
  /** Lets go of the unclaimed objects: the next sweep of orphans removes them. Gives how many. */
  discard(verb: VerbId, actor: Actor, reason: string): Promise<number>;
}
