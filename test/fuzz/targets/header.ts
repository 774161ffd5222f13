// The header section: parsed, and rewritten for what leaves. Fields that are not ours to change keep their octets, and no line
// end that is bare comes out of clean ones.

import { entityOf } from '../../../src/mail/entity.ts';
import {
  countReceived,
  decodeWords,
  hasUnknownCharset,
  headerEnd,
  parseHeader,
  receivedLine,
  stripSubjectTags,
  subjectTagsIn,
} from '../../../src/mail/header.ts';
import { addressesOf } from '../../../src/mail/mailboxes.ts';
import { parseMedia } from '../../../src/mail/media.ts';
import { asMailData, bareIn, claim, lines, type Target } from '../target.ts';

const TAGS = ['secure', 'encrypt', 'check+1'];

export async function open(): Promise<Target> {
  return {
    seeds: [
      lines(
        'From: Ann <ann@clinic.example>',
        'To: bob@example.org',
        'Subject: [secure] Your results',
        'MIME-Version: 1.0',
        '',
      ),
      lines(
        'Received: from a by b; Tue, 24 Nov 2026 08:42:00 +0000',
        'Subject: =?UTF-8?B?W3NlY3VyZV0gw6k=?=',
        ' =?utf-8?Q?_=5Bencrypt=5D?=',
        'Content-Type: multipart/mixed; boundary="b1";',
        "\tcharset*=utf-8''x",
        'Content-Transfer-Encoding: 8bit',
        'Thread-Topic: [secure] Your results',
        '',
      ),
      lines(
        'subject:[check+1][ [secure] secure]',
        'Subject: second [SECURE]',
        'Comments: x',
        'DKIM-Signature: v=1; a=b',
        '',
      ),
    ],
    tokens: [
      ...[
        'Subject: ',
        'subject:',
        '[secure]',
        '[encrypt]',
        '[ check+1 ]',
        '[',
        ']',
        '=?UTF-8?B?',
        '=?utf-8?q?',
        '?=',
        '=5B',
        '_',
        ':',
      ],
      ...[
        '\r\n ',
        '\r\n\t',
        '\r\n\r\n',
        '\r\n',
        'Content-Type: ',
        'MIME-Version: 1.0\r\n',
        'boundary=',
        ';',
        '"',
        '(',
        '\\',
      ],
      ...[
        '=?utf-7?Q?+AFs-secure+AF0-?=',
        '=?x?b?AA==?=',
        '=0D=0A.=0D=0A',
        '=?utf-8?Q?=0D=0AX:_y?=',
        '\u00e9',
        '\u2028',
      ].map((one) => Buffer.from(one)),
    ],
    check: (input) => {
      const section = asMailData(input);
      for (const bytes of [input, section]) readOnly(bytes);
      const header = parseHeader(section);
      claim(header.size <= section.length, 'longer than it is');
      const stripped = strip(section.subarray(0, header.size));
      for (const subject of ['obscure', 'keep'] as const)
        takeApart(section.subarray(0, header.size), subject, stripped);
      trace(input);
    },
  };
}

function readOnly(bytes: Buffer): void {
  const header = parseHeader(bytes);
  let at = -1;
  for (const { raw, name, value } of header.fields) {
    claim(raw.byteOffset > at && raw.byteOffset + raw.length <= bytes.byteOffset + bytes.length, 'fields overlap');
    at = raw.byteOffset + raw.length - 1;
    claim(/^[!-9;-~]+$/.test(name) && name === name.toLowerCase(), 'no name');
    decodeWords(value);
    hasUnknownCharset(value);
    parseMedia(value);
    addressesOf(value);
  }
  countReceived(header);
  const end = headerEnd(bytes);
  if (end >= 0 && header.fault !== 'too large') claim(header.size <= end, 'it ends behind its end');
}

const others = (section: Buffer): string[] =>
  parseHeader(section)
    .fields.filter(({ name }) => name !== 'subject')
    .map(({ raw }) => raw.toString('latin1'));

function strip(section: Buffer): Buffer {
  const stripped = stripSubjectTags(section, TAGS);
  const out = stripped ?? section;
  claim(bareIn(out.toString('latin1')) === null, 'bare line ends after the tags went');
  if (parseHeader(section).fault === 'too large') return out;
  claim(others(out).join('') === others(section).join(''), 'another field changed');
  for (const { name, value } of parseHeader(out).fields) {
    claim(
      name !== 'subject' || subjectTagsIn(decodeWords(value), TAGS).length === 0,
      `a tag is left: ${JSON.stringify(value)}`,
    );
  }
  const longest = (bytes: Buffer) =>
    Math.max(
      ...bytes
        .toString('latin1')
        .split('\r\n')
        .map((line) => line.length),
    );
  claim(longest(out) <= Math.max(998, longest(section)), 'a line longer than 998');
  return out;
}

function takeApart(section: Buffer, subject: 'obscure' | 'keep', stripped: Buffer): void {
  const { outside, inside } = entityOf(section, { tags: TAGS, subject });
  const both = [outside, inside].map((one) => one.toString('latin1'));
  for (const text of both) {
    claim(bareIn(text) === null, `bare line ends: ${bareIn(text)}`);
    claim(text === '' || text.endsWith('\r\n'), 'no line end');
  }
  const [out, within] = both as [string, string];
  claim(!/\r\n\r\n/.test(out) && !out.startsWith('\r\n'), 'a blank line outside');
  claim(within.indexOf('\r\n\r\n') === within.length - 4, `a blank line inside its header: ${JSON.stringify(within)}`);
  claim(!/^(?:content-|mime-version *:)/im.test(out), 'a MIME field outside');
  const { fields, fault } = parseHeader(stripped);
  if (fault !== 'too large') {
    for (const { name, raw } of fields) {
      const isOurs = /^(?:content-type|mime-version|subject)$/.test(name);
      claim(
        isOurs || out.includes(raw.toString('latin1')) || within.includes(raw.toString('latin1')),
        `${name} changed`,
      );
      const isHidden =
        name.startsWith('content-') || /^(?:mime-version|subject|comments|keywords|thread-topic)$/.test(name);
      claim(fault !== null || isHidden || out.includes(raw.toString('latin1')), `${name} is not outside`);
    }
  }
  if (subject === 'obscure') claim(!/^subject *:(?! \[\.\.\.\]\r\n)/im.test(out), 'the subject stands outside');
}

/** Our own field, from words that a client chose. */
function trace(input: Buffer): void {
  const text = input.toString('utf8').slice(0, 500);
  const field = receivedLine({
    trace: { helo: text, ip: '192.0.2.1', with: text, tls: { version: text, cipher: text } } as never,
    hostname: 'mx.gateway.example',
    queueId: 'q1' as never,
    at: 1_800_000_000_000,
  }).toString('latin1');
  claim(/^Received: (?:[\x20-\x7e]|\r\n )*\r\n$/.test(field), `no field: ${JSON.stringify(field)}`);
}
