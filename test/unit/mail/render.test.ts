// What a person sees of a message: which text, which files, and that no content can hurt who looks.

import { attachmentBody } from '../../../src/mail/attachment.ts';
import { type Rendered, renderMessage } from '../../../src/mail/render.ts';

function message(text: string): Buffer {
  return Buffer.from(text.replace(/\n/g, '\r\n'));
}

function render(text: string): Rendered {
  return renderMessage([message(text)]);
}

const names = ({ attachments }: Rendered) => attachments.map(({ name }) => name);
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

function mixed(...parts: string[]): string {
  return multipart('mixed', 'm', parts);
}
function multipart(kind: string, boundary: string, parts: readonly string[], more = ''): string {
  const inside = parts.map((part) => `--${boundary}\n${part}\n`).join('');
  return `Content-Type: multipart/${kind}; boundary=${boundary}${more}\n\n${inside}--${boundary}--\n`;
}
const plain = (text: string) => `Content-Type: text/plain; charset=utf-8\n\n${text}`;
const html = (text: string) => `Content-Type: text/html; charset=utf-8\n\n${text}`;
const pdf = 'Content-Type: application/pdf; name="report.pdf"\nContent-Transfer-Encoding: base64\n\nJVBERi0xLjQK';

test('header fields are decoded and stay one line', () => {
  const shown = render(
    'Subject: =?utf-8?B?w5xiZXIg4oCuZ3BqLmV4ZQ==?=\n =?utf-8?Q?_zwei=0AZeilen?=\n' +
      'From: "Lee, \\"Maria\\"" <lee@clinic.example>\nDate: Tue, 24 Nov 2026 09:42:00 -0500 (EST)\n\nHello\n',
  );
  expect(shown.subject).toBe('Über gpj.exe zwei Zeilen');
  expect(shown.from).toBe('Lee, "Maria" <lee@clinic.example>');
  expect(new Date(shown.date as number).toISOString()).toBe('2026-11-24T14:42:00.000Z');
  expect([shown.html, shown.text.trim(), shown.cut, names(shown)]).toEqual([null, 'Hello', false, []]);
});

test('nothing at all is a message too', () => {
  expect(renderMessage([])).toEqual({
    subject: '',
    from: '',
    date: null,
    html: null,
    text: '',
    cut: false,
    attachments: [],
  });
});

test.each<[string, string, { html?: RegExp; text?: RegExp; names: string[] }]>([
  [
    'the last alternative that can be shown',
    multipart('alternative', 'a', [plain('one'), html('<b>two</b>')]),
    { html: /^<b>two<\/b>$/, text: /^one$/, names: [] },
  ],
  [
    'an alternative that nobody can show is a file',
    multipart('alternative', 'a', [plain('one'), 'Content-Type: text/calendar; name=invite.ics\n\nBEGIN:VCALENDAR']),
    { text: /^one$/, names: ['invite.ics'] },
  ],
  [
    'all texts of a mixed message, in order',
    mixed(plain('first'), pdf, plain('second')),
    { text: /^first\n\nsecond$/, names: ['report.pdf'] },
  ],
  [
    'plain text beside HTML',
    mixed(html('<i>first</i>'), plain('a < b')),
    { html: /<i>first<\/i>\n<hr>\n<div[^>]*>a &lt; b<\/div>/, text: /first\n\na < b/, names: [] },
  ],
  [
    'a text that says it is an attachment',
    mixed(plain('body'), 'Content-Type: text/html\nContent-Disposition: attachment; filename=page.html\n\n<b>x</b>'),
    { text: /^body$/, names: ['page.html'] },
  ],
  [
    'a text with a file name behind the body',
    mixed(plain('body'), 'Content-Type: text/plain; name=notes.txt\n\nx'),
    { text: /^body$/, names: ['notes.txt'] },
  ],
  ['a body with a file name', 'Content-Type: text/html; name=body.html\n\n<b>x</b>', { html: /<b>x<\/b>/, names: [] }],
  [
    'the signed part',
    multipart('signed', 's', [
      plain('signed text'),
      'Content-Type: application/pkcs7-signature; name=smime.p7s\n\nMIIB',
    ]),
    { text: /^signed text$/, names: ['smime.p7s'] },
  ],
  [
    'ciphertext as files',
    multipart('encrypted', 'e', [
      'Content-Type: application/pgp-encrypted\n\nVersion: 1',
      'Content-Type: application/octet-stream; name=encrypted.asc\n\n-----BEGIN',
    ]),
    { text: /^$/, names: ['part-1', 'encrypted.asc'] },
  ],
  [
    'a message inside as one file',
    mixed(
      plain('see below'),
      'Content-Type: message/rfc822\n\nSubject: inner\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\ninner text\n--i\nContent-Type: image/png\n\nx\n--i--',
      pdf,
    ),
    { text: /^see below$/, names: ['part-2.eml', 'report.pdf'] },
  ],
  [
    'winmail.dat as a file',
    mixed(plain('body'), 'Content-Type: application/ms-tnef; name=winmail.dat\n\nx'),
    { names: ['winmail.dat'] },
  ],
  [
    'the root that `start` names',
    multipart(
      'related',
      'r',
      ['Content-Type: image/png; name=a.png\nContent-ID: <a>\n\nx', `Content-ID: <root>\n${html('<b>root</b>')}`],
      '; start="<root>"',
    ),
    { html: /^<b>root<\/b>$/, names: ['a.png'] },
  ],
  [
    'a multipart without boundary as a file',
    'Content-Type: multipart/mixed\n\nlost text\n',
    { text: /^$/, names: ['part-0'] },
  ],
  [
    'a delivery report',
    multipart('report', 'd', [plain('not delivered'), 'Content-Type: message/delivery-status\n\nAction: failed']),
    { text: /^not delivered$/, names: ['part-2'] },
  ],
])('shows %s', (_, text, expected) => {
  const shown = render(`MIME-Version: 1.0\n${text}`);
  if (expected.html) expect(shown.html).toMatch(expected.html);
  else expect(shown.html).toBeNull();
  if (expected.text) expect(shown.text.trim()).toMatch(expected.text);
  expect(names(shown)).toEqual(expected.names);
});

describe('pictures', () => {
  const picture = (id: string, type = 'image/png', body = PIXEL) =>
    `Content-Type: ${type}; name=logo.bin\nContent-ID: <${id}>\nContent-Transfer-Encoding: base64\n\n${body}`;
  const related = (markup: string, ...parts: string[]) => render(multipart('related', 'r', [html(markup), ...parts]));

  test('that the text names stand in it, others are files', () => {
    const shown = related('<img src="cid:a%40x" alt="Logo"><img src=cid:nobody>', picture('a@x'), picture('b@x'));
    expect(shown.html).toBe(`<img alt="Logo" src="data:image/png;base64,${PIXEL}" />`);
    expect(shown.attachments).toEqual([{ part: 3, name: 'logo.bin', type: 'image/png', size: 70 }]);
  });

  test.each([
    ['an SVG', picture('a', 'image/svg+xml', Buffer.from('<svg onload="x()"/>').toString('base64'))],
    ['more than 1 MB', picture('a', 'image/png', Buffer.alloc(1_048_577).toString('base64'))],
  ])('not %s', (_, part) => {
    const shown = related('<img src="cid:a" alt="Words">', part);
    expect(shown.html).toBe('<img alt="Words" />');
    expect(names(shown)).toEqual(['logo.bin']);
  });

  test('5 MB of them in all', () => {
    const large = Buffer.alloc(1_000_000).toString('base64');
    const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    const shown = related(
      ids.map((id) => `<img src="cid:${id}">`).join(''),
      ...ids.map((id) => picture(id, 'image/gif', large)),
    );
    expect(shown.html?.match(/<img/g)).toHaveLength(5);
    expect(names(shown)).toHaveLength(2);
  });

  test('one that is named a thousand times does not fill the memory', () => {
    const large = Buffer.alloc(1_000_000).toString('base64');
    const shown = related('<img src="cid:a">'.repeat(1_000), picture('a', 'image/png', large));
    expect(shown.html?.length).toBeLessThan(9_000_000);
  });
});

describe('charsets', () => {
  test.each([
    ['declared', 'Content-Type: text/plain; charset=iso-8859-1\n\n', Buffer.from('caf\u00e9', 'latin1')],
    [
      'of the meta element',
      'Content-Type: text/html\n\n<meta charset="iso-8859-1">',
      Buffer.from('caf\u00e9', 'latin1'),
    ],
    ['not declared, UTF-8', 'Content-Type: text/plain\n\n', Buffer.from('caf\u00e9')],
    ['not declared, no UTF-8', 'Content-Type: text/plain\n\n', Buffer.from('caf\u00e9', 'latin1')],
    ['unknown', 'Content-Type: text/plain; charset=x-klingon\n\n', Buffer.from('caf\u00e9', 'latin1')],
  ])('%s', (_, head, body) => {
    expect(renderMessage([message(head), body]).text).toBe('caf\u00e9');
  });
  test('what looks like a letter of ours stays what it is', () => {
    expect(render(plain('МОСКВА ① ﬁ')).text.trim()).toBe('МОСКВА ① ﬁ');
  });
});

test('folded text is joined, quotes and signature stay', () => {
  const text = 'one \ntwo\n> quoted \n> more\n-- \nMaria';
  expect(render(`Content-Type: text/plain; format=flowed\n\n${text}`).text.trim()).toBe(
    'one two\n> quoted more\n-- \nMaria',
  );
  expect(render(`Content-Type: text/plain\n\n${text}`).text).toContain('one \ntwo');
});

test('HTML alone has a plain text too', () => {
  const shown = render(
    html(
      '<p>A &amp; B</p><ul><li>one</li><li>two</li></ul><table><tr><td>x</td><td>y</td></tr></table><img alt="Logo">',
    ),
  );
  expect(shown.text).toBe('A & B\n\n- one\n- two\n\nx\ty\n\n[Logo]');
});

test.each([
  ['../../etc/passwd', 'passwd'],
  ['C:\\Users\\x\\report.pdf', 'report.pdf'],
  ['evil\u202Efdp.exe', 'evilfdp.exe'],
  ['.htaccess', 'htaccess'],
  ['..', 'part-1.pdf'],
  [`${'a'.repeat(300)}.pdf`, `${'a'.repeat(146)}.pdf`],
])('file name %s', (given, shown) => {
  const part = `Content-Type: application/pdf\nContent-Disposition: attachment; filename*=utf-8''${encodeURIComponent(given)}\n\nx`;
  expect(names(render(multipart('mixed', 'm', [part])))).toEqual([shown]);
});

describe('bounds', () => {
  test('a text of more than 512 kB is cut, and whole among the files', () => {
    const shown = render(`Content-Type: text/plain\n\n${'äbcdefg \n'.repeat(100_000)}`);
    expect(shown.cut).toBe(true);
    expect(Buffer.byteLength(shown.text)).toBeLessThanOrEqual(524_288);
    expect(shown.text).not.toContain('\uFFFD');
    expect(shown.attachments).toMatchObject([{ part: 0, name: 'part-0.txt', size: 1_100_000 }]);
  });

  test('many texts are bounded together', () => {
    const shown = render(mixed(...Array.from({ length: 9 }, () => plain('x'.repeat(300_000)))));
    expect(shown.text.length).toBeLessThan(1_100_000);
    expect([shown.cut, names(shown).length]).toEqual([true, 6]);
  });

  test('HTML deeper than a browser shows is a file, its plain form stays', () => {
    const shown = render(multipart('alternative', 'a', [plain('words'), html('<b>'.repeat(100_000))]));
    expect([shown.html, shown.text.trim(), shown.cut, names(shown)]).toEqual([null, 'words', true, ['part-2.html']]);
  });

  test('more parts than are looked at are told', () => {
    const shown = render(multipart('mixed', 'm', Array(1_100).fill('Content-Type: image/png\n\nx')));
    expect(shown.cut).toBe(true);
    expect(shown.attachments.length).toBeLessThanOrEqual(1_000);
  });

  test('150 MB stream through', () => {
    const head = message(
      `Content-Type: multipart/mixed; boundary=m\n\n--m\n${plain('body')}\n--m\nContent-Type: application/zip; name=a.zip\nContent-Transfer-Encoding: base64\n\n`,
    );
    const line = Buffer.from(`${'QUJD'.repeat(19)}\r\n`.repeat(800));
    const times = Math.ceil(150_000_000 / line.length);
    function* chunks(): Generator<Buffer> {
      yield head;
      for (let i = 0; i < times; i++) yield line;
      yield message('--m--\n');
    }
    const before = process.memoryUsage().rss;
    const shown = renderMessage(chunks());
    expect(shown.attachments).toEqual([{ part: 2, name: 'a.zip', type: 'application/zip', size: times * 800 * 57 }]);
    let octets = 0;
    for (const piece of attachmentBody(chunks(), 2)) octets += piece.length;
    expect(octets).toBe(times * 800 * 57);
    expect(process.memoryUsage().rss - before).toBeLessThan(120_000_000);
  });

  test.each([
    ['unclosed elements', '<p>'.repeat(100_000)],
    ['angle brackets', '<'.repeat(300_000)],
    ['attributes', `<p ${'a=1 '.repeat(400_000)}>`],
    ['cells', `<table>${'<td></td>'.repeat(50_000)}`],
    ['comments', '<!--'.repeat(400_000)],
    ['raw text', '<iframe><noscript>'.repeat(100_000)],
    ['quotes', `<img alt="${'x<img alt="'.repeat(50_000)}`],
  ])('a flood of %s ends', (_, markup) => {
    expect(typeof render(html(markup)).text).toBe('string');
  });
});

describe('attachmentBody', () => {
  const whole = message(
    mixed(
      plain('body'),
      pdf,
      'Content-Type: message/rfc822\n\nSubject: inner\n\n.text\n',
      `Content-Type: text/plain; charset=iso-8859-1; name=a.txt\nContent-Transfer-Encoding: quoted-printable\n\ncaf=E9`,
    ),
  );
  const body = (chunks: Buffer[], part: number) => Buffer.concat([...attachmentBody(chunks, part)]).toString('latin1');

  test.each([1, 7, 64, 100_000])('gives each part as it was, in chunks of %d', (length) => {
    const chunks = Array.from({ length: Math.ceil(whole.length / length) }, (_, i) =>
      whole.subarray(i * length, (i + 1) * length),
    );
    const { attachments } = renderMessage(chunks);
    expect(attachments.map(({ part, size }) => [body(chunks, part), size])).toEqual([
      ['%PDF-1.4\n', 9],
      ['Subject: inner\r\n\r\n.text\r\n', 25],
      ['caf\u00e9', 4],
    ]);
  });

  test('stops reading behind the part, and knows no other', () => {
    let pulled = 0;
    function* chunks(): Generator<Buffer> {
      for (let at = 0; at < whole.length; at += 20) {
        pulled += 1;
        yield whole.subarray(at, at + 20);
      }
    }
    expect(Buffer.concat([...attachmentBody(chunks(), 2)]).toString()).toBe('%PDF-1.4\n');
    expect(pulled).toBeLessThan(whole.length / 20 - 3);
    expect(body([whole], 99)).toBe('');
  });
});
