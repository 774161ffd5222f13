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
    /** Of the message told about, as it stood in its header; used only when it is a msg-id. */
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

/** RFC 3464 multipart/report, CRLF line ends, ASCII but for the addressee when it is not. */
export function composeDsn(mail: DsnMail): Promise<Buffer> {
  return compose(mail, SUBJECT[mail.action], [
    { type: 'text/plain; charset=utf-8', text: humanPart(mail) },
    { type: 'message/delivery-status', text: statusPart(mail) },
    { type: 'text/rfc822-headers', text: headersPart(mail) },
  ]);
}

/** Mail that is about no message is nobody's answer. */
type About = Omit<OwnMail, 'message'> & Partial<Pick<OwnMail, 'message'>>;
type Part = { readonly type: string; readonly text: string };

/** A mail of ours: one part as it is, several as a multipart/report. */
export function compose(mail: About, subject: string, parts: readonly Part[]): Promise<Buffer> {
  const [first, ...others] = parts;
  const report = 'multipart/report; report-type=delivery-status';
  const options = { disableFileAccess: true, disableUrlAccess: true, newline: 'windows' };
  const root = new MimeNode(others.length === 0 ? first?.type : report, options);
  const id = messageIdOf(mail);
  // An address beyond ASCII needs SMTPUTF8 for the header section too: not for the other addressees.
  const shown = mail.to.some(isAscii) ? mail.to.filter(isAscii) : mail.to;
  root.setHeader({
    From: `Mail gateway <postmaster@${mail.hostname}>`,
    To: shown.join(', '),
    Subject: subject,
    Date: mailDate(mail.date),
    'Message-ID': mail.messageId,
    // RFC 3834 §5: nobody's machine answers it.
    'Auto-Submitted': mail.message ? 'auto-replied' : 'auto-generated',
    ...(id !== '' && { 'In-Reply-To': id, References: id }),
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
    `Message ${messageIdOf(mail) || '(without Message-ID)'}, accepted ${mailDate(mail.message.acceptedAt)}.`,
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
      ...(one.originalRecipient === undefined
        ? []
        : [`Original-Recipient: ${printable(escaped(one.originalRecipient, NOT_ASCII))}`]),
      `Final-Recipient: ${addressField(one.recipient)}`,
      `Action: ${mail.action}`,
      `Status: ${one.status}`,
      `Diagnostic-Code: ${/^[245]\d\d /.test(one.diagnostic) ? 'smtp' : 'x-sealrelay'};${printable(one.diagnostic)}`,
      ...(one.willRetryUntil === undefined ? [] : [`Will-Retry-Until: ${mailDate(one.willRetryUntil)}`]),
    ]),
  ];
  return groups.map((group) => `${group.join('\r\n')}\r\n`).join('\r\n');
}

const NOT_ASCII = /[^\p{ASCII}]/gu;

/** Printable ASCII only: what may stand in a header section without SMTPUTF8. */
export function isAscii(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text);
}

/** RFC 6533 §3: in message/delivery-status an address beyond ASCII is written as utf-8-addr-xtext. */
function addressField(address: Address): string {
  return isAscii(address) ? `rfc822;${address}` : `utf-8;${escaped(address, /[^\p{ASCII}]|[\\+=]/gu)}`;
}

function escaped(text: string, which: RegExp): string {
  return text.replace(which, (character) => `\\x{${character.codePointAt(0)?.toString(16).toUpperCase()}}`);
}

function messageIdOf({ message }: About): string {
  return msgId(message?.messageId ?? '');
}

/** The Message-ID when it is one (RFC 5322 §3.6.4), else nothing: the field may hold any words. */
export function msgId(value: string): string {
  const id = value.trim();
  return /^<[\x21-\x3b=\x3f-\x7e]{1,250}>$/.test(id) ? id : '';
}

function headersPart(mail: OwnMail): string {
  const id = messageIdOf(mail);
  const sender = mail.message.sender.filter(isAscii);
  const lines = [
    ...(id === '' ? [] : [`Message-ID: ${id}`]),
    ...(sender.length === 0 ? [] : [`From: ${sender.join(', ')}`]),
  ];
  return `${lines.join('\r\n')}\r\n`;
}

/** At most 200 printable ASCII characters on one line. */
function printable(text: string): string {
  return text
    .replace(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, 200);
}
