// Mail of the portal on its way into the queue: written into the body store, with its rows ready for the verb that
// accepts them. Recipients get it at the level of their parcel, senders as all mail of ours to staff.

import { type Address, domainOf, normalAddress, type OrganizationName, type QueueId, queueId } from '../domain/ids.ts';
import type { Cause, Decision, Level, NewMessage, Origin, StoredEnvelope } from '../domain/types.ts';
import { portalSender } from '../mail/notice.ts';
import { noticeDecision, staffDecision } from '../policy/staff.ts';
import { destinationOf, type Line, type OrganizationSettings } from '../relay/line.ts';
import { encodeEnvelope } from '../store/bodies/envelope.ts';

/** What of the line writing a mail needs. */
export type MailLine = Pick<Line, 'bodies' | 'ready' | 'settings' | 'clock' | 'random'>;

/** Where a mail goes and how. */
export type Way = {
  readonly to: Address;
  readonly destination: string;
  readonly decision: Decision;
};
export type Letter = Way & {
  readonly organization: OrganizationName;
  readonly origin: Extract<Origin, 'notice' | 'receipt' | 'code' | 'reply'>;
  readonly cause: Cause;
  /** The message that it is about. */
  readonly parent: QueueId;
  /** Mail data, ASCII. */
  readonly text: Buffer;
  readonly expiresAt: number;
};

export function wayToRecipient(line: MailLine, to: Address, level: Level): Way {
  return { to, destination: destinationOf(line.settings(), to), decision: noticeDecision(level) };
}

export function wayToStaff({ returnHost }: OrganizationSettings, to: Address): Way {
  const destination = returnHost ?? domainOf(normalAddress(to) as Address);
  return { to, destination, decision: staffDecision() };
}

/** The rows may be committed once `durable` resolved; until a row owns it, the body is left to the sweep. */
export async function writeLetter(
  line: MailLine,
  letter: Letter,
): Promise<{ readonly message: NewMessage; readonly durable: Promise<void> }> {
  const { organization, origin, cause, parent, to, destination, decision, expiresAt } = letter;
  const { hostname, node } = line.settings();
  await line.ready(organization);
  const now = line.clock.now();
  const id = queueId(now, line.random.bytes(9));
  const writer = line.bodies.create(organization, letter.text.length);
  try {
    await writer.write(letter.text);
  } catch (error) {
    await writer.abort();
    throw error;
  }
  const envelope: StoredEnvelope = {
    ...{ id, organization, cause, parent, origin },
    reversePath: '',
    sender: [portalSender(hostname)],
    acceptedAt: now,
    acceptedBy: node,
    trace: { helo: hostname, ip: '', with: 'LOCAL', proof: [] },
    dsn: {},
    // The header section is ASCII; the envelope is not where the address is not.
    smtpUtf8: /[^\p{ASCII}]/u.test(to),
    deliveries: [{ recipient: to, dsn: { notify: ['NEVER'] }, destination, priority: 'urgent', expiresAt, decision }],
  };
  const written = writer.end(encodeEnvelope(envelope));
  // Awaited by the caller, perhaps later than it fails.
  written.durable.catch(() => {});
  const message: NewMessage = { ...envelope, size: written.size, digest: written.digest, body: written.ref };
  return { message, durable: written.durable };
}

/** Message-ID of a mail of ours, with angle brackets. */
export function newMessageId(line: MailLine): string {
  return `<${queueId(line.clock.now(), line.random.bytes(9))}@${line.settings().hostname}>`;
}
