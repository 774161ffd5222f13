// Tells whom it concerns: a DSN for what bounced or is late, a staff note for what is held or was warned of. Mail of
// ours goes only to an address of the proven organization, and never causes mail itself (P7). What cannot be told by
// mail is marked as told, with the reason in the audit. Logs queue ids.

import { type Address, normalAddress } from '../domain/ids.ts';
import type { Delivery } from '../domain/types.ts';
import { composeDsn } from '../mail/dsn.ts';
import { composeNote } from '../mail/note.ts';
import { type Notification, verbId } from '../store/queue/port.ts';
import { codeOf, isOurs, type Line, type OrganizationSettings, organizationOf } from './line.ts';
import { isStaff, newMessageId, toStaff, writeOwn } from './own-mail.ts';
import { untilSpace } from './patience.ts';
import { expiryOf } from './settle.ts';

export function notifyInBackground(line: Line, notification: Notification): void {
  line.load.notifying += 1;
  void untilSpace(line, () => notify(line, notification))
    .catch((error) => {
      // The lease runs out and it is told later.
      line.meter.alarm('stage failed');
      line.log.error({ queueId: notification.message.id, stage: 'notify', code: codeOf(error) }, 'telling failed');
    })
    .finally(() => {
      line.load.notifying -= 1;
      line.freed('notify');
    });
}

/** Accepts the mail that tells, or records why nobody is told; either way once. */
export async function notify(line: Line, notification: Notification): Promise<void> {
  const { message, deliveries, kind } = notification;
  const organization = organizationOf(line, message.organization);
  const to = addressees(notification, organization);
  if ('nobody' in to) {
    await line.queue.told(
      verbId(line),
      deliveries.map((one) => one.id),
      kind,
      to.nobody,
      notification.no,
    );
    return;
  }
  const text = await compose(line, notification, to);
  const origin = originOf(kind);
  const [first] = deliveries as readonly [Delivery];
  const { message: own, durable } = await writeOwn(line, {
    to: to.addresses.map((address) => toStaff(to.organization, address)),
    organization: message.organization,
    origin,
    // One telling of a kind for these deliveries: the first of them and how often it was attempted name it.
    cause: { kind: origin === 'dsn' ? 'dsn of' : 'note of', key: causeOf(notification, first) },
    parent: message.id,
    text,
    expiresAt: line.clock.now() + line.settings().lifetime,
  });
  const { no } = notification;
  const tells = { deliveries: deliveries.map((one) => one.id), kind, ...(no !== undefined && { no }) };
  // One after the other: the rows say that it was told, and nobody sends it again when its body was lost in between.
  await durable;
  await line.queue.accept(verbId(line), own, own.cause, undefined, tells);
  line.log.info({ queueId: own.id, organization: message.organization, parent: message.id, kind }, 'told');
  line.wake('deliver');
}

function causeOf({ kind, no, since }: Notification, { id, attempts }: Delivery): string {
  return kind === 'reminded' ? `reminder ${no} ${id} ${since}` : `${kind} ${id} ${attempts}`;
}

type Told = {
  readonly addresses: readonly Address[];
  /** The sender is one of them; else only the admin is told. */
  readonly sender: boolean;
  readonly organization: OrganizationSettings;
};

function addressees(
  notification: Notification,
  organization: OrganizationSettings | undefined,
): Told | { nobody: string } {
  if (organization === undefined) return { nobody: 'the organization is no longer configured' };
  if (isOurs(notification.message)) return { nobody: 'mail of ours causes no mail' };
  const sender = senderToTell(notification, organization);
  const { admin } = organization;
  const isHeld = notification.kind === 'held' || notification.kind === 'reminded';
  const second = isHeld && admin !== null && isStaff(admin, organization) ? [admin] : [];
  if (typeof sender === 'object') {
    return second.length === 0 ? sender : { addresses: second, sender: false, organization };
  }
  const others = second.filter((one) => normalAddress(one) !== normalAddress(sender));
  return { addresses: [sender, ...others], sender: true, organization };
}

function senderToTell(
  { message, kind }: Notification,
  organization: OrganizationSettings,
): Address | { nobody: string } {
  // RFC 3464 §2, RFC 5321 §4.5.5: a DSN answers the reverse-path, and never a null one.
  if (message.reversePath === '') return { nobody: 'the reverse-path is null' };
  if (kind !== 'bounced' && kind !== 'delayed' && message.examination?.autoSubmitted === true) {
    return { nobody: 'the message was sent by a machine' };
  }
  const address = message.reversePath as Address;
  return isStaff(address, organization) ? address : { nobody: 'the reverse-path is outside the organization' };
}

function originOf(kind: Notification['kind']): 'dsn' | 'note' {
  return kind === 'bounced' || kind === 'delayed' ? 'dsn' : 'note';
}

function compose(
  line: Line,
  { kind, message, deliveries, since, endsAt }: Notification,
  { addresses, sender, organization }: Told,
): Promise<Buffer> {
  const { hostname } = line.settings();
  const common = {
    hostname,
    to: addresses,
    date: line.clock.now(),
    messageId: newMessageId(line),
    message: {
      queueId: message.id,
      messageId: message.examination?.messageId ?? '',
      acceptedAt: message.acceptedAt,
      sender: message.sender,
    },
  };
  if (kind === 'bounced' || kind === 'delayed') {
    return composeDsn({
      ...common,
      ...(message.dsn.envid !== undefined && { envelopeId: message.dsn.envid }),
      action: kind === 'bounced' ? 'failed' : 'delayed',
      recipients: deliveries.map((one) => ({
        recipient: one.recipient,
        ...(one.dsn.orcpt !== undefined && { originalRecipient: one.dsn.orcpt }),
        status: one.status,
        diagnostic: one.because,
        ...(kind === 'delayed' && {
          willRetryUntil: expiryOf(one, { lifetime: line.settings().lifetime, stood: line.outages.stood }),
        }),
      })),
    });
  }
  return composeNote({
    ...common,
    kind: kind === 'warned' ? 'warn' : kind,
    ...(since !== undefined && { since }),
    ...(endsAt !== undefined && { endsAt }),
    toSender: sender,
    recipients: deliveries.map((one) => ({ recipient: one.recipient, why: whyOf(kind, one) })),
    ...(organization.admin !== null && { admin: organization.admin }),
    timeZone: organization.timeZone,
  });
}

function whyOf(kind: Notification['kind'], delivery: Delivery): string {
  const { decision } = delivery;
  if (kind === 'warned') return decision?.warn ?? '';
  return decision?.action.kind === 'hold' ? decision.because : delivery.because;
}
