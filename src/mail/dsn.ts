// Delivery status notifications (RFC 3464): what became of a message, for the one who sent it. They hold the recipient, the
// code, at most 200 printable characters of the peer's reply and the Message-ID; no subject, no body, no other recipient.

import MimeNode from 'nodemailer/lib/mime-node/index.js';
import type { Address, QueueId, Time } from '../domain/ids.ts';
import { mailDate } from './header.ts';

/** What every mail of ours to staff says of itself and of the message it is about. */
export type OwnMail = {
  readonly hostname: string;
  readonly to: readonly Address[];
  readonly date: Time;
  /** With angle brackets. */
  readonly messageId: string;
  readonly message: {
    readonly queueId: QueueId;
    /** Of the message told about; empty when it had none. */
    readonly messageId: string;
    readonly acceptedAt: Time;
    readonly sender: readonly Address[];
  };
};

export type DsnMail = OwnMail & {
  readonly envelopeId?: string;
  readonly action: 'failed' | 'delayed';
  readonly recipients: readonly {
    readonly recipient: Address;
    /** As ORCPT gave it: `rfc822;user@example.org`. */
    readonly originalRecipient?: string;
    readonly status: string;
    /** The peer's reply or our own reason. */
    readonly diagnostic: string;
    readonly willRetryUntil?: Time;
  }[];
};

const SUBJECT = { failed: 'Undelivered mail returned to sender', delayed: 'Delayed mail: still being tried' } as const;

/** RFC 3464 multipart/report, CRLF line ends, ASCII. */
export function composeDsn(mail: DsnMail): Promise<Buffer> {
  return compose(mail, SUBJECT[mail.action], [
    { type: 'text/plain; charset=utf-8', text: humanPart(mail) },
    { type: 'message/delivery-status', text: statusPart(mail) },
    { type: 'text/rfc822-headers', text: headersPart(mail) },
  ]);
}

type Part = { readonly type: string; readonly text: string };

/** A mail of ours: one part as it is, several as a multipart/report. */
export function compose(mail: OwnMail, subject: string, parts: readonly Part[]): Promise<Buffer> {
  const [first, ...others] = parts;
  const report = 'multipart/report; report-type=delivery-status';
  const options = { disableFileAccess: true, disableUrlAccess: true, newline: 'windows' };
  const root = new MimeNode(others.length === 0 ? first?.type : report, options);
  root.setHeader({
    From: `Mail gateway <postmaster@${mail.hostname}>`,
    To: mail.to.join(', '),
    Subject: subject,
    Date: mailDate(mail.date),
    'Message-ID': mail.messageId,
    // RFC 3834 §5: nobody's machine answers it.
    'Auto-Submitted': 'auto-replied',
    ...(mail.message.messageId !== '' && { 'In-Reply-To': mail.message.messageId, References: mail.message.messageId }),
  });
  if (others.length === 0) root.setContent(first?.text ?? '');
  else for (const part of parts) root.createChild(part.type).setContent(part.text);
  return root.build();
}

function humanPart(mail: DsnMail): string {
  const failed = mail.action === 'failed';
  const lines = [
    failed
      ? 'Your message could not be delivered to the recipients below. It will not be tried again.'
      : 'Your message has not been delivered yet to the recipients below. You need do nothing: it is still being tried.',
    '',
  ];
  for (const { recipient, status, diagnostic, willRetryUntil } of mail.recipients) {
    lines.push(`  ${recipient}`, `    ${printable(diagnostic)} (${status})`);
    if (willRetryUntil !== undefined) lines.push(`    tried until ${mailDate(willRetryUntil)}`);
  }
  if (failed) lines.push('', 'Next: check the address, or ask the recipient for another one, and send it again.');
  lines.push(
    '',
    `Message ${mail.message.messageId || '(without Message-ID)'}, accepted ${mailDate(mail.message.acceptedAt)}.`,
  );
  lines.push(`For your IT staff: queue id ${mail.message.queueId} at ${mail.hostname}.`);
  return `${lines.join('\r\n')}\r\n`;
}

/** RFC 3464 §2.2 and §2.3. */
function statusPart(mail: DsnMail): string {
  const groups = [
    [
      `Reporting-MTA: dns;${mail.hostname}`,
      ...(mail.envelopeId === undefined ? [] : [`Original-Envelope-Id: ${printable(mail.envelopeId)}`]),
      `Arrival-Date: ${mailDate(mail.message.acceptedAt)}`,
    ],
    ...mail.recipients.map((one) => [
      ...(one.originalRecipient === undefined ? [] : [`Original-Recipient: ${printable(one.originalRecipient)}`]),
      `Final-Recipient: ${/^[\x20-\x7e]*$/.test(one.recipient) ? 'rfc822' : 'utf-8'};${one.recipient}`,
      `Action: ${mail.action}`,
      `Status: ${one.status}`,
      `Diagnostic-Code: ${/^[245]\d\d /.test(one.diagnostic) ? 'smtp' : 'x-sealrelay'};${printable(one.diagnostic)}`,
      ...(one.willRetryUntil === undefined ? [] : [`Will-Retry-Until: ${mailDate(one.willRetryUntil)}`]),
    ]),
  ];
  return groups.map((group) => `${group.join('\r\n')}\r\n`).join('\r\n');
}

function headersPart({ message }: OwnMail): string {
  const lines = [
    ...(message.messageId === '' ? [] : [`Message-ID: ${printable(message.messageId)}`]),
    ...(message.sender.length === 0 ? [] : [`From: ${message.sender.join(', ')}`]),
  ];
  return `${lines.join('\r\n')}\r\n`;
}

/** At most 200 printable ASCII characters on one line. */
export function printable(text: string): string {
  return text
    .replace(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, 200);
}
