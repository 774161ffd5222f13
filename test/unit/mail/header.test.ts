import fc from 'fast-check';
import type { Address, QueueId } from '../../../src/domain/ids.ts';
import {
  countReceived,
  decodeWords,
  FIELDS_MAX,
  fieldValue,
  HEADER_MAX,
  hasUnknownCharset,
  headerEnd,
  mailDate,
  parseHeader,
  receivedLine,
  stripSubjectTags,
  subjectTagsIn,
  unstructured,
} from '../../../src/mail/header.ts';

const section = (text: string) => Buffer.from(text.replace(/\n/g, '\r\n'));

describe('a header section', () => {
  test('is fields in order, raw and unfolded', () => {
    const bytes = section('A: 1\nB:\tx\n y\n\tz \na: 2\n\nbody: no\n');
    const header = parseHeader(bytes);
    expect(header.fields.map(({ name, value }) => [name, value])).toEqual([
      ['a', '1'],
      ['b', 'x y\tz'],
      ['a', '2'],
    ]);
    expect(Buffer.concat(header.fields.map((field) => field.raw)).toString()).toBe(
      'A: 1\r\nB:\tx\r\n y\r\n\tz \r\na: 2\r\n',
    );
    expect(header).toMatchObject({ fault: null, size: bytes.indexOf('body') });
    expect(headerEnd(bytes)).toBe(header.size);
    expect(fieldValue(header, 'a')).toBe('1');
    expect(fieldValue(header, 'c')).toBeUndefined();
  });

  test.each<[string, string | null, number]>([
    ['\nbody', null, 0],
    ['A: 1', null, 1],
    ['A: 1\n', null, 1],
    ['A: 1\nno field\nB: 2\n\n', 'malformed', 2],
    [' folded first\nA: 1\n\n', 'malformed', 1],
    ['A : 1\n\n', 'malformed', 1],
    ['A B: 1\n\n', 'malformed', 0],
    [': 1\n\n', 'malformed', 0],
    ['Ä: 1\n\n', 'malformed', 0],
    ['A:\n\n', null, 1],
    [`${'A: 1\n'.repeat(FIELDS_MAX + 1)}\n`, 'too large', FIELDS_MAX],
    [`A: ${'x'.repeat(HEADER_MAX)}\n\n`, 'too large', 1],
  ])('%#', (text, fault, fields) => {
    const header = parseHeader(section(text));
    expect(header.fault).toBe(fault);
    expect(header.fields).toHaveLength(fields);
  });

  test('a value is UTF-8 where its octets are that, else Latin-1', () => {
    expect(parseHeader(Buffer.from('A: é\r\n\r\n')).fields[0]?.value).toBe('é');
    expect(parseHeader(Buffer.from('A: é\r\n\r\n', 'latin1')).fields[0]?.value).toBe('é');
  });

  test('bare line feeds end lines too', () => {
    const bytes = Buffer.from('A: 1\nB: 2\n\nbody');
    expect(parseHeader(bytes).fields).toHaveLength(2);
    expect(headerEnd(bytes)).toBe(11);
    expect(headerEnd(Buffer.from('A: 1\r\n'))).toBe(-1);
  });

  test('Received fields are counted', () => {
    expect(countReceived(parseHeader(section('Received: a\nX: b\nreceived: c\n\n')))).toBe(2);
  });

  test('any octets give fields that are pieces of them, in order', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
        const bytes = Buffer.from(octets);
        const header = parseHeader(bytes);
        let at = 0;
        for (const { raw } of header.fields) {
          const start = raw.byteOffset - bytes.byteOffset;
          expect(start).toBeGreaterThanOrEqual(at);
          at = start + raw.length;
        }
        expect(header.size).toBeGreaterThanOrEqual(at);
        expect(header.size).toBeLessThanOrEqual(bytes.length);
      }),
      { numRuns: 1_000 },
    );
  });
});

test.each<[string, string]>([
  ['plain', 'plain'],
  ['=?utf-8?q?caf=C3=A9_au_lait?=', 'café au lait'],
  ['=?ISO-8859-1?B?6Q==?= x', 'é x'],
  ['=?utf-8?b?w6k=?= =?utf-8?b?w6k=?=', 'éé'],
  // A character cut between two words, as some mailers do.
  ['=?utf-8?b?w4M=?= =?utf-8?q?=C3?= =?utf-8?q?=A9?=', 'Ãé'],
  ['=?utf-8?q?a=0D=0ABcc:_x?=', 'a Bcc: x'],
  ['=?utf-8?x?abc?=', '=?utf-8?x?abc?='],
  ['=?x-unknown?q?SSN_536-22-1847?=', 'SSN 536-22-1847'],
  ['=?', '=?'],
  ['a\x07b\u0093\tc', 'a b c'],
])('encoded words: %s', (value, expected) => {
  expect(decodeWords(value)).toBe(expected);
});

test.each<[string, boolean]>([
  ['=?utf-7?q?+AFMAUw-?=', true],
  ['=?utf+7?q?x?=', true],
  ['=?utf-8*en?q?x?= =?utf(7)?b?eA==?=', true],
  ['=?utf-8*en?q?x?=', false],
])('a charset that nobody knows in %s: %s', (value, unknown) => {
  expect(hasUnknownCharset(value)).toBe(unknown);
});

describe('subject tags', () => {
  test.each<[string, string[]]>([
    ['[secure] hello', ['secure']],
    ['Re: [SECURE] hello', ['secure']],
    ['hello [ Secure ]', ['secure']],
    ['secure hello', []],
    ['[secured] hello', []],
    ['[a+b] [secure]', ['secure', 'a+b']],
    ['(secure)', []],
  ])('%s', (subject, tags) => {
    expect(subjectTagsIn(subject, ['secure', 'a+b'])).toEqual(tags);
  });

  test.each<[string, string | null]>([
    ['Subject: [secure] hello\n', 'Subject: hello\n'],
    ['SUBJECT: Re: [Secure] hello [secure]\n', 'SUBJECT: Re: hello\n'],
    ['Subject: [sec[secure]ure] x\n', 'Subject: [sec ure] x\n'],
    ['Subject: [secure]\n', 'Subject: \n'],
    ['Subject: =?utf-8?q?[secure]_caf=C3=A9?=\n', `Subject: =?UTF-8?B?${Buffer.from('café').toString('base64')}?=\n`],
    ['Subject: [sec\n ure] x\n', null],
    ['Subject: hello\n', null],
    ['X: [secure]\n', null],
  ])('taken from %j', (text, expected) => {
    const bytes = section(`From: a@b\n${text}To: c@d\n\n`);
    const stripped = stripSubjectTags(bytes, ['secure']);
    expect(stripped?.toString() ?? null).toBe(
      expected === null ? null : section(`From: a@b\n${expected}To: c@d\n\n`).toString(),
    );
  });

  test.each<[string, string]>([
    ['a word', `=?utf-8?q?${'x'.repeat(60)}?=\r\n `.repeat(40)],
    ['blanks', `a${' \r\n '.repeat(2_000)}b`],
  ])('%s: what is longer than a line may be', (_, text) => {
    const stripped = stripSubjectTags(Buffer.from(`Subject: [secure] ${text}x\r\n\r\n`), ['secure'])?.toString() ?? '';
    for (const line of stripped.split('\r\n')) expect(line.length).toBeLessThan(400);
    const subject = (head: string) =>
      decodeWords(fieldValue(parseHeader(Buffer.from(head)), 'subject') ?? '').replace(/ +/g, ' ');
    expect(subject(stripped)).toBe(subject(`Subject: ${text}x\r\n\r\n`));
  });

  test('whatever the subject, no listed tag is left and nothing else changes', () => {
    const subject = fc
      .array(
        fc.constantFrom(
          '[',
          ']',
          'secure',
          '[secure]',
          'é',
          ' ',
          'hello',
          '=?utf-8?q?x?=',
          '[SeCure ]',
          '\x07',
          '\u0093',
        ),
        {
          maxLength: 12,
        },
      )
      .map((list) => list.join(''));
    fc.assert(
      fc.property(subject, (text) => {
        const head = Buffer.from('From: a@b\r\n');
        const tail = Buffer.from('X-Raw: [secure]  kept \r\n\r\n');
        const stripped = stripSubjectTags(Buffer.concat([head, Buffer.from(`Subject: ${text}\r\n`), tail]), ['secure']);
        if (stripped === null) return;
        expect(stripped.subarray(0, head.length)).toEqual(head);
        expect(stripped.subarray(-tail.length)).toEqual(tail);
        const value = fieldValue(parseHeader(stripped), 'subject') ?? '';
        expect(subjectTagsIn(decodeWords(value), ['secure'])).toEqual([]);
        for (const line of stripped.toString().split('\r\n')) expect(line.length).toBeLessThanOrEqual(200);
      }),
      { numRuns: 1_000 },
    );
  });
});

test.each([
  'A: 1\r\nB: 2\r\n\r\nx\r\n\r\n',
  'A: 1\n\nx',
  '\r\nx',
  '\nx',
  'A: 1\r\n\nx',
  'A: 1\n\r\nx',
])('the end of %j is found however it comes in pieces', (text) => {
  const bytes = Buffer.from(text);
  for (const size of [1, 2, 3]) {
    let end = -1;
    for (let seen = 0; end < 0; seen += size) end = headerEnd(bytes.subarray(0, seen + size), seen);
    expect(end).toBe(headerEnd(bytes));
  }
});

test('a subject of a megabyte is searched and stripped while one waits', () => {
  const strip = (subject: string) => String(stripSubjectTags(section(`Subject: ${subject}\n\n`), ['secure']));
  expect(subjectTagsIn(`[${' '.repeat(900_000)}x`, ['secure'])).toEqual([]);
  expect(strip(`a${' '.repeat(900_000)}b [secure]`)).toMatch(/^Subject: a\s+b\r\n\r\n$/);
  expect(strip(`${'['.repeat(100_000)}[secure]${'secure]'.repeat(100_000)}`)).not.toMatch(/\[\s*secure/);
});

describe('fields that we write', () => {
  test('text comes back as it was, in lines of at most 78', () => {
    const word = fc.string({
      unit: fc.constantFrom('a', 'é', '漢', '😀', ' ', '-', '=?'),
      minLength: 1,
      maxLength: 200,
    });
    fc.assert(
      fc.property(word, (text) => {
        const field = unstructured('Subject', text.trim());
        const [parsed, ...others] = parseHeader(Buffer.concat([field, Buffer.from('\r\n')])).fields;
        expect(others).toEqual([]);
        if (!/^[ -~]*$/.test(text.trim())) expect(decodeWords(parsed?.value ?? '')).toBe(text.trim());
        expect(field.toString()).toMatch(/^[ -~\r\n]*$/);
      }),
    );
    const long = unstructured('Subject', `é${'word '.repeat(60)}`.trim());
    for (const line of long.toString().split('\r\n')) expect(line.length).toBeLessThanOrEqual(78);
  });

  const given = {
    trace: {
      helo: 'mail.clinic.example',
      ip: '192.0.2.7',
      with: 'ESMTPS',
      tls: { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384' },
      proof: [],
    },
    hostname: 'relay.example',
    queueId: '0123456789abcdefghijklmn' as QueueId,
    at: Date.UTC(2026, 10, 24, 8, 42),
  };
  test('Received (RFC 5321 §4.4)', () => {
    const line = receivedLine({ ...given, recipient: 'bob@example.org' as Address }).toString();
    expect(line.replace(/\r\n /g, ' ')).toBe(
      'Received: from mail.clinic.example ([192.0.2.7]) by relay.example (TLSv1.3 TLS_AES_256_GCM_SHA384) with ESMTPS' +
        ' id 0123456789abcdefghijklmn for <bob@example.org>; Tue, 24 Nov 2026 08:42:00 +0000\r\n',
    );
    for (const part of line.split('\r\n')) expect(part.length).toBeLessThanOrEqual(78);
    expect(receivedLine(given).toString()).not.toContain(' for ');
  });

  test('a name in EHLO that is none is not repeated', () => {
    const trace = { ...given.trace, helo: 'x) by evil\r\nSubject: y', ip: '2001:db8::1' };
    const line = receivedLine({ ...given, trace }).toString();
    expect(line).toContain('from unknown ([IPv6:2001:db8::1])');
    expect(line).not.toMatch(/evil|Subject/);
  });

  test('a date (RFC 5322 §3.3)', () => {
    expect(mailDate(Date.UTC(2026, 0, 2, 3, 4, 5))).toBe('Fri, 02 Jan 2026 03:04:05 +0000');
  });
});
