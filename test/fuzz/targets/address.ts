// The address grammar, and the addresses of a header field. What they let through goes onto a wire, into a row and a header.

import { aLabelDomain, parsePath } from '../../../src/mail/address.ts';
import { addressesOf } from '../../../src/mail/mailboxes.ts';
import { rcptLine, recipientFault } from '../../../src/smtp/commands.ts';
import { type Features, NO_FEATURES } from '../../../src/smtp/replies.ts';
import { claim, octets, type Target } from '../target.ts';

const ALL: Features = { ...NO_FEATURES, dsn: true, smtpUtf8: true, eightBitMime: true };

export async function open(): Promise<Target> {
  return {
    seeds: [
      '<ann@clinic.example>',
      'bob@example.org',
      '<"a b\\"c"@example.org>',
      '<@a.example,@b.example:joe@c.example>',
      '<joe@[192.0.2.1]>',
      '<joe@[IPv6:2001:db8::1]>',
      '<user%host@example.org>',
      'Dr. Lee <lee@clinic.example>, "Jones, Ann" <ann@clinic.example>',
      'Group: a@b.example, c@d.example; (comment (nested)) x@y.example',
      Buffer.from('<jos\u00e9@b\u00fccher.example>').toString('latin1'),
      'ann@xn--bcher-kva.example',
    ].map(octets),
    tokens: [
      ...[
        '@',
        '<',
        '>',
        '"',
        '\\',
        '\\"',
        ',',
        ';',
        ':',
        '(',
        ')',
        '[',
        ']',
        '.',
        '..',
        'xn--',
        '%',
        '!',
        '[IPv6:',
        '=?utf-8?q?a?=',
      ],
      ...['\u2028', '\u00ad', '\uff41', '\u200d', '\u0430', '\u3002', '\ufe52', '\u{1f600}', '\u00a0', '\ud800'].map(
        (one) => Buffer.from(one),
      ),
    ],
    check: (input) => {
      for (const text of [input.toString('utf8'), input.toString('latin1')]) {
        for (const smtpUtf8 of [true, false]) path(text, smtpUtf8);
        const found = addressesOf(text.replace(/\r?\n(?=[ \t])/g, ''));
        if ('ok' in found) for (const address of found.ok) isClean(address, true);
        aLabelDomain(text);
      }
    },
  };
}

function path(text: string, smtpUtf8: boolean): void {
  const parsed = parsePath(text, { smtpUtf8 });
  if (!('ok' in parsed) || parsed.ok === '') return;
  isClean(parsed.ok, smtpUtf8);
  claim(
    !smtpUtf8 || parsed.flag !== undefined || recipientFault(parsed.ok) === null,
    'a parsed address is refused at the wire',
  );
}

/** RFC 5321 §4.1.2 once more, by hand. */
function isClean(address: string, smtpUtf8: boolean): void {
  const at = address.lastIndexOf('@');
  const [local, domain] = [address.slice(0, at), address.slice(at + 1)];
  claim(!/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u.test(address), 'a control or invisible character');
  claim(/^[a-z0-9.-]+$/.test(domain) || /^\[[0-9a-fipv6:.]+\]$/i.test(domain), `no domain: ${JSON.stringify(domain)}`);
  claim(local.startsWith('"') || /^[^\s"(),:;<>@[\]\\]+$/u.test(local), `no local part: ${JSON.stringify(local)}`);
  claim(!local.startsWith('"') || /^"(?:[^"\\]|\\.)*"$/u.test(local), 'a quoted string that ends early');
  claim(Buffer.byteLength(local) <= 64 && Buffer.byteLength(address) <= 254, 'too long');
  claim(smtpUtf8 || /^[\x20-\x7e]*$/.test(address), 'not ASCII');
  const again = parsePath(address, { smtpUtf8: true });
  claim('ok' in again && again.ok === address, 'it does not parse to itself');
  const line = rcptLine({ address: address as never, dsn: {} }, ALL);
  claim(/^RCPT TO:<[^\r\n\0]+>\r\n$/.test(line), 'no command line');
}
