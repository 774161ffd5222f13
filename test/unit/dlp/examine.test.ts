import fc from 'fast-check';
import { type ExamineOptions, examine, UNREADABLE } from '../../../src/dlp/examine.ts';
import type { Examination } from '../../../src/domain/types.ts';

function examined(text: string | Buffer, options: Partial<ExamineOptions> = {}): Examination {
  const bytes = typeof text === 'string' ? Buffer.from(text.replace(/\n/g, '\r\n')) : text;
  return examine([bytes], { subjectTags: ['secure', 'check'], ...options });
}
/** As all signatures of S/MIME begin. */
const CMS = '\nContent-Transfer-Encoding: base64\n\nMIAGCSqGSIb3DQEHAqCAMIACAQExDzANBglghkgBZQMEAgEFADCA';
const unread = ({ coverage }: Examination) => coverage.parts.map((part) => part.unread ?? 'read');

describe('facts of the header section', () => {
  test('subject, tags, Message-ID', () => {
    const said = examined('Subject: =?utf-8?q?[Secure]_caf=C3=A9?=\nMessage-ID: <a@b>\n\nx');
    expect(said).toMatchObject({ subject: '[Secure] café', messageId: '<a@b>', subjectTags: ['secure'] });
    expect(examined('\nx')).toMatchObject({ subject: '', messageId: '', subjectTags: [] });
    // Two subjects: a reader shows one of them, and it may be either.
    expect(examined('Subject: a\nSubject: [check] b\n\nx').subjectTags).toEqual(['check']);
  });

  test.each<[string, boolean]>([
    ['Auto-Submitted: auto-generated', true],
    ['Auto-Submitted: no', false],
    ['Precedence: bulk', true],
    ['Precedence: first-class', false],
    ['List-Id: <a.b>', true],
    ['X-Loop: yes', false],
  ])('%s: sent by a machine %s', (field, expected) => {
    expect(examined(`${field}\n\nx`).autoSubmitted).toBe(expected);
  });

  test('octets beyond ASCII in body and header section', () => {
    expect(examined('Subject: a\n\nx')).toMatchObject({ eightBit: false, utf8Headers: false });
    expect(examined('Subject: a\n\né')).toMatchObject({ eightBit: true, utf8Headers: false });
    expect(examined('Subject: é\n\nx')).toMatchObject({ eightBit: true, utf8Headers: true });
  });
});

describe('where it looks', () => {
  const SSN = 'SSN 536-22-1847';
  test.each<[string, string]>([
    ['subject', `Subject: ${SSN}\n\nx`],
    ['subject', `Subject: =?utf-8?b?${Buffer.from(SSN).toString('base64')}?=\n\nx`],
    ['subject', `Subject: SSN 536-22-\n 1847\n\nx`],
    ['header', `X-Note: ${SSN}\n\nx`],
    ['header', `To: "${SSN}" <a@b.example>\n\nx`],
    ['body', `Subject: a\n\n${SSN}`],
    ['body', `Content-Type: multipart/mixed; boundary=b\n\n${SSN}\n--b\n\nx\n--b--\n`],
    ['body', `Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n${SSN}`],
    ['body', `Content-Type: application/json\n\n{"ssn": "536-22-1847"}`],
    ['attachment', `Content-Type: text/plain\nContent-Disposition: attachment\n\n${SSN}`],
    ['file_name', `Content-Type: text/plain; name="SSN_536-22-1847.txt"\n\nx`],
    ['file_name', `Content-Type: image/png; name*=utf-8''SSN%20536-22-1847.png\n\nx`],
    ['attachment', `Content-Type: message/rfc822\n\nSubject: ${SSN}\n\nx`],
    ['body', `Content-Type: text/html\n\n<img alt="${SSN}">`],
    ['body', `Content-Type: text/html\n\n<a href="https://x.example/?ssn=536-22-1847&a=1">here</a>`],
    ['body', `Content-Type: text/html\n\n<div style="display:none">${SSN}</div>`],
    ['body', `Content-Type: text/html\n\n<svg><style/></svg>${SSN}`],
    ['body', `Content-Type: text/plain; charset=utf-8\n\n\uff33\uff33\uff2e \uff15\uff13\uff16\u201122\u20131847`],
    ['body', `Content-Transfer-Encoding: quoted-printable\n\nSSN 536-22=  \n-1847`],
    ['body', 'Content-Type: text/html\n\n<a href="https://x.example/?ssn=536%2D22%2d1847%20">here</a>'],
    ['body', 'Subject: a\n\nSee https://x.example/?q=ssn%3A%20536221847%26a'],
    ['body', `Content-Type: text/html\n\n<meta name="description" content="${SSN}">`],
    ['body', `Content-Type: text/html\n\n<b aria-label="${SSN}">x</b>`],
    ['body', `Content-Type: application/pgp-signature\n\n${SSN}`],
    ['body', `Content-Type: text/plain; charset=utf-16\n\n${SSN}`],
  ])('%s: %j', (zone, text) => {
    expect(examined(text).findings.places).toEqual([
      expect.objectContaining({ type: 'SSN', confidence: 'high', zone }),
    ]);
  });

  test('fields of machines are not words of people', () => {
    expect(examined('Message-ID: <536-22-1847@ssn>\nX-MS-Ssn: 536-22-1847\n\nx').findings.counts).toEqual([]);
  });
});

describe('what could not be read is named', () => {
  const multipart = (...parts: string[]) =>
    `Content-Type: multipart/mixed; boundary=b\n\n${parts.map((part) => `--b\n${part}\n`).join('')}--b--\n`;

  test.each<[string, string, (string | undefined)[]]>([
    ['plain', 'Subject: a\n\nx', ['read']],
    ['an image', 'Content-Type: image/png\n\nx', ['format']],
    ['any binary', 'Content-Type: application/octet-stream\n\nx', ['format']],
    ['RTF', 'Content-Type: text/rtf\n\n{}', ['format']],
    ['S/MIME ciphertext', 'Content-Type: application/pkcs7-mime; smime-type=enveloped-data\n\nx', ['encrypted']],
    ['S/MIME opaque signature', 'Content-Type: application/pkcs7-mime; smime-type=signed-data\n\nx', ['format']],
    ['PGP/MIME', 'Content-Type: multipart/encrypted; boundary=b\n\n--b\n\nx\n--b--\n', ['encrypted', 'read']],
    ['a signature', multipart('Content-Type: application/pgp-signature\n\nx'), ['read', 'read']],
    [
      'a signature of S/MIME',
      multipart(`Content-Type: application/pkcs7-signature; name=smime.p7s${CMS}`),
      ['read', 'read'],
    ],
    ['what says it is one', multipart('Content-Type: application/pkcs7-signature\n\n0, SSN'), ['read', 'format']],
    [
      'one with the name of a table',
      multipart(`Content-Type: application/pkcs7-signature; name=lab.csv${CMS}`),
      ['read', 'format'],
    ],
    [
      'a signature that is too long',
      multipart(`Content-Type: application/pgp-signature\n\n${'x'.repeat(50_000)}`),
      ['read', 'format'],
    ],
    ['an unknown charset', 'Content-Type: text/plain; charset=utf-7\n\nx', ['charset']],
    ['a subject in an unknown charset', 'Subject: =?utf-7?q?+AFMAUwBO-?=\n\nx', ['charset']],
    ['a subject in a known one', 'Subject: =?iso-2022-jp*ja?b?GyRCJDMbKEI=?= =?utf-8?q?x?=\n\nx', ['read']],
    ['a charset that the octets belie', 'Content-Type: text/plain; charset=utf-16le\n\nHello all', ['charset']],
    ['a picture in HTML', 'Content-Type: text/html\n\n<img src="data:image/png;base64,iVBO">', ['format']],
    ['an unknown encoding', 'Content-Transfer-Encoding: x-uuencode\n\nx', ['malformed']],
    ['broken base64', 'Content-Transfer-Encoding: base64\n\n####', ['malformed']],
    ['two types', 'Content-Type: text/plain\nContent-Type: image/png\n\nx', ['malformed']],
    ['a boundary that is missing', 'Content-Type: multipart/mixed\n\n--b\n\nx\n--b--\n', ['malformed']],
    ['a partial message', 'Content-Type: message/partial; id=a; number=1\n\nx', ['format']],
    ['NUL octets', 'Content-Type: text/plain\n\nSSN\0 536', ['format']],
    ['a script of PostScript', 'Content-Type: application/postscript\n\nx', ['format']],
    ['a header section without end', `X: ${'a'.repeat(1_100_000)}\n\nx`, ['too large']],
  ])('%s', (_, text, expected) => {
    expect(unread(examined(text))).toEqual(expected);
    expect(examined(text).coverage.state).toBe(expected.every((one) => one === 'read') ? 'full' : 'partial');
  });

  test('limits of depth, parts, text and time', () => {
    const deep = (n: number): string =>
      n === 0 ? 'Subject: a\n\nx' : `Content-Type: message/rfc822\n\n${deep(n - 1)}`;
    expect(unread(examined(deep(60))).filter((one) => one !== 'read')).toEqual(['too deep']);
    const many = multipart(...Array.from({ length: 1_200 }, () => '\nx'));
    expect(unread(examined(many)).filter((one) => one !== 'read')).toEqual(['malformed', 'too many parts']);
    const long = examined(`Subject: a\n\n${'x'.repeat(5_000)}`, { limits: { textOctets: 1_000 } });
    expect(unread(long)).toEqual(['too large']);
    let clock = 0;
    const slow = examined(multipart('\nx', '\nSSN: 536-22-1847'), { now: () => (clock += 20_000) });
    expect(unread(slow)).toContain('time');
    expect(slow.coverage.state).toBe('partial');
  });

  test('a fault of ours is unreadable, never clean, and the source is read to its end', () => {
    let pulled = 0;
    const chunks = function* () {
      for (; pulled < 3; pulled++) yield Buffer.from('a');
    };
    let calls = 0;
    const failing = () => {
      if (calls++ > 0) throw new Error('ours');
      return 0;
    };
    const said = examine(
      (function* () {
        yield Buffer.from('Subject: a\r\n\r\n');
        yield* chunks();
      })(),
      { subjectTags: [], now: failing },
    );
    expect(said.coverage).toEqual(UNREADABLE);
    expect(pulled).toBe(3);
  });
});

test('never throws, whatever comes', () => {
  const pieces = fc.array(
    fc.oneof(
      fc
        .constantFrom(
          'Content-Type: multipart/mixed; boundary=b\r\n',
          'Content-Type: message/rfc822\r\n',
          'Content-Type: text/html; charset=utf-16\r\n',
          'Content-Transfer-Encoding: base64\r\n',
          'Content-Transfer-Encoding: quoted-printable\r\n',
          '\r\n',
          '\n',
          '--b\r\n',
          '--b--\r\n',
          '<a href="',
          '=?utf-8?q?=',
          'SSN: 536-22-1847 ',
        )
        .map((text) => Buffer.from(text)),
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    ),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(pieces, (chunks) => {
      const said = examine(chunks, { subjectTags: ['secure'] });
      expect(said.coverage.state).not.toBe('unreadable');
      expect(said.coverage.parts.length).toBeGreaterThan(0);
      expect(examine([Buffer.concat(chunks)], { subjectTags: ['secure'] })).toEqual(said);
    }),
    { numRuns: 500 },
  );
});
