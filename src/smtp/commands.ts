// The command lines of a transaction, made only of what passed the address grammar and encodings that cannot hold a
// space or a line end. What does not pass gets a reply of ours and never reaches the wire. Pure; logs nothing.

import type { DsnEnvelope, EnvelopeRecipient, Reply } from '../domain/types.ts';
import { parsePath } from '../mail/address.ts';
import type { Features } from './replies.ts';

export type MailCommand = {
  readonly reversePath: string;
  readonly dsn: DsnEnvelope;
  /** Octets; null when it is not known what will be sent. */
  readonly size: number | null;
  readonly eightBit: boolean;
  readonly smtpUtf8: boolean;
};

/** True when the address cannot be sent without SMTPUTF8. */
export function needsUtf8(address: string): boolean {
  return /[^\x20-\x7e]/.test(address);
}

/** A reply of ours when the reverse-path is not fit for the wire, else null. */
export function reversePathFault(reversePath: string): Reply | null {
  if (reversePath === '' || isMailbox(reversePath)) return null;
  return { code: 553, enhanced: '5.1.7', text: 'reverse-path is not a valid address' };
}

/** A reply of ours when the recipient is not fit for the wire, else null. */
export function recipientFault(address: string): Reply | null {
  return isMailbox(address) ? null : { code: 553, enhanced: '5.1.3', text: 'recipient is not a valid address' };
}

/** Equal to its parsed self: no route, no brackets, no capital in the domain, nothing that the parser would alter. */
function isMailbox(address: string): boolean {
  const path = parsePath(address, { smtpUtf8: true });
  return 'ok' in path && path.ok !== '' && path.ok === address && !/[\r\n\0]/.test(address);
}

/** Our name for EHLO; throws when it is no name, which is a fault of the configuration. */
export function heloName(name: string): string {
  if (!/^(?:[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*|\[[0-9A-Fa-f:.]+\])$/.test(name))
    throw new Error('EHLO name is not valid');
  return name;
}

/** `MAIL FROM:<…> …` with the parameters that the peer knows. RFC 1870, 6152, 6531, 3461. */
export function mailLine(mail: MailCommand, features: Features): string {
  const parameters = [
    features.size && mail.size !== null ? ` SIZE=${mail.size}` : '',
    features.eightBitMime && mail.eightBit ? ' BODY=8BITMIME' : '',
    mail.smtpUtf8 ? ' SMTPUTF8' : '',
    // What comes back must not carry the body to wherever it goes.
    features.dsn ? ' RET=HDRS' : '',
    features.dsn && mail.dsn.envid !== undefined ? envidParameter(mail.dsn.envid) : '',
  ];
  return `MAIL FROM:<${mail.reversePath}>${parameters.join('')}\r\n`;
}

/** `RCPT TO:<…> …` with DSN parameters when the peer knows them. */
export function rcptLine(recipient: EnvelopeRecipient, features: Features): string {
  const { notify, orcpt } = recipient.dsn;
  const parameters = features.dsn ? notifyParameter(notify) + orcptParameter(orcpt) : '';
  return `RCPT TO:<${recipient.address}>${parameters}\r\n`;
}

const NOTIFY_WORDS = new Set(['NEVER', 'SUCCESS', 'FAILURE', 'DELAY']);

function notifyParameter(notify: readonly string[] | undefined): string {
  const known = (notify ?? []).filter((word) => NOTIFY_WORDS.has(word));
  return known.length === 0 ? '' : ` NOTIFY=${known.join(',')}`;
}

/** RFC 3461 §4.2: `addr-type;xtext`, at most 500 characters; what does not fit is left out, it only informs. */
function orcptParameter(orcpt: string | undefined): string {
  const [, type, address] = /^([A-Za-z0-9-]+);(.+)$/s.exec(orcpt ?? '') ?? [];
  if (type === undefined || address === undefined) return '';
  // RFC 6533 §3: that type has an encoding of its own.
  const isEncoded = type.toLowerCase() === 'utf-8' && /^[\x21-\x3c\x3e-\x7e]+$/.test(address);
  const encoded = isEncoded ? address : xtext(address);
  return encoded === null || type.length + encoded.length > 499 ? '' : ` ORCPT=${type};${encoded}`;
}

/** RFC 3461 §4.4: at most 100 characters. */
function envidParameter(envid: string): string {
  const encoded = xtext(envid);
  return encoded === null || encoded === '' || encoded.length > 100 ? '' : ` ENVID=${encoded}`;
}

/** RFC 3461 §4: null when it cannot hold the text. */
function xtext(text: string): string | null {
  if (/[^\x20-\x7e]/.test(text)) return null;
  return text.replace(/[+= ]/g, (char) => `+${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}
