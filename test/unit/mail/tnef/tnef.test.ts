import { tnefParts } from '../../../../src/mail/tnef/parts.ts';
import { readTnef } from '../../../../src/mail/tnef/stream.ts';
import { attribute, compressRtf, listOf, PR, rtfBomb, type TnefMessage, tnef, u32 } from '../../../support/tnef.ts';

/** `type text` of each part, what was attached with its name; then what was said. */
function told(bytes: Buffer): string[] {
  const said: string[] = [];
  const parts = [...tnefParts(bytes, (reason) => said.push(reason))].map(({ header, body, isAttached }) => {
    const text = header.toString();
    const type = /^Content-Type: ([^;\r]+)(?:; charset=(?!utf-8|us-ascii)([^\r]+))?/.exec(text);
    const name = decodeURIComponent(/utf-8''([^\r]+)/.exec(text)?.[1] ?? '');
    const fields = text
      .split('\r\n')
      .filter((line) => line !== '' && !line.startsWith('Content-'))
      .join('|');
    const shown = type?.[2] === undefined ? body.toString() : new TextDecoder(type[2]).decode(body);
    return [isAttached ? '+' : '', type?.[1], type?.[2], name, fields, shown].filter((one) => one).join(' ');
  });
  const CLASS = 'Property: IPM.Microsoft Mail.Note';
  const shown = parts.map((part) => part.replace(`|${CLASS}`, '').replace(`${CLASS}|`, ''));
  return [...shown.filter((part) => part !== `text/plain ${CLASS}`), ...said];
}

const message = (given: TnefMessage): string[] => told(tnef(given));
const attached = (...properties: [number, string][]): string[] =>
  message({ attachments: [{ title: 'title.bin', data: Buffer.from('data'), properties }] }).filter((one) =>
    one.startsWith('+'),
  );

describe('what it gives', () => {
  test.each<[what: string, given: TnefMessage, expected: string[]]>([
    ['nothing', {}, []],
    ['the old attributes', { subject: 'S', body: 'B' }, ['text/plain Subject: S', 'text/plain B']],
    [
      'properties',
      {
        properties: [
          [PR.subject, 'S'],
          [PR.body, 'Bé'],
          [PR.html, Buffer.from('<p>')],
          [PR.rtf, compressRtf('{\\rtf1 R}')],
        ],
      },
      ['text/plain Subject: S', 'text/plain utf-16le Bé', 'text/html <p>', 'text/plain R'],
    ],
    ['HTML as a string', { properties: [[PR.html, '<p>é']] }, ['text/html utf-16le <p>é']],
    [
      'HTML within RTF',
      { properties: [[PR.rtf, compressRtf('{\\rtf1\\fromhtml1{\\*\\htmltag64 <p>}x}')]] },
      ['text/plain x', 'text/html <p>x'],
    ],
    ['one subject once', { subject: 'S', properties: [[PR.subject, 'S']] }, ['text/plain Subject: S']],
    [
      'properties of forms and meetings',
      {
        properties: [
          [0x8001, '4829', { name: 'MRN' }],
          [0x8002, 'Room 7', { name: 0x8208 }],
          [0x8003, 'a', { name: 'n', times: 2 }],
        ],
      },
      ['text/plain MRN: 4829\n\nRoom 7\n\nn: a'],
    ],
    [
      'other texts as fields',
      {
        properties: [
          [0x0c1a, 'Ann\r\nLee'],
          [0x0e04, 'Bob', { ansi: 'latin1' }],
          [0x1035, '<id@x>'],
        ],
      },
      ['text/plain Property: Ann Lee|Property: Bob'],
    ],
    [
      'recipients',
      { recipients: [[[PR.displayName, 'Ann']], [[PR.displayName, 'Bob']]] },
      ['text/plain Property: Ann|Property: Bob'],
    ],
    [
      'header fields; those that say how to read as what they say',
      {
        properties: [
          [PR.headers, 'Subject: S\r\nReceived: by x\r\nContent-Type: image/png\r\nX-Note:\r\n n\r\n'],
          [0x8001, 'v', { name: 'x-note', space: '8603020000000000c000000000000046' }],
          [0x8002, 'v', { name: 'content-type', space: '8603020000000000c000000000000046' }],
        ],
      },
      [
        'text/plain subject: S|received: by x|Property: content-type: image/png|x-note: n|x-note: v|Property: content-type: v',
      ],
    ],
    [
      'what is readable of unknown octets',
      {
        properties: [
          [
            0x8001,
            Buffer.concat([
              Buffer.from([1, 2, 3]),
              Buffer.from('SSN 536-22-1847\0\x01'),
              Buffer.from('wide text', 'utf16le'),
            ]),
            { name: 1 },
          ],
        ],
      },
      ['text/plain Property: SSN 536-22-1847; wide text'],
    ],
  ])('%s', (_, given, expected) => {
    expect(message(given)).toEqual(expected);
  });

  test('a text that is too long for a field', () => {
    expect(message({ properties: [[0x0c1a, 'x'.repeat(70_000)]] })).toEqual([
      `text/plain utf-16le ${'x'.repeat(70_000)}`,
    ]);
  });

  test('many fields come in sections that a walk takes', () => {
    const recipients = Array.from({ length: 1_200 }, (_, i) => [[PR.displayName, `Name ${i}`] as const]);
    const sections = [...tnefParts(tnef({ recipients }), (reason) => expect(reason).toBe(''))];
    expect(sections).toHaveLength(3);
    expect(Buffer.concat(sections.map(({ header }) => header)).toString()).toContain('Name 1199');
  });
});

describe('code pages', () => {
  const octets = Buffer.from('cff0e8e2e5f2', 'hex');
  test.each<[what: string, given: TnefMessage, expected: string]>([
    ['of the stream', { codePage: 1251, body: octets }, 'text/plain windows-1251 Привет'],
    ['none: that of Windows', { codePage: 0, body: Buffer.from([0xe9, 0]) }, 'text/plain windows-1252 é'],
    ['none needed', { codePage: 437, body: 'ASCII' }, 'text/plain ASCII'],
    [
      'of HTML its own',
      {
        codePage: 1252,
        properties: [
          [PR.html, octets],
          [PR.internetCodePage, 1251],
        ],
      },
      'text/html windows-1251 Привет',
    ],
    ['of HTML, when it has none', { codePage: 1251, properties: [[PR.html, octets]] }, 'text/html windows-1251 Привет'],
    [
      'of a subject',
      { codePage: 1251, properties: [[PR.subject, octets.toString('latin1'), { ansi: 'latin1' }]] },
      'text/plain Subject: Привет',
    ],
  ])('%s', (_, given, expected) => {
    expect(message(given)).toEqual([expected]);
  });

  test('one that no decoder is for is named to whoever reads the text, and said for a field', () => {
    const parts = [...tnefParts(tnef({ codePage: 437, body: Buffer.from([0x82]) }), () => {})];
    expect(parts.at(-1)?.header.toString()).toContain('charset=cp437');
    expect(message({ codePage: 437, properties: [[PR.subject, '\x82', { ansi: 'latin1' }]] })).toContain('charset');
  });
});

describe('files', () => {
  test.each<[properties: [number, string][], expected: string]>([
    [[], '+ application/octet-stream title.bin data'],
    [[[PR.attachLongName, 'lab (2) "é";\'.csv']], '+ text/csv lab (2) "é";\'.csv data'],
    [[[PR.attachName, 'A~1.TXT']], '+ application/octet-stream title.bin data'],
    [
      [
        [PR.attachLongName, 'a.csv'],
        [PR.attachType, 'application/pdf'],
      ],
      '+ application/pdf a.csv data',
    ],
    [
      [
        [PR.attachLongName, 'a.csv'],
        [PR.attachType, 'application/octet-stream'],
      ],
      '+ text/csv a.csv data',
    ],
    [
      [
        [PR.attachLongName, 'a.csv'],
        [PR.attachType, 'multipart/mixed; boundary=x'],
      ],
      '+ text/csv a.csv data',
    ],
    [[[PR.attachType, 'Text/HTML']], '+ text/html title.bin data'],
    [[[PR.attachType, 'a/b\r\nSubject: x']], '+ application/octet-stream title.bin data'],
    [[[PR.attachLongName, 'a.__proto__']], '+ application/octet-stream a.__proto__ data'],
    [[[PR.attachLongName, 'old.eml']], '+ message/rfc822 old.eml data'],
  ])('%j', (properties, expected) => {
    expect(attached(...properties)).toEqual([expected]);
  });

  test('all names are told, and what a property says of a file', () => {
    const parts = message({
      attachments: [
        {
          title: 'T',
          data: Buffer.from('d'),
          properties: [
            [PR.attachLongName, 'L'],
            [0x3706, 'transport'],
          ],
        },
      ],
    });
    expect(parts[0]).toBe('text/plain Property: transport|Property: T');
  });

  test('data of a property, of an object, of both kinds', () => {
    const parts = message({
      attachments: [
        { title: 'a.txt', data: Buffer.from('1'), properties: [[PR.attachData, Buffer.from('2')]] },
        { title: 'ole', properties: [[PR.attachData, { storage: Buffer.from('OLE') }]] },
        { title: 'inner', properties: [[PR.attachData, { message: Buffer.from('TNEF') }]] },
        { title: 'empty.txt', data: Buffer.alloc(0) },
      ],
    });
    expect(parts.filter((one) => one.startsWith('+'))).toEqual([
      '+ text/plain a.txt 1',
      '+ text/plain a.txt 2',
      '+ application/octet-stream ole OLE',
      '+ application/ms-tnef inner TNEF',
      '+ text/plain empty.txt',
    ]);
  });

  test('one that is elsewhere was not read', () => {
    expect(message({ attachments: [{ title: 'link' }] })).toContain('format');
  });

  test('what is readable in the picture of one', () => {
    const parts = message({
      attachments: [{ title: 'a', data: Buffer.from('x'), metafile: Buffer.from('\x01\x02Report.doc\0') }],
    });
    expect(parts[0]).toBe('text/plain Property: Report.doc');
  });
});

describe('what is wrong', () => {
  const head = tnef({});
  const full = tnef({
    subject: 'S',
    body: 'B',
    properties: [
      [PR.body, 'text'],
      [0x8001, 'v', { name: 'n' }],
      [PR.rtf, compressRtf('{\\rtf1 some text}')],
    ],
    recipients: [[[PR.displayName, 'Ann']]],
    attachments: [
      {
        title: 't.txt',
        data: Buffer.from('data'),
        properties: [
          [PR.attachLongName, 'long.txt'],
          [PR.attachData, { message: head }],
        ],
      },
    ],
  });

  test('cut at every offset: said, unless between two attributes, where the rest is whole', () => {
    expect(told(full)).not.toContain('malformed');
    const between = new Set<number>([6]);
    for (let at = 6; at < full.length; ) {
      at += 11 + full.readUInt32LE(at + 5);
      // With or without the checksum, which some writers leave out.
      for (const whole of [at - 2, at - 1, at]) between.add(whole);
    }
    expect(between.size).toBe(34);
    for (let at = 0; at < full.length; at++) {
      const said = told(full.subarray(0, at)).filter((one) => ['malformed', 'format'].includes(one));
      if (!between.has(at)) expect({ at, said }).not.toEqual({ at, said: [] });
    }
  });

  test('each octet changed: never a throw', () => {
    for (let at = 0; at < full.length; at++) {
      for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
        const changed = Buffer.from(full);
        changed[at] = value;
        expect(() => told(changed)).not.toThrow();
      }
    }
  });

  const properties = (bytes: Buffer): Buffer => Buffer.concat([head, attribute(1, 0x00069003, bytes)]);
  const fixed = (type: number, id: number, ...more: Buffer[]): Buffer =>
    Buffer.concat([u32(id * 65_536 + type), ...more]);
  const MANY = u32(0xffff_ffff);
  test.each<[what: string, bytes: Buffer, reason: string]>([
    ['another signature', Buffer.from('TNEF stream that is none'), 'format'],
    ['nothing', Buffer.alloc(0), 'format'],
    ['a level that is none', Buffer.concat([head, attribute(3, 0x0002800c, Buffer.from('SSN'))]), 'malformed'],
    ['octets behind the end', Buffer.concat([head, Buffer.from('SSN 536-22-1847')]), 'malformed'],
    ['a length of 4 GB', Buffer.concat([head, Buffer.from([1]), u32(0x0002800c), MANY]), 'malformed'],
    ['4 billion properties', properties(MANY), 'malformed'],
    ['4 billion empty properties', properties(Buffer.concat([MANY, fixed(0x1e, PR.body, u32(0))])), 'malformed'],
    ['4 billion values', properties(Buffer.concat([u32(1), fixed(0x101e, PR.body, MANY, u32(0))])), 'malformed'],
    ['4 billion numbers', properties(Buffer.concat([u32(1), fixed(0x1014, 0x0e08, MANY)])), 'malformed'],
    ['a value of 4 GB', properties(Buffer.concat([u32(1), fixed(0x1e, PR.body, u32(1), MANY)])), 'malformed'],
    ['a type that nobody knows', properties(Buffer.concat([u32(1), fixed(0x99, PR.body, u32(1))])), 'malformed'],
    [
      'a name of 4 GB',
      properties(Buffer.concat([u32(1), fixed(0x1e, 0x8001), Buffer.alloc(16), u32(1), MANY])),
      'malformed',
    ],
    ['octets behind the properties', properties(Buffer.concat([listOf([]), Buffer.from('SSN')])), 'malformed'],
    ['4 billion recipients', Buffer.concat([head, attribute(1, 0x00069004, MANY)]), 'malformed'],
    ['RTF that is cut', tnef({ properties: [[PR.rtf, compressRtf('{\\rtf1 x}').subarray(0, 20)]] }), 'malformed'],
    ['1,001 files', tnef({ attachments: Array(1_001).fill({ title: 'a', data: Buffer.alloc(1) }) }), 'too many parts'],
    ['5 MB of unknown octets', tnef({ properties: [[0x7001, Buffer.alloc(5_000_000)]] }), 'too large'],
    ['100,001 texts', tnef({ properties: [[0x7001, 'x', { ansi: 'latin1', times: 100_001 }]] }), 'too large'],
    [
      '100,001 names of one file',
      Buffer.concat([head, ...Array(100_001).fill(attribute(2, 0x00018010, Buffer.from('a')))]),
      'too large',
    ],
    ['100,001 RTF texts', tnef({ properties: [[PR.rtf, Buffer.alloc(0), { times: 100_001 }]] }), 'too large'],
    ['RTF that becomes 10 MB', tnef({ properties: [[PR.rtf, rtfBomb(10_000_000)]] }), 'too large'],
    ['RTF that becomes it together', tnef({ properties: Array(3).fill([PR.rtf, rtfBomb(4_000_000)]) }), 'too large'],
  ])('%s: said', (_, bytes, reason) => {
    expect(told(bytes)).toContain(reason);
  });

  test('names that begin with 150,000 NULs take no time with the square of their number', async () => {
    const nuls = `${'\0'.repeat(150_000)}x`;
    expect(attached([PR.attachType, nuls])).toHaveLength(1);
    expect(message({ properties: [[0x8001, 'v', { name: nuls }]] })).toHaveLength(1);
    // So that the test's own time can run out.
    for (let i = 0; i < 2; i++) await new Promise((wake) => setImmediate(wake));
  });

  test('what stood before it is given', () => {
    expect(told(Buffer.concat([tnef({ body: 'B' }), Buffer.from('xxx')]))).toEqual(['text/plain B', 'malformed']);
  });

  test('a checksum that is not right, and zeros or a line end behind the last, are nothing', () => {
    const bytes = Buffer.from(tnef({ body: 'B' }));
    bytes[bytes.length - 1] = 0x77;
    expect(told(Buffer.concat([bytes, Buffer.from('\0\0\r\n')]))).toEqual(['text/plain B']);
  });

  test('a number without a value', () => {
    const none = Buffer.concat([u32(1), fixed(0x1003, PR.internetCodePage, u32(0))]);
    expect(told(Buffer.concat([properties(none), attribute(1, 0x00069007, Buffer.alloc(0))]))).toEqual([]);
  });

  test('views only: a file is not copied', () => {
    const bytes = tnef({ attachments: [{ title: 'a', data: Buffer.from('data') }] });
    expect(readTnef(bytes, () => {}).files[0]?.data.buffer).toBe(bytes.buffer);
  });
});
