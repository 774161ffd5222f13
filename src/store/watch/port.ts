// What the gateway's watch reads and keeps: held deliveries and their reminders, usage, which alerts were told.

import type { DeliveryId, Duration, OrganizationName, QueueId, Time } from '../../domain/ids.ts';
import type { ProtectionName } from '../../domain/types.ts';
import type { Notification, VerbId } from '../queue/port.ts';

/** What an organization sent in a month (UTC). `accepted`: mail that it handed to us, counted in the month of acceptance.
 *  A protection: recipients to whom it left that way (a portal's notice went out), in the month in which it did. */
export type UsageRow = {
  /** `2026-11` */
  readonly month: string;
  readonly organization: OrganizationName;
  readonly what: 'accepted' | ProtectionName;
  /** Of `accepted` only, as is `octets`; else 0. */
  readonly messages: number;
  readonly recipients: number;
  readonly octets: number;
};

/** A reminder that is due: `no` counts from 1. */
export type Reminder = Notification & { readonly no: number; readonly since: Time };

/** What was told of a cause and when: an event, something that stands, or that it is over. */
export type ToldAlert = { readonly cause: string; readonly at: Time; readonly state: 'event' | 'standing' | 'over' };
export type AlertMail = { readonly organization: OrganizationName; readonly message: QueueId; readonly at: Time };

export interface WatchStore {
  /** Months `from` to `to`, both included; all without them. In order of month and organization. */
  usage(from?: string, to?: string): Promise<readonly UsageRow[]>;
  /** When each organization last handed over a message. */
  lastAccepted(): Promise<ReadonlyMap<OrganizationName, Time>>;
  held(): Promise<{
    readonly deliveries: number;
    readonly since: Time | null;
    /** Of them rebuilt by `sealrelay recover`, or unfinished in a backup that was restored: they wait for their release only. */
    readonly recovered: number;
  }>;
  /** When the oldest message was accepted that is under way, not merely held; looks at the oldest 20,000 unfinished. */
  oldestUnderWay(): Promise<Time | null>;
  /** Held deliveries of which reminder `no` is due, `after[no - 1]` after it was held; what was recovered never is. */
  toRemind(now: Time, after: readonly Duration[], limit: number): Promise<readonly Reminder[]>;
  /** Held since that time or longer, recovered ones left out. */
  heldSince(before: Time, limit: number): Promise<readonly DeliveryId[]>;
  /** Whether the last `limit` entries of the audit, its heads and its newest checkpoints fit each other. */
  auditTail(limit: number): Promise<{ readonly entries: number; readonly bad: string | null }>;
  alerts(): Promise<{ readonly told: readonly ToldAlert[]; readonly mails: readonly AlertMail[] }>;
  /** Keeps what was told, in the place of what stood for these causes; forgets what ended before `forget`. */
  alerted(verb: VerbId, told: readonly ToldAlert[], mails: readonly AlertMail[], forget: Time): Promise<void>;
}
