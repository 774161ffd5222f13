// Small parts of the command: what people type, what is printed, how Node was started, what systemd is told.

import { CliError } from '../../../src/cli/errors.ts';
import { duration, moment } from '../../../src/cli/input.ts';
import { notifyArguments } from '../../../src/cli/notify.ts';
import { ageText, jsonText, plain, sizeText, timeText } from '../../../src/cli/output.ts';
import { runtimeFaults } from '../../../src/config/runtime.ts';

const NOW = Date.UTC(2026, 10, 24, 9);

test.each([
  ['30m', 1_800_000],
  ['4h', 14_400_000],
  ['2d', 172_800_000],
])('%s is %d ms', (text, ms) => expect(duration(text, '--older-than')).toBe(ms));

test.each(['', 'soon', '3', '-2h', '4 weeks ago'])('%j is no duration', (text) => {
  expect(() => duration(text, '--older-than')).toThrow(CliError);
});

test.each([
  ['2026-11-01', Date.UTC(2026, 10, 1)],
  ['2026-11-01T08:00', Date.UTC(2026, 10, 1, 8)],
  ['2026-11-01 08:00', Date.UTC(2026, 10, 1, 8)],
  ['2026-11-01T08:00Z', Date.UTC(2026, 10, 1, 8)],
  ['2026-11-01T08:00+02:00', Date.UTC(2026, 10, 1, 6)],
  ['2d', NOW - 172_800_000],
])('%s is a moment, in UTC whatever the machine thinks', (text, at) => {
  expect(moment(text, '--since', NOW)).toBe(at);
});

test.each(['yesterday', '2026', '11/01/2026', '2026-13-45', ''])('%j is no moment', (text) => {
  expect(() => moment(text, '--since', NOW)).toThrow(CliError);
});

test('nothing that is printed can steer a terminal', () => {
  const evil = 'a\u001b[2J\u0007\r\nb\u009b31m\u202eexe';
  expect(plain(evil)).toBe('a?[2J???b?31m?exe');
  expect(plain(jsonText({ evil }))).toBe(jsonText({ evil }));
  expect(JSON.parse(jsonText({ evil }))).toEqual({ evil });
});

test('times, ages and sizes as people read them', () => {
  expect(timeText('2026-11-24T09:15:02.123Z')).toBe('2026-11-24 09:15:02Z');
  expect([timeText(null), ageText(null, NOW)]).toEqual(['-', '-']);
  const ages = [40, 119, 600, 7_300, 200_000].map((s) => ageText(new Date(NOW - s * 1000).toISOString(), NOW));
  expect(ages).toEqual(['40s', '119s', '10m', '2h', '2d']);
  expect([1023, 1536, 157_286_400].map(sizeText)).toEqual(['1023 B', '1.5 kB', '150.0 MB']);
});

test('what would let another process look into a living gateway is named', () => {
  const faults = (flags: readonly string[], env = {}, limits = '') => runtimeFaults(flags, env, limits);
  const safe = '--disable-sigusr1';
  expect(faults([safe])).toEqual([]);
  expect(faults([])).toEqual([expect.stringContaining('SIGUSR1')]);
  expect(faults([safe, '--inspect-brk=0'])).toEqual([expect.stringContaining('inspector')]);
  expect(faults([safe], { NODE_OPTIONS: '--require x', NODE_V8_COVERAGE: '/tmp' })).toHaveLength(2);
  expect(faults([safe], { NODE_OPTIONS: '' })).toEqual([]);
  for (const flag of ['--report-on-fatalerror', '--heapsnapshot-near-heap-limit=2', '--cpu-prof', '--tls-keylog=/x'])
    expect(faults([safe, flag])).toEqual([expect.stringContaining(`start without ${flag.split('=')[0]}`)]);
  expect(faults([safe, '--max-old-space-size=500'])).toEqual([]);
  const limits = (core: string) =>
    `Limit  Soft Limit  Hard Limit  Units\nMax core file size        ${core}   unlimited  bytes\n`;
  expect(faults([safe], {}, limits('0'))).toEqual([]);
  expect(faults([safe], {}, limits('unlimited'))).toEqual([expect.stringContaining('LimitCORE=0')]);
});

test('systemd is told one line', () => {
  expect(notifyArguments({ ready: true, status: 'live\nREADY=0' }, 7)).toEqual([
    'READY=1',
    'MAINPID=7',
    'STATUS=live READY=0',
  ]);
  expect(notifyArguments({ stopping: true }, 7)).toEqual(['STOPPING=1']);
  expect(notifyArguments({ status: 'x' }, 7)).toEqual(['STATUS=x']);
});
