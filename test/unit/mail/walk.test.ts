import fc from 'fast-check';
import { simpleParser } from 'mailparser';
import { createWalker, type Part, WALK_LIMITS, type WalkLimits } from '../../../src/mail/walk.ts';

type Seen = { type: string; depth: number; text: string; unread: string; size: number; nested: boolean };

function walk(text: string | Buffer, pieceSize = 1_000_000, limits: WalkLimits = WALK_LIMITS): Seen[] {
  const bytes = typeof text === 'string' ? Buffer.from(text.replace(/\r?\n/g, '\r\n')) : text;
  const begun: Part[] = [];
  const texts = new Map<Part, string>();
  const ended: Part[] = [];
  const walker = createWalker(
    {
      begin: (part) => {
        expect(part.index).toBe(begun.length);
        begun.push(part);
        texts.set(part, '');
        return true;
      },
      content: (part, chunk) => {
        expect(ended).not.toContain(part);
        texts.set(part, texts.get(part) + chunk.toString('latin1'));
        return true;
      },
      end: (part) => ended.push(part),
    },
    limits,
  );
  for (let at = 0; at < bytes.length; at += pieceSize) {
    // The caller may use its buffer again.
    const chunk = Buffer.from(bytes.subarray(at, at + pieceSize));
    walker.push(chunk);
    chunk.fill(0x58);
  }
  walker.end();
  // Every part that began ended, once.
  expect(ended).toHaveLength(begun.length);
  expect(new Set(ended).size).toBe(begun.length);
  return begun.map((part) => ({
    type: part.type,
    depth: part.depth,
    text: texts.get(part) ?? '',
    unread: part.unread ?? '',
    size: part.size,
    nested: part.nested,
  }));
}

/** `type depth text unread`. */
function told(seen: readonly Seen[]): string[] {
  return seen.map(({ type, depth, text, unread }) => [type, depth, JSON.stringify(text), unread].join(' ').trim());
}

const MIXED = 'Content-Type: multipart/mixed; boundary=b\n\n';

test.each<[string, string, string[]]>([
  ['a plain message', 'Subject: a\n\nhello\n', ['text/plain 0 "hello\\r\\n"']],
  ['no body', 'Subject: a\n', ['text/plain 0 ""']],
  ['nothing at all', '', ['text/plain 0 ""']],
  ['no header section', '\nhello', ['text/plain 0 "hello"']],
  [
    'two parts, the line end belongs to the boundary',
    `${MIXED}before\n--b\n\none\n\n--b\nContent-Type: text/html\n\ntwo\n--b--\nafter`,
    ['multipart/mixed 0 "beforeafter"', 'text/plain 1 "one\\r\\n"', 'text/html 1 "two"'],
  ],
  [
    'a multipart inside',
    `${MIXED}--b\nContent-Type: multipart/alternative; boundary=c\n\n--c\n\none\n--c--\n--b\n\ntwo\n--b--`,
    ['multipart/mixed 0 ""', 'multipart/alternative 1 ""', 'text/plain 2 "one"', 'text/plain 1 "two"'],
  ],
  [
    'a message inside',
    `${MIXED}--b\nContent-Type: message/rfc822\n\nSubject: x\n\none\n--b--`,
    ['multipart/mixed 0 ""', 'message/rfc822 1 ""', 'text/plain 2 "one"'],
  ],
  [
    'a digest',
    'Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\none\n--b--',
    ['multipart/digest 0 ""', 'message/rfc822 1 ""', 'text/plain 2 "one"'],
  ],
  [
    'a message in base64 inside',
    `Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n${Buffer.from('Content-Type: text/html\r\n\r\none').toString('base64')}\n`,
    ['message/rfc822 0 ""', 'text/html 1 "one"'],
  ],
  [
    'encodings',
    `${MIXED}--b\nContent-Transfer-Encoding: Base64\n\naGVs\nbG8=\n--b\nContent-Transfer-Encoding: QUOTED-PRINTABLE\n\nhel=\nlo\n--b--`,
    ['multipart/mixed 0 ""', 'text/plain 1 "hello"', 'text/plain 1 "hello"'],
  ],
  ['blanks behind a boundary', `${MIXED}--b \t\n\none\n--b-- \n`, ['multipart/mixed 0 ""', 'text/plain 1 "one"']],
  [
    'a boundary with its quotes',
    'Content-Type: multipart/mixed; boundary="=_a b:c"\n\n--=_a b:c\n\none\n--=_a b:c--',
    ['multipart/mixed 0 ""', 'text/plain 1 "one"'],
  ],
])('%s', (_, text, expected) => {
  const whole = walk(text);
  expect(told(whole)).toEqual(expected);
  for (const size of [1, 2, 3, 7, 64]) expect(walk(text, size)).toEqual(whole);
});

describe('what two readers could read differently is told', () => {
  test.each<[string, string, string[]]>([
    ['no closing boundary', `${MIXED}--b\n\none`, ['multipart/mixed 0 "" malformed', 'text/plain 1 "one"']],
    [
      'no boundary',
      'Content-Type: multipart/mixed\n\n--b\n\none',
      ['multipart/mixed 0 "--b\\r\\n\\r\\none" malformed'],
    ],
    [
      'a boundary that is never used',
      `${MIXED}--c\n\none\n--c--`,
      ['multipart/mixed 0 "--c\\r\\n\\r\\none\\r\\n--c--" malformed'],
    ],
    [
      'a line that only begins like the boundary',
      `${MIXED}--b\n\none\n--bc\n\ntwo\n--b--`,
      ['multipart/mixed 0 ""', 'text/plain 1 "one\\r\\n--bc\\r\\n\\r\\ntwo" malformed'],
    ],
    [
      'a very long one',
      `${MIXED}--b\n\none\n--b${'x'.repeat(2_000)}\n--b--`,
      ['multipart/mixed 0 ""', `text/plain 1 "one\\r\\n--b${'x'.repeat(2_000)}" malformed`],
    ],
    [
      'a boundary with more blanks behind it than a line has',
      `${MIXED}--b\n\none\n--b${' '.repeat(2_000)}\n--b--`,
      ['multipart/mixed 0 ""', `text/plain 1 "one\\r\\n--b${' '.repeat(2_000)}" malformed`],
    ],
    [
      'messages of a digest without header sections, and what follows them',
      'Content-Type: multipart/digest; boundary=b\n\n--b\n--b\n--b\n\nSubject: x\n\none\n--b--',
      [
        'multipart/digest 0 ""',
        'message/rfc822 1 "" malformed',
        'text/plain 2 "" malformed',
        'message/rfc822 1 "" malformed',
        'text/plain 2 "" malformed',
        'message/rfc822 1 ""',
        'text/plain 2 "one"',
      ],
    ],
    [
      'a part after the closing boundary',
      `${MIXED}--b--\n--b\n\none\n--b--`,
      ['multipart/mixed 0 "" malformed', 'text/plain 1 "one"'],
    ],
    [
      'the same boundary twice',
      `${MIXED}--b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--`,
      ['multipart/mixed 0 ""', 'multipart/mixed 1 "" malformed', 'text/plain 1 "one"'],
    ],
    [
      'an inner multipart cut by the outer one',
      `${MIXED}--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\none\n--b--`,
      ['multipart/mixed 0 ""', 'multipart/mixed 1 "" malformed', 'text/plain 2 "one"'],
    ],
    [
      'two boundaries',
      'Content-Type: multipart/mixed; boundary=b; boundary=c\n\n--b\n\none\n--b--',
      ['multipart/mixed 0 "" malformed', 'text/plain 1 "one"'],
    ],
    [
      'a boundary in an encoded word',
      'Content-Type: multipart/mixed; boundary="=?utf-8?q?b?="\n\n--b\n\n--=?utf-8?q?b?=\n\none\n--=?utf-8?q?b?=--\n--b--',
      ['multipart/mixed 0 "--b\\r\\n--b--" malformed', 'text/plain 1 "one"'],
    ],
    [
      'a boundary in a comment',
      'Content-Type: multipart/mixed (; boundary=c); boundary=b\n\n--b\n\none\n--b--',
      ['multipart/mixed 0 "" malformed', 'text/plain 1 "one"'],
    ],
    [
      'a boundary with a quoted pair',
      'Content-Type: multipart/mixed; boundary="\\b"\n\n--b\n\none\n--b--',
      ['multipart/mixed 0 "" malformed', 'text/plain 1 "one"'],
    ],
    [
      'an encoded multipart',
      `Content-Transfer-Encoding: base64\n${MIXED}--b\n\none\n--b--`,
      ['multipart/mixed 0 "" malformed', 'text/plain 1 "one"'],
    ],
    [
      'two encodings',
      'Content-Transfer-Encoding: 7bit\nContent-Transfer-Encoding: base64\n\naGk=',
      ['text/plain 0 "aGk=" malformed'],
    ],
    ['an encoding that nobody knows', 'Content-Transfer-Encoding: rot13\n\nuv', ['text/plain 0 "uv" malformed']],
    ['a type that is none', 'Content-Type: nonsense\n\none', ['text/plain 0 "one" malformed']],
    ['a type with markup', 'Content-Type: text/<b>\n\none', ['text/plain 0 "one" malformed']],
    ['a space before the colon', 'Content-Type : text/html\n\none', ['text/html 0 "one" malformed']],
    [
      'a header section that a boundary ends',
      `${MIXED}--b\nContent-Type: text/html\n--b\n\ntwo\n--b--`,
      ['multipart/mixed 0 ""', 'text/html 1 "" malformed', 'text/plain 1 "two"'],
    ],
  ])('%s', (_, text, expected) => {
    expect(told(walk(text))).toEqual(expected);
    for (const size of [1, 3]) expect(told(walk(text, size))).toEqual(expected);
  });
});

describe('bombs', () => {
  test('depth of multiparts: the innermost that is entered is told, its content is still given', () => {
    let text = 'Content-Type: text/plain\n\nSSN';
    for (let n = 0; n < 200; n++) text = `Content-Type: multipart/mixed; boundary=b${n}\n\n--b${n}\n${text}\n--b${n}--`;
    const seen = walk(text);
    expect(seen).toHaveLength(WALK_LIMITS.depth + 1);
    expect(seen.at(-1)?.unread).toBe('too deep');
    expect(seen.at(-1)?.text).toContain('SSN');
  });

  test('depth of messages, plain and each in the base64 of the next', () => {
    let plain = 'Subject: a\n\nx';
    for (let n = 0; n < 200; n++) plain = `Content-Type: message/rfc822\n\n${plain}`;
    expect(
      walk(plain)
        .map((one) => one.unread)
        .filter(Boolean),
    ).toEqual(['too deep']);
    let encoded = 'Subject: a\r\n\r\nx';
    for (let n = 0; n < 12; n++) {
      encoded = `Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n${Buffer.from(encoded).toString('base64')}`;
    }
    expect(
      walk(encoded, 1000, { depth: 5, parts: 100 })
        .map((one) => one.unread)
        .filter(Boolean),
    ).toEqual(['too deep']);
    expect(walk(encoded, 1000)).toHaveLength(13);
  });

  test.each([
    ['--b\n\nx\n'],
    // Each is malformed as well.
    ['--b\n'],
  ])('parts: the rest is not looked at, and that is told (%j)', (part) => {
    const seen = walk(`${MIXED}${part.repeat(5_000)}--b--`);
    expect(seen).toHaveLength(WALK_LIMITS.parts + 1);
    expect(seen.at(-1)?.unread).toBe('too many parts');
  });

  test('a header section of megabytes, of one field or of many, or without an end', () => {
    for (const text of [
      `X: ${'a'.repeat(3_000_000)}\n\nbody`,
      `${'X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n'.repeat(50_000)}\nbody`,
      'X: a\n'.repeat(700_000),
    ]) {
      const [seen, ...others] = walk(text, 65_536);
      expect(others).toEqual([]);
      expect(seen?.unread).toBe('too large');
    }
  });

  test('a line without end in a multipart is passed on as it comes', () => {
    let most = 0;
    const walker = createWalker({
      begin: () => true,
      content: (_, bytes) => {
        most = Math.max(most, bytes.length);
        return true;
      },
      end: () => {},
    });
    walker.push(Buffer.from('Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n--'));
    for (let n = 0; n < 200; n++) walker.push(Buffer.from('-'.repeat(65_536)));
    walker.end();
    expect(most).toBeLessThan(70_000);
  });
});

test('a real reader finds the same texts in what is well-formed', async () => {
  const text = `${MIXED}--b\nContent-Type: multipart/alternative; boundary="c"\n\n--c\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\ncaf=C3=A9 =\nau lait\n--c\nContent-Type: text/html\nContent-Transfer-Encoding: base64\n\n${Buffer.from('<p>html</p>').toString('base64')}\n--c--\n--b\nContent-Type: application/pdf; name="a.pdf"\nContent-Disposition: attachment\nContent-Transfer-Encoding: base64\n\n${Buffer.from('%PDF').toString('base64')}\n--b--\n`;
  const seen = walk(text);
  const read = await simpleParser(text.replace(/\n/g, '\r\n'));
  const utf8 = (one: Seen | undefined) => Buffer.from(one?.text ?? '', 'latin1').toString();
  expect(utf8(seen[2])).toBe(read.text?.trim());
  expect(utf8(seen[3])).toBe(read.html);
  expect(utf8(seen[4])).toBe(read.attachments[0]?.content.toString());
  expect(seen.map((one) => one.unread).join('')).toBe('');
});

const junk = fc.array(
  fc.oneof(
    fc
      .constantFrom(
        'Content-Type: multipart/mixed; boundary=b\r\n',
        'Content-Type: multipart/digest; boundary="c"\r\n',
        'Content-Type: message/rfc822\r\n',
        'Content-Transfer-Encoding: base64\r\n',
        'Content-Transfer-Encoding: quoted-printable\r\n',
        'Subject: x\r\n folded\r\n',
        '\r\n',
        '\n',
        '\r',
        '--b\r\n',
        '--b--\r\n',
        '--b',
        '--c\n',
        '--c--',
        '-',
        'QUJD',
        '=41=\r\n',
      )
      .map((text) => Buffer.from(text)),
    fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
  ),
  { maxLength: 50 },
);

test('whatever comes: no exception, parts within the limits, no more content than octets, and no difference by pieces', () => {
  const limits = { depth: 4, parts: 12 };
  fc.assert(
    fc.property(junk, fc.integer({ min: 1, max: 9 }), (pieces, size) => {
      const bytes = Buffer.concat(pieces);
      const whole = walk(bytes, 1_000_000, limits);
      expect(walk(bytes, size, limits)).toEqual(whole);
      expect(whole.length).toBeGreaterThan(0);
      expect(whole.length).toBeLessThanOrEqual(limits.parts + limits.depth + 1);
      for (const { depth } of whole) expect(depth).toBeLessThanOrEqual(limits.depth + 1);
      // What stands in an encoded message is counted there and in it.
      const given = whole.reduce((sum, one) => sum + one.text.length, 0);
      expect(given).toBeLessThanOrEqual(bytes.length * (limits.depth + 1));
    }),
    { numRuns: 1_000 },
  );
});

test('every octet of a body is given, or its part is told', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('a', '-', '--', '--c', '\r\n', '\n', '--b ', ' '), { maxLength: 30 }),
      (list) => {
        const content = list.join('');
        const seen = walk(
          Buffer.from(`Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n${content}\r\n--b--\r\n`),
        );
        if (seen.some((one) => one.unread !== '') || seen.length !== 2) return;
        expect(seen[1]?.text).toBe(content);
      },
    ),
    { numRuns: 1_000 },
  );
});
