import fc from 'fast-check';
import { REPLIES } from '../../../src/smtp/answers.ts';
import { Body, DataGone, DataRefused, DotReader } from '../../../src/smtp/data.ts';
import { FINAL_DOT, Stuffer } from '../../../src/smtp/stuffing.ts';

type Read = { readonly content: string; readonly fault: string; readonly rest: string | null };

/** Pushes the chunks; `rest` is what stands behind the end of data, null when it did not come. */
function read(chunks: readonly Buffer[]): Read {
  const dots = new DotReader();
  let content = '';
  for (const [i, chunk] of chunks.entries()) {
    // The reader changes what it is given.
    const own = Buffer.from(chunk);
    const step = dots.push(own);
    content += Buffer.from(step.content).toString('latin1');
    if (!step.ended) continue;
    const rest = Buffer.concat([own.subarray(step.used), ...chunks.slice(i + 1)]).toString('latin1');
    return { content: dots.fault ? '' : content, fault: dots.fault?.enhanced ?? '', rest };
  }
  return { content: dots.fault ? '' : content, fault: dots.fault?.enhanced ?? '', rest: null };
}

/** The same from the standards' words, slowly: a line ends at CRLF, a lone dot ends all. */
function expected(text: string): Read {
  let rest = text;
  let content = '';
  for (;;) {
    const end = rest.indexOf('\r\n');
    if (end < 0) return { content: content + rest.replace(/^\./, ''), fault: faultOf(text, text.length), rest: null };
    const line = rest.slice(0, end);
    rest = rest.slice(end + 2);
    if (line === '.') {
      const fault = faultOf(text, text.length - rest.length);
      return { content: fault ? '' : content, fault, rest };
    }
    content += `${line.replace(/^\./, '')}\r\n`;
  }
}

function faultOf(text: string, until: number): string {
  const match = /\0|(?<!\r)\n|\r(?!\n|$)/.exec(text.slice(0, until));
  return match === null ? '' : match[0] === '\0' ? '5.6.0' : '5.5.2';
}

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const cuts = (text: string): Buffer[][] =>
  Array.from({ length: text.length + 1 }, (_, cut) => [bytes(text.slice(0, cut)), bytes(text.slice(cut))]);
const octetwise = (text: string): Buffer[] => [...text].map(bytes);

describe('the end of data', () => {
  test.each([
    ['.\r\n', '', '', ''],
    ['a\r\n.\r\n', 'a\r\n', '', ''],
    ['a\r\n.\r\nMAIL', 'a\r\n', '', 'MAIL'],
    ['..\r\n.\r\n', '.\r\n', '', ''],
    ['.a\r\n.\r\n', 'a\r\n', '', ''],
    ['...\r\n.b\r\n.\r\n', '..\r\nb\r\n', '', ''],
    ['a.\r\n.\r\n', 'a.\r\n', '', ''],
    ['a\n.\n', '', '5.5.2', null],
    ['a\n.\r\n', '', '5.5.2', null],
    ['a\r\n.\n', '', '5.5.2', null],
    ['a\r\n.\rb', '', '5.5.2', null],
    ['a\r.\r\n', '', '5.5.2', null],
    ['a\r\n.\r\r\n', '', '5.5.2', null],
    ['a\r\r\n.\r\nb', '', '5.5.2', 'b'],
    ['a\nb\r\n.\r\nc', '', '5.5.2', 'c'],
    ['a\0b\r\n.\r\n', '', '5.6.0', ''],
    ['a\r\n.\0\r\n', '', '5.6.0', null],
    ['a\0\n\r\n.\r\n', '', '5.6.0', ''],
  ])('%j', (text, content, fault, rest) => {
    for (const chunks of [...cuts(text), octetwise(text)]) expect(read(chunks)).toEqual({ content, fault, rest });
  });

  test('any octets, cut anywhere, are read as the standards say', () => {
    const piece = fc.constantFrom(
      '\r\n',
      '\r\n.\r\n',
      '.',
      '..',
      '\r',
      '\n',
      '\0',
      'a',
      '\r\n.',
      '\xff',
      'MAIL FROM:<>',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), fc.array(fc.nat(40), { maxLength: 4 }), (pieces, at) => {
        const text = pieces.join('');
        const wanted = expected(text);
        const places = [0, ...at.map((one) => Math.min(one, text.length)).sort((a, b) => a - b), text.length];
        const got = read(places.slice(1).map((end, i) => bytes(text.slice(places[i], end))));
        expect([got.fault, got.rest]).toEqual([wanted.fault, wanted.rest]);
        // What hangs in the air before the end of data came may be held back.
        if (got.rest !== null) expect(got.content).toBe(wanted.content);
      }),
      { numRuns: 2000 },
    );
  });

  test('what we write is read as it was, and ends where it ends', () => {
    const line = fc.constantFrom('', '.', '..', 'a', '.a', 'a.', '. ', 'MAIL FROM:<>', '\xe9');
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 8 }), fc.nat(30), (lines, cut) => {
        const text = `${lines.join('\r\n')}\r\n`;
        const stuffer = new Stuffer({ sevenBit: false });
        const wire = [bytes(text.slice(0, cut)), bytes(text.slice(cut))].flatMap((chunk) => stuffer.push(chunk));
        const sent = Buffer.concat([...wire, ...stuffer.end(), FINAL_DOT, bytes('QUIT\r\n')]);
        expect(read([sent])).toEqual({ content: text, fault: '', rest: 'QUIT\r\n' });
      }),
    );
  });
});

describe('the stream to the consumer', () => {
  const all = async (body: Body): Promise<string> => {
    let text = '';
    for await (const chunk of body) text += Buffer.from(chunk).toString('latin1');
    return text;
  };

  test('gives all, then ends', async () => {
    const body = new Body();
    body.put(bytes('a'));
    const got = all(body);
    body.put(bytes('b'));
    body.end();
    expect(await got).toBe('ab');
  });

  test.each([
    ['refused', new DataRefused(REPLIES.tooLarge)],
    ['gone', new DataGone()],
  ])('%s: the consumer learns it at its next step, what waited is dropped', async (_, error) => {
    const body = new Body();
    body.put(bytes('a'));
    body.fail(error);
    await expect(all(body)).rejects.toBe(error);
    const waiting = new Body();
    const got = all(waiting);
    waiting.fail(error);
    await expect(got).rejects.toBe(error);
  });

  test('after the end nothing can spoil it: it is the mail that we answer for', async () => {
    const body = new Body();
    body.put(bytes('a'));
    body.end();
    body.fail(new DataGone());
    expect(await all(body)).toBe('a');
  });

  test('a slow consumer makes the client wait, with a bound on what is held', async () => {
    const body = new Body();
    expect(body.put(Buffer.alloc(128 * 1024))).toBeUndefined();
    let room = false;
    const waits = body.put(Buffer.alloc(1))?.then(() => {
      room = true;
    });
    expect(waits).toBeInstanceOf(Promise);
    await Promise.resolve();
    expect(room).toBe(false);
    const chunks = body[Symbol.asyncIterator]();
    await chunks.next();
    await waits;
    expect(room).toBe(true);
  });

  test('many small pieces are as much as few large ones', async () => {
    const body = new Body();
    const room = Array.from({ length: 513 }, () => body.put(Buffer.alloc(1)));
    expect(room.map((one) => one === undefined)).toEqual([...Array(512).fill(true), false]);
    const pieces = body[Symbol.asyncIterator]();
    for (let i = 0; i < 257; i++) await pieces.next();
    await room[512];
    expect(body.put(Buffer.alloc(1))).toBeUndefined();
  });

  test.each([
    ['it fails', (body: Body) => body.fail(new DataGone())],
    ['nobody reads', (body: Body) => body.drop()],
  ])('nobody waits for room when %s', async (_, end) => {
    const body = new Body();
    const waits = body.put(Buffer.alloc(200 * 1024));
    end(body);
    await waits;
    expect(body.put(Buffer.alloc(200 * 1024))).toBeUndefined();
  });
});
