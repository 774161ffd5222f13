import fc from 'fast-check';
import { REPLIES } from '../../../src/smtp/answers.ts';
import { decodeXtext, parseChunk, parseMail, parseRcpt } from '../../../src/smtp/parameters.ts';

const mail = (text: string, session = { extended: true, auth: false }) => {
  const got = parseMail(text, session);
  return 'refused' in got ? got.refused : got;
};
const rcpt = (text: string, session: Partial<{ extended: boolean; smtpUtf8: boolean }> = {}) => {
  const got = parseRcpt(text, { extended: true, smtpUtf8: false, hostname: 'mx.gateway.example', ...session });
  return 'refused' in got ? got.refused : got;
};
const PLAIN = { reversePath: 'a@b.example', dsn: {}, smtpUtf8: false, body: '7BIT' };

describe('MAIL', () => {
  test.each([
    [' FROM:<a@b.example>', PLAIN],
    [' from: <a@b.example>', PLAIN],
    ['  FROM:<a@b.example>  ', PLAIN],
    [' FROM:<>', { ...PLAIN, reversePath: '' }],
    [' FROM:<a@B.Example>', PLAIN],
    [' FROM:<@relay.example:a@b.example>', PLAIN],
    [' FROM:<"a > b"@b.example> SIZE=0', { ...PLAIN, reversePath: '"a > b"@b.example', size: 0 }],
    [' FROM:<a@b.example> SIZE=12345', { ...PLAIN, size: 12345 }],
    [' FROM:<a@b.example> BODY=8bitmime RET=full', { ...PLAIN, body: '8BITMIME', dsn: { ret: 'FULL' } }],
    [' FROM:<a@b.example> ENVID=a+2Bb+20c', { ...PLAIN, dsn: { envid: 'a+b c' } }],
    [' FROM:<ä@b.example> SMTPUTF8', { ...PLAIN, reversePath: 'ä@b.example', smtpUtf8: true }],
    [' FROM:<a@b.example', REPLIES.badSender],
    [' FROM:<a@b.example>x', REPLIES.badParameter],
    [' FROM:a@b.example', REPLIES.badSyntax],
    [' TO:<a@b.example>', REPLIES.badSyntax],
    ['FROM:<a@b.example>', REPLIES.badSyntax],
    ['', REPLIES.badSyntax],
    [' FROM:<a b@c.example>', REPLIES.badSender],
    [' FROM:<a@b@c.example>', REPLIES.badSender],
    [' FROM:<a\u2028@b.example>', REPLIES.needsUtf8],
    [' FROM:<a@b.example> SIZE=-1', REPLIES.badParameter],
    [' FROM:<a@b.example> SIZE=1e3', REPLIES.badParameter],
    [' FROM:<a@b.example> SIZE', REPLIES.badParameter],
    [' FROM:<a@b.example> size=1 SIZE=1', REPLIES.badParameter],
    [' FROM:<a@b.example> SIZE=1=2', REPLIES.badParameter],
    [' FROM:<a@b.example> REQUIRETLS', REPLIES.unknownParameter],
    [' FROM:<a@b.example> NOTIFY=NEVER', REPLIES.unknownParameter],
    [' FROM:<a@b.example> ENVID=a+0D', REPLIES.badParameter],
    [` FROM:<a@b.example> ENVID=${'x'.repeat(101)}`, REPLIES.badParameter],
  ])('%j', (text, expected) => {
    expect(mail(text)).toEqual(expected);
  });

  test('no parameters after HELO; AUTH= only where AUTH is offered', () => {
    expect(mail(' FROM:<a@b.example> SIZE=1', { extended: false, auth: false })).toBe(REPLIES.unknownParameter);
    expect(mail(' FROM:<a@b.example> AUTH=<>')).toBe(REPLIES.unknownParameter);
    expect(mail(' FROM:<a@b.example> AUTH=<>', { extended: true, auth: true })).toEqual(PLAIN);
  });
});

describe('RCPT', () => {
  const address = 'c@d.example';
  test.each([
    [' TO:<c@d.example>', { address, dsn: {} }],
    [' TO:<c@d.example> NOTIFY=success,FAILURE,delay', { address, dsn: { notify: ['SUCCESS', 'FAILURE', 'DELAY'] } }],
    [' TO:<c@d.example> NOTIFY=NEVER', { address, dsn: { notify: ['NEVER'] } }],
    [' TO:<c@d.example> ORCPT=rfc822;x+2By@z.example', { address, dsn: { orcpt: 'rfc822;x+y@z.example' } }],
    [' TO:<postmaster>', { address: 'postmaster@mx.gateway.example', dsn: {} }],
    [' TO:<PostMaster> NOTIFY=NEVER', { address: 'PostMaster@mx.gateway.example', dsn: { notify: ['NEVER'] } }],
    [' TO:<>', REPLIES.badRecipient],
    [' TO:<nobody>', REPLIES.badRecipient],
    [' TO:<c@[127.0.0.1]>', REPLIES.badDestination],
    [' TO:<c@[IPv6:::1]>', REPLIES.badDestination],
    [' TO:<c@localhost>', REPLIES.badDestination],
    [' TO:<c@d.example> NOTIFY=NEVER,SUCCESS', REPLIES.badParameter],
    [' TO:<c@d.example> NOTIFY=SUCCESS,', REPLIES.badParameter],
    [' TO:<c@d.example> NOTIFY=ALWAYS', REPLIES.badParameter],
    // An encoding of its own (RFC 6533 §3), whatever the session.
    [
      ' TO:<c@d.example> ORCPT=utf-8;x\\x{2B}+2By@z.example',
      { address, dsn: { orcpt: 'utf-8;x\\x{2B}+2By@z.example' } },
    ],
    [' TO:<c@d.example> ORCPT=x', REPLIES.badParameter],
    [' TO:<c@d.example> ORCPT=utf-8;a\u0085b@z.example', REPLIES.badParameter],
    [' TO:<c@d.example> ORCPT=rfc822;', REPLIES.badParameter],
    [' TO:<c@d.example> ORCPT=rfc822;a+0D+0AQUIT', REPLIES.badParameter],
    [` TO:<c@d.example> ORCPT=rfc822;${'x'.repeat(500)}`, REPLIES.badParameter],
    [' TO:<c@d.example> RET=HDRS', REPLIES.unknownParameter],
    [' TO:<ü@d.example>', REPLIES.needsUtf8],
  ])('%j', (text, expected) => {
    expect(rcpt(text)).toEqual(expected);
  });

  test('utf-8 addresses as original recipients only with SMTPUTF8 (RFC 6533 §3)', () => {
    const text = ' TO:<c@d.example> ORCPT=utf-8;ü@z.example';
    expect(rcpt(text)).toBe(REPLIES.badParameter);
    expect(rcpt(text, { smtpUtf8: true })).toEqual({ address, dsn: { orcpt: 'utf-8;ü@z.example' } });
  });
});

test.each([
  ['a+2Bb', 'a+b'],
  ['', ''],
  ['a+2bb', null],
  ['a+', null],
  ['a=b', null],
  ['a b', null],
  ['a+00', null],
  ['a+C3', null],
])('xtext %j', (text, expected) => {
  expect(decodeXtext(text, 100)).toBe(expected);
});

test('whatever is said, what passes can hold no line end, control character or second address', () => {
  const word = fc.constantFrom(
    '<',
    '>',
    '"',
    '@',
    'a',
    'b.example',
    ' ',
    '\\',
    'ü',
    '\u2028',
    ':',
    ',',
    'SIZE=1',
    'SMTPUTF8',
    ' ORCPT=rfc822;',
    '+0A',
    '=',
  );
  fc.assert(
    fc.property(fc.constantFrom(' FROM:', ' TO:'), fc.array(word, { maxLength: 14 }), (start, words) => {
      const text = start + words.join('');
      const got = start === ' TO:' ? rcpt(text, { smtpUtf8: true }) : mail(text);
      if ('code' in got) return;
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
      expect(JSON.stringify(got)).not.toMatch(/\\[nr]|\\u00|[\x00-\x1f\u2028]/);
      const path = 'address' in got ? got.address : got.reversePath;
      if (path !== '') expect(path.replace(/^"(?:[^"\\]|\\.)*"/, 'q')).toMatch(/^[^@<>"\s]+@[^@<>"\s]+$/);
    }),
    { numRuns: 5000 },
  );
});

describe('BDAT', () => {
  test.each([
    [' 0', { size: 0, last: false }],
    [' 0 LAST', { size: 0, last: true }],
    ['  86  last', { size: 86, last: true }],
    [' 007', { size: 7, last: false }],
    [' 99999999999999999999', { size: 1e20, last: false }],
  ])('%j', (text, chunk) => {
    expect(parseChunk(text)).toEqual(chunk);
  });

  test.each([
    '',
    ' ',
    '5',
    ' -5',
    ' +5',
    ' 5.0',
    ' 1e3',
    ' 0x5',
    ' LAST',
    ' 5LAST',
    ' 5 LAST 6',
    ' 5 6',
    ' ٥',
    ` ${'1'.repeat(21)}`,
  ])('%j is no size', (text) => {
    expect(parseChunk(text)).toBeNull();
  });
});
