// A header section taken apart for encryption, as a reader of what leaves would see it.

import { entityOf, splitHead } from '../../../src/mail/entity.ts';

const lines = (...all: string[]): Buffer => Buffer.from(all.map((line) => `${line}\r\n`).join(''));
const HEADER = lines(
  'Received: from a by b',
  'From: Dr. Lee <lee@clinic.example>',
  'To: ann@example.org,',
  ' bob@example.org',
  'Subject: [secure] HIV test',
  'MIME-Version: 1.0',
  'Content-Type: multipart/mixed; boundary="b"',
  'Content-Language: en',
  'X-Trace: 1',
  '',
);

test('the subject stands inside only, MIME fields go inside, trace fields stay outside', () => {
  const { outside, inside } = entityOf(HEADER, { tags: ['secure'], subject: 'obscure' });
  expect(outside.toString()).toBe(
    lines(
      'Received: from a by b',
      'From: Dr. Lee <lee@clinic.example>',
      'To: ann@example.org,',
      ' bob@example.org',
      'Subject: [...]',
      'X-Trace: 1',
    ).toString(),
  );
  expect(inside.toString()).toBe(
    lines(
      'From: Dr. Lee <lee@clinic.example>',
      'To: ann@example.org,',
      ' bob@example.org',
      'Subject: HIV test',
      'HP-Outer: From: Dr. Lee <lee@clinic.example>',
      'HP-Outer: To: ann@example.org,',
      ' bob@example.org',
      'HP-Outer: Subject: [...]',
      'Content-Type: multipart/mixed;',
      '\tboundary="b";',
      '\thp="cipher"',
      'Content-Language: en',
      '',
    ).toString(),
  );
});

test.each(['Thread-Topic', 'Keywords', 'COMMENTS'])('%s says no more outside than the subject does', (name) => {
  const given = lines('Subject: HIV test', `${name}: HIV`, ' test', '');
  const { outside, inside } = entityOf(given, { tags: [], subject: 'obscure' });
  expect(outside.toString()).toBe('Subject: [...]\r\n');
  expect(inside.toString()).toContain(`${name}: HIV\r\n test\r\n`);
  expect(entityOf(given, { tags: [], subject: 'keep' }).outside.equals(given.subarray(0, -2))).toBe(true);
});

test.each<[string, Buffer]>([
  [
    'a line that is no field',
    lines('From: a@b.test', 'Dear Ann', 'Diagnosis: HIV', 'Subject: x', 'Content-Type: text/html', ''),
  ],
  ['a first line that is folded', lines(' Dear Ann', 'Diagnosis: HIV', 'From: a@b.test', 'Subject: x', '')],
])('behind %s text may be taken for fields: it stays inside', (_, given) => {
  const { outside, inside } = entityOf(given, { tags: ['urgent'], subject: 'keep' });
  expect(outside.toString()).toBe(lines('From: a@b.test', 'Subject: x').toString());
  expect(inside.toString()).toContain('Diagnosis: HIV\r\n');
});

test('a kept subject stands outside without its tag', () => {
  const { outside } = entityOf(HEADER, { tags: ['secure'], subject: 'keep' });
  expect(outside.toString()).toContain('Subject: HIV test\r\n');
  expect(outside.toString()).not.toContain('secure');
});

test.each<[string, string[], string]>([
  ['no content type', ['Subject: a', ''], 'Content-Type: text/plain;\r\n\tcharset=us-ascii;\r\n\thp="cipher"\r\n\r\n'],
  ['one that ends in a semicolon', ['Content-Type: text/html;', ''], 'Content-Type: text/html;\r\n\thp="cipher"\r\n'],
  ['a header without an end', ['Content-Type: text/html'], 'Content-Type: text/html;\r\n\thp="cipher"\r\n\r\n'],
])('%s', (_, given, expected) => {
  expect(entityOf(lines(...given), { tags: [], subject: 'obscure' }).inside.toString()).toContain(expected);
});

test('a type with 150,000 semicolons takes no time with the square of their number', async () => {
  const section = lines(`Content-Type: text/html${';'.repeat(150_000)} x`, '');
  const { inside } = entityOf(section, { tags: [], subject: 'obscure' });
  expect(inside.toString()).toContain('\tx;\r\n\thp="cipher"\r\n');
  // So that the test's own time can run out.
  for (let i = 0; i < 2; i++) await new Promise((wake) => setImmediate(wake));
});

test('the last field without a line end gets one', () => {
  const { outside } = entityOf(Buffer.from('Subject: a\r\nX-Last: b'), { tags: [], subject: 'keep' });
  expect(outside.toString()).toBe('Subject: a\r\nX-Last: b\r\n');
});

test('a head is found wherever the chunks end', () => {
  const whole = Buffer.concat([HEADER, Buffer.from('body\r\n.\r\nFrom here\r\n')]);
  for (let at = 0; at <= whole.length; at++) {
    const { head, rest } = splitHead([whole.subarray(0, at), whole.subarray(at)]);
    expect(head.equals(HEADER)).toBe(true);
    expect(Buffer.concat([...rest]).toString()).toBe('body\r\n.\r\nFrom here\r\n');
  }
});

test('a message without a body is all head', () => {
  const { head, rest } = splitHead([Buffer.from('Subject: a\r\n')]);
  expect(head.toString()).toBe('Subject: a\r\n');
  expect([...rest]).toEqual([]);
});
