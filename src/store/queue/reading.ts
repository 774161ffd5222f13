// Reading the queue for people and reload: never on the writer. A row whose boxes do not open is still shown, without
// what they hold, so that an operator can find and drop it.

import { type Vault, VaultError } from '../../crypto/vault.ts';
import { type Address, deliveryId, type QueueId } from '../../domain/ids.ts';
import { DELIVERY_STATES, STAGES } from '../../domain/states.ts';
import type { BodyRef, Delivery, Message, Outage, Stage } from '../../domain/types.ts';
import { type Access, tagsOf } from '../sqlite/access.ts';
import { DELIVERIES, type DeliveryRow, type MessageRow } from '../sqlite/calls/queue.ts';
import type { Tally } from '../sqlite/protocol.ts';
import type { ListCall, ListRow } from '../sqlite/queries/list.ts';
import type { Whole } from '../sqlite/queries/queue.ts';
import type { Queue, Selection } from './port.ts';
import { deliveryFrom, type Fixed, fixedFrom, messageFrom } from './rows.ts';

type Reading = Pick<Queue, 'message' | 'list' | 'counts' | 'lastDecided' | 'finished' | 'knownObjects' | 'outages'>;
type Listed = Awaited<ReturnType<Queue['list']>>[number];

const CLOSED = '(does not open)' as Address;

/** What `open` gives, or null when the box does not open. */
function attempt<T>(open: () => T): T | null {
  try {
    return open();
  } catch (error) {
    if (error instanceof VaultError) return null;
    throw error;
  }
}

export function fixedOrNothing(vault: Vault, row: Parameters<typeof fixedFrom>[1]): Fixed {
  const fixed = attempt(() => fixedFrom(vault, row));
  if (fixed) return fixed;
  const trace = { helo: '', ip: '', with: '', proof: [] };
  return { reversePath: CLOSED, sender: [CLOSED], recipients: [], dsn: {}, trace };
}

export function messageOrNothing(vault: Vault, row: MessageRow, fixed: Fixed): Message {
  return attempt(() => messageFrom(vault, row, fixed)) ?? messageFrom(vault, { ...row, examination: null }, fixed);
}

export function deliveryOrNothing(
  vault: Vault,
  message: Parameters<typeof deliveryFrom>[1],
  fixed: Fixed,
  row: DeliveryRow,
): Delivery {
  const index = row.n - message.n * DELIVERIES;
  const known: Fixed = fixed.recipients[index]
    ? fixed
    : { ...fixed, recipients: Object.assign([], { [index]: { address: CLOSED, dsn: {} } }) };
  const opened = attempt(() => deliveryFrom(vault, message, known, row));
  if (opened) return opened;
  const bare = deliveryFrom(vault, message, known, { ...row, decision: null, because: null });
  return { ...bare, id: deliveryId(message.id as QueueId, index), because: CLOSED };
}

/** Conditions with addresses as search tags. */
export async function listCall(
  access: Access,
  what: Selection & { stage?: Stage; before?: string; limit: number },
): Promise<ListCall> {
  const { sender, recipient, olderThan, domain, ...rest } = what;
  const senderTags = await tagsOf(access, 'sender', sender, what.organization);
  const recipientTags = await tagsOf(access, 'recipient', recipient, what.organization);
  return {
    ...rest,
    ...(domain !== undefined && { domain: domain.toLowerCase() }),
    ...(olderThan !== undefined && { acceptedBefore: olderThan }),
    ...(senderTags && { senderTags }),
    ...(recipientTags && { recipientTags }),
  };
}

function listed(vault: Vault, rows: readonly ListRow[]): Listed[] {
  const fixed = new Map<number, Fixed>();
  return rows.map(({ message, ...row }) => {
    const of = fixed.get(message.n) ?? fixedOrNothing(vault, message);
    fixed.set(message.n, of);
    return {
      ...deliveryOrNothing(vault, message, of, row),
      reversePath: of.reversePath,
      sender: of.sender,
      size: message.size,
      acceptedAt: message.accepted_at,
    };
  });
}

function wholeOf(vault: Vault, { message, deliveries }: Whole) {
  const fixed = fixedOrNothing(vault, message);
  return {
    message: messageOrNothing(vault, message, fixed),
    deliveries: deliveries.map((row) => deliveryOrNothing(vault, message, fixed, row)),
  };
}

function counted<K extends string>(names: readonly K[], counts: Record<string, number>): Record<K, number> {
  return Object.fromEntries(names.map((name) => [name, counts[name] ?? 0])) as Record<K, number>;
}

export function makeReading(access: Access): Reading {
  return {
    async message(id) {
      const whole = await access.read<Whole | null>('message', [id]);
      return whole ? wholeOf(access.vault(), whole) : null;
    },
    async list(what) {
      return listed(access.vault(), await access.read<ListRow[]>('list', await listCall(access, what)));
    },
    async counts() {
      const { tally, oldest, lanes } = await access.read<{ tally: Tally; oldest: number | null; lanes: never }>(
        'counts',
        null,
      );
      return { stages: counted(STAGES, tally.stages), states: counted(DELIVERY_STATES, tally.states), oldest, lanes };
    },
    async lastDecided(limit) {
      const vault = access.vault();
      return (await access.read<Whole[]>('lastDecided', [limit])).map((whole) => wholeOf(vault, whole));
    },
    async finished(limit) {
      const rows = await access.read<Pick<MessageRow, 'id' | 'organization' | 'body'>[]>('finished', [limit]);
      // Read before it was synced, perhaps; an answer of the writer's comes when all before it is. Bodies are destroyed by these.
      if (rows.length > 0) await access.write('append', '', []);
      return rows.map(({ id, organization, body }) => ({
        id: id as QueueId,
        organization,
        body: JSON.parse(body) as BodyRef,
      }));
    },
    outages: () => access.read<Outage[]>('outages', null),
    async knownObjects(objects) {
      return new Set(await access.read<string[]>('knownObjects', objects));
    },
  };
}
