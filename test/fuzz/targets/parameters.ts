// MAIL and RCPT with their parameters: what is taken is sent on as a command of ours that means the same.

import { mailLine, rcptLine } from '../../../src/smtp/commands.ts';
import {
  type MailCommand,
  parseMail,
  parseRcpt,
  type RcptCommand,
  type Refusal,
} from '../../../src/smtp/parameters.ts';
import { type Features, NO_FEATURES } from '../../../src/smtp/replies.ts';
import { claim, type Target } from '../target.ts';

const ALL: Features = { ...NO_FEATURES, dsn: true, smtpUtf8: true, eightBitMime: true, size: true };
const HOST = { extended: true, hostname: 'mx.gateway.example' };

export async function open(): Promise<Target> {
  return {
    seeds: [
      ' FROM:<ann@clinic.example> SIZE=1000 BODY=8BITMIME SMTPUTF8 RET=FULL ENVID=QQ+2B314159',
      ' FROM:<> RET=HDRS',
      ' FROM:<"a > b"@clinic.example> AUTH=<>',
      ' TO:<bob@example.org> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;bob+2Bx@example.org',
      ' TO:<bob@example.org> NOTIFY=NEVER',
      ' TO:<postmaster>',
      ` TO:<jos\u00e9@example.org> ORCPT=utf-8;jos\\x{e9}@example.org`,
      ' to: <@a.example:joe@c.example>',
    ].map((text) => Buffer.from(text)),
    tokens: [
      ...[
        ' FROM:',
        ' TO:',
        ' SIZE=',
        ' BODY=',
        ' RET=',
        ' ENVID=',
        ' NOTIFY=',
        ' ORCPT=',
        ' SMTPUTF8',
        ' AUTH=',
        ' X=',
        '=',
      ],
      ...['rfc822;', 'utf-8;', '+2B', '+0D+0A', '+00', '+', ';', ',', '>', '<', '7BIT', 'FULL', 'NEVER', 'DELAY'],
      ...['\u00e9', '\u2028', '\u00a0', '\ud7ff'].map((one) => Buffer.from(one)),
    ],
    check: (input) => {
      for (const text of [input.toString('utf8'), input.toString('latin1')]) {
        for (const extended of [true, false]) {
          const mail = parseMail(text, { extended, auth: true });
          if (!isRefusal(mail)) mailAgain(mail);
          const rcpt = parseRcpt(text, { ...HOST, extended, smtpUtf8: true });
          if (!isRefusal(rcpt)) rcptAgain(rcpt);
          const plain = parseRcpt(text, { ...HOST, extended, smtpUtf8: false });
          claim(isRefusal(plain) || /^[\x20-\x7e]*$/.test(plain.address), 'not ASCII without SMTPUTF8');
        }
      }
    },
  };
}

function isRefusal(given: MailCommand | RcptCommand | Refusal): given is Refusal {
  if (!('refused' in given)) return false;
  const { code, enhanced } = given.refused;
  claim(code >= 500 && /^5\.\d\.\d+$/.test(enhanced), 'a refusal without its code');
  return true;
}

function oneLine(line: string): void {
  claim(line.endsWith('\r\n') && !/\p{Cc}/u.test(line.slice(0, -2)), `not one line: ${JSON.stringify(line)}`);
}

function mailAgain(mail: MailCommand): void {
  const line = mailLine({ ...mail, size: mail.size ?? null, eightBit: mail.body === '8BITMIME' }, ALL);
  oneLine(line);
  const again = parseMail(line.slice(4, -2), { extended: true, auth: false });
  claim(!isRefusal(again), `our own MAIL is refused: ${JSON.stringify(line)}`);
  const { reversePath, smtpUtf8, body } = mail;
  claim(again.reversePath === reversePath && again.smtpUtf8 === smtpUtf8 && again.body === body, 'another MAIL');
  claim(again.dsn.envid === mail.dsn.envid || (mail.dsn.envid ?? '').length > 50, 'another ENVID');
}

function rcptAgain(rcpt: RcptCommand): void {
  const line = rcptLine(rcpt, ALL);
  oneLine(line);
  const again = parseRcpt(line.slice(4, -2), { ...HOST, smtpUtf8: true });
  if (/@(?:\[|[^.]*$)/.test(rcpt.address)) return;
  claim(!isRefusal(again), `our own RCPT is refused: ${JSON.stringify(line)}`);
  claim(again.address === rcpt.address && `${again.dsn.notify}` === `${rcpt.dsn.notify}`, 'another RCPT');
  const { orcpt } = rcpt.dsn;
  const kept = again.dsn.orcpt === orcpt || (orcpt ?? '').length > 160 || /[^\x20-\x7e]/.test(orcpt ?? '');
  claim(kept, `another ORCPT: ${JSON.stringify([orcpt, again.dsn.orcpt])}`);
}
