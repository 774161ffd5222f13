// SMTP smuggling towards us: what a lenient server takes for the end of mail data is sent with a second transaction behind it.
// Only CRLF . CRLF ends the data here; all else is one message or, with a bare CR, bare LF or NUL in it, none.

import { setImmediate as turn } from 'node:timers/promises';
import { newDesk, open, takingHandlers } from './play.ts';
import { Talker } from './talker.ts';

const BARE = '550 5.5.2 Bare CR or LF in mail data';
const NUL = '550 5.6.0 NUL in mail data';
const TAKEN = '250 2.6.0 Queued as q1';
const SECOND = 'MAIL FROM:<evil@example.org>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\nSubject: smuggled\r\n\r\nx';

/** What stands between the first message and the second one, and our one reply to all of it. */
const VARIANTS: readonly (readonly [variant: string, reply: string])[] = [
  ['\n.\n', BARE],
  ['\n.\r\n', BARE],
  ['\n.\r', BARE],
  ['\r\n.\n', BARE],
  ['\r\n.\r', BARE],
  ['\r.\r', BARE],
  ['\r.\n', BARE],
  ['\r.\r\n', BARE],
  ['\r\r\n.\n', BARE],
  ['\r\n.\r\r\n', BARE],
  ['\r\n\r.\r\n', BARE],
  ['\n\n.\r\n', BARE],
  ['\n\n.\n\n', BARE],
  ['\n..\r\n', BARE],
  ['\r\n.\0\r\n', NUL],
  ['\0\r\n.\0\n', NUL],
  ['\r\n\0.\r\n', NUL],
  ['\0.\r\n', NUL],
  // Clean line ends, but no lone dot: content of one message.
  ['\r\n..\r\n', TAKEN],
  ['\r\n. \r\n', TAKEN],
  ['\r\n .\r\n', TAKEN],
  ['\r\n.\x0b\r\n', TAKEN],
  ['\r\n.\x85\r\n', TAKEN],
];

async function transact(talker: Talker): Promise<void> {
  const last = await talker.say(
    'EHLO client.example',
    'MAIL FROM:<ann@clinic.example>',
    'RCPT TO:<bob@example.org>',
    'DATA',
  );
  expect(last).toMatch(/^354 /);
}

test.each(VARIANTS)('%j, whole and cut everywhere: %s', async (variant, expected) => {
  const desk = newDesk();
  const listener = await open(takingHandlers(desk));
  try {
    const body = `Subject: first\r\n\r\nhello${variant}${SECOND}\r\n.\r\n`;
    const at = body.indexOf(variant, 16);
    for (let cut = at; cut <= at + variant.length; cut++) {
      const talker = new Talker(listener.port);
      await talker.reply();
      await transact(talker);
      talker.send(body.slice(0, cut));
      // Only to let it travel on its own; whether it did decides nothing. data.test.ts has every cut for certain.
      await turn();
      talker.send(body.slice(cut));
      expect(await talker.reply()).toBe(expected);
      // Nothing else was answered: the next reply is that to NOOP.
      expect(await talker.say('NOOP')).toBe('250 2.0.0 OK');
      talker.close();
    }
    const kept = expected === TAKEN ? variant.length + 1 : 0;
    expect(desk.taken).toHaveLength(kept);
    for (const { data, envelope } of desk.taken) {
      expect(data.toString('latin1')).toContain('Subject: smuggled');
      expect(envelope).toMatchObject({
        reversePath: 'ann@clinic.example',
        recipients: [{ address: 'bob@example.org' }],
      });
    }
  } finally {
    await listener.close(0);
  }
});

test('a true end of data is one, and the data of a second message pipelined behind it are not taken', async () => {
  const desk = newDesk();
  const listener = await open(takingHandlers(desk));
  try {
    const talker = new Talker(listener.port);
    await talker.reply();
    await transact(talker);
    talker.send(`Subject: first\r\n\r\nhello\r\n.\r\n${SECOND}\r\n.\r\n`);
    const replies = [];
    for (let reply = await talker.reply(); reply !== 'closed'; reply = await talker.reply())
      replies.push(reply.slice(0, 9));
    expect(replies).toEqual(['250 2.6.0', '250 2.1.0', '250 2.1.5', '503 5.5.1']);
    expect(desk.taken.map(({ data }) => data.toString('latin1'))).toEqual(['Subject: first\r\n\r\nhello\r\n']);
  } finally {
    await listener.close(0);
  }
});
