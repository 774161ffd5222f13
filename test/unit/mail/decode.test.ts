import fc from 'fast-check';
import { decoderFor } from '../../../src/mail/decode.ts';
import { lineCheck } from '../../../src/mail/lines.ts';
import { parseMedia } from '../../../src/mail/media.ts';

function decoded(encoding: string, text: string | Buffer, pieceSize = 1_000_000): { text: string; bad: boolean } {
  const decoder = decoderFor(encoding);
  if (!decoder) throw new Error('no decoder');
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  const out: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += pieceSize) {
    out.push(Buffer.from(decoder.push(bytes.subarray(at, at + pieceSize))));
  }
  out.push(Buffer.from(decoder.end()));
  return { text: Buffer.concat(out).toString('latin1'), bad: decoder.bad() };
}

test('which encodings there are', () => {
  for (const name of ['', '7bit', '8bit', 'binary']) expect(decoderFor(name)).toBeNull();
  for (const name of ['x-uuencode', 'base-64', 'quoted printable']) expect(decoderFor(name)).toBeUndefined();
});

describe.each([1, 2, 3, 1_000])('in pieces of %i', (size) => {
  test.each<[string, string, boolean]>([
    ['aGVsbG8=', 'hello', false],
    ['aGVs\r\nbG8=\r\n', 'hello', false],
    ['aGVsbG8', 'hello', true],
    ['aGVsb', 'hel', true],
    ['aGVs#bG8=', 'hello', true],
    ['aGk=aGk=', 'hihi', true],
    ['####', '', true],
    ['', '', false],
    [' \r\n', '', false],
    // The alphabet of RFC 4648 §5: one reader takes these two, the next passes over them.
    ['_w8=', '\xc3', true],
    [`${`${'QUJD'.repeat(19)}\r\n`.repeat(3)}QU-D${'QUJD'.repeat(18)}\r\n`.repeat(2), 'see', true],
    ['=', '', true],
    [`${`${'QUJD'.repeat(19)}\r\n`.repeat(6)}RUY=`, `${'ABC'.repeat(114)}EF`, false],
    [`${`${'QUJD'.repeat(19)}\r\n`.repeat(3)}${'QU#D'.repeat(19)}\r\n`.repeat(2), 'see', true],
  ])('base64 %j', (text, expected, bad) => {
    const said = decoded('base64', text, size);
    if (expected !== 'see') expect(said.text).toBe(expected);
    expect(said.bad).toBe(bad);
  });

  test.each<[string, string]>([
    ['caf=C3=A9', 'caf\xc3\xa9'],
    ['caf=c3=a9', 'caf\xc3\xa9'],
    ['a=\r\nb', 'ab'],
    ['a=\nb', 'ab'],
    ['a= \t\r\nb', 'ab'],
    ['a= \nb', 'ab'],
    ['a= b', 'a= b'],
    ['a=\r', 'a'],
    ['a=', 'a'],
    ['a= \t', 'a'],
    ['a=4', 'a=4'],
    ['a=ZZ', 'a=ZZ'],
    ['a==41', 'a=A'],
    [`a=${' '.repeat(100)}b`, `a=${' '.repeat(100)}b`],
    ['a\r\nb', 'a\r\nb'],
  ])('quoted-printable %j', (text, expected) => {
    expect(decoded('quoted-printable', text, size)).toEqual({ text: expected, bad: false });
  });
});

test('what was encoded comes back, however it is cut', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 600 }),
      fc.nat(80),
      fc.integer({ min: 1, max: 90 }),
      (octets, width, size) => {
        const plain = Buffer.from(octets);
        const base64 = plain.toString('base64').replace(new RegExp(`.{1,${width + 1}}`, 'g'), '$&\r\n');
        expect(decoded('base64', base64, size)).toEqual({ text: plain.toString('latin1'), bad: false });
        const quoted = [...plain].map((c) => `=${c.toString(16).padStart(2, '0')}`).join('=\r\n');
        expect(decoded('quoted-printable', quoted, size)).toEqual({ text: plain.toString('latin1'), bad: false });
      },
    ),
    { numRuns: 500 },
  );
});

test('junk says the same in one piece and in many, and never grows', () => {
  const junk = fc
    .array(fc.constantFrom('=', '\r\n', '\n', '\r', 'QUJD', 'Q', '#', ' ', '\t', '41', 'C3', '\0', '-_'), {
      maxLength: 40,
    })
    .map((list) => list.join(''));
  fc.assert(
    fc.property(
      junk,
      fc.integer({ min: 1, max: 7 }),
      fc.constantFrom('base64', 'quoted-printable'),
      (text, size, encoding) => {
        const whole = decoded(encoding, text);
        expect(decoded(encoding, text, size)).toEqual(whole);
        expect(whole.text.length).toBeLessThanOrEqual(text.length);
      },
    ),
    { numRuns: 2_000 },
  );
});

describe('structured values', () => {
  test.each<[string, string, Record<string, string>, boolean]>([
    ['text/plain', 'text/plain', {}, false],
    ['Text/HTML; Charset="UTF-8"', 'text/html', { charset: 'UTF-8' }, false],
    ['text/plain (a comment); charset=(x) utf-8', 'text/plain', { charset: 'utf-8' }, false],
    ['multipart/mixed; boundary="a;b=\\"c"', 'multipart/mixed', { boundary: 'a;b="c' }, true],
    ['multipart/mixed; boundary="a;b=c"', 'multipart/mixed', { boundary: 'a;b=c' }, false],
    ['multipart/mixed (; boundary=c)', 'multipart/mixed', {}, true],
    ['a/b; charset="=?utf-8?q?latin1?="', 'a/b', { charset: '=?utf-8?q?latin1?=' }, true],
    ["attachment; filename*=utf-8''r%C3%A9sum%C3%A9.txt", 'attachment', { filename: 'résumé.txt' }, false],
    ['attachment; filename*0="a b"; filename*1="c.txt"', 'attachment', { filename: 'a bc.txt' }, false],
    ["attachment; filename*1*=%20c; filename*0*=utf-8''a", 'attachment', { filename: 'a c' }, false],
    ['attachment; filename="=?utf-8?q?caf=C3=A9?="', 'attachment', { filename: 'café' }, false],
    ['a/b; x=1; x=1', 'a/b', { x: '1' }, false],
    ['a/b; x=1; x=2', 'a/b', { x: '1' }, true],
    ['a/b; boundary="open', 'a/b', { boundary: 'open' }, true],
    ["a/b; boundary=x; boundary*=utf-8''y", 'a/b', { boundary: 'y' }, true],
    ["a/b; boundary*=utf-8''y", 'a/b', { boundary: 'y' }, true],
    ['a/b; ; charset=x;', 'a/b', { charset: 'x' }, false],
    ['a/b; nothing', 'a/b', {}, true],
    ["a/b; name*=nonsense''%zz", 'a/b', { name: '%zz' }, false],
    ['', '', {}, false],
  ])('%s', (text, value, parameters, ambiguous) => {
    const media = parseMedia(text);
    expect([media.value, Object.fromEntries(media.parameters), media.ambiguous]).toEqual([
      value,
      parameters,
      ambiguous,
    ]);
  });

  test('never throws', () => {
    const text = fc
      .array(
        fc.constantFrom(
          'a/b',
          ';',
          '=',
          '"',
          '\\',
          '(',
          ')',
          'x',
          '*',
          '*0',
          "utf-8''",
          '%C3',
          ' ',
          'é',
          '\0',
          '=?utf-8?q?',
        ),
        { maxLength: 25 },
      )
      .map((list) => list.join(''));
    fc.assert(
      fc.property(text, (given) => void parseMedia(given)),
      { numRuns: 2_000 },
    );
    parseMedia(`a/b${';x=y'.repeat(100_000)}`);
    parseMedia('('.repeat(100_000));
  });
});

describe('line ends', () => {
  test.each<[string, string | null, boolean]>([
    ['', null, false],
    ['a\r\nb\r\n', null, false],
    ['a\nb', 'bare LF', false],
    ['a\rb', 'bare CR', false],
    ['a\r', 'bare CR', false],
    ['a\r\r\n', 'bare CR', false],
    ['a\n\r\n', 'bare LF', false],
    ['a\0b\r\n', 'NUL', false],
    [`${'x'.repeat(998)}\r\n`, null, false],
    [`${'x'.repeat(999)}\r\n`, null, true],
    ['x'.repeat(999), null, true],
  ])('%#', (text, fault, overlong) => {
    for (const size of [1, 2, 3, 5, 10_000]) {
      const check = lineCheck();
      for (let at = 0; at < text.length; at += size) check.push(Buffer.from(text.slice(at, at + size)));
      expect(check.end()).toBe(fault);
      if (fault === null) expect(check.overlong()).toBe(overlong);
    }
  });
});
