// Staff notes: plain words to the sender about a message that is held or that a rule warns of. Types and reasons, never
// values, subject or file names.

import type { Address, Time } from '../domain/ids.ts';
import { compose, type OwnMail } from './dsn.ts';

export type NoteMail = OwnMail & {
  readonly kind: 'held' | 'reminded' | 'warn';
  /** Of a reminder: since when it is held, and when it goes back. */
  readonly since?: Time;
  readonly endsAt?: Time;
  /** The sender reads it; else only the admin does. */
  readonly toSender: boolean;
  readonly recipients: readonly { readonly recipient: Address; readonly why: string }[];
  /** Whom to ask. */
  readonly admin?: Address;
  /** IANA name; times are given in it. */
  readonly timeZone: string;
};

const WORDS = {
  held: {
    subject: 'Your message is held and was not delivered yet',
    first: 'Your message was not delivered to the recipients below. It is safe, and it is held until somebody decides.',
    next: 'You need not send it again.',
  },
  reminded: {
    subject: 'Your message is still held and was not delivered yet',
    first: 'Your message was not delivered to the recipients below. It is held, and nobody has decided about it yet.',
    next: 'You need not send it again before that.',
  },
  warn: {
    subject: 'About a message that you sent',
    first: 'A rule of your organization says this about your message to the recipients below.',
    next: 'You need do nothing more for this message.',
  },
} as const;

const TO_ADMIN = {
  held: {
    subject: 'A message is held and was not delivered yet',
    first: 'A message was not delivered to the recipients below. It is safe, and it is held until somebody decides.',
    next: '',
  },
  reminded: {
    subject: 'A message is still held and was not delivered yet',
    first: 'A message was not delivered to the recipients below. It is held, and nobody has decided about it yet.',
    next: '',
  },
} as const;

export function composeNote(mail: NoteMail): Promise<Buffer> {
  const words = mail.toSender ? WORDS[mail.kind] : TO_ADMIN[mail.kind === 'reminded' ? 'reminded' : 'held'];
  return compose(mail, words.subject, [{ type: 'text/plain; charset=utf-8', text: textOf(mail, words) }]);
}

function textOf(mail: NoteMail, words: { readonly first: string; readonly next: string }): string {
  const lines = [words.first, ''];
  for (const { recipient, why } of mail.recipients) lines.push(`  ${recipient}`, `    ${oneLine(why)}`);
  const sent = when(mail.message.acceptedAt, mail.timeZone);
  if (mail.since !== undefined && mail.endsAt !== undefined) {
    lines.push('', `It is held since ${when(mail.since, mail.timeZone)}.`);
    lines.push(`If nobody decides, it goes back to its sender as undelivered on ${when(mail.endsAt, mail.timeZone)}.`);
  }
  if (!mail.toSender) {
    const sender = mail.message.sender.join(', ');
    lines.push('', `It was sent on ${sent} by ${sender}, who is not told.`, '');
    lines.push(`Next: sealrelay explain ${mail.message.queueId} at ${mail.hostname}.`);
    return `${lines.join('\r\n')}\r\n`;
  }
  lines.push('', `You sent it on ${sent}.`, '');
  const ask = mail.admin === undefined ? 'your IT help desk' : mail.admin;
  lines.push(
    `Next: ${words.next} To have it delivered another way, ask ${ask} and name the queue id ${mail.message.queueId}.`,
  );
  return `${lines.join('\r\n')}\r\n`;
}

/** The words of a rule may be in any language. */
function oneLine(text: string): string {
  return text
    .replace(/[\p{C}\p{Z}]+/gu, ' ')
    .trim()
    .slice(0, 1_000);
}

function when(at: Time, timeZone: string): string {
  return new Intl.DateTimeFormat('en-US', { dateStyle: 'full', timeStyle: 'short', timeZone }).format(at);
}
