// What the bench sends: seeded, so that every run and every system gets the same octets. A quarter carries PHI.

import { seeded } from '../support/random.ts';
import { stuff } from '../support/session.ts';

export type Shape = '4 kB' | '75 kB';

const WORDS =
  'the report of last week was sent to your office and we ask that you look at it before the meeting on monday because there are open points about the schedule of the team'.split(
    ' ',
  );
const PHI = 'Patient MRN: 00482913, DOB: 04/12/1961, SSN 219-09-9998, diagnosis E11.9, type 2 diabetes mellitus.';
const KINDS = 40;

/** Mail data with stuffed dots and the final dot, ready for the wire. */
export function makeMessages(shape: Shape): readonly Buffer[] {
  const random = seeded(shape === '4 kB' ? 4 : 75);
  const text = (octets: number): string => {
    let out = '';
    let line = '';
    while (out.length < octets) {
      line += `${WORDS[Math.floor(random.fraction() * WORDS.length)]} `;
      if (line.length < 70) continue;
      out += `${line}\r\n`;
      line = '';
    }
    return out;
  };
  return Array.from({ length: KINDS }, (_, i) => {
    const phi = i % 4 === 0 ? `${PHI}\r\n` : '';
    const head = `From: Dr. Lee <lee@clinic.example>\r\nTo: ann@partner.example\r\nSubject: report ${i}\r\nMessage-ID: <${i}@clinic.example>\r\nDate: Mon, 2 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n`;
    if (shape === '4 kB') {
      return stuff(Buffer.from(`${head}Content-Type: text/plain; charset=utf-8\r\n\r\n${text(3700)}${phi}`));
    }
    const image = Buffer.from(random.bytes(47_000)).toString('base64').replace(/.{76}/g, '$&\r\n');
    const part = (type: string, body: string) => `--alt\r\nContent-Type: ${type}; charset=utf-8\r\n\r\n${body}\r\n`;
    const html = `<html><body><p>${text(3800).replace(/\r\n/g, '<br>\r\n')}${phi}</p></body></html>`;
    const body = `--mix\r\nContent-Type: multipart/alternative; boundary=alt\r\n\r\n${part('text/plain', text(4000) + phi)}${part('text/html', html)}--alt--\r\n--mix\r\nContent-Type: image/jpeg; name=photo.jpg\r\nContent-Disposition: attachment; filename=photo.jpg\r\nContent-Transfer-Encoding: base64\r\n\r\n${image}\r\n--mix--\r\n`;
    return stuff(Buffer.from(`${head}Content-Type: multipart/mixed; boundary=mix\r\n\r\n${body}`));
  });
}
