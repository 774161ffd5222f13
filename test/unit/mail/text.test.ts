import fc from 'fast-check';
import type { UnreadReason } from '../../../src/domain/types.ts';
import { isEncryptedZip, normalise, textReader } from '../../../src/mail/text.ts';

type Read = { text: string; pieces: number; unread: UnreadReason | undefined };

function read(bytes: Buffer, part: { type?: string; charset?: string; html?: boolean }, pieceSize = 1_000_000): Read {
  const given: string[] = [];
  const reader = textReader(
    {
      type: part.type ?? (part.html ? 'text/html' : 'text/plain'),
      charset: part.charset ?? '',
      html: part.html ?? false,
    },
    (text) => given.push(text),
  );
  for (let at = 0; at < bytes.length; at += pieceSize) reader.push(Buffer.from(bytes.subarray(at, at + pieceSize)));
  const unread = reader.end();
  return { text: given.join(''), pieces: given.length, unread };
}
const plain = (text: string | Buffer, charset = '') =>
  read(typeof text === 'string' ? Buffer.from(text) : text, { charset });
const html = (text: string) => read(Buffer.from(text), { html: true });
/** As a reader would see it: blanks and empty lines together. */
const shown = (text: string) => html(text).text.replace(/ +/g, ' ').replace(/\n+/g, '\n').trim();

describe('charsets', () => {
  test.each<[string, Buffer, string, UnreadReason | undefined]>([
    ['', Buffer.from('café'), 'café', undefined],
    ['UTF-8', Buffer.from('café'), 'café', undefined],
    ['us-ascii', Buffer.from('café'), 'café', undefined],
    ['utf-8', Buffer.from('\ufeffcafé'), 'café', undefined],
    ['iso-8859-1', Buffer.from('café', 'latin1'), 'café', undefined],
    ['windows-1252', Buffer.from([0x93, 0x61, 0x94]), '“a”', undefined],
    ['shift_jis', Buffer.from([0x82, 0xa0]), 'あ', undefined],
    ['gb18030', Buffer.from([0xc4, 0xe3]), '你', undefined],
    ['koi8-r', Buffer.from([0xc1]), 'а', undefined],
    // A byte order mark goes before what was declared.
    ['us-ascii', Buffer.from('\ufeffSSN', 'utf16le'), 'SSN', undefined],
    ['utf-8', Buffer.from('\ufeffSSN', 'utf16le').swap16(), 'SSN', undefined],
    ['utf-16', Buffer.from('SSN', 'utf16le'), 'SSN', undefined],
    ['utf-16be', Buffer.from('SSN', 'utf16le').swap16(), 'SSN', undefined],
    // UTF-16 that says it is something else holds NUL.
    ['utf-8', Buffer.from('SSN 536', 'utf16le'), 'S\0S\0N\0 \x005\x003\x006\0', 'format'],
    // Declared one way and written another: read as it was written, and told.
    ['utf-16', Buffer.from('SSN 536-22'), 'SSN 536-22', 'charset'],
    ['utf-16be', Buffer.from('SSN 536-22'), 'SSN 536-22', 'charset'],
    ['utf-16', Buffer.from('SSN 536', 'utf16le').swap16(), 'SSN 536', 'charset'],
    ['utf-16le', Buffer.from('SSN 536', 'utf16le').swap16(), 'SSN 536', 'charset'],
    ['utf-16be', Buffer.from('SSN 536', 'utf16le'), 'SSN 536', 'charset'],
    ['utf-16le', Buffer.from('\u60a3\u8005\u6709\u75c5', 'utf16le'), '\u60a3\u8005\u6709\u75c5', undefined],
    ['utf-7', Buffer.from('+AFMAUwBO-'), '+AFMAUwBO-', 'charset'],
    ['utf-32', Buffer.from('S\0\0\0', 'latin1'), 'S\0\0\0', 'charset'],
    ['ebcdic', Buffer.from([0xe2]), 'â', 'charset'],
    ['x-unknown', Buffer.from('SSN'), 'SSN', 'charset'],
    ['iso-2022-kr', Buffer.from('SSN'), 'SSN', 'charset'],
  ])('%s %#', (charset, bytes, text, unread) => {
    for (const size of [1, 3, 1_000]) {
      const said = read(bytes, { charset }, size);
      expect(said.text).toBe(text);
      expect(said.unread).toBe(unread);
    }
  });

  test('a character cut between two pieces is one', () => {
    const text = 'é漢😀'.repeat(50_000);
    const said = read(Buffer.from(text), {}, 4_097);
    expect(said.text).toBe(text);
    expect(said.pieces).toBeGreaterThan(2);
  });
});

describe('what is no text says so', () => {
  test.each<[string, UnreadReason | undefined]>([
    ['%PDF-1.7', 'format'],
    ['PK\u0003\u0004rest', 'format'],
    ['{\\rtf1 text}', 'format'],
    ['GIF89a..', 'format'],
    ['a\0b', 'format'],
    ['x\nbegin 644 a.csv\nM', 'format'],
    ['begin-base64 644 a\nQUJD', 'format'],
    ['x\n=ybegin line=128', 'format'],
    ['-----BEGIN PGP MESSAGE-----\n', 'encrypted'],
    ['> -----BEGIN PKCS7-----\n', 'encrypted'],
    ['-----BEGIN PGP SIGNED MESSAGE-----\n', undefined],
    ['-----BEGIN PUBLIC KEY-----\n', undefined],
    ['We begin 2026 with a party', undefined],
    ['', undefined],
    ['%', undefined],
  ])('%j', (text, unread) => {
    expect(plain(text).unread).toBe(unread);
    expect(read(Buffer.from(text), {}, 1).unread).toBe(unread);
  });

  test.each([
    'x\nbegin 644 a.csv\nM',
    'x\n-----BEGIN PGP MESSAGE-----\n',
    'x\n=ybegin line=128',
  ])('wherever pieces of the text part it: %j', (mark) => {
    for (let cut = 0; cut < mark.length + 8; cut++) {
      const lead = 'y '.repeat(32_768).slice(0, 65_536 - cut);
      expect(plain(lead + mark).unread).toBe(plain(mark).unread);
      expect(html(`${lead}${mark.replace(/\n/g, '<br>')}`).unread).toBe(plain(mark).unread);
    }
    expect(plain(mark).unread).toBeDefined();
  });

  test.each<[string, UnreadReason | undefined]>([
    ['<img src="data:image/png;base64,iVBO">', 'format'],
    ["<a href='DATA:text/html,<b>'>x</a>", 'format'],
    ['<style>b { background: url(data:image/svg+xml;utf8,x) }</style>', 'format'],
    [`${'y'.repeat(65_536 - 14)}<img src="data:image/png;base64,iVBO">`, 'format'],
    ['<p>Our data: image and text, sent as metadata:a/b,</p>', undefined],
    ['<img src="cid:image001.png"><a href="https://x.example/data/">x</a>', undefined],
  ])('a file inside HTML: %.60s', (text, unread) => {
    expect(html(text).unread).toBe(unread);
    expect(read(Buffer.from(text), { html: true }, 5).unread).toBe(unread);
  });

  test('in HTML too', () => {
    expect(html('<pre>-----BEGIN PGP MESSAGE-----</pre>').unread).toBe('encrypted');
    expect(html('<p>a\0b</p>').unread).toBe('format');
    expect(html('%PDF-1.4 <p>x').unread).toBe('format');
  });

  test('a ZIP whose first entry is encrypted', () => {
    expect(isEncryptedZip(Buffer.from('PK\x03\x04\x14\0\x01\0', 'latin1'))).toBe(true);
    expect(isEncryptedZip(Buffer.from('PK\x03\x04\x14\0\0\0', 'latin1'))).toBe(false);
    expect(isEncryptedZip(Buffer.from('PK\x03\x04', 'latin1'))).toBe(false);
  });
});

test('calendars and cards: a folded line is one', () => {
  const folded = Buffer.from('NOTE:SSN 536-2\r\n 2-1847\r\nX:y');
  expect(read(folded, { type: 'text/calendar' }).text).toBe('NOTE:SSN 536-22-1847\r\nX:y');
  expect(read(folded, { type: 'text/plain' }).text).toContain('536-2\r\n 2');
});

test.each<[string, string]>([
  ['plain ASCII  stays\tas it is\r\n', 'plain ASCII  stays\tas it is\r\n'],
  ['536\u201022\u20131847', '536-22-1847'],
  ['\uff15\uff13\uff16', '536'],
  ['5\u200b3\u20606\ufeff\u00ad', '536'],
  ['a\u00a0b\u2003c\u3000d', 'a b c d'],
  ['a\u2028b', 'a\nb'],
  ['Alzheimer\u2019s', "Alzheimer's"],
  ['cafe\u0301', 'café'],
  ['\u202e536\u202c', '536'],
  ['ﬁbrillation', 'fibrillation'],
  // Cyrillic and Greek capitals
  ['\u041cRN \u0415\u0410\u0422, \u0391\u0392\u03a7', 'MRN EAT, ABX'],
  ['https://x.example/?n=Ann%20Lee&ssn=536%2d22%2D1847', 'https://x.example/?n=Ann Lee&ssn=536-22-1847'],
  ['https://x.example/%0a%C3%A9%zz%', 'https://x.example/%0a%C3%A9%zz%'],
  ['50%20 more, see http://x.example/', '50%20 more, see http://x.example/'],
])('normal form of %j', (text, expected) => {
  expect(normalise(text)).toBe(expected);
  expect(normalise(expected)).toBe(expected);
});

describe('HTML', () => {
  test.each<[string, string]>([
    ['<p>one</p><p>two</p>', 'one\ntwo'],
    ['one<br>two<BR/>three', 'one\ntwo\nthree'],
    ['<b>5</b>3<i>6</i>', '536'],
    ['5<!-- x -->36', '536\n x'],
    ['5<wbr>3&shy;6&#8203;7', '5367'],
    ['&lt;b&gt; &amp;amp; &#65;&#x42; &eacute; &nbsp;x', '<b> &amp; AB é x'],
    ['a\r\n  b', 'a b'],
    ['<style>p { color: red }</style>x<script>var ssn = 1;</script>y', 'x\nvar ssn = 1;\ny'],
    ['<STYLE>p</STYLE >x', 'x'],
    ['x<style>never ended', 'x'],
    // Shown by some readers and not by others: rather too much than too little.
    ['<svg><style/></svg>x', '</svg>x'],
    ['<title>head</title><body>x', 'head\nx'],
    ['<textarea>a <b> c</textarea>', 'a <b> c'],
    ['<img alt="a &amp; b" src=x title=c>', 'a & b c'],
    ['<input value="536" placeholder=\'p\' data-x="no">', '536 p'],
    ['<a href="https://x.example/?ssn=1&amp;y=2" class=no>z</a>', 'https://x.example/?ssn=1&y=2 z'],
    ['<span style="display:none">hidden</span>', 'hidden'],
    ['<noscript>n</noscript><template>t</template>', 'nt'],
    ['a < b and c > d', 'a < b and c > d'],
    ['<p', 'p'],
    ['x<a title="open', 'x open'],
    ['<![CDATA[x]]>y', 'x]]y'],
    ['&#0;&#xD800;&#1114112;', '\ufffd\ufffd\ufffd'],
    ['<plaintext>a<b>c', 'a<b>c'],
    ['<option>a<option>b', 'a\nb'],
  ])('%s', (text, expected) => {
    expect(shown(text)).toBe(expected);
    const single = read(Buffer.from(text), { html: true }, 1).text.replace(/ +/g, ' ').replace(/\n+/g, '\n').trim();
    expect(single).toBe(expected);
  });

  test('cells of a row stand apart, rows on lines of their own', () => {
    const table = '<table>\n<tr><th>Name</th>\n<th>SSN</th></tr>\n<tr><td>Lee</td>\n<td>536221847</td></tr></table>';
    const lines = html(table)
      .text.split('\n')
      .filter((line) => line.trim() !== '');
    expect(
      lines.map((line) =>
        line
          .split('\t')
          .map((cell) => cell.trim())
          .filter(Boolean),
      ),
    ).toEqual([
      ['Name', 'SSN'],
      ['Lee', '536221847'],
    ]);
  });

  test('blocks make paragraphs, a line break does not', () => {
    expect(html('<div>a</div><div>b</div>').text.trim()).toMatch(/^a\n\n+b$/);
    expect(html('<p>a<p>b').text.trim()).toMatch(/^a\n\n+b$/);
    expect(html('a<br>b').text).toBe('a\nb');
  });

  test('says when it is too long, and reads what stands before', () => {
    const said = html(`<p>SSN 536-22-1847</p>${'x '.repeat(8_500_000)}`);
    expect(said.unread).toBe('too large');
    expect(said.text).toContain('SSN 536-22-1847');
  });

  test.each<[string, string]>([
    ['a million open elements', '<b>'.repeat(1_000_000)],
    ['a million closing ones', '</b>'.repeat(1_000_000)],
    ['a million attributes', `<p ${'a=1 '.repeat(1_000_000)}>`],
    ['an attribute of megabytes', `<img alt="${'x'.repeat(4_000_000)}">`],
    ['a name of megabytes', `<${'x'.repeat(4_000_000)}>`],
    ['entities without end', '&'.repeat(2_000_000)],
    ['a comment without end', `<!--${'-'.repeat(2_000_000)}`],
  ])('%s end in time and memory', (_, text) => {
    expect(html(text).text.length).toBeLessThanOrEqual(text.length + 10);
  });

  test('no difference by pieces, and never an exception', () => {
    const junk = fc
      .array(
        fc.constantFrom(
          '<',
          '>',
          '</',
          '/>',
          '<p',
          '<style>',
          '</style>',
          '<script',
          '&',
          '&amp',
          ';',
          '&#',
          '65',
          '"',
          "'",
          '=',
          ' ',
          'alt',
          'href=',
          '<!--',
          '-->',
          '<![CDATA[',
          ']]>',
          'x',
          'é',
          '\0',
          '\n',
        ),
        { maxLength: 40 },
      )
      .map((list) => Buffer.from(list.join('')));
    fc.assert(
      fc.property(junk, fc.integer({ min: 1, max: 9 }), (bytes, size) => {
        const whole = read(bytes, { html: true });
        const pieces = read(bytes, { html: true }, size);
        expect([pieces.text, pieces.unread]).toEqual([whole.text, whole.unread]);
      }),
      { numRuns: 1_500 },
    );
  });
});
