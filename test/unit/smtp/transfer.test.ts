import { REPLIES } from '../../../src/smtp/answers.ts';
import { DataRefused, DotReader } from '../../../src/smtp/data.ts';
import { Reading, Transfer } from '../../../src/smtp/transfer.ts';

const MB = 1024 * 1024;

function start(limits: { maxSize?: number; data?: number; minRate?: number } = {}) {
  const time = { now: 0 };
  const told = { ended: 0, endless: 0 };
  const transfer = new Transfer({ maxSize: 1000, data: 3_600_000, minRate: 200, ...limits }, () => time.now);
  const reading = new Reading(new DotReader(), transfer, {
    ended: async () => {
      told.ended++;
    },
    endless: () => {
      told.endless++;
    },
  });
  const feed = (text: string) => reading.feed(Buffer.from(text, 'latin1'));
  return { transfer, reading, time, told, feed };
}

test('size counts content, and one octet too many is refused to the consumer, too', async () => {
  const { transfer, feed } = start({ maxSize: 4 });
  feed('..a\r\n');
  expect(transfer.refusal).toBeNull();
  feed('b');
  expect(transfer.refusal).toBe(REPLIES.tooLarge);
  await expect(transfer.body[Symbol.asyncIterator]().next()).rejects.toEqual(new DataRefused(REPLIES.tooLarge));
});

test('ends once, and says what is left', async () => {
  const { transfer, reading, told, feed } = start();
  expect(await feed('a\r\n.\r\nQUIT')).toBe(6);
  expect([reading.ended(), told.ended, transfer.refusal]).toEqual([true, 1, null]);
});

test('the first refusal stands', async () => {
  const { transfer, feed } = start({ maxSize: 10 });
  feed('a\nb');
  feed('0123456789abcdef\0');
  expect(transfer.refusal).toBe(REPLIES.bareInData);
  transfer.refuse(REPLIES.timeout);
  expect(transfer.refusal).toBe(REPLIES.bareInData);
});

test('the rate counts after ten seconds, on the average', () => {
  const { transfer, time, feed } = start({ maxSize: 1e6, minRate: 200 });
  expect(transfer.overdue(10_000)).toBeNull();
  expect(transfer.overdue(10_001)).toBe(REPLIES.tooSlow);
  time.now = 11_000;
  feed('x'.repeat(2200));
  expect(transfer.overdue(11_000)).toBeNull();
  expect(transfer.overdue(11_010)).toBe(REPLIES.tooSlow);
});

test('the deadline counts from the 354, whatever comes', () => {
  const { transfer, feed } = start({ data: 60_000, minRate: 1 });
  feed('x'.repeat(900));
  expect(transfer.overdue(60_000)).toBeNull();
  expect(transfer.overdue(60_001)).toBe(REPLIES.timeout);
});

test('time in which nobody takes what the client sent is not the client’s', async () => {
  const { transfer, time, feed } = start({ maxSize: 1e9, data: 60_000, minRate: 0 });
  time.now = 10_000;
  const waits = feed('x'.repeat(200_000));
  expect(waits).toBeInstanceOf(Promise);
  time.now = 500_000;
  expect(transfer.overdue(500_000)).toBeNull();
  await transfer.body[Symbol.asyncIterator]().next();
  await waits;
  expect(transfer.overdue(550_000)).toBeNull();
  expect(transfer.overdue(550_001)).toBe(REPLIES.timeout);
});

test('a refused message at full speed is not slow: it gets its own reply, at its end', () => {
  const { transfer, time, feed } = start({ maxSize: 150 * MB });
  feed('a\nb');
  for (let second = 1; second <= 30; second++) {
    time.now = second * 1000;
    feed('x'.repeat(1000));
    expect(transfer.overdue(time.now)).toBeNull();
  }
  expect(transfer.refusal).toBe(REPLIES.bareInData);
});

test.each([
  ['too large', '', REPLIES.tooLarge],
  ['with a bare LF', 'a\nb', REPLIES.bareInData],
  ['with a NUL', '\0', REPLIES.nulInData],
])('mail data %s are not read for ever', (_, first, refusal) => {
  const { transfer, told, feed } = start({ maxSize: MB });
  feed(first);
  for (let mb = 0; mb < 8; mb++) feed('x'.repeat(MB));
  expect(told.endless).toBe(0);
  feed('x'.repeat(MB + 1));
  expect(told.endless).toBe(1);
  expect(transfer.refusal).toBe(refusal);
});

test('what is announced counts before it comes, with what came', async () => {
  const { transfer } = start({ maxSize: 10 });
  transfer.expect(10);
  transfer.take({ used: 4, content: Buffer.alloc(4), ended: true }, null);
  transfer.expect(6);
  expect(transfer.refusal).toBeNull();
  transfer.expect(7);
  expect(transfer.refusal).toBe(REPLIES.tooLarge);
});

test('once all has come no deadline strikes', () => {
  const { transfer } = start({ data: 60_000 });
  expect(transfer.overdue(60_001)).toBe(REPLIES.timeout);
  transfer.end();
  expect(transfer.overdue(1e9)).toBeNull();
});
