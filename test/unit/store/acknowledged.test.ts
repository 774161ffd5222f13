import type { QueueId } from '../../../src/domain/ids.ts';
import { trackAcknowledgements } from '../../../src/store/queue/acknowledged.ts';

const id = (n: number) => `q${n}` as QueueId;

test('the mark stands before the oldest message that waits for its 250', () => {
  const acks = trackAcknowledgements();
  expect(acks.mark()).toBe(0);
  for (const n of [4, 5, 6]) acks.accepted(id(n), n);
  expect(acks.mark()).toBe(3);
  acks.acknowledged(id(5));
  expect(acks.mark()).toBe(3);
  acks.acknowledged(id(4));
  expect(acks.mark()).toBe(5);
  acks.acknowledged(id(6));
  expect(acks.mark()).toBe(6);
});

test('an acknowledgement of what nobody waits for changes nothing', () => {
  const acks = trackAcknowledgements();
  acks.accepted(id(1), 1);
  acks.acknowledged(id(9));
  expect(acks.mark()).toBe(0);
});
