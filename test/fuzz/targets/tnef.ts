// winmail.dat and RTF: each text and file of it is an entity that a walk takes, no more comes out than may, and what is cut is
// told.

import { examine } from '../../../src/dlp/examine.ts';
import { headerEnd, parseHeader } from '../../../src/mail/header.ts';
import { tnefParts } from '../../../src/mail/tnef/parts.ts';
import { decompressRtf, rtfText } from '../../../src/mail/tnef/rtf.ts';
import { compressRtf, listOf, PR, plainRtf, tnef, u32 } from '../../support/tnef.ts';
import { claim, numberOf, octets, pieces, type Target } from '../target.ts';

const RTF =
  "{\\rtf1\\ansi\\ansicpg1252\\fromhtml1\\deff0{\\fonttbl{\\f0 Arial;}{\\f1\\fcharset204 Arial;}}{\\*\\htmltag64 <p>}\\htmlrtf \\par\\htmlrtf0 caf\\'e9 \\u8364?{\\f1 \\'cf}\\tab{\\b b}\\bin2 ab{\\*\\htmltag72 </p>}{\\pict 00}}";
const INNER = tnef({
  subject: 'inner',
  properties: [[PR.rtf, compressRtf('{\\rtf1 text text text text}')]],
  attachments: [{ title: 'a.csv', data: octets('a,b\r\n1,2\r\n'), properties: [[PR.attachLongName, 'long name.csv']] }],
});
const LIMITS = { depth: 6, parts: 40 };

export async function open(): Promise<Target> {
  return {
    seeds: [
      INNER,
      tnef({
        subject: 'S',
        body: 'B',
        codePage: 1251,
        properties: [
          [PR.body, 'text'],
          [PR.html, octets('<p>x</p>')],
          [PR.rtf, compressRtf(RTF)],
          [PR.internetCodePage, 65001],
          [PR.headers, 'Subject: S\r\nX-A: b\r\n'],
          [0x8001, 'v', { name: 'n' }],
          [0x8002, 'v', { name: 7, times: 2 }],
          [0x7001, octets('\x01\x02readable\0')],
        ],
        recipients: [[[PR.displayName, 'Ann']], [[PR.displayName, 'Bob', { ansi: 'latin1' }]]],
        attachments: [
          { title: 'inner', properties: [[PR.attachData, { message: INNER }]] },
          { title: 'ole', properties: [[PR.attachData, { storage: octets('x') }]], metafile: octets('icon.doc') },
          {
            title: 'old.eml',
            data: octets('Subject: a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n'),
          },
        ],
      }),
      tnef({ properties: [[PR.rtf, plainRtf(RTF)]] }),
      compressRtf(RTF),
      octets(RTF),
    ],
    tokens: [
      ...[0, 1, 2, 0x7fffffff, 0x80000000, 0xffffffff].map(u32),
      ...['1e00', '1f00', '0201', '0d00', '0300', '1e10', '1f10', '0310', '0110', '0900', '1310', '0137', '0180'].map(
        (hex) => Buffer.from(hex, 'hex'),
      ),
      ...['0102800c', '020290', '0f8006', '039006', '049006', '059006', '079006'].map((hex) => Buffer.from(hex, 'hex')),
      ...['0703020000000000c000000000000046', '8603020000000000c000000000000046'].map((hex) => Buffer.from(hex, 'hex')),
      ...['LZFu', 'MELA', 'winmail.dat', '.csv', '.eml', 'text/html', 'application/ms-tnef', 'message/rfc822'],
      ...[
        '{',
        '}',
        '\\',
        '{\\*',
        "\\'",
        "\\'e",
        '\\u',
        '\\u-1?',
        '\\uc9',
        '\\bin9 ',
        '\\f1',
        '\\fcharset128',
        '\\ansicpg932',
      ],
      ...['\\htmlrtf', '\\htmlrtf0', '\\htmltag', '\\fromhtml', '\\par', '\\pict', '\\fonttbl', '{{{{{{{{{{{{{{{{'],
      INNER,
      listOf([[PR.body, 'x']]),
      Buffer.alloc(40, 0xff),
    ],
    check: (input) => {
      stream(input);
      rtf(input);
      examined(input);
    },
  };
}

function stream(input: Buffer): void {
  const said = new Set<string>();
  let files = 0;
  for (const { header, body, isAttached } of tnefParts(input, (reason) => said.add(reason))) {
    claim(headerEnd(header) === header.length, 'a header section that ends early or not at all');
    const { fault, fields } = parseHeader(header);
    claim(fault === null, `a faulty header section: ${fault}`);
    claim(fields.filter(({ name }) => name === 'content-type').length === 1, 'two types');
    if (!isAttached) continue;
    files += body.length;
    claim(body.length === 0 || body.buffer === input.buffer, 'a file was copied');
  }
  // A file is given whole and once.
  claim(files <= input.length, 'files are larger than what they stand in');
}

function rtf(input: Buffer): void {
  for (const max of [100, 20_000_000]) {
    const said = new Set<string>();
    const out = decompressRtf(input, max, (reason) => said.add(reason));
    claim(out.length <= max && out.length <= input.length * 9, 'more comes out than may');
    const isWhole = input.length >= 16 && out.length === input.readUInt32LE(4);
    claim(isWhole || said.size > 0, 'another size than told, and nothing is said');
  }
  const { text, html } = rtfText(input, () => {});
  // A character of a single octet at most becomes an entity of HTML.
  claim(text.length <= input.length && (html ?? '').length <= input.length * 5, 'it grows');
  if (input.length > 1_000) return;
  const back = decompressRtf(compressRtf(input), input.length + 17, (reason) =>
    claim(false, `there and back: ${reason}`),
  );
  claim(back.equals(input), 'there and back is something else');
}

function examined(input: Buffer): void {
  const mail = Buffer.concat([octets('Subject: a\r\nContent-Type: application/ms-tnef\r\n\r\n'), input]);
  const options = { subjectTags: [], now: () => 0, limits: LIMITS };
  const all = examine([Buffer.from(mail)], options);
  const again = examine(pieces(mail, numberOf(input), Math.max(61, mail.length >> 5)), options);
  claim(JSON.stringify(all) === JSON.stringify(again), 'in pieces it is examined otherwise');
  const { state, parts } = all.coverage;
  claim(state !== 'unreadable', 'a fault of ours');
  claim(parts.length <= LIMITS.parts + LIMITS.depth + 1, `${parts.length} parts`);
  claim((state === 'full') === parts.every(({ unread }) => unread === undefined), 'what was not read counts as clean');
  claim(input.subarray(0, 4).equals(u32(0x223e9f78)) || state === 'partial', 'no TNEF, and it counts as read');
}
