import type { Line } from '../../../src/relay/line.ts';
import { untilSpace } from '../../../src/relay/patience.ts';
import { QueueError } from '../../../src/store/queue/port.ts';

const MINUTE = 60_000;

function fake(): { line: Pick<Line, 'clock'>; now: () => number } {
  let at = 0;
  const sleep = async (ms: number) => {
    at += ms;
  };
  return { line: { clock: { now: () => at, sleep } }, now: () => at };
}

test('a full disk is waited for; the same verb is called again', async () => {
  const { line, now } = fake();
  let calls = 0;
  const verb = async () => {
    calls += 1;
    if (calls < 4) throw new QueueError('full', 'the disk is full');
    return calls;
  };
  await expect(untilSpace(line, verb)).resolves.toBe(4);
  expect(now()).toBe(3_000);
});

test('not for ever: a lease ends', async () => {
  const { line, now } = fake();
  const full = new QueueError('full', 'the disk is full');
  await expect(untilSpace(line, () => Promise.reject(full))).rejects.toBe(full);
  expect(now()).toBe(20 * MINUTE);
});

test('nothing else is waited for', async () => {
  const { line, now } = fake();
  const other = new QueueError('closed', 'the store is closed');
  await expect(untilSpace(line, () => Promise.reject(other))).rejects.toBe(other);
  await expect(untilSpace(line, () => Promise.reject(new Error('x')))).rejects.toThrow('x');
  expect(now()).toBe(0);
});
