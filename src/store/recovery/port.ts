// The queue, rebuilt from the bodies after the database was lost. The first three verbs serve an empty database that is
// being filled; the others a running gateway.

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
  /** Deliveries that wait for release, and objects kept from the sweep. */
  counts(): Promise<{ readonly deliveries: number; readonly unclaimed: number }>;
  /** Lets go of the unclaimed objects: the next sweep of orphans removes them. Gives how many. */
  discard(verb: VerbId, actor: Actor, reason: string): Promise<number>;
}
