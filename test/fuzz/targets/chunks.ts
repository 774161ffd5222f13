// Mail data in the chunks of BDAT, split and cut everywhere, against a reading of the whole.

import { ChunkReader } from '../../../src/smtp/chunks.ts';
import { bareIn, claim, lines, numberOf, octets, pieces, type Target } from '../target.ts';

export async function open(): Promise<Target> {
  return {
    seeds: [
      lines('Subject: a', '', 'hello', '.'),
      octets('Subject: a\n\nhello\n.\nQUIT\n'),
      octets('a\r\n\n.\r\n..\n\r\n'),
    ],
    tokens: ['\r\n.\r\n', '\n.\n', '\r\n', '\n', '\r', '\0', '.', '\x0b', 'BDAT 3 LAST\r\n', 'words and more words '],
    check: (input) => {
      const expected = reference(input.toString('latin1'));
      const number = numberOf(input);
      compare(expected, input, [input.length], number, 'whole');
      compare(expected, input, [1], number, 'octet by octet');
      compare(
        expected,
        input,
        [1 + (number % 9), 1 + ((number >>> 8) % 70), 1 + ((number >>> 16) % 3)],
        number,
        'split',
      );
    },
  };
}

/** Null: refused. */
function reference(text: string): string | null {
  const whole = text.replace(/\r?\n/g, '\r\n');
  if (bareIn(whole) !== null) return null;
  return whole === '' || whole.endsWith('\r\n') ? whole : `${whole}\r\n`;
}

/** Chunks of these sizes in turn, each in pieces. */
function compare(expected: string | null, input: Buffer, sizes: readonly number[], number: number, how: string): void {
  const reader = new ChunkReader();
  let content = '';
  for (let at = 0, turn = 0; at < input.length; turn++) {
    const chunk = input.subarray(at, at + sizes[turn % sizes.length]!);
    at += chunk.length;
    reader.expect(chunk.length);
    let used = 0;
    for (const piece of pieces(chunk, number, 40)) {
      const behind = used + piece.length === chunk.length ? 'NOOP\r\n' : '';
      const step = reader.push(Buffer.concat([piece, octets(behind)]));
      claim(step.used === piece.length, `${how}: other octets of a chunk`);
      used += step.used;
      claim(step.ended === (used === chunk.length), `${how}: another end of a chunk`);
      content += Buffer.from(step.content).toString('latin1');
    }
  }
  content += Buffer.from(reader.end().content).toString('latin1');
  claim((reader.fault !== null) === (expected === null), `${how}: fault ${JSON.stringify(reader.fault)}`);
  if (expected !== null) claim(content === expected, `${how}: other content`);
  claim(expected === null || bareIn(content) === null, `${how}: bare line ends were taken`);
}
