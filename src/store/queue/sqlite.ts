// The queue on SQLite: boxes what is given, opens what is read, and hands both on to the store's threads. Holds nothing
// that a restart would miss: messages whose examination or delivery is under way are remembered, so that their boxes are
// not opened again. Logs nothing; a box that does not open is held and raises an alarm.

import { VaultError } from '../../crypto/vault.ts';
import { type DeliveryId, messageOf, type OrganizationName, type QueueId } from '../../domain/ids.ts';
import type { Delivery, Examination, Lease, Message, MessageLease, Transaction } from '../../domain/types.ts';
import { type Access, readyVault } from '../sqlite/access.ts';
import {
  type DeliveryRow,
  type MessageLeaseRow,
  type MessageRow,
  type NotificationRow,
  TELL,
  tellCode,
} from '../sqlite/calls/queue.ts';
import { trackAcknowledgements } from './acknowledged.ts';
import { makeOperators } from './operators.ts';
import { type Decided, type Notification, type Queue, QueueError, verbId } from './port.ts';
import { makeReading } from './reading.ts';
import {
  acceptCall,
  acceptedMessage,
  boxJson,
  decisionCall,
  deliveryFrom,
  fixedFrom,
  messageFrom,
  place,
  settleCall,
} from './rows.ts';

type Whole = { readonly message: Message; readonly deliveries: readonly Delivery[] };

/** Messages remembered; the oldest is forgotten first, and read again when it is needed. */
const REMEMBERED = 4_096;
const ORGANIZATIONS = 65_536;

export function openQueue(access: Access): Queue {
  const memory = remember();
  const open = makeOpener(access);
  return {
    ...lineVerbs(access, memory, open),
    ...sideVerbs(access, memory, open),
    ...makeReading(access),
    ...makeOperators(access),
  };
}

// ── what is remembered ──

type Memory = ReturnType<typeof remember>;

function remember() {
  const messages = new Map<QueueId, Whole>();
  const organizations = new Map<QueueId, OrganizationName>();
  return {
    keep(whole: Whole): void {
      messages.set(whole.message.id, whole);
      if (messages.size > REMEMBERED) messages.delete(messages.keys().next().value as QueueId);
      this.keepOrganization(whole.message.id, whole.message.organization);
    },
    keepOrganization(id: QueueId, organization: OrganizationName): void {
      organizations.set(id, organization);
      if (organizations.size > ORGANIZATIONS) organizations.delete(organizations.keys().next().value as QueueId);
    },
    whole: (id: QueueId) => messages.get(id),
    forget: (id: QueueId) => {
      messages.delete(id);
    },
    organization: (id: QueueId) => organizations.get(id),
  };
}

async function organizationOf(access: Access, memory: Memory, id: QueueId): Promise<OrganizationName> {
  const known = memory.organization(id);
  if (known !== undefined) return known;
  const row = await access.read<{ message: MessageRow } | null>('message', [id]);
  if (!row) throw new QueueError('not found', `no message ${id}`);
  memory.keepOrganization(id, row.message.organization);
  return row.message.organization;
}

// ── opening what the writer hands out ──

type Opener = ReturnType<typeof makeOpener>;

function makeOpener(access: Access) {
  /** Null when the message's own boxes do not open: it can neither be examined nor delivered. */
  function message(row: MessageRow, deliveries: readonly DeliveryRow[]): Whole | null {
    const vault = access.vault();
    try {
      const fixed = fixedFrom(vault, row);
      return {
        message: messageFrom(vault, row, fixed),
        deliveries: deliveries.map((one) => deliveryFrom(vault, row, fixed, one)),
      };
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
      return null;
    }
  }

  /** Holds what the boxes do not stand behind. */
  async function hold(row: MessageRow, deliveries: readonly DeliveryRow[]): Promise<void> {
    access.alarm(`boxes of message ${row.id} do not open: held`);
    const at = access.clock.now();
    const vault = await readyVault(access, row.organization, at);
    const ids = deliveries.map((one) => `${row.id}.${one.n % 65_536}` as DeliveryId);
    const because = { because: 'its stored decision or envelope does not open' };
    const boxes = ids.map((id) => boxJson(vault, place.because(row.organization, id), because, at));
    await access.write('unopened', verbId(access), [ids, boxes]);
  }

  /** Transactions of a leased row: one, unless the boxes disagree with the clear copies that grouped it. */
  async function transactions(row: MessageLeaseRow, lease: Lease): Promise<Transaction[]> {
    const whole = message(row.message, row.deliveries);
    if (!whole) {
      await hold(row.message, row.deliveries);
      return [];
    }
    if (whole.deliveries.length === 1) return [{ lease, ...whole }];
    const groups = new Map<string, Delivery[]>();
    for (const delivery of whole.deliveries) {
      const key = JSON.stringify([delivery.decision?.action, delivery.step]);
      const group = groups.get(key);
      if (group) group.push(delivery);
      else groups.set(key, [delivery]);
    }
    return [...groups.values()].map((deliveries) => ({ lease, message: whole.message, deliveries }));
  }

  return { message, hold, transactions };
}

// ── the line's verbs ──

type LineVerbs = Pick<
  Queue,
  | 'accept'
  | 'acknowledged'
  | 'abandon'
  | 'toExamine'
  | 'examined'
  | 'examineFailed'
  | 'decided'
  | 'lease'
  | 'pace'
  | 'renew'
  | 'settle'
>;

function lineVerbs(access: Access, memory: Memory, open: Opener): LineVerbs {
  const acknowledgements = trackAcknowledgements();
  return {
    acknowledged: acknowledgements.acknowledged,
    async abandon(verb, id, why) {
      memory.forget(id);
      await access.write('abandon', verb, [id, why]);
      acknowledgements.acknowledged(id);
    },

    async accept(verb, message, cause, examine, tells) {
      const at = access.clock.now();
      const vault = await readyVault(access, message.organization, at);
      const call = acceptCall(vault, { ...message, cause }, examine, tells, at, acknowledgements.mark());
      const [id, repeated, no, n] = await access.write('accept', verb, call);
      // Mail of ours has nobody who waits for a 250, and its body was durable before.
      if (n > 0) acknowledgements.accepted(id as QueueId, n);
      if (tells) acknowledgements.acknowledged(id as QueueId);
      if (no === 0 || !examine) return { id: id as QueueId, repeated: repeated === 1 };
      const whole = acceptedMessage({ ...message, cause });
      memory.keep(whole);
      return { id: id as QueueId, repeated: repeated === 1, lease: { lease: { ...examine, no }, ...whole } };
    },

    async toExamine(owner, limit, until) {
      const rows = await access.write('toExamine', '', [owner, limit, until]);
      const leases: MessageLease[] = [];
      for (const row of rows) {
        const whole = open.message(row.message, row.deliveries);
        if (whole) {
          memory.keep(whole);
          leases.push({ lease: { owner, no: row.lease, until }, ...whole });
          continue;
        }
        access.alarm(`boxes of message ${row.message.id} do not open`);
        await access.write('corrupt', verbId(access), [row.message.id, 'its boxes do not open', 'boxes']);
      }
      return leases;
    },

    async examined(verb, id, lease, examination, notBefore) {
      const at = access.clock.now();
      const organization = await organizationOf(access, memory, id);
      const vault = await readyVault(access, organization, at);
      const box = boxJson(vault, place.examination(organization, id), examination, at);
      await access.write('examined', verb, [id, lease.owner, lease.no, box, notBefore]);
      memory.forget(id);
    },

    async examineFailed(verb, id, lease, why, notBefore) {
      const at = access.clock.now();
      const organization = await organizationOf(access, memory, id);
      const vault = await readyVault(access, organization, at);
      const box = boxJson(vault, place.entry(organization, id, 'message.examine_failed'), { why }, at);
      await access.write('examineFailed', verb, [id, lease.owner, lease.no, box, notBefore]);
      memory.forget(id);
    },

    decided: (verb, id, lease, examination, decisions, take) =>
      decide(access, memory, { verb, id, lease, examination, decisions, take }),

    async lease(owner, limit, until, { recipients, notDestinations = [], urgentOnlyOf = [], rooms }) {
      const bounds = rooms === undefined ? null : [...rooms];
      const rows = await access.write('lease', '', [
        ...([owner, limit, until, recipients] as const),
        ...([notDestinations, urgentOnlyOf, bounds] as const),
      ]);
      const found: Transaction[] = [];
      for (const row of rows) {
        memory.keepOrganization(row.message.id as QueueId, row.message.organization);
        found.push(...(await open.transactions(row, { owner, no: row.lease, until })));
      }
      return found;
    },

    async pace(paces) {
      await access.write('pace', '', Object.entries(paces));
    },

    async renew(owner, deliveries, until) {
      const ids = deliveries.map((one) => one.id);
      const nos = deliveries.map((one) => one.no);
      return (await access.write('renew', '', [owner, until, ids, nos])) as DeliveryId[];
    },

    async settle(verb, lease, settlements) {
      const at = access.clock.now();
      const calls = [];
      for (const one of settlements) {
        const organization = await organizationOf(access, memory, messageOf(one.delivery));
        const vault = await readyVault(access, organization, at);
        const waited = one.parent === undefined ? '' : await becauseOf(access, one.parent);
        calls.push(settleCall(vault, organization, one, at, waited));
      }
      await access.write('settle', verb, [lease.owner, lease.no, calls]);
    },
  };
}

/** Why a delivery is in its state, in words; empty when it does not open. */
async function becauseOf(access: Access, id: DeliveryId): Promise<string> {
  const whole = await readWhole(access, messageOf(id)).catch((error) => {
    if (error instanceof VaultError || error instanceof QueueError) return undefined;
    throw error;
  });
  return whole?.deliveries.find((one) => one.id === id)?.because ?? '';
}

type Decide = {
  verb: string;
  id: QueueId;
  lease: Lease;
  examination: Examination | null;
  decisions: readonly Decided[];
  take: Parameters<Queue['decided']>[5];
};

async function decide(access: Access, memory: Memory, one: Decide): Promise<Transaction[]> {
  const { id, lease, examination, decisions, take } = one;
  const at = access.clock.now();
  const organization = await organizationOf(access, memory, id);
  const vault = await readyVault(access, organization, at);
  const read = examination === null ? null : boxJson(vault, place.examination(organization, id), examination, at);
  const examinedBox =
    examination === null
      ? null
      : boxJson(vault, place.entry(organization, id, 'message.examined'), auditable(examination), at);
  const calls = decisions.map((decision) => decisionCall(vault, organization, decision, at));
  const whole = memory.whole(id) ?? (take ? await readWhole(access, id) : undefined);
  const taken = await access.write('decided', one.verb, [
    id,
    lease.owner,
    lease.no,
    read,
    examinedBox,
    '{}',
    calls,
    take?.owner ?? null,
    take?.until ?? 0,
    take?.limit ?? 0,
    access.recipients,
  ]);
  memory.forget(id);
  if (!take || !whole) return [];
  const message: Message = { ...whole.message, stage: 'decided', ...(examination && { examination }) };
  const byId = new Map(decisions.map((decision) => [decision.delivery, decision.decision]));
  return taken.map(([no, ...pairs]) => {
    const deliveries: Delivery[] = [];
    for (let i = 0; i < pairs.length; i += 2) {
      const delivery = whole.deliveries[pairs[i]!]!;
      const decision = byId.get(delivery.id)!;
      deliveries.push({
        ...delivery,
        decision,
        state: 'leased',
        because: decision.because,
        status: '',
        step: 0,
        stepSince: null,
        stepAttempts: 0,
        attempts: pairs[i + 1]!,
        notBefore: take.until,
      });
    }
    return { lease: { owner: take.owner, no: no!, until: take.until }, message, deliveries };
  });
}

/** What the audit keeps of an examination: types and counts, which parts were read; no subject. */
function auditable({ messageId, subjectTags, findings, coverage }: Examination): unknown {
  const unread = coverage.parts.filter((part) => part.unread !== undefined);
  return {
    messageId,
    subjectTags,
    phi: findings.phi,
    findings: findings.counts,
    coverage: coverage.state,
    parts: coverage.parts.length,
    unread,
  };
}

async function readWhole(access: Access, id: QueueId): Promise<Whole | undefined> {
  const row = await access.read<{ message: MessageRow; deliveries: DeliveryRow[] } | null>('message', [id]);
  if (!row) throw new QueueError('not found', `no message ${id}`);
  const vault = access.vault();
  const fixed = fixedFrom(vault, row.message);
  return {
    message: messageFrom(vault, row.message, fixed),
    deliveries: row.deliveries.map((one) => deliveryFrom(vault, row.message, fixed, one)),
  };
}

// ── verbs beside the line ──

type SideVerbs = Pick<Queue, 'toNotify' | 'told' | 'bodiless' | 'corrupt' | 'keepOutages' | 'nextDue' | 'clearLeases'>;

function sideVerbs(access: Access, memory: Memory, open: Opener): SideVerbs {
  return {
    async toNotify(_owner, limit, until, now, delayAfter) {
      const rows = await access.write('toNotify', '', [limit, until, now, delayAfter]);
      const found: Notification[] = [];
      for (const row of rows) {
        const notification = notificationOf(row, open);
        if (notification) {
          found.push(notification);
          continue;
        }
        access.alarm(`boxes of message ${row.message.id} do not open: nobody is told`);
        const ids = row.deliveries.map((one) => `${row.message.id}.${one.n % 65_536}`);
        await access.write('told', verbId(access), [ids, row.kind, 'its boxes do not open']);
      }
      return found;
    },
    async told(verb, deliveries, kind, how, no) {
      await access.write('told', verb, [deliveries, tellCode(kind, no), how]);
    },
    async bodiless(verb, id) {
      await access.write('bodiless', verb, [id]);
    },
    async corrupt(verb, id, why) {
      memory.forget(id);
      return access.write('corrupt', verb, [id, why, 'body']);
    },
    async keepOutages(verb, outages, event) {
      const detail = JSON.stringify(outages.at(-1) ?? {});
      await access.write('keepOutages', verb, [JSON.stringify(outages), event, detail]);
    },
    async nextDue(after = 0) {
      const [examine, deliver, notify] = await access.write('nextDue', '', [after]);
      return { examine, deliver, notify };
    },
    async clearLeases(verb, owner) {
      const [messages, deliveries] = await access.write('clearLeases', verb, [owner]);
      return { messages, deliveries };
    },
  };
}

function notificationOf(row: NotificationRow, open: Opener): Notification | null {
  const whole = open.message(row.message, row.deliveries);
  if (!whole) return null;
  const kind = (Object.keys(TELL) as Notification['kind'][]).find((name) => TELL[name] === row.kind)!;
  return { kind, ...whole };
}
