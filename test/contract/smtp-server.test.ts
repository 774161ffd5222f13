// What a dialogue cannot say: clients that leave, handlers that fail, data without end, what the log holds, and the listener's own life.

import { connect } from 'node:net';
import { DataGone, DataRefused, type Handlers, listen } from '../../src/smtp/listener.ts';
import { certificate, newDesk, type Options, open, QUEUED, takingHandlers, until } from '../dialogue/play.ts';
import { Talker } from '../dialogue/talker.ts';
import { testClock } from '../support/clock.ts';

const MB = 1024 * 1024;
const ENVELOPE = ['EHLO client.example', 'MAIL FROM:<ann@clinic.example>', 'RCPT TO:<bob@example.org>'];

async function opened(handlers: Partial<Handlers> = {}, options: Options = {}) {
  const desk = newDesk();
  const clock = testClock();
  const said: string[] = [];
  const say = (fields: object, message: string) => void said.push(JSON.stringify({ ...fields, message }));
  const all = { ...takingHandlers(desk), ...handlers };
  const listener = await open(all, options, clock, { info: say, warn: say, error: say });
  const talkers: Talker[] = [];
  return {
    listener,
    desk,
    clock,
    said,
    talk: async (...commands: string[]) => {
      const talker = new Talker(listener.port);
      talkers.push(talker);
      await talker.reply();
      await talker.say(...commands);
      return talker;
    },
    close: async () => {
      for (const talker of talkers) talker.close();
      await listener.close(0);
    },
  };
}

const SECRET = 'ann@clinic.example 123-45-6789';
const fails = (): never => {
  throw new Error(SECRET);
};

describe('a handler that fails', () => {
  test.each<[string, Partial<Handlers>, string[]]>([
    ['mail', { mail: async () => fails() }, ['EHLO c', 'MAIL FROM:<ann@clinic.example>']],
    ['rcpt', { rcpt: async () => fails() }, ENVELOPE],
    ['data', { data: async () => fails() }, [...ENVELOPE, 'DATA', '.']],
  ])('%s: 451 without its words, and the session goes on', async (_, handlers, commands) => {
    const { talk, said, close } = await opened(handlers);
    const talker = await talk(...commands.slice(0, -1));
    expect(await talker.say(commands.at(-1)!)).toBe('451 4.3.0 Local error in processing');
    expect(await talker.say('NOOP')).toBe('250 2.0.0 OK');
    expect(said).toEqual([expect.stringContaining('"error":"Error"')]);
    expect(said.join()).not.toContain('clinic');
    await close();
  });

  test('connect: 421, and the process lives', async () => {
    const { listener, said, close } = await opened({ connect: fails });
    const talker = new Talker(listener.port);
    expect(await talker.reply()).toBe('421 4.3.0 Service not available, closing connection');
    expect(await talker.reply()).toBe('closed');
    expect(said.join()).not.toContain('clinic');
    await close();
  });

  test('a consumer that ignores that the data were refused cannot say 250', async () => {
    const ignoring: Handlers['data'] = async (_client, _envelope, body) => {
      try {
        for await (const _ of body);
      } catch {
        // As a careless handler would.
      }
      return QUEUED;
    };
    const { talk, close } = await opened({ data: ignoring });
    const talker = await talk(...ENVELOPE, 'DATA');
    talker.send('a\nb\r\n.\r\n');
    expect(await talker.reply()).toMatch(/^550 5\.5\.2 /);
    await close();
  });

  test('one that passes the refusal on has not failed: nothing is logged', async () => {
    const { talk, said, close } = await opened();
    const talker = await talk(...ENVELOPE, 'DATA');
    talker.send('a\nb\r\n.\r\n');
    expect(await talker.reply()).toMatch(/^550 5\.5\.2 /);
    expect(said).toEqual([]);
    await close();
  });

  test('a consumer that has its reply early: the data are read to their end, then it is given', async () => {
    const { talk, close } = await opened({ data: async () => ({ code: 452, enhanced: '4.3.1', text: 'Full' }) });
    const talker = await talk(...ENVELOPE, 'DATA');
    talker.send(Buffer.alloc(3 * MB, 'x\r\n'));
    talker.send('.\r\n');
    expect(await talker.reply()).toBe('452 4.3.1 Full');
    expect(await talker.say('NOOP')).toBe('250 2.0.0 OK');
    await close();
  });
});

test('connect may refuse, in its own words', async () => {
  const { listener, close } = await opened({ connect: () => ({ code: 554, enhanced: '5.7.1', text: 'Not you' }) });
  const talker = new Talker(listener.port);
  expect([await talker.reply(), await talker.reply()]).toEqual(['554 5.7.1 Not you', 'closed']);
  await close();
});

describe('a client that leaves', () => {
  test('inside the data: the handler learns it, and nothing is kept', async () => {
    const ended = Promise.withResolvers<unknown>();
    const data: Handlers['data'] = async (_client, _envelope, body) => {
      try {
        for await (const _ of body);
        ended.resolve('came to an end');
      } catch (error) {
        ended.resolve(error);
        throw error;
      }
      return QUEUED;
    };
    const { talk, listener, said, close } = await opened({ data });
    const talker = await talk(...ENVELOPE, 'DATA');
    talker.send('x\r\n');
    talker.close();
    expect(await ended.promise).toBeInstanceOf(DataGone);
    await until(() => listener.sessions() === 0);
    expect(said).toEqual([]);
    await close();
  });

  test('after the final dot: the message is kept, since it may have been the 250 that was lost', async () => {
    const { talk, listener, desk, close } = await opened();
    const talker = await talk(ENVELOPE[0]!, ENVELOPE[1]!, 'RCPT TO:<held@example.org>', 'DATA');
    talker.send('x\r\n.\r\n');
    await until(() => desk.ended);
    talker.close();
    await until(() => listener.sessions() === 0);
    desk.release();
    await until(() => desk.taken.length === 1);
    await close();
  });
});

test('data without end: 552 and the end of the session at 8 MB over the limit, and the handler is told', async () => {
  const ended = Promise.withResolvers<unknown>();
  const data: Handlers['data'] = async (_client, _envelope, body) => {
    try {
      for await (const _ of body);
    } catch (error) {
      ended.resolve(error);
      throw error;
    }
    return QUEUED;
  };
  const { talk, listener, close } = await opened({ data }, { maxSize: MB });
  const talker = await talk(...ENVELOPE, 'DATA');
  for (let mb = 0; mb < 10; mb++) talker.send(Buffer.alloc(MB, 'x'));
  expect(await talker.reply()).toBe('552 5.3.4 Message exceeds the size limit');
  expect(await ended.promise).toBeInstanceOf(DataRefused);
  expect(await talker.reply()).toBe('closed');
  await until(() => listener.sessions() === 0);
  await close();
});

describe('the log', () => {
  test('holds codes, counts and IP addresses, and nothing that a client said', async () => {
    const { talk, said, close } = await opened({}, { limits: { errors: 3 } });
    const talker = await talk('EHLO canary.example', 'MAIL FROM:<canary@clinic.example> ENVID=canary');
    await talker.say('RCPT TO:<canary@example.org> ORCPT=rfc822;canary@example.org', 'canary', 'canary');
    talker.send('canary\r\n');
    expect([await talker.reply(), await talker.reply()]).toEqual([
      expect.stringMatching(/^500 /),
      '421 4.7.0 Too many errors',
    ]);
    const count = { errors: 3, junk: 1, authFailures: 0, messages: 0 };
    expect(said.map((line) => JSON.parse(line))).toEqual([
      { listener: 'smtp', ip: '127.0.0.1', code: 421, why: 'errors', ...count, message: 'session ended by us' },
    ]);
    await close();
  });

  test('has one line for many refused connections', async () => {
    const { listener, clock, said, close } = await opened({}, { limits: { sessions: 0 } });
    for (let i = 0; i < 3; i++) expect(await new Talker(listener.port).reply()).toMatch(/^421 4\.7\.0 /);
    clock.advance(1000);
    await until(() => said.length > 0);
    expect(said.map((line) => JSON.parse(line))).toEqual([
      { listener: 'smtp', count: 3, message: 'connections refused' },
    ]);
    await close();
  });
});

describe('the listener', () => {
  test('rejects an address that is taken', async () => {
    const { listener, clock, close } = await opened();
    const options = {
      address: '127.0.0.1',
      port: listener.port,
      name: 'smtp',
      hostname: 'x',
      tls: 'optional',
    } as const;
    const again = listen({ ...options, maxSize: 1, auth: false, certificate }, takingHandlers(newDesk()), {
      clock,
      log: { info: () => {}, warn: () => {}, error: () => {} },
    });
    await expect(again).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await close();
  });

  test('is gone when close resolves, and told every session before', async () => {
    const { talk, listener } = await opened();
    const talker = await talk('EHLO client.example');
    const closed = listener.close(60_000);
    expect([await talker.reply(), await talker.reply()]).toEqual([expect.stringMatching(/^421 4\.3\.2 /), 'closed']);
    await closed;
    await until(() => listener.sessions() === 0);
    const refused = new Promise((resolve) => {
      connect(listener.port, '127.0.0.1').once('error', resolve);
    });
    expect(await refused).toMatchObject({ code: 'ECONNREFUSED' });
  });

  test('takes a message from a client that has closed its own side', async () => {
    const { talk, desk, close } = await opened();
    const talker = await talk(...ENVELOPE, 'DATA');
    talker.end('x\r\n.\r\nQUIT\r\n');
    await until(() => desk.taken.length === 1);
    expect(desk.taken[0]?.data.toString()).toBe('x\r\n');
    await close();
  });
});
