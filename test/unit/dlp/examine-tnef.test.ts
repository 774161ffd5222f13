// winmail.dat as the examiner sees it: what it holds is found where it stands, and what cannot be read counts as unread.

import { type ExamineOptions, examine } from '../../../src/dlp/examine.ts';
import type { Examination } from '../../../src/domain/types.ts';
import { compressRtf, PR, type TnefMessage, tnef } from '../../support/tnef.ts';

const SSN = 'SSN 536-22-1847';

function mail(stream: Buffer, type = 'application/ms-tnef; name=winmail.dat'): Buffer {
  const base64 = stream.toString('base64').replace(/.{76}/g, '$&\r\n');
  return Buffer.from(
    [
      ...['Subject: a', 'Content-Type: multipart/mixed; boundary=b', '', '--b', '', 'see below', '--b'],
      ...[`Content-Type: ${type}`, 'Content-Transfer-Encoding: base64', '', base64, '--b--', ''],
    ].join('\r\n'),
  );
}
function examined(given: TnefMessage | Buffer, options: Partial<ExamineOptions> = {}, type?: string): Examination {
  const stream = Buffer.isBuffer(given) ? given : tnef(given);
  return examine([mail(stream, type)], { subjectTags: [], ...options });
}
const unread = ({ coverage }: Examination) =>
  coverage.parts.flatMap(({ type, unread }) => (unread === undefined ? [] : [`${type} ${unread}`]));

const csv = {
  title: 'LAB~1.CSV',
  data: Buffer.from(`name,ssn\r\nAnn,536-22-1847\r\n`),
  properties: [[PR.attachLongName, 'lab.csv']] as const,
};
const inner = (given: TnefMessage) => ({
  title: 'Re',
  properties: [[PR.attachData, { message: tnef(given) }] as const],
});

test('nothing in it: read in full', () => {
  const said = examined({ subject: 'a', body: 'lunch at noon', recipients: [[[PR.displayName, 'Ann Lee']]] });
  expect(said.coverage.state).toBe('full');
  expect(said.findings.counts).toEqual([]);
});

test.each<[where: string, zone: string, given: TnefMessage]>([
  ['the old body', 'body', { body: SSN }],
  ['the body', 'body', { properties: [[PR.body, SSN]] }],
  ['the body in a code page', 'body', { properties: [[PR.body, SSN, { ansi: 'latin1' }]] }],
  ['the HTML', 'body', { properties: [[PR.html, Buffer.from('<p>SSN 536-<b>22</b>-1847')]] }],
  ['the RTF', 'body', { properties: [[PR.rtf, compressRtf(`{\\rtf1 SSN 536-{\\b 22}-1847}`)]] }],
  ['the subject', 'subject', { subject: SSN }],
  ['a field of a form', 'body', { properties: [[0x8001, '536-22-1847', { name: 'SSN' }]] }],
  ['another property', 'header', { properties: [[0x0e04, SSN]] }],
  ['a header field', 'header', { properties: [[PR.headers, `Subject: b\r\nContent-Description: ${SSN}\r\n`]] }],
  ['a recipient', 'header', { recipients: [[[PR.displayName, SSN]]] }],
  ['octets that nobody knows', 'header', { properties: [[0x7001, Buffer.from(`\x01\x02${SSN}\0`)]] }],
  ['a file', 'attachment', { attachments: [csv] }],
  ['its name', 'file_name', { attachments: [{ title: `${SSN}.txt`, data: Buffer.from('x') }] }],
  ['a message in it', 'attachment', { attachments: [inner({ body: SSN })] }],
  ['a file in a message in it', 'attachment', { attachments: [inner({ attachments: [csv] })] }],
  ['a winmail.dat in it', 'attachment', { attachments: [{ title: 'winmail.dat', data: tnef({ body: SSN }) }] }],
  ['mail in it', 'attachment', { attachments: [{ title: 'a.eml', data: Buffer.from(`Subject: b\r\n\r\n${SSN}`) }] }],
])('found in %s', (_, zone, given) => {
  const { findings, coverage } = examined(given);
  expect(findings.phi).toBe(true);
  expect(findings.places[0]).toMatchObject({ type: 'SSN', zone });
  expect(coverage.state).toBe('full');
});

test.each<[page: number, given: TnefMessage]>([
  [65000, { codePage: 65000, body: '+AFMAUwBOACAANQAzADYALQAyADIALQAxADgANAA3-' }],
  [
    65000,
    {
      properties: [
        [PR.internetCodePage, 65000],
        [PR.html, Buffer.from('<p>+AFMAUwBOACAANQAzADY-')],
      ],
    },
  ],
  [52936, { codePage: 52936, body: '~{VPND~}' }],
])('octets of ASCII in code page %i, which says something else by them, are not read as ASCII', (_, given) => {
  expect(unread(examined(given)).map((one) => one.split(' ')[1])).toContain('charset');
});

test('a person in one place and health in another are one mail', () => {
  expect(examined({ subject: 'Patient Maria Gonzalez', body: 'has type 2 diabetes, on metformin' }).findings.phi).toBe(
    true,
  );
});

test.each<[type: string]>([
  ['application/vnd.ms-tnef'],
  ['Application/MS-TNEF'],
  ['application/octet-stream; name="WINMAIL.DAT"'],
])('as %s', (type) => {
  expect(examined({ body: SSN }, {}, type)).toMatchObject({ findings: { phi: true }, coverage: { state: 'full' } });
});

test('as the whole message', () => {
  const whole = Buffer.concat([
    Buffer.from('Subject: a\r\nContent-Type: application/ms-tnef\r\nContent-Transfer-Encoding: binary\r\n\r\n'),
    tnef({ body: SSN }),
  ]);
  for (const size of [1, 7, 1_000]) {
    const chunks = Array.from({ length: Math.ceil(whole.length / size) }, (_, i) =>
      whole.subarray(i * size, (i + 1) * size),
    );
    expect(examine(chunks, { subjectTags: [] })).toMatchObject({
      findings: { phi: true },
      coverage: { state: 'full' },
    });
  }
});

test.each<[what: string, given: TnefMessage | Buffer, expected: string[]]>([
  ['no TNEF', Buffer.from('something'), ['application/ms-tnef format']],
  ['cut', tnef({ body: 'x' }).subarray(0, -5), ['application/ms-tnef malformed']],
  [
    'a PDF in it',
    { attachments: [{ title: 'a.pdf', data: Buffer.from('%PDF-1.7') }] },
    ['application/octet-stream format'],
  ],
  [
    'a PDF that says it is a text',
    { attachments: [{ title: 'a.txt', data: Buffer.from('%PDF-1.7') }] },
    ['text/plain format'],
  ],
  [
    'an encrypted ZIP',
    { attachments: [{ title: 'a.zip', data: Buffer.from('504b0304140001000800', 'hex') }] },
    ['application/octet-stream encrypted'],
  ],
  [
    'an object',
    { attachments: [{ title: 'o', properties: [[PR.attachData, { storage: Buffer.from('x') }]] }] },
    ['application/octet-stream format'],
  ],
  [
    'a picture in the RTF',
    { properties: [[PR.rtf, compressRtf('{\\rtf1{\\pict 00}}')]] },
    ['application/ms-tnef format'],
  ],
  ['a code page that no decoder is for', { codePage: 437, body: Buffer.from([0x82]) }, ['text/plain charset']],
  ['octets in the body', { body: Buffer.from('a\0b\0') }, ['text/plain format']],
])('%s: not read', (_, given, expected) => {
  const said = examined(given);
  expect(unread(said)).toEqual(expected);
  expect(said.coverage.state).toBe('partial');
});

test('messages in each other have a bound', () => {
  let stream = tnef({ body: SSN });
  for (let i = 0; i < 60; i++)
    stream = tnef({ attachments: [{ title: 'a', properties: [[PR.attachData, { message: stream }]] }] });
  expect(unread(examined(stream))).toEqual(['application/ms-tnef too deep']);
  expect(examined(stream, { limits: { depth: 200 } })).toMatchObject({
    findings: { phi: true },
    coverage: { state: 'full' },
  });
});

test('parts count together with those around', () => {
  const files = Array.from({ length: 30 }, () => ({ title: 'a.txt', data: Buffer.from('x') }));
  const said = examined({ attachments: files }, { limits: { parts: 10 } });
  expect(unread(said)).toContain('text/plain too many parts');
  expect(said.coverage.parts.length).toBeLessThanOrEqual(12);
});

test('text counts, and time', () => {
  const files = Array.from({ length: 5 }, () => ({ title: 'a.txt', data: Buffer.alloc(1_000, 'x ') }));
  expect(unread(examined({ attachments: files }, { limits: { textOctets: 2_500 } }))).toContain('text/plain too large');
  let time = 0;
  const slow = { limits: { milliseconds: 10 }, now: () => time++ };
  expect(unread(examined({ attachments: files }, slow)).at(-1)).toMatch(/time$/);
});

test('50 MB of it are read, not more; what stands before the cut is looked at', () => {
  const said = examined({ body: SSN, attachments: [{ title: 'a.bin', data: Buffer.alloc(51_000_000) }] });
  expect(unread(said)).toEqual(['application/ms-tnef too large']);
  expect(said.findings.phi).toBe(true);
});
