// What the bench sends: seeded, so that every run and every system gets the same octets. 40 messages of each shape, sent in turn; every fourth
// carries PHI (a patient's numbers and diagnosis), the others none. Seeds: 4 (a), 75 (b, c, e), 1000 (d).

import { createCipheriv } from 'node:crypto';
import { seeded } from '../support/random.ts';
import { stuff } from '../support/session.ts';

export const SHAPES = ['a', 'b', 'c', 'd', 'e'] as const;
export type Shape = (typeof SHAPES)[number];

export const WORDS_OF: Readonly<Record<Shape, string>> = {
  a: '4 kB of text',
  b: '75 kB, text, HTML, JPEG',
  c: '75 kB, text, HTML, CSV',
  d: '1 MB, text, HTML, PDF',
  e: 'b for 10 recipients',
};
/** Recipients of each message. */
export const RECIPIENTS: Readonly<Record<Shape, number>> = { a: 1, b: 1, c: 1, d: 1, e: 10 };

const SEEDS: Readonly<Record<Shape, number>> = { a: 4, b: 75, c: 75, d: 1000, e: 75 };
const KINDS = 40;
const PHI_EVERY = 4;
const PHI = 'Patient MRN: 00482913, DOB: 04/12/1961, SSN 219-09-9998, diagnosis E11.9, type 2 diabetes mellitus.\r\n';
const WORDS =
  'the report of last week was sent to your office and we ask that you look at it before the meeting on monday because there are open points about the schedule of the team'.split(
    ' ',
  );
const ITEMS = [
  'paper A4',
  'toner black',
  'desk lamp',
  'folder blue',
  'chair',
  'cable 2 m',
  'label roll',
  'envelope C5',
];
const PLACES = ['Springfield', 'Riverside', 'Fairview', 'Madison', 'Georgetown', 'Clinton', 'Salem', 'Bristol'];
const NAMES = ['Okafor', 'Lopez', 'Nguyen', 'Miller', 'Haddad', 'Kowalski', 'Jensen', 'Tanaka'];
const DRUGS = ['metformin', 'lisinopril', 'atorvastatin', 'metoprolol', 'sertraline'];
const CODES = ['E11.9', 'I10', 'J45.909', 'F32.9', 'M54.5'];
/** Octets of an attachment on the wire, so that the whole comes to its size. */
const ATTACHED = 65_000;
const ATTACHED_LARGE = 990_000;

/** Mail data with stuffed dots and the final dot, ready for the wire. */
export function makeMessages(shape: Shape): readonly Buffer[] {
  const draw = drawing(SEEDS[shape]);
  return Array.from({ length: KINDS }, (_, i) => stuff(Buffer.from(messageOf(shape, i, draw))));
}

/** Whether message `i` of a shape carries PHI. */
export function carriesPhi(i: number): boolean {
  return i % PHI_EVERY === 0;
}

function messageOf(shape: Shape, i: number, draw: Drawing): string {
  const phi = carriesPhi(i) ? PHI : '';
  const head = `From: Dr. Lee <lee@clinic.example>\r\nTo: ann@partner.example\r\nSubject: report ${i}\r\nMessage-ID: <${i}@clinic.example>\r\nDate: Mon, 2 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n`;
  if (shape === 'a') return `${head}Content-Type: text/plain; charset=utf-8\r\n\r\n${draw.text(3700)}${phi}`;
  const part = (type: string, body: string) => `--alt\r\nContent-Type: ${type}; charset=utf-8\r\n\r\n${body}\r\n`;
  const html = `<html><body><p>${draw.text(3800).replaceAll('\r\n', '<br>\r\n')}${phi}</p></body></html>`;
  const words = `--mix\r\nContent-Type: multipart/alternative; boundary=alt\r\n\r\n${part('text/plain', draw.text(4000) + phi)}${part('text/html', html)}--alt--\r\n`;
  const attached = attachment(shape, phi !== '', draw);
  return `${head}Content-Type: multipart/mixed; boundary=mix\r\n\r\n${words}--mix\r\n${attached}\r\n--mix--\r\n`;
}

function attachment(shape: Shape, phi: boolean, draw: Drawing): string {
  if (shape === 'c') {
    const name = phi ? 'patients.csv' : 'orders.csv';
    return `Content-Type: text/csv; charset=utf-8; name=${name}\r\nContent-Disposition: attachment; filename=${name}\r\n\r\n${phi ? draw.patients(ATTACHED) : draw.orders(ATTACHED)}`;
  }
  const [type, name, octets, magic] =
    shape === 'd'
      ? ['application/pdf', 'report.pdf', ATTACHED_LARGE, Buffer.from('%PDF-1.7\n')]
      : ['image/jpeg', 'photo.jpg', ATTACHED, JPEG];
  // Four characters for three octets, 78 with the line end for 76.
  const content = Buffer.concat([magic, draw.octets(Math.floor(((octets * 76) / 78) * 0.75) - magic.length)]);
  const base64 = content.toString('base64').replace(/.{76}/g, '$&\r\n');
  return `Content-Type: ${type}; name=${name}\r\nContent-Disposition: attachment; filename=${name}\r\nContent-Transfer-Encoding: base64\r\n\r\n${base64}`;
}

/** SOI and the JFIF segment (ITU-T T.871 §10.1), then noise, as entropy-coded data are. */
const JPEG = Buffer.from('ffd8ffe000104a46494600010100000100010000', 'hex');

type Drawing = ReturnType<typeof drawing>;

function drawing(seed: number) {
  const random = seeded(seed);
  const upTo = (n: number) => Math.floor(random.fraction() * n);
  const one = (list: readonly string[]) => list[upTo(list.length)]!;
  const digits = (n: number) => Array.from({ length: n }, () => upTo(10)).join('');
  const two = (n: number) => String(1 + upTo(n)).padStart(2, '0');
  const rows = (octets: number, head: string, row: () => string): string => {
    let out = `${head}\r\n`;
    while (out.length < octets) out += `${row()}\r\n`;
    return out;
  };
  return {
    // Noise from a cipher: from `random` a megabyte would take longer than to send it.
    octets: (n: number) => createCipheriv('aes-128-ctr', random.bytes(16), random.bytes(16)).update(Buffer.alloc(n)),
    text: (octets: number): string => {
      let out = '';
      let line = '';
      while (out.length < octets) {
        line += `${one(WORDS)} `;
        if (line.length < 70) continue;
        out += `${line}\r\n`;
        line = '';
      }
      return out;
    },
    orders: (octets: number) =>
      rows(
        octets,
        'order,date,place,item,quantity,price',
        () =>
          `${digits(6)},2026-${two(12)}-${two(28)},${one(PLACES)},${one(ITEMS)},${1 + upTo(40)},${upTo(900)}.${digits(2)}`,
      ),
    patients: (octets: number) =>
      rows(
        octets,
        'name,mrn,dob,ssn,dx,drug',
        () =>
          `${one(NAMES)} ${one(NAMES)},${digits(8)},${two(12)}/${two(28)}/19${40 + upTo(50)},5${digits(2)}-${two(98)}-${1 + upTo(8)}${digits(3)},${one(CODES)},${one(DRUGS)}`,
      ),
  };
}
