import fc from 'fast-check';
import type { Address } from '../../../src/domain/ids.ts';
import { mailLine, rcptLine, recipientFault, reversePathFault } from '../../../src/smtp/commands.ts';
import { type Features, NO_FEATURES } from '../../../src/smtp/replies.ts';

const ALL: Features = {
  startTls: true,
  pipelining: true,
  eightBitMime: true,
  smtpUtf8: true,
  dsn: true,
  size: true,
  maxSize: null,
};
const MAIL = { reversePath: 'a@b.test', dsn: {}, size: 10, eightBit: false, smtpUtf8: false };

test.each([
  [MAIL, NO_FEATURES, 'MAIL FROM:<a@b.test>\r\n'],
  [{ ...MAIL, reversePath: '' }, NO_FEATURES, 'MAIL FROM:<>\r\n'],
  [MAIL, ALL, 'MAIL FROM:<a@b.test> SIZE=10 RET=HDRS\r\n'],
  [{ ...MAIL, eightBit: true, size: null }, ALL, 'MAIL FROM:<a@b.test> BODY=8BITMIME RET=HDRS\r\n'],
  [
    { ...MAIL, smtpUtf8: true, dsn: { ret: 'FULL' as const, envid: 'a=b +1' } },
    ALL,
    'MAIL FROM:<a@b.test> SIZE=10 SMTPUTF8 RET=HDRS ENVID=a+3Db+20+2B1\r\n',
  ],
  [{ ...MAIL, dsn: { envid: 'x\r\nRCPT TO:<evil@x.test>' } }, ALL, 'MAIL FROM:<a@b.test> SIZE=10 RET=HDRS\r\n'],
])('%j', (mail, features, expected) => {
  expect(mailLine(mail, features)).toBe(expected);
});

test.each([
  [{}, 'RCPT TO:<c@d.test>\r\n'],
  [
    { notify: ['SUCCESS', 'DELAY'] as const, orcpt: 'rfc822;c+x@d.test' },
    'RCPT TO:<c@d.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;c+2Bx@d.test\r\n',
  ],
  [{ notify: ['NEVER'] as const }, 'RCPT TO:<c@d.test> NOTIFY=NEVER\r\n'],
  [{ orcpt: 'utf-8;c\\x{E9}+x@d.test' }, 'RCPT TO:<c@d.test> ORCPT=utf-8;c\\x{E9}+x@d.test\r\n'],
  [{ orcpt: 'utf-8;c d=@d.test' }, 'RCPT TO:<c@d.test> ORCPT=utf-8;c+20d+3D@d.test\r\n'],
  [{ orcpt: 'rfc822;c\r\nDATA' }, 'RCPT TO:<c@d.test>\r\n'],
  [{ orcpt: 'no type' }, 'RCPT TO:<c@d.test>\r\n'],
  [{ orcpt: `rfc822;${'c'.repeat(600)}` }, 'RCPT TO:<c@d.test>\r\n'],
])('DSN %j', (dsn, expected) => {
  expect(rcptLine({ address: 'c@d.test' as Address, dsn }, ALL)).toBe(expected);
  expect(rcptLine({ address: 'c@d.test' as Address, dsn }, NO_FEATURES)).toBe('RCPT TO:<c@d.test>\r\n');
});

test.each([
  ['a@b.test', true],
  ['"a b"@b.test', true],
  ['a@b', true],
  ['j\u00fcrgen@b.test', true],
  ["o'neil+x@b.test", true],
  ['a b@b.test', false],
  ['a@b.test>\r\nDATA', false],
  ['a\r\nb@b.test', false],
  ['a\n@b.test', false],
  ['a\0@b.test', false],
  ['a\u2028@b.test', false],
  ['<a@b.test>', false],
  ['@x.test:a@b.test', false],
  ['a@B.test', false],
  ['a@b.test ', false],
  ['', false],
  ['a', false],
  ['a@', false],
  ['@b.test', false],
  ['a@b.test> SIZE=1', false],
  ['a@b.test,c@d.test', false],
])('recipient %j fit: %p', (address, fit) => {
  expect(recipientFault(address) === null).toBe(fit);
});

test('the null reverse-path is fit', () => {
  expect(reversePathFault('')).toBeNull();
  expect(reversePathFault('a b@c.test')).toMatchObject({ code: 553, enhanced: '5.1.7' });
});

test('what passes makes exactly one line of printable characters', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.string({ unit: 'binary', maxLength: 20 }),
      (local, other) => {
        const address = `${local}@b.test` as Address;
        if (recipientFault(address) !== null) return;
        const dsn = { orcpt: `rfc822;${other}` };
        const line =
          rcptLine({ address, dsn }, ALL) + mailLine({ ...MAIL, reversePath: address, dsn: { envid: other } }, ALL);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there.
        expect(line).toMatch(/^RCPT TO:<[^\x00-\x1f\x7f]+\r\nMAIL FROM:<[^\x00-\x1f\x7f]+\r\n$/);
      },
    ),
    { numRuns: 500 },
  );
});
