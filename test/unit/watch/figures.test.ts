// The figures that are watched, at and beyond their bounds.

import type { AlarmName } from '../../../src/relay/line.ts';
import { ALARMS, STANDING } from '../../../src/watch/alarms.ts';
import { type Bounds, judge, type Measured, type Watched } from '../../../src/watch/figures.ts';
import { ageOf, octetsOf } from '../../../src/watch/words.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const GB = 1_073_741_824;
const NOW = Date.UTC(2026, 10, 24, 12);
const BOUNDS: Bounds = { held: DAY, heldLimit: 14 * DAY, oldest: 12 * HOUR, disk: 2 * GB, expiry: 21 * DAY };
const WELL: Measured = {
  now: NOW,
  held: { deliveries: 0, since: null, recovered: 0 },
  oldestUnderWay: null,
  disk: { free: 50 * GB, reserve: GB / 4, full: false },
  sync: 1.2,
  batch: { mean: 3, most: 256 },
  wal: 4_000,
  read: 0,
  heap: { used: GB / 8, limit: 4 * GB },
  loop: 5,
  late: { examine: 0, deliver: 0, notify: 0 },
  audit: { bad: null, entries: 100, at: NOW - HOUR },
  endings: [],
  silent: [],
};
const figures = (change: Partial<Measured>): Watched[] => judge({ ...WELL, ...change }, BOUNDS);
const bad = (change: Partial<Measured>) =>
  figures(change)
    .filter(({ light }) => light !== 'green')
    .map(({ alarm, light }) => `${alarm} ${light}`);

test('all is well', () => {
  expect(bad({})).toEqual([]);
  expect(bad({ heap: null, audit: null })).toEqual([]);
});

const silent = { organization: 'Clinic', since: NOW - 9 * DAY, after: 4 * DAY };
test.each<[Partial<Measured>, string[]]>([
  [{ held: { deliveries: 3, since: NOW - DAY, recovered: 0 } }, []],
  [{ held: { deliveries: 3, since: NOW - DAY - 1, recovered: 0 } }, ['held mail yellow']],
  [{ held: { deliveries: 3, since: NOW - 15 * DAY, recovered: 0 } }, ['held mail red']],
  [{ held: { deliveries: 3, since: NOW, recovered: 3 } }, ['recovered mail yellow']],
  [{ oldestUnderWay: NOW - 13 * HOUR }, ['old mail yellow']],
  [{ oldestUnderWay: NOW - 49 * HOUR }, ['old mail red']],
  [{ disk: { free: GB, reserve: GB / 4, full: false } }, ['low disk yellow']],
  [{ disk: { free: GB / 8, reserve: GB / 4, full: false } }, ['low disk red']],
  [{ disk: { free: 50 * GB, reserve: GB / 4, full: true } }, ['low disk red']],
  [{ sync: 80 }, ['slow disk yellow']],
  [{ sync: null }, ['slow disk red']],
  [{ wal: GB }, ['large log yellow']],
  [{ read: 31_000 }, ['long read red']],
  [{ heap: { used: 3 * GB, limit: 4 * GB } }, ['full heap yellow']],
  [{ loop: 51 }, ['slow loop yellow']],
  [{ late: { examine: 0, deliver: 61_000, notify: 0 } }, ['stage late yellow']],
  [{ audit: { bad: 'entry 7 was edited', entries: 6, at: NOW } }, ['audit broken red']],
  [{ endings: [{ what: 'certificate of the portal', kind: 'certificate', until: NOW + 22 * DAY }] }, []],
  [
    { endings: [{ what: 'certificate of the portal', kind: 'certificate', until: NOW + 20 * DAY }] },
    ['certificate ends yellow'],
  ],
  [{ endings: [{ what: 'PGP key of Clinic', kind: 'key', until: NOW - DAY }] }, ['key ends red']],
  [{ silent: [{ ...silent, last: NOW - 3 * DAY }] }, []],
  [{ silent: [{ ...silent, last: NOW - 5 * DAY }] }, ['no mail yellow']],
  // A restart does not begin anew.
  [{ silent: [{ ...silent, last: NOW - 5 * DAY, since: NOW }] }, ['no mail yellow']],
  // Counted from the start where nothing came yet.
  [{ silent: [{ ...silent, last: null }] }, ['no mail yellow']],
  [{ silent: [{ ...silent, last: null, since: NOW }] }, []],
])('%j', (change, expected) => {
  expect(bad(change)).toEqual(expected);
});

test('every figure says what it means, and what to do when it is not green', () => {
  for (const one of [...figures({}), ...figures({ sync: null, loop: 600, wal: 2 * GB })]) {
    expect(one.means).toMatch(/^[A-Z].*\.$/);
    expect(one.next === null).toBe(one.light === 'green');
  }
});

test('every alarm has its words; what is watched is known as standing', () => {
  for (const words of Object.values(ALARMS)) {
    expect(words.means).toMatch(/^[A-Z].*\.$/);
    expect(words.next).toMatch(/\.$/);
  }
  const watched = new Set<AlarmName>(
    figures({
      held: { deliveries: 1, since: NOW, recovered: 1 },
      endings: [
        { what: 'a', kind: 'key', until: NOW },
        { what: 'b', kind: 'certificate', until: NOW },
      ],
      silent: [{ ...silent, last: null }],
    }).map(({ alarm }) => alarm),
  );
  expect(new Set(STANDING)).toEqual(watched);
});

test.each([
  [0, '0 seconds'],
  [1_000, '1 second'],
  [119_000, '119 seconds'],
  [120_000, '2 minutes'],
  [25 * HOUR, '25 hours'],
  [14 * DAY, '14 days'],
])('%i ms are %s', (ms, words) => {
  expect(ageOf(ms)).toBe(words);
});

test('sizes', () => {
  expect([1, 5_000_000, 3 * GB].map(octetsOf)).toEqual(['1 kB', '5 MB', '3.0 GB']);
});
