import fc from 'fast-check';
import { simpleParser } from 'mailparser';
import { ConversionError, toSevenBit } from '../../../src/smtp/downgrade.ts';

async function convert(text: string, size = 7): Promise<string> {
  const bytes = Buffer.from(text, 'utf8');
  const source = (async function* () {
    for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size);
  })();
  const out: Uint8Array[] = [];
  for await (const chunk of toSevenBit(source)) out.push(chunk);
  return Buffer.concat(out).toString('latin1');
}
const crlf = (text: string): string => text.replace(/\n/g, '\r\n');

const TEXT = crlf(
  'Subject: x\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nGrüße = \nEnde\n',
);
const MULTI = crlf(`Subject: x
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b=1"
Content-Transfer-Encoding:
 8bit

Vorwörter
--b=1
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: 8bit

<p>Grüße</p>
--b=1
Content-Type: text/plain

plain = stays
--b=1
Content-Type: application/x-thing
Content-Transfer-Encoding: binary

größte
zeile
--b=1
Content-Type: message/rfc822
Content-Transfer-Encoding: 8bit

Subject: inner
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

ünten
--b=1--
Nachwörter
`);

test('text becomes quoted-printable', async () => {
  expect(await convert(TEXT)).toBe(
    crlf(
      'Subject: x\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nGr=C3=BC=C3=9Fe =3D=20\nEnde\n',
    ),
  );
});

test('parts of a multipart, each by its kind; what is 7-bit stays', async () => {
  const out = await convert(MULTI);
  expect(out).not.toMatch(/[^\0-\x7f]/);
  expect(out).toContain(crlf('Content-Type: text/plain\n\nplain = stays\n--b=1\n'));
  expect(out).toContain(crlf('Content-Type: multipart/mixed; boundary="b=1"\nContent-Transfer-Encoding: 7bit\n'));
  expect(out).not.toMatch(/8bit|binary/);
  const mail = await simpleParser(out);
  expect(mail.html).toContain('<p>Grüße</p>');
  const thing = mail.attachments.find((each) => each.contentType === 'application/x-thing');
  expect(thing?.content.toString('utf8')).toBe('größte\r\nzeile');
  const inner = mail.attachments.find((each) => each.contentType === 'message/rfc822');
  expect((await simpleParser(inner?.content ?? '')).text?.trim()).toBe('ünten');
});

test('a message without MIME header', async () => {
  expect(await convert(crlf('Subject: x\n\nGrüße\n'))).toBe(
    crlf(
      'Subject: x\nMIME-Version: 1.0\nContent-Type: text/plain; charset=unknown-8bit\nContent-Transfer-Encoding: quoted-printable\n\nGr=C3=BC=C3=9Fe\n',
    ),
  );
});

test.each([
  ['8-bit header', 'Subject: Grüße\n\nx\n'],
  ['signed', 'Content-Type: multipart/signed; boundary=b\n\n--b\nContent-Transfer-Encoding: 8bit\n\nGrüße\n--b--\n'],
  ['encoded already', 'Content-Transfer-Encoding: base64\n\nGrüße\n'],
  ['multipart without boundary', 'Content-Type: multipart/mixed\n\nGrüße\n'],
  ['8-bit far behind in a part that says 7bit', `Content-Transfer-Encoding: 7bit\n\n${'x\n'.repeat(150_000)}Grüße\n`],
])('refuses %s', async (_name, text) => {
  await expect(convert(crlf(text), 5000)).rejects.toThrow(ConversionError);
});

test('every text comes back, in lines of at most 76 characters, however it is cut', async () => {
  const line = fc.string({ unit: fc.constantFrom('a', 'é', ' ', '=', '\t', '.', '€', '-'), maxLength: 100 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(line, { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 1, max: 50 }),
      async (lines, size) => {
        for (const type of ['text/plain; charset=utf-8', 'application/octet-stream']) {
          const body = `${lines.join('\r\n')}é\r\n`;
          const out = await convert(`Content-Type: ${type}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n${body}`, size);
          const [header = '', ...rest] = out.split('\r\n\r\n');
          const encoded = rest.join('\r\n\r\n');
          expect(encoded).not.toMatch(/[^\0-\x7f]/);
          for (const each of encoded.split('\r\n')) expect(each.length).toBeLessThanOrEqual(76);
          const decoded = header.includes('base64') ? Buffer.from(encoded, 'base64') : unquote(encoded);
          expect(decoded.toString('utf8')).toBe(body);
        }
      },
    ),
    { numRuns: 60 },
  );
});

function unquote(text: string): Buffer {
  const joined = text.replace(/=\r\n/g, '');
  return Buffer.from(
    joined.replace(/=([0-9A-F]{2})/g, (_all, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );
}
