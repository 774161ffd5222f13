import fc from 'fast-check';
import { REPLIES } from '../../../src/smtp/answers.ts';
import { ChunkReader } from '../../../src/smtp/chunks.ts';

/** Reads chunks, each given in segments; what is kept of them, or the fault. */
function read(chunks: readonly (readonly Buffer[])[]): string {
  const reader = new ChunkReader();
  let content = '';
  for (const segments of chunks) {
    const size = segments.reduce((sum, segment) => sum + segment.length, 0);
    if (size === 0) continue;
    reader.expect(size);
    let left = size;
    for (const segment of segments.filter((one) => one.length > 0)) {
      // What stands behind the chunk is not its own.
      const step = reader.push(Buffer.concat([segment, Buffer.from(segment === segments.at(-1) ? 'QUIT\r\n' : '')]));
      left -= step.used;
      expect([step.used, step.ended]).toEqual([segment.length, left === 0]);
      content += Buffer.from(step.content).toString('latin1');
    }
  }
  content += Buffer.from(reader.end().content).toString('latin1');
  return reader.fault?.text ?? content;
}

/** The same on the whole. */
function expected(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what is looked for.
  const fault = /\r(?!\n)|\x00/.exec(text)?.[0];
  if (fault !== undefined) return fault === '\r' ? REPLIES.bareCrInChunk.text : REPLIES.nulInData.text;
  const lines = text.replace(/\r?\n/g, '\r\n');
  return lines === '' || lines.endsWith('\r\n') ? lines : `${lines}\r\n`;
}

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

test.each([
  ['', ''],
  ['a\r\n', 'a\r\n'],
  ['a', 'a\r\n'],
  ['\n', '\r\n'],
  ['\na\n\n.\nb\r\n', '\r\na\r\n\r\n.\r\nb\r\n'],
  ['.\r\n..\r\n.x', '.\r\n..\r\n.x\r\n'],
  ['\x0b\x0c\t\x01\n', '\x0b\x0c\t\x01\r\n'],
  ['a\r', REPLIES.bareCrInChunk.text],
  ['\r\r\n', REPLIES.bareCrInChunk.text],
  ['a\rb\0', REPLIES.bareCrInChunk.text],
  ['a\0\r', REPLIES.nulInData.text],
])('%j is %j, however chunks and segments cut it', (text, kept) => {
  expect(expected(text)).toBe(kept);
  for (let chunk = 0; chunk <= text.length; chunk++) {
    for (let cut = 0; cut <= text.length - chunk; cut++) {
      const rest = text.slice(chunk);
      const second = [bytes(rest.slice(0, cut)), bytes(rest.slice(cut))];
      expect(read([[bytes(text.slice(0, chunk))], second])).toBe(kept);
    }
  }
  expect(read([...text].map((octet) => [bytes(octet)]))).toBe(kept);
});

test('any octets in any chunks', () => {
  const piece = fc.constantFrom(
    '\r\n',
    '\n',
    '\r',
    '\0',
    '.',
    'x',
    '\x0b',
    '\r\n.\r\n',
    'a long line of words ',
    '\xff',
  );
  const segments = fc.array(fc.array(fc.array(piece, { maxLength: 4 }), { maxLength: 3 }), { maxLength: 5 });
  fc.assert(
    fc.property(segments, (chunks) => {
      const text = chunks.flat(2).join('');
      expect(read(chunks.map((chunk) => chunk.map((one) => bytes(one.join('')))))).toBe(expected(text));
    }),
    { numRuns: 2000 },
  );
});

test('clean octets are handed on as they are, not copied', () => {
  const octets = bytes('a\r\nb\r\n');
  const reader = new ChunkReader();
  reader.expect(6);
  expect(reader.push(octets).content.buffer).toBe(octets.buffer);
});

test('of a chunk that is refused before it comes nothing is given, and its octets are counted', () => {
  const reader = new ChunkReader(REPLIES.tooLarge);
  reader.expect(5);
  expect(reader.push(bytes('abc'))).toEqual({ used: 3, content: new Uint8Array(0), ended: false });
  expect(reader.push(bytes('deQUIT'))).toEqual({ used: 2, content: new Uint8Array(0), ended: true });
});
