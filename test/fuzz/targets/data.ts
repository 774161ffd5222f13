// Mail data between 354 and the final dot, cut everywhere, against a reading of the whole; and what the stuffer makes.

import { DotReader } from '../../../src/smtp/data.ts';
import { ContentError, FINAL_DOT, Stuffer } from '../../../src/smtp/stuffing.ts';
import { bareIn, claim, lines, numberOf, octets, pieces, type Target } from '../target.ts';

const SECOND = 'MAIL FROM:<evil@example.org>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\n';

type Read = { readonly content: string | null; readonly rest: string; readonly ended: boolean };

export async function open(): Promise<Target> {
  return {
    seeds: [
      lines('Subject: a', '', 'hello', '.'),
      lines('Subject: a', '', '..', '.x', '...', '', '.', 'NOOP'),
      lines('.'),
      octets(`Subject: a\r\n\r\nhello\n.\r\n${SECOND}Subject: smuggled\r\n\r\nx\r\n.\r\n`),
    ],
    tokens: [
      '\r\n.\r\n',
      '\n.\n',
      '\r\n.\n',
      '\n.\r\n',
      '\r.\r',
      '\r\n.\r',
      '.\r\n',
      '\r\n',
      '\r',
      '\n',
      '.',
      '..',
      '\0',
      SECOND,
    ],
    check: (input) => {
      const expected = reference(input.toString('latin1'));
      compare(expected, [Buffer.from(input)], 'whole');
      compare(expected, pieces(input, numberOf(input), 1), 'octet by octet');
      compare(expected, pieces(input, numberOf(input), 9), 'in pieces');
      const cuts = input.length <= 80 ? input.length : 8;
      for (let n = 1; n < cuts; n++) {
        const at = input.length <= 80 ? n : (numberOf(input) * n) % input.length;
        compare(expected, [Buffer.from(input.subarray(0, at)), Buffer.from(input.subarray(at))], `cut at ${at}`);
      }
      stuffed(input);
    },
  };
}

/** RFC 5321 §4.5.2 on the whole: the data end before the first CRLF . CRLF, a dot before any other line goes. */
function reference(text: string): Read {
  const end = `\r\n${text}`.indexOf('\r\n.\r\n');
  const data = end < 0 ? text : text.slice(0, end);
  const rest = end < 0 ? '' : text.slice(end + 3);
  // An end that is not there yet may still make the last CR a good one.
  const judged = end < 0 && data.endsWith('\r') ? data.slice(0, -1) : data;
  if (bareIn(judged) !== null) return { content: null, rest, ended: end >= 0 };
  return { content: data.replace(/^\.|(?<=\r\n)\./g, ''), rest, ended: end >= 0 };
}

function compare(expected: Read, chunks: Iterable<Buffer>, how: string): void {
  const reader = new DotReader();
  let content = '';
  let rest = '';
  let ended = false;
  for (const chunk of chunks) {
    if (ended) {
      rest += chunk.toString('latin1');
      continue;
    }
    const behind = chunk.toString('latin1');
    const step = reader.push(chunk);
    content += Buffer.from(step.content).toString('latin1');
    ended = step.ended;
    rest += behind.slice(step.used);
    claim(ended || step.used === behind.length, `${how}: octets left over before the end`);
  }
  claim(ended === expected.ended, `${how}: ${ended ? 'it ends' : 'it does not end'}`);
  claim((reader.fault !== null) === (expected.content === null), `${how}: fault ${JSON.stringify(reader.fault)}`);
  if (ended) claim(rest === expected.rest, `${how}: other octets behind the end`);
  if (ended && expected.content !== null) claim(content === expected.content, `${how}: other content`);
}

/** What leaves is refused, or is one message to whoever reads it, and the same. */
function stuffed(input: Buffer): void {
  const stuffer = new Stuffer({ sevenBit: false });
  const out: Uint8Array[] = [];
  try {
    for (const chunk of pieces(input, numberOf(input), 40)) out.push(...stuffer.push(chunk));
    out.push(...stuffer.end(), FINAL_DOT);
  } catch (error) {
    claim(error instanceof ContentError && bareIn(input.toString('latin1')) !== null, 'clean content is not sent');
    return;
  }
  const wire = Buffer.concat(out).toString('latin1');
  claim(bareIn(input.toString('latin1')) === null && bareIn(wire) === null, 'bare line ends leave');
  claim(
    /(?:^|\r\n)\.\r\n/.exec(wire)?.index === Math.max(0, wire.length - 5) || wire === '.\r\n',
    'an end before the end',
  );
  const data = input.toString('latin1');
  const read = reference(wire);
  claim(read.content === (data === '' || data.endsWith('\r\n') ? data : `${data}\r\n`), 'another message arrives');
}
