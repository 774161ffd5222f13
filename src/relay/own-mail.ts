// Mail of ours on its way into the queue: written into the body store, with its rows ready for the verb that accepts them.
// Staff get it only at an address of the proven organization, recipients at the level of their parcel.

import { type Address, domainOf, normalAddress, type OrganizationName, type QueueId, queueId } from '../domain/ids.ts';
import type { Cause, Decision, Level, NewMessage, Origin, StoredEnvelope } from '../domain/types.ts';
import { portalSender } from '../mail/notice.ts';
import { noticeDecision, staffDecision } from '../policy/staff.ts';
import { encodeEnvelope } from '../store/bodies/envelope.ts';
import { destinationOf, type Line, type OrganizationSettings } from './line.ts';

/** What of the line writing a mail needs. */
export type MailLine = Pick<Line, 'bodies' | 'ready' | 'settings' | 'clock' | 'random'>;

/** Where a mail goes and how. */
export type Addressee = {
  readonly recipient: Address;
  readonly destination: string;
  readonly decision: Decision;
};
export type OwnMessage = {
  readonly to: readonly Addressee[];
  readonly organization: OrganizationName;
  readonly origin: Exclude<Origin, 'relayed' | 'submitted'>;
  readonly cause: Cause;
  /** The message that it is about. */
  readonly parent?: QueueId;
  /** Mail data. */
  readonly text: Buffer;
  readonly expiresAt: number;
};

/** Mail of ours to staff goes to no other address. */
export function isStaff(address: Address, organization: Pick<OrganizationSettings, 'domains'>): boolean {
  return organization.domains.includes(domainOf(normalAddress(address) as Address));
}

export function toRecipient(line: MailLine, recipient: Address, level: Level): Addressee {
  return { recipient, destination: destinationOf(line.settings(), recipient), decision: noticeDecision(level) };
}

export function toStaff({ returnHost }: OrganizationSettings, recipient: Address): Addressee {
  const destination = returnHost ?? domainOf(normalAddress(recipient) as Address);
  return { recipient, destination, decision: staffDecision() };
}

/** The rows may be committed once `durable` resolved; until a row owns it, the body is left to the sweep. */
export async function writeOwn(
  line: MailLine,
  own: OwnMessage,
): Promise<{ readonly message: NewMessage; readonly durable: Promise<void> }> {
  const { organization, origin, cause, parent, to, expiresAt } = own;
  const { hostname, node } = line.settings();
  await line.ready(organization);
  const now = line.clock.now();
  const id = queueId(now, line.random.bytes(9));
  const writer = line.bodies.create(organization, own.text.length);
  try {
    await writer.write(own.text);
  } catch (error) {
    await writer.abort();
    throw error;
  }
  const envelope: StoredEnvelope = {
    ...{ id, organization, cause, origin, ...(parent !== undefined && { parent }) },
    reversePath: '',
    sender: [senderOf(origin, hostname)],
    acceptedAt: now,
    acceptedBy: node,
    trace: { helo: hostname, ip: '', with: 'LOCAL', proof: [] },
    dsn: {},
    // The header section is ASCII; the envelope is not where an address is not.
    smtpUtf8: to.some(({ recipient }) => /[^\p{ASCII}]/u.test(recipient)),
    deliveries: to.map((one) => ({ ...one, dsn: { notify: ['NEVER'] }, priority: 'urgent', expiresAt })),
  };
  const written = writer.end(encodeEnvelope(envelope));
  // Awaited by the caller, perhaps later than it fails.
  written.durable.catch(() => {});
  const message: NewMessage = { ...envelope, size: written.size, digest: written.digest, body: written.ref };
  return { message, durable: written.durable };
}

/** As header From of each kind has it. */
function senderOf(origin: OwnMessage['origin'], hostname: string): Address {
  return origin === 'dsn' || origin === 'note' ? (`postmaster@${hostname}` as Address) : portalSender(hostname);
}

/** Message-ID of a mail of ours, with angle brackets. */
export function newMessageId(line: Pick<MailLine, 'settings' | 'clock' | 'random'>): string {
  return `<${queueId(line.clock.now(), line.random.bytes(9))}@${line.settings().hostname}>`;
}
