// Which alerts are told when: one a cause and hour at most, once a day while it lasts, and its end.

import type { ToldAlert } from '../../../src/store/watch/port.ts';
import { type Cause, keyOf, plan } from '../../../src/watch/plan.ts';

const HOUR = 3_600_000;
const NOW = Date.UTC(2026, 10, 24, 12);
const event: Cause = { name: 'anchor failed', value: '1 time' };
const held: Cause = { name: 'held mail', value: '3 held' };
const of = (cause: Cause, state: ToldAlert['state'], age: number): ToldAlert => ({
  ...{ cause: keyOf(cause), state, at: NOW - age },
});
const told = (...all: ToldAlert[]) => {
  const { events, standing, over } = plan(NOW, [event], [held], all);
  return [...events.map(keyOf), ...standing.map(keyOf), ...over.map((one) => `over ${one}`)];
};

test.each<[string, ToldAlert[], string[]]>([
  ['what was never told', [], ['anchor failed', 'held mail']],
  ['an event within the hour', [of(event, 'event', HOUR - 1)], ['held mail']],
  ['an event an hour later', [of(event, 'event', HOUR)], ['anchor failed', 'held mail']],
  ['what stands, within the day', [of(held, 'standing', 23 * HOUR)], ['anchor failed']],
  ['what stands, a day later', [of(held, 'standing', 24 * HOUR)], ['anchor failed', 'held mail']],
  ['what begins anew within the hour after its end', [of(held, 'over', HOUR - 1)], ['anchor failed']],
  ['what begins anew later', [of(held, 'over', HOUR)], ['anchor failed', 'held mail']],
  ['a clock that was set back by a year', [of(event, 'event', -365 * 24 * HOUR)], ['anchor failed', 'held mail']],
])('%s', (_, before, expected) => {
  expect(told(...before)).toEqual(expected);
});

test('an end is told, not within the hour, and once', () => {
  const over = (...all: ToldAlert[]) => plan(NOW, [], [], all).over;
  expect(over(of(held, 'standing', HOUR - 1))).toEqual([]);
  expect(over(of(held, 'standing', HOUR))).toEqual(['held mail']);
  expect(over(of(held, 'over', HOUR))).toEqual([]);
  expect(over(of(event, 'event', 2 * HOUR))).toEqual([]);
});

test('causes of one name are apart', () => {
  const of1: Cause = { name: 'no mail', of: 'Clinic', value: '' };
  const of2: Cause = { name: 'no mail', of: 'Practice', value: '' };
  const { standing } = plan(NOW, [], [of1, of2], [of(of1, 'standing', HOUR)]);
  expect(standing).toEqual([of2]);
});
