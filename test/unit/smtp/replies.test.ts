import fc from 'fast-check';
import { featuresOf, type RawReply, ReplyError, ReplyParser, toReply } from '../../../src/smtp/replies.ts';

function parse(text: string): RawReply[] {
  return new ReplyParser().push(Buffer.from(text, 'latin1'));
}

test.each([
  ['250 ok\r\n', [[250, ['ok']]]],
  ['250\r\n', [[250, ['']]]],
  [
    '250-a\r\n250-b\r\n250 c\r\n354 go\r\n',
    [
      [250, ['a', 'b', 'c']],
      [354, ['go']],
    ],
  ],
  ['250 lf only\n', [[250, ['lf only']]]],
  ['250-open\r\n', []],
  ['25', []],
])('%j', (text, expected) => {
  expect(parse(text).map(({ code, lines }) => [code, lines])).toEqual(expected);
});

test.each([
  ['hello\r\n'],
  ['2500 x\r\n'],
  ['250x\r\n'],
  ['150 x\r\n'],
  ['660 x\r\n'],
  ['\r\n'],
  [' 250 x\r\n'],
  ['250-a\r\n251 b\r\n'],
  ['HTTP/1.1 400 Bad\r\n'],
  [`250 ${'x'.repeat(5000)}\r\n`],
  ['x'.repeat(5000)],
  [`${'250-a\r\n'.repeat(600)}250 b\r\n`],
  [`${`250-${'x'.repeat(2000)}\r\n`.repeat(40)}250 b\r\n`],
])('refuses %#', (text) => {
  expect(() => parse(text)).toThrow(ReplyError);
});

test.each([
  [550, ['5.1.1 no such user'], '5.1.1', 'no such user'],
  [250, ['2.0.0'], '2.0.0', ''],
  [550, ['no such user'], '5.0.0', 'no such user'],
  [450, ['5.1.1 class differs'], '4.0.0', '5.1.1 class differs'],
  [550, ['5.7.1 one', '5.7.1 two\u0000\u001b[31m'], '5.7.1', 'one two [31m'],
  [550, ['x'.repeat(3000)], '5.0.0', 'x'.repeat(1000)],
])('%i %j', (code, lines, enhanced, text) => {
  expect(toReply({ code, lines })).toEqual({ code, enhanced, text });
});

test('features', () => {
  const lines = ['greets', 'PIPELINING', 'size 1000', 'StartTLS', '8BITMIME', 'X-UNKNOWN a b', 'DSN', 'SMTPUTF8'];
  const all = {
    startTls: true,
    pipelining: true,
    eightBitMime: true,
    smtpUtf8: true,
    dsn: true,
    size: true,
    maxSize: 1000,
  };
  expect(featuresOf({ code: 250, lines })).toEqual(all);
  expect(featuresOf({ code: 250, lines: ['PIPELINING'] })).toMatchObject({
    pipelining: false,
    size: false,
    maxSize: null,
  });
  expect(featuresOf({ code: 250, lines: ['x', 'SIZE'] })).toMatchObject({ size: true, maxSize: null });
  expect(featuresOf({ code: 250, lines: ['x', 'SIZE nonsense'] })).toMatchObject({ size: true, maxSize: null });
});

test('any octets, cut anywhere: a reply or ReplyError, and the cuts change nothing', () => {
  const line = fc.oneof(
    fc.constantFrom(
      '250 ok\r\n',
      '250-a\r\n',
      '550 5.1.1 no\r\n',
      '354\r\n',
      '\r\n',
      '250-a\n250 b\n',
      '421 4.3.0 \u00e9\r\n',
    ),
    fc.string({ maxLength: 8 }),
  );
  const outcome = (chunks: readonly Buffer[]): unknown => {
    const parser = new ReplyParser();
    const out: RawReply[] = [];
    try {
      for (const chunk of chunks) out.push(...parser.push(chunk));
    } catch (error) {
      expect(error).toBeInstanceOf(ReplyError);
      return 'refused';
    }
    for (const raw of out) expect(toReply(raw).enhanced).toMatch(/^[2345]\.[0-9]+\.[0-9]+$/);
    return out;
  };
  fc.assert(
    fc.property(fc.array(line, { maxLength: 6 }), fc.nat(40), (lines, cut) => {
      const bytes = Buffer.from(lines.join(''), 'utf8');
      expect(outcome([bytes.subarray(0, cut), bytes.subarray(cut)])).toEqual(outcome([bytes]));
    }),
  );
});
