import fc from 'fast-check';
import { aLabelDomain, parsePath } from '../../../src/mail/address.ts';
import { addressesOf } from '../../../src/mail/mailboxes.ts';

const utf8 = { smtpUtf8: true };
const ascii = { smtpUtf8: false };

test.each<[string, string]>([
  ['<>', ''],
  ['', ''],
  ['<ann@example.org>', 'ann@example.org'],
  ['ann@example.org', 'ann@example.org'],
  ['<Ann.B+tag@Example.ORG>', 'Ann.B+tag@example.org'],
  ['<"a b"@example.org>', '"a b"@example.org'],
  ['<"a\\"b"@example.org>', '"a\\"b"@example.org'],
  ['<"a@b"@example.org>', '"a@b"@example.org'],
  ['<"a>b"@example.org>', '"a>b"@example.org'],
  ["<!#$%&'*+-/=?^_`{|}~@example.org>", "!#$%&'*+-/=?^_`{|}~@example.org"],
  ['<@relay.example,@b.example:ann@example.org>', 'ann@example.org'],
  [`<${'a'.repeat(64)}@example.org>`, `${'a'.repeat(64)}@example.org`],
  ['<postmaster@localhost>', 'postmaster@localhost'],
  ['<a@[192.0.2.1]>', 'a@[192.0.2.1]'],
  ['<a@[IPv6:2001:DB8::1]>', 'a@[ipv6:2001:db8::1]'],
  ['<a@xn--mnchen-3ya.example>', 'a@xn--mnchen-3ya.example'],
])('%s', (text, expected) => {
  expect(parsePath(text, ascii)).toMatchObject({ ok: expected });
});

test('what is well-formed and no destination of ours is marked', () => {
  expect(parsePath('<a@[192.0.2.1]>', ascii)).toMatchObject({ flag: 'address literal' });
  expect(parsePath('<a@localhost>', ascii)).toMatchObject({ flag: 'single label' });
  expect(parsePath('<a@example.org>', ascii)).not.toHaveProperty('flag');
});

test.each<[string, string]>([
  ['<jörg@example.org>', 'jörg@example.org'],
  ['<ann@münchen.example>', 'ann@xn--mnchen-3ya.example'],
  ['<用户@例子.example>', '用户@xn--fsqu00a.example'],
])('with SMTPUTF8: %s', (text, expected) => {
  expect(parsePath(text, utf8)).toEqual({ ok: expected });
  expect(parsePath(text, ascii)).toEqual({ error: 'not ASCII, and SMTPUTF8 was not asked for' });
});

test.each([
  '<ann@example.org',
  'ann',
  '<ann@>',
  '<@example.org>',
  '<@b.example:>',
  '<a..b@example.org>',
  '<.a@example.org>',
  '<a.@example.org>',
  '<a b@example.org>',
  '<a"b@example.org>',
  '<""@example.org>',
  '<a@b@example.org>',
  `<${'a'.repeat(65)}@example.org>`,
  `<a@${'b'.repeat(64)}.example>`,
  `<a@${'b.'.repeat(130)}example>`,
  `<${'é'.repeat(33)}@example.org>`,
  '<a@example.org.>',
  '<a@-b.example>',
  '<a@b_c.example>',
  '<a@b..example>',
  '<a@192.0.2.1>',
  '<a@[192.0.2]>',
  '<a@[evil]>',
  '<a@example.org\r\nRCPT TO:<x@y>>',
  '<a\0@example.org>',
  '<a\t@example.org>',
  '<a\u200b@example.org>',
  '<a\u202e@example.org>',
  '<a\u00a0b@example.org>',
  '<a\ud800@example.org>',
  '<a@ｅxample.org>',
  '<a@exam\u00adple.org>',
  `<a@${'x'.repeat(2_000)}>`,
])('refused: %j', (text) => {
  const path = parsePath(text, utf8);
  expect(path).toHaveProperty('error');
  // The words of a refusal never repeat the text.
  expect(JSON.stringify(path)).not.toMatch(/example|evil|xn--|aaaa/);
});

test('two spellings that a reader takes for one are never two names', () => {
  expect(aLabelDomain('EXAMPLE.org')).toBe('example.org');
  expect(aLabelDomain('MÜNCHEN.example')).toBe('xn--mnchen-3ya.example');
  expect(aLabelDomain('faß.example')).toBe('xn--fa-hia.example');
  expect(aLabelDomain('ex。ample')).toBeNull();
  expect(aLabelDomain('①.example')).toBeNull();
});

test('never throws; what it gives is stable, short and safe on a command line', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 80 }),
    fc
      .array(fc.constantFrom('<', '>', '@', '"', '\\', '.', 'a', 'é', 'example.org', '[', ']', ':', ',', ' ', '\r\n'), {
        maxLength: 14,
      })
      .map((list) => list.join('')),
  );
  fc.assert(
    fc.property(text, (given) => {
      const path = parsePath(given, utf8);
      if ('error' in path || path.ok === '') return;
      expect(Buffer.byteLength(path.ok)).toBeLessThanOrEqual(254);
      expect(path.ok).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
      expect(parsePath(`<${path.ok}>`, utf8)).toMatchObject({ ok: path.ok });
    }),
    { numRuns: 2_000 },
  );
});

describe('addresses of From', () => {
  test.each<[string, string[]]>([
    ['ann@example.org', ['ann@example.org']],
    ['Ann Keller <ann@example.org>', ['ann@example.org']],
    ['"Keller, Ann" <ann@example.org>', ['ann@example.org']],
    ['Ann <ann@example.org>, bob@example.org', ['ann@example.org', 'bob@example.org']],
    ['Staff: ann@example.org, Bob <bob@example.org>;', ['ann@example.org', 'bob@example.org']],
    ['Ann (on call, ext. 7) <ann@example.org>', ['ann@example.org']],
    ['=?utf-8?q?J=C3=B6rg?= <j@example.org>', ['j@example.org']],
    ['"ann@example.org" <ann@example.org>', ['ann@example.org']],
    ['"evil@evil.example" <ann@example.org>', ['ann@example.org']],
    ['ann@example.org <ann@example.org>', ['ann@example.org']],
    ['"a b"@example.org', ['"a b"@example.org']],
    ['Dr. Ann J. Keller <ann@example.org>', ['ann@example.org']],
    ['<ann@example.org>,,', ['ann@example.org']],
  ])('%s', (value, expected) => {
    expect(addressesOf(value)).toEqual({ ok: expected });
  });

  test.each([
    '',
    'Ann',
    '<>',
    'evil@evil.example <ann@example.org>',
    'ann@example.org bob@example.org',
    '<ann@example.org> <bob@example.org>',
    '<ann@example.org> trailing',
    'ann @example.org',
    'ann@ example.org',
    'a(comment)b@example.org',
    '<@relay.example:ann@example.org>',
    'ann@[192.0.2.1]',
    'Ann <ann@example.org',
    'Ann (unclosed <ann@example.org>',
    'Ann "unclosed <ann@example.org>',
    'Staff: ann@example.org',
    'a: b: ann@example.org;;',
    '<<ann@example.org>>',
    '<bob@example.org,ann@example.org>',
    '<=?utf-8?q?bob=40b.example=3E=20?=@example.org>',
    '=?utf-8?b?Ym9iQGIuZXhhbXBsZT4?=@example.org',
  ])('refused: %j', (value) => {
    const read = addressesOf(value);
    expect(read).toHaveProperty('error');
    expect(JSON.stringify(read)).not.toContain('example');
  });

  test('never throws and never sees an address that is not in the text', () => {
    const value = fc
      .array(
        fc.constantFrom(
          'ann@example.org',
          'bob@b.example',
          '<',
          '>',
          '"',
          '(',
          ')',
          '\\',
          ',',
          ':',
          ';',
          ' ',
          'Ann',
          '[',
          ']',
          '@',
        ),
        { maxLength: 16 },
      )
      .map((list) => list.join(''));
    fc.assert(
      fc.property(value, (given) => {
        const read = addressesOf(given);
        if ('ok' in read) for (const one of read.ok) expect(given.toLowerCase()).toContain(one.toLowerCase());
      }),
      { numRuns: 2_000 },
    );
  });
});
