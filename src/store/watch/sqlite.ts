// What is watched, on SQLite. Only the messages of reminders are opened; all else is clear.

import { VaultError } from '../../crypto/vault.ts';
import type { DeliveryId, OrganizationName, Time } from '../../domain/ids.ts';
import { verbId } from '../queue/port.ts';
import { deliveryOrNothing } from '../queue/reading.ts';
import { fixedFrom, messageFrom } from '../queue/rows.ts';
import type { Access } from '../sqlite/access.ts';
import { DELIVERIES, tellCode } from '../sqlite/calls/queue.ts';
import type { ReminderRow } from '../sqlite/calls/watch.ts';
import type { AlertMail, Reminder, ToldAlert, UsageRow, WatchStore } from './port.ts';

const FIRST_MONTH = '0000-00';
const LAST_MONTH = '9999-99';

export function openWatch(access: Access): WatchStore {
  return {
    usage: (from, to) => access.read<UsageRow[]>('usage', [from ?? FIRST_MONTH, to ?? LAST_MONTH]),
    async lastAccepted() {
      const rows = await access.read<{ organization: OrganizationName; at: Time }[]>('lastAccepted', null);
      return new Map(rows.map(({ organization, at }) => [organization, at]));
    },
    held: () => access.read('held', null),
    oldestUnderWay: () => access.read('oldestUnderWay', null),
    async toRemind(now, after, limit) {
      const found: Reminder[] = [];
      for (const row of await access.read<ReminderRow[]>('toRemind', [now, after, limit])) {
        const reminder = reminderOf(access, row);
        if (reminder) {
          found.push(reminder);
          continue;
        }
        access.alarm(`boxes of message ${row.message.id} do not open: nobody is reminded`);
        const ids = row.deliveries.map((one) => `${row.message.id}.${one.n % DELIVERIES}`);
        await access.write('told', verbId(access), [ids, tellCode('reminded', row.no), 'its boxes do not open']);
      }
      return found;
    },
    heldSince: (before, limit) => access.read<DeliveryId[]>('heldSince', [before, limit]),
    auditTail: (limit) => access.read('auditTail', [limit]),
    alerts: () => access.read<{ told: ToldAlert[]; mails: AlertMail[] }>('alerts', null),
    async alerted(verb, told, mails, forget) {
      await access.write('alerted', verb, [
        told.map(({ cause, at, state }) => [cause, at, state] as const),
        mails.map(({ organization, message, at }) => [organization, message, at] as const),
        forget,
      ]);
    },
  };
}

/** Null when the message's boxes do not open. */
function reminderOf(access: Access, row: ReminderRow): Reminder | null {
  const vault = access.vault();
  try {
    const fixed = fixedFrom(vault, row.message);
    return {
      kind: 'reminded',
      message: messageFrom(vault, row.message, fixed),
      deliveries: row.deliveries.map((one) => deliveryOrNothing(vault, row.message, fixed, one)),
      no: row.no,
      since: row.since,
    };
  } catch (error) {
    if (error instanceof VaultError) return null;
    throw error;
  }
}
