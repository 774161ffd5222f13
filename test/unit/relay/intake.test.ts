import { obstacles } from '../../../src/relay/intake.ts';
import type { Line } from '../../../src/relay/line.ts';

function line(examining: number, incoming: number): Line {
  const load = {
    incoming,
    examining,
    delivering: 0,
    notifying: 0,
    perDestination: new Map(),
    perOrganization: new Map(),
  };
  return { load, settings: () => ({ examineWaiting: 10, dataBytes: 1_000 }) } as unknown as Line;
}

test.each([
  [9, 999, 1, []],
  [10, 0, 1, ['limits.examine_waiting']],
  [0, 1_000, 1, ['limits.data_bytes']],
  [0, 0, 0, ['limits.reserve_disk']],
  [11, 2_000, -5, ['limits.examine_waiting', 'limits.data_bytes', 'limits.reserve_disk']],
])('%d in examination, %d octets coming in, %d left on disk: %j', (examining, incoming, space, keys) => {
  const reasons = obstacles(line(examining, incoming), space);
  expect(reasons.map((one) => /\((.*)\)/.exec(one)?.[1])).toEqual(keys);
});
