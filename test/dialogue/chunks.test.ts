// Mail data in the chunks of BDAT: the same octets as by DATA wherever they are split, no end but the count, and what a
// written dialogue cannot say.

import { once } from 'node:events';
import { connect } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { DataGone, DataRefused, type Handlers } from '../../src/smtp/listener.ts';
import { canonical, stuff } from '../support/session.ts';
import { type Desk, newDesk, type Options, open, QUEUED, takingHandlers, until } from './play.ts';
import { Talker } from './talker.ts';

const MB = 1024 * 1024;
const ENVELOPE = ['MAIL FROM:<ann@clinic.example>', 'RCPT TO:<bob@example.org>'];
const TAKEN = '250 2.6.0 Queued as q1';

async function opened(handlers: (desk: Desk) => Partial<Handlers> = () => ({}), options: Options = {}) {
  const desk = newDesk();
  const listener = await open({ ...takingHandlers(desk), ...handlers(desk) }, options);
  const talker = new Talker(listener.port);
  await talker.reply();
  await talker.say('EHLO client.example');
  return {
    desk,
    listener,
    talker,
    /** By chunks that end at these places, all that behind RCPT; gives the reply to the last one. */
    byChunks: async (octets: Buffer, ends: readonly number[]): Promise<string> => {
      await talker.say(...ENVELOPE);
      talker.send(chunked(octets, ends));
      for (const _ of ends) expect(await talker.reply()).toBe('250 2.0.0 Chunk taken');
      return talker.reply();
    },
    byData: async (octets: Buffer): Promise<string> => {
      await talker.say(...ENVELOPE, 'DATA');
      talker.send(stuff(octets));
      return talker.reply();
    },
    close: async () => {
      talker.close();
      await listener.close(0);
    },
  };
}

/** Time enough for all that was sent to be read, had it been read: another session is served meanwhile. */
async function servedMeanwhile(port: number): Promise<void> {
  const other = new Talker(port);
  await other.reply();
  for (let i = 0; i < 90; i++) expect(await other.say('NOOP')).toBe('250 2.0.0 OK');
  other.close();
}

function chunked(octets: Buffer, ends: readonly number[]): Buffer {
  const parts: Buffer[] = [];
  let from = 0;
  for (const end of [...ends, octets.length]) {
    const last = parts.length === 2 * ends.length;
    parts.push(Buffer.from(`BDAT ${end - from}${last ? ' LAST' : ''}\r\n`), octets.subarray(from, end));
    from = end;
  }
  return Buffer.concat(parts);
}

const LETTER =
  'Subject: a\r\nFrom: b@c.example\r\n\r\n.\r\n..\r\n.x\r\n\r\nBDAT 3 LAST\r\n \r\n\xff\x0b\r\n.\r\nQUIT\r\n.';

test('split anywhere, whole or octet by octet, a message is stored as by DATA', async () => {
  const { desk, byChunks, byData, close } = await opened();
  for (const text of [LETTER, LETTER.replaceAll('\r\n', '\n'), LETTER.replaceAll('\r\n.', '\n.'), '\r\n', '\n', '']) {
    const octets = Buffer.from(text, 'latin1');
    const ends = Array.from({ length: octets.length + 1 }, (_, end) => [end]);
    expect(await byData(canonical(octets))).toBe(TAKEN);
    for (const one of [[], ...ends, [...octets.keys()]]) expect(await byChunks(octets, one)).toBe(TAKEN);
    const [expected, ...got] = desk.taken.splice(0).map(({ data }) => data.toString('latin1'));
    expect(got).toHaveLength(octets.length + 3);
    expect(new Set(got)).toEqual(new Set([expected]));
  }
  await close();
});

test('any content in any chunks and segments is stored as by DATA', async () => {
  const { desk, talker, byData, close } = await opened(undefined, { limits: { junk: 1e9 } });
  const piece = fc.constantFrom(
    '\r\n',
    '\n',
    '.',
    '\r\n.\r\n',
    '\n.\n',
    'x',
    'words ',
    '\x0b',
    'QUIT\r\n',
    'BDAT 2\r\n',
  );
  const content = fc.array(piece, { maxLength: 20 }).map((pieces) => pieces.join(''));
  const places = fc.array(fc.nat(100), { maxLength: 6 });
  const within = (all: readonly number[], length: number): number[] =>
    all.map((place) => Math.min(place, length)).sort((a, b) => a - b);
  await fc.assert(
    fc.asyncProperty(content, places, places, async (text, splits, cuts) => {
      const octets = Buffer.from(text, 'latin1');
      expect(await byData(canonical(octets))).toBe(TAKEN);
      await talker.say(...ENVELOPE);
      const wire = chunked(octets, within(splits, octets.length));
      let from = 0;
      for (const cut of [...within(cuts, wire.length), wire.length]) {
        talker.send(wire.subarray(from, cut));
        from = cut;
        // Only to let it travel on its own; chunks.test.ts of unit/ has every cut for certain.
        await turn();
      }
      for (const _ of splits) expect(await talker.reply()).toBe('250 2.0.0 Chunk taken');
      expect(await talker.reply()).toBe(TAKEN);
      const [first, second] = desk.taken.splice(0).map(({ data }) => data.toString('latin1'));
      expect(second).toBe(first);
    }),
    { numRuns: 300 },
  );
  await close();
});

test('what a lenient server takes for the end of mail data is content, and none of it a second message', async () => {
  const { desk, talker, byChunks, close } = await opened();
  const second =
    'MAIL FROM:<evil@example.org>\r\nRCPT TO:<victim@example.org>\r\nBDAT 3 LAST\r\nx\r\nDATA\r\nx\r\n.\r\n';
  const ends = [
    '\r\n.\r\n',
    '\n.\n',
    '\n.\r\n',
    '\r\n.\n',
    '\n\n.\n\n',
    '\n..\r\n',
    '\r\n..\r\n',
    '.\r\n',
    '\r\nBDAT 0 LAST\r\n',
  ];
  for (const end of ends) {
    const octets = Buffer.from(`Subject: first\r\n\r\nhello${end}${second}`);
    for (let at = 20; at <= 30; at++) expect(await byChunks(octets, [at])).toBe(TAKEN);
    expect(await talker.say('NOOP')).toBe('250 2.0.0 OK');
    const taken = desk.taken.splice(0);
    expect(taken).toHaveLength(11);
    for (const { data, envelope } of taken) {
      expect(data).toEqual(canonical(octets));
      expect(envelope).toMatchObject({ recipients: [{ address: 'bob@example.org' }] });
    }
  }
  await close();
});

describe('bounds', () => {
  const watched = (ended: PromiseWithResolvers<unknown>) => (): Partial<Handlers> => ({
    data: async (_client, _envelope, body) => {
      try {
        for await (const _ of body);
      } catch (error) {
        ended.resolve(error);
        throw error;
      }
      return QUEUED;
    },
  });

  test('a chunk without end: 552 and the end of the session at 8 MB over the limit, and the handler is told', async () => {
    const ended = Promise.withResolvers<unknown>();
    const { talker, listener, close } = await opened(watched(ended), { maxSize: MB });
    await talker.say(...ENVELOPE);
    talker.send('BDAT 99999999999999999999\r\n');
    expect(await ended.promise).toBeInstanceOf(DataRefused);
    for (let mb = 0; mb < 10; mb++) talker.send(Buffer.alloc(MB, 'x'));
    expect([await talker.reply(), await talker.reply()]).toEqual([
      '552 5.3.4 Message exceeds the size limit',
      'closed',
    ]);
    await until(() => listener.sessions() === 0);
    await close();
  });

  test('one that nobody wants has the same bound', async () => {
    const { talker, listener, close } = await opened(undefined, { maxSize: MB });
    talker.send('BDAT 99999999999999999999 LAST\r\n');
    for (let mb = 0; mb < 10; mb++) talker.send(Buffer.alloc(MB, 'x'));
    expect([await talker.reply(), await talker.reply()]).toEqual([
      '552 5.3.4 Message exceeds the size limit',
      'closed',
    ]);
    await until(() => listener.sessions() === 0);
    await close();
  });

  test('small chunks without end', async () => {
    const ended = Promise.withResolvers<unknown>();
    const { talker, close } = await opened(watched(ended));
    await talker.say(...ENVELOPE);
    talker.send('BDAT 1\r\nx'.repeat(100_001));
    let taken = 0;
    let last = await talker.reply();
    for (; last === '250 2.0.0 Chunk taken'; last = await talker.reply()) taken++;
    expect([taken, last]).toEqual([100_000, '421 4.7.0 Too many errors']);
    expect(await ended.promise).toBeInstanceOf(DataGone);
    await close();
  }, 60_000);

  // Room is waited for within chunks, and by the last octets of one.
  test.each([
    [40, 65_536, 4],
    [1, 128 * 1024 + 8, 1],
  ])('a handler that does not read: of %d chunks of %d only those that there is room for have a reply', async (chunks, size, bound) => {
    const goOn = Promise.withResolvers<void>();
    let read = 0;
    const slow: Handlers['data'] = async (_client, _envelope, body) => {
      await goOn.promise;
      for await (const chunk of body) read += chunk.length;
      return QUEUED;
    };
    const { talker, listener, close } = await opened(() => ({ data: slow }));
    await talker.say(...ENVELOPE);
    talker.send(`BDAT ${size}\r\n${'x'.repeat(size)}`.repeat(chunks));
    let replies = 0;
    const all = (async () => {
      for (; replies < chunks; replies++) expect(await talker.reply()).toBe('250 2.0.0 Chunk taken');
    })();
    await servedMeanwhile(listener.port);
    expect(replies).toBeLessThan(bound);
    goOn.resolve();
    await all;
    talker.send('BDAT 0 LAST\r\n');
    expect([await talker.reply(), read]).toEqual([TAKEN, chunks * size + 2]);
    await close();
  });

  test('a handler that has its reply early, or fails: the chunks are read, and the last one has the reply', async () => {
    const early: Handlers['data'] = async () => ({ code: 452, enhanced: '4.3.1', text: 'Full' });
    const first = await opened(() => ({ data: early }));
    const octets = Buffer.alloc(3 * MB, 'x\r\n');
    expect(await first.byChunks(octets, [MB, 2 * MB])).toBe('452 4.3.1 Full');
    expect(await first.talker.say('NOOP')).toBe('250 2.0.0 OK');
    await first.close();
    const fails: Handlers['data'] = async () => {
      throw new Error('ann@clinic.example');
    };
    const second = await opened(() => ({ data: fails }));
    expect(await second.byChunks(octets, [MB, 2 * MB])).toBe('451 4.3.0 Local error in processing');
    expect(await second.talker.say('NOOP')).toBe('250 2.0.0 OK');
    await second.close();
  });

  test('QUIT between chunks gives the message up, though the client keeps its side open', async () => {
    const { desk, listener, talker, close } = await opened();
    talker.close();
    await until(() => listener.sessions() === 0);
    const client = connect({ port: listener.port, host: '127.0.0.1', allowHalfOpen: true });
    await once(client, 'data');
    client.write(`EHLO x\r\n${ENVELOPE.join('\r\n')}\r\nBDAT 3\r\na\r\nQUIT\r\n`);
    await until(() => desk.gone === 1);
    expect(listener.sessions()).toBe(1);
    client.destroy();
    await close();
  });

  test('RSET has its reply when the handler is done with what came', async () => {
    const done = Promise.withResolvers<void>();
    const slow: Handlers['data'] = async (_client, _envelope, body) => {
      try {
        for await (const _ of body);
      } finally {
        await done.promise;
      }
      return QUEUED;
    };
    const { talker, listener, close } = await opened(() => ({ data: slow }));
    await talker.say(...ENVELOPE);
    talker.send('BDAT 3\r\na\r\n');
    expect(await talker.reply()).toBe('250 2.0.0 Chunk taken');
    talker.send('RSET\r\n');
    const reply = talker.reply();
    let said: string | null = null;
    void reply.then((text) => {
      said = text;
    });
    await servedMeanwhile(listener.port);
    expect(said).toBeNull();
    done.resolve();
    expect(await reply).toBe('250 2.0.0 OK');
    await close();
  });
});
