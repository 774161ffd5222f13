import { REPLIES, replyForCode, replyLine } from '../../../src/smtp/answers.ts';

// RFC 2034 §4, RFC 3463 §2: the class of the enhanced code is the first digit of the reply.
test.each(Object.entries(REPLIES))('%s has an enhanced status code of its class', (_, reply) => {
  expect(replyLine(reply)).toMatch(/^([245])\d\d \1\.\d{1,3}\.\d{1,3} [\x20-\x7e]+\r\n$/);
});

test.each([
  ['a line end', 'a\r\n250 2.0.0 b', '550 5.7.1 a??250 2.0.0 b\r\n'],
  ['controls', '\0\x1b[31m\x7f', '550 5.7.1 ??[31m?\r\n'],
  ['what is not ASCII', 'ä\u2028', '550 5.7.1 ??\r\n'],
])('%s in a text stays one line of ASCII', (_, text, line) => {
  expect(replyLine({ code: 550, enhanced: '5.7.1', text })).toBe(line);
});

test('a reply line is at most 512 octets (RFC 5321 §4.5.3.1.5)', () => {
  expect(replyLine({ code: 550, enhanced: '5.7.1', text: 'x'.repeat(1000) }).length).toBeLessThanOrEqual(512);
});

test.each([
  200, 220, 221, 250, 354, 421, 450, 454, 500, 535, 554,
])('smtp-server’s own %i becomes a reply of ours', (code) => {
  expect(Object.values(REPLIES)).toContain(replyForCode(code));
});
