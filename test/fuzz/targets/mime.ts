// The MIME walk with its decoders, text readers and detectors: what is seen does not depend on how the octets came, sizes are
// those of the message, and what a limit cut never counts as read.

import { createHash } from 'node:crypto';
import { examine } from '../../../src/dlp/examine.ts';
import { decoderFor } from '../../../src/mail/decode.ts';
import { readingOf, textReader } from '../../../src/mail/text.ts';
import { createWalker, type Part, type WalkLimits } from '../../../src/mail/walk.ts';
import { claim, lines, numberOf, pieces, type Target } from '../target.ts';

const SMALL: WalkLimits = { depth: 3, parts: 6 };
const LARGE: WalkLimits = { depth: 50, parts: 1_000 };

export async function open(): Promise<Target> {
  return {
    seeds: [
      lines(
        ...[
          'Subject: a',
          'Content-Type: multipart/mixed; boundary="b1"',
          '',
          'before',
          '--b1',
          'Content-Type: text/plain; charset=utf-8',
        ],
        ...[
          'Content-Transfer-Encoding: quoted-printable',
          '',
          'caf=C3=A9 =',
          'SSN 123-45-6789',
          '--b1',
          'Content-Type: text/html',
          '',
        ],
        ...['<p>a<br>b</p><style>x</style><!-- c -->', '--b1', 'Content-Type: application/octet-stream; name="a.zip"'],
        ...[
          'Content-Transfer-Encoding: base64',
          '',
          'UEsDBBQAAQAIAAAAAAAAAAAAAAAAAAAA',
          'UEsDBBQAAQAIAAAAAAAAAAAAAAAAAAAA',
          '--b1--',
          'after',
        ],
      ),
      lines(
        ...[
          'Content-Type: multipart/alternative; boundary=x',
          '',
          '--x',
          'Content-Type: multipart/related; boundary=y',
          '',
          '--y',
        ],
        ...[
          'Content-Type: message/rfc822',
          '',
          'Subject: b',
          'Content-Type: multipart/digest; boundary=z',
          '',
          '--z',
          '',
          'Subject: c',
          '',
        ],
        ...['d', '--z--', '--y--', '--x--'],
      ),
      lines('Content-Type: text/plain; charset=utf-16', 'Content-Transfer-Encoding: base64', '', '//5oAGUAbABsAG8A'),
      lines(
        'Content-Type: text/calendar',
        '',
        'BEGIN:VCALENDAR',
        'DESCRIPTION:MRN 123',
        ' 4567',
        'begin 644 a.txt',
        '#86)C',
        'end',
      ),
      lines('Content-Type: message/rfc822', 'Content-Transfer-Encoding: base64', '', 'U3ViamVjdDogYQ0KDQpiDQo='),
      lines('plain', '', 'hello'),
    ],
    tokens: [
      ...[
        '--b1',
        '--b1--',
        '--x',
        '--y--',
        '--',
        '\r\n--b1\r\n',
        '\r\n--b1--\r\n',
        '\n--b1\n',
        '--b1 \r\n',
        '--b11\r\n',
        '\r\n\r\n',
      ],
      ...[
        'Content-Type: ',
        'multipart/mixed; boundary=b1',
        'multipart/mixed; boundary=""',
        'message/rfc822',
        'text/html',
        'text/plain',
      ],
      ...[
        'Content-Transfer-Encoding: ',
        'base64',
        'quoted-printable',
        '7bit',
        'x-uuencode',
        '; charset=',
        'utf-16le',
        'utf-7',
        'gb18030',
      ],
      ...[
        '=\r\n',
        '=3D',
        '=0',
        '= \r\n',
        '====',
        'QUJD',
        'QQ==',
        '\x1b$B',
        '\xff\xfe',
        '\xef\xbb\xbf',
        '<!--',
        '-->',
        '<style>',
        '</style>',
      ],
      ...[
        '&#x41;',
        '&amp',
        '<![CDATA[',
        '<script>',
        '-----BEGIN PGP MESSAGE-----',
        '=ybegin ',
        'begin 644 a',
        '%PDF-',
        'data:image/png;base64,',
      ],
      ...['boundary*0=b; boundary*1=1', "name*=utf-8''%41", '(comment)', '\\"', ';', '"'],
    ],
    check: (input) => {
      const number = numberOf(input);
      const once = walked([Buffer.from(input)], LARGE);
      claim(
        once.parts.every(({ size }) => size <= input.length),
        'a part is larger than the message',
      );
      // A header section is put together anew with each piece; ours are 64 kB.
      if (input.length < 2_000) same(once, walked(pieces(input, number, 1), LARGE), 'octet by octet');
      same(once, walked(pieces(input, number, Math.max(61, input.length >> 5)), LARGE), 'in pieces');
      limits(input, once);
      decoders(input, number);
      coverage(input, number);
    },
  };
}

type Seen = { readonly told: string; readonly parts: readonly Part[] };

function walked(chunks: Iterable<Buffer>, limits: WalkLimits): Seen {
  const parts: Part[] = [];
  const ended = new Set<Part>();
  const seen = new Map<
    Part,
    { raw: Buffer[]; text: string[]; reader: ReturnType<typeof textReader> | null; why: string }
  >();
  const walker = createWalker(
    {
      begin: (part) => {
        claim(part.index === parts.length, 'an index is missing');
        parts.push(part);
        const { as } = readingOf(part);
        const text: string[] = [];
        const charset = part.parameters.get('charset') ?? '';
        const isText = as === 'plain' || as === 'html';
        const reader = isText
          ? textReader({ type: part.type, charset, html: as === 'html' }, (one) => text.push(one))
          : null;
        seen.set(part, { raw: [], text, reader, why: '' });
        return true;
      },
      content: (part, bytes) => {
        claim(!ended.has(part), 'content behind its end');
        const one = seen.get(part);
        one?.raw.push(Buffer.from(bytes));
        one?.reader?.push(bytes);
        return true;
      },
      end: (part) => {
        claim(!ended.has(part), 'it ends twice');
        ended.add(part);
        const one = seen.get(part);
        if (one) one.why = one.reader?.end() ?? '';
      },
    },
    limits,
  );
  for (const chunk of chunks) {
    walker.push(chunk);
    // The caller may use its buffer again.
    chunk.fill(0x58);
  }
  walker.end();
  claim(
    parts.every((part) => ended.has(part) || part.unread === 'too many parts'),
    'a part does not end',
  );
  const told = parts.map((part) => {
    const { raw, text, why } = seen.get(part) as { raw: Buffer[]; text: string[]; why: string };
    const hash = createHash('md5')
      .update(Buffer.concat(raw))
      .update(`|${text.join('')}`)
      .digest('base64');
    return [part.index, part.depth, part.type, part.size, part.unread, part.nested, part.fileName, hash, why].join(' ');
  });
  return { told: told.join('\n'), parts };
}

function same(one: Seen, other: Seen, how: string): void {
  claim(one.told === other.told, `${how} it is another message:\n${one.told}\n--- and\n${other.told}`);
}

function limits(input: Buffer, all: Seen): void {
  const few = walked([Buffer.from(input)], SMALL);
  claim(few.parts.length <= SMALL.parts + 1, 'more parts than may be');
  claim(
    few.parts.every(({ depth }) => depth <= SMALL.depth),
    'deeper than may be',
  );
  const cut = few.told !== all.told;
  claim(!cut || few.parts.some(({ unread }) => unread !== undefined), 'a limit cut it and no part says so');
}

function decoders(input: Buffer, number: number): void {
  for (const encoding of ['base64', 'quoted-printable']) {
    const decode = (chunks: Iterable<Buffer>): string => {
      const decoder = decoderFor(encoding);
      claim(decoder !== null && decoder !== undefined, 'no decoder');
      const out = [...chunks].map((chunk) => Buffer.from(decoder.push(chunk)));
      return `${Buffer.concat([...out, decoder.end()]).toString('latin1')} ${decoder.bad()}`;
    };
    const whole = decode([Buffer.from(input)]);
    claim(whole === decode(pieces(input, number, 7)), `${encoding} in pieces is other octets`);
    const coded = encoding === 'base64' ? inLines(input) : Buffer.from(quoted(input), 'latin1');
    claim(
      decode(pieces(coded, number, 90)) === `${input.toString('latin1')} false`,
      `${encoding} there and back is other octets`,
    );
  }
}

const inLines = (input: Buffer): Buffer => Buffer.from(input.toString('base64').replace(/.{76}/g, '$&\r\n'), 'latin1');
const quoted = (input: Buffer): string =>
  [...input]
    .map((octet) => `=${octet.toString(16).toUpperCase().padStart(2, '0')}`)
    .join('')
    .replace(/.{75}/g, '$&=\r\n');

/** A part that a limit cut is not read, and the whole is `full` only where every part was. */
function coverage(input: Buffer, number: number): void {
  const options = { subjectTags: ['secure'], now: () => 0 };
  const all = examine([Buffer.from(input)], options);
  const again = examine(pieces(input, number, Math.max(300, input.length >> 5)), options);
  claim(
    JSON.stringify(all) === JSON.stringify(again),
    `in pieces it is examined otherwise: ${JSON.stringify([all, again])}`,
  );
  claim(all.coverage.state !== 'unreadable', 'a fault of ours');
  const few = examine([Buffer.from(input)], { ...options, limits: { ...SMALL, textOctets: 40 } });
  for (const { state, parts } of [all.coverage, few.coverage]) {
    claim(
      (state === 'full') === parts.every(({ unread }) => unread === undefined),
      'a part that was not read counts as clean',
    );
  }
  const found = (of: typeof all) => JSON.stringify(of.findings);
  claim(found(few) === found(all) || few.coverage.state !== 'full', 'less was found, and all was read');
}
