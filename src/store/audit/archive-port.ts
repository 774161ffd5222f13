// What happens to the audit as it grows old: months are closed into segments, pruned, kept by legal holds, and the detail of one
// person is erased.

import type { OrganizationName, QueueId, Time } from '../../domain/ids.ts';
import type { Actor } from '../../domain/types.ts';
import type { AuditEntry } from './port.ts';

/** A closed month, or a part of one. */
export type Segment = {
  readonly name: string;
  /** YYYY-MM */
  readonly month: string;
  readonly node: string;
  readonly epoch: number;
  readonly first: number;
  readonly last: number;
  readonly since: Time;
  readonly until: Time;
  readonly messages: number;
  readonly state: 'copied' | 'moved' | 'pruned';
};

/** Between two of these a crash may come. */
export type Step = 'copied' | 'recorded' | 'some moved' | 'moved' | 'pruned' | 'named';
export type AtStep = (step: Step) => unknown;

export type Hold = {
  readonly id: string;
  readonly organization: OrganizationName;
  /** Null: of everyone; also when the box does not open. */
  readonly address: string | null;
  readonly message: QueueId | null;
  readonly since: Time | null;
  readonly until: Time | null;
  readonly addedAt: Time;
  readonly reason: string;
};
export type NewHold = Omit<Hold, 'addedAt'>;

export type Erased = { readonly entries: number; readonly messages: number; readonly waiting: number };

/** Closing, pruning and erasing wait for each other. */
export interface Archive {
  segments(): Promise<readonly Segment[]>;
  /** Goes on with what an earlier process left, and closes the next month that is over for two days; null: none is.
   *  Rejects when `stop` is aborted while it copies. */
  closeNext(now: Time, at?: AtStep, stop?: AbortSignal): Promise<Segment | null>;
  /** Destroys the oldest segments whose month ended before `before` and that no legal hold covers; how many. `months`:
   *  the term, which the entry says. One whose entries do not prove that they are so old stays, with an alarm, and all do when
   *  the audit does not verify: it may hide a legal hold. Rejects when `stop` is aborted. */
  prune(before: Time, months: number, at?: AtStep, stop?: AbortSignal): Promise<number>;
  /** What is wrong with old months, legal holds or accounts, in words: months at the last `prune`; rows that are not as the
   *  audit says, since the start. */
  wrong(): readonly string[];
  /** Holds whose rows lack what the audit says of them are put back first: so they are at each `prune`, `erase` and look. */
  holds(): Promise<readonly Hold[]>;
  addHold(hold: NewHold, actor: Actor): Promise<void>;
  removeHold(id: string, actor: Actor, reason: string): Promise<void>;
  /** Destroys the boxed detail of that address in an organization: of entries and of messages that are over, which an entry
   *  names. `waiting`: messages still under way, which are left as they are. Rejects when a legal hold covers one, and when the
   *  audit does not verify. */
  erase(
    what: {
      readonly organization: OrganizationName;
      readonly address: string;
      readonly actor: Actor;
      readonly reason: string;
      /** Only counts. */
      readonly dryRun?: boolean;
    },
    at?: AtStep,
  ): Promise<Erased>;
  /** Writes into the audit how many bodies and parcels were destroyed since that was written last, from when to when; false:
   *  none. */
  recordDestroyed(): Promise<boolean>;
  /** Nothing is closed, pruned or erased while `work` runs: it waits for what is under way, and the next waits for it. */
  still<T>(work: () => Promise<T>): Promise<T>;
  /** When the last entry was written before a start at `time`; null: none is known. */
  lastBefore(time: Time): Promise<Time | null>;
  /** Entries that tell what was destroyed, oldest first. */
  destroyed(): Promise<readonly AuditEntry[]>;
}
