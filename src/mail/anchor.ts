// The mail that takes a signed checkpoint of the audit off the machine. Nothing in it is of a person.

import type { Address, Time } from '../domain/ids.ts';
import { compose } from './dsn.ts';

export type AnchorMail = {
  readonly hostname: string;
  readonly to: Address;
  readonly date: Time;
  /** With angle brackets. */
  readonly messageId: string;
  readonly seq: number;
  /** The checkpoint, a line of JSON. */
  readonly line: string;
};

export function composeAnchor({ to, seq, line, ...mail }: AnchorMail): Promise<Buffer> {
  const day = new Date(mail.date).toISOString().slice(0, 10);
  const words = [
    `Keep this message. It proves what the audit trail of ${mail.hostname} held up to entry ${seq}:`,
    'what is changed there later does not agree with it.',
    '',
    line,
    '',
    'Next: nothing. To check the trail, put such lines into a file:',
    'sealrelay log verify --anchors FILE --key FILE',
  ];
  return compose({ ...mail, to: [to] }, `Audit checkpoint of ${mail.hostname}, ${day}`, [
    { type: 'text/plain; charset=utf-8', text: `${words.join('\r\n')}\r\n` },
  ]);
}
