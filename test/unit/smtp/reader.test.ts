import { once } from 'node:events';
import fc from 'fast-check';
import { LONG_LINE_MAX, Reader } from '../../../src/smtp/reader.ts';

/** Feeds the chunks and tells what the owner heard; `|` is where all that came was handled. */
async function heard(chunks: readonly string[], busy = false): Promise<string[]> {
  const said: string[] = [];
  const reader = new Reader({
    line: (line) => {
      said.push(line.toString('latin1'));
      return busy ? new Promise<void>((resolve) => setImmediate(resolve)) : undefined;
    },
    broken: (what) => {
      said.push(`broken: ${what}`);
      reader.isClosed = true;
    },
    idle: () => {
      said.push('|');
    },
  });
  for (const chunk of chunks) reader.write(Buffer.from(chunk, 'latin1'));
  reader.end();
  await once(reader, 'finish');
  return said;
}
const lines = async (chunks: readonly string[], busy?: boolean) =>
  (await heard(chunks, busy)).filter((one) => one !== '|');

test.each([
  [['NOOP\r\n'], ['NOOP', '|']],
  [
    ['NO', 'OP\r', '\nQUIT\r\n'],
    ['|', '|', 'NOOP', 'QUIT', '|'],
  ],
  [['\r\n'], ['', '|']],
  [['a\r\nb\r\n'], ['a', 'b', '|']],
  [['NOOP\n'], ['broken: bare line end']],
  [['a\rb\r\n'], ['broken: bare line end']],
  [
    ['a\r', 'b\r\n'],
    ['|', 'broken: bare line end'],
  ],
  [['a\r\r\n'], ['broken: bare line end']],
  [['a\0\r\n'], ['broken: bare line end']],
  [['a\r\nb\nc\r\n'], ['a', 'broken: bare line end']],
])('%j', async (chunks, expected) => {
  expect(await heard(chunks)).toEqual(expected);
  expect(await heard(chunks, true)).toEqual(expected);
});

test('a line may be 2,048 octets with its CRLF, and not one more', async () => {
  const longest = 'x'.repeat(LONG_LINE_MAX - 2);
  expect(await lines([`${longest}\r\n`])).toEqual([longest]);
  expect(await lines([longest, '\r', '\n'])).toEqual([longest]);
  expect(await lines([`${longest}x\r\n`])).toEqual(['broken: line too long']);
  expect(await lines([longest, 'xx'])).toEqual(['broken: line too long']);
  expect(await lines([`${longest}x`, '\r', '\n'])).toEqual(['broken: line too long']);
});

test('where the segments are cut changes nothing', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom('\r\n', '\r', '\n', '\0', 'NOOP', 'x'), { maxLength: 12 }),
      fc.nat(20),
      fc.boolean(),
      async (pieces, cut, busy) => {
        const text = pieces.join('');
        expect(await lines([text.slice(0, cut), text.slice(cut)], busy)).toEqual(await lines([text]));
      },
    ),
  ));

test('mail data go to their mode until it ends, then lines again, however they are cut', async () => {
  const wire = 'DATA\r\n12345QUIT\r\n';
  for (let cut = 0; cut <= wire.length; cut++) {
    const said: string[] = [];
    let left = 5;
    let data = '';
    const reader = new Reader({
      line: (line) => {
        said.push(line.toString());
        const feed = async (chunk: Uint8Array): Promise<number> => {
          const used = Math.min(left, chunk.length);
          data += Buffer.from(chunk.subarray(0, used)).toString();
          left -= used;
          return used;
        };
        if (said.length === 1) reader.startData({ feed, ended: () => left === 0 });
      },
      broken: () => said.push('broken'),
      idle: () => {},
    });
    reader.write(Buffer.from(wire.slice(0, cut)));
    reader.end(Buffer.from(wire.slice(cut)));
    await once(reader, 'finish');
    expect([said, data]).toEqual([['DATA', 'QUIT'], '12345']);
  }
});

test('what came behind the present command is counted, in its own segment and in later ones', async () => {
  const counted: number[] = [];
  const reader = new Reader({
    line: async () => {
      await new Promise((resolve) => setImmediate(resolve));
      counted.push(reader.pipelined);
    },
    broken: () => {},
    idle: () => {},
  });
  reader.write(Buffer.from('a\r\nbb\r\n'));
  reader.end(Buffer.from('ccc\r\n'));
  await once(reader, 'finish');
  expect(counted).toEqual([9, 5, 0]);
});

test('a session that closed gets no more lines', async () => {
  const said: string[] = [];
  const reader = new Reader({
    line: (line) => {
      said.push(line.toString());
      reader.isClosed = true;
    },
    broken: () => said.push('broken'),
    idle: () => {},
  });
  reader.write(Buffer.from('QUIT\r\nMAIL\r\n'));
  reader.end(Buffer.from('RCPT\r\n'));
  await once(reader, 'finish');
  expect(said).toEqual(['QUIT']);
});
