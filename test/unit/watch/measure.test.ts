// What is measured at intervals of its own: the audit, whose verification may fail as a whole. And what comes of a part that cannot be
// measured.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMeasure, type MeasureDeps } from '../../../src/watch/measure.ts';

const MINUTE = 60_000;

test('a verification that could not be made is made again a quarter of an hour later, not a day', async () => {
  const path = mkdtempSync(join(tmpdir(), 'sealrelay-measure-'));
  const clock = { now: () => at, sleep: async () => {} };
  let at = 0;
  let verified = 0;
  const wrong: string[] = [];
  const deps: MeasureDeps = {
    line: {
      clock,
      queue: { nextDue: async () => ({ examine: null, deliver: null, notify: null }) },
      outages: { away: () => false },
    } as unknown as MeasureDeps['line'],
    store: {
      lastAccepted: async () => new Map(),
      held: async () => ({ deliveries: 0, since: null, recovered: 0 }),
      oldestUnderWay: async () => null,
      auditTail: async () => ({ entries: 5, bad: null }),
    } as unknown as MeasureDeps['store'],
    audit: {
      verify: async () => {
        verified += 1;
        if (verified === 1) throw new Error('the reader was away');
        const bad = { node: 'gw', epoch: 1, seq: 3, what: 'was changed' };
        return { entries: 2, intact: false, bad, head: null, signed: null, lost: { count: 0 } };
      },
    },
    archive: { wrong: () => wrong },
    stats: () => ({ calls: 0, batches: 0, oldestRead: 0 }),
    wal: () => 0,
    disk: async () => ({ free: 1, reserve: 0, full: false }),
    batch: 1,
    path,
    endings: [],
    silence: () => [],
    startedAt: 0,
  };
  const measure = createMeasure(deps);
  try {
    at = 61 * MINUTE;
    expect((await measure.now()).audit?.bad).toBeNull();
    wrong.push('audit/2026-03-1.db is not destroyed');
    expect((await measure.now()).audit?.bad).toBe('audit/2026-03-1.db is not destroyed');
    at += 16 * MINUTE;
    await measure.now();
    expect(verified).toBe(2);
    expect((await measure.now()).audit?.bad).toBe('entry 3 of epoch 1 was changed');
  } finally {
    await measure.close();
    rmSync(path, { recursive: true });
  }
});

test('a part that cannot be measured keeps nothing else from being; what it was last stands', async () => {
  const path = mkdtempSync(join(tmpdir(), 'sealrelay-measure-'));
  let broken = '';
  const alarms: string[] = [];
  const logged: string[] = [];
  const give =
    <T>(part: string, value: T) =>
    async () => {
      if (broken === part || broken === 'all') throw Object.assign(new Error('canary'), { code: 'AWAY' });
      return value;
    };
  const until = 5 * MINUTE;
  const measure = createMeasure({
    line: {
      clock: { now: () => 0 },
      queue: { nextDue: give('due', { examine: null, deliver: null, notify: null }) },
      outages: { away: () => false },
      meter: { alarm: (name: string) => alarms.push(name) },
      log: { error: (fields: object) => logged.push(JSON.stringify(fields)) },
    } as unknown as MeasureDeps['line'],
    store: {
      lastAccepted: give('last mail', new Map([['Clinic', 7]])),
      held: give('held', { deliveries: 3, since: 1, recovered: 0 }),
      oldestUnderWay: give('oldest message', 9),
      auditTail: give('audit', { entries: 5, bad: 'an entry' }),
    } as unknown as MeasureDeps['store'],
    audit: { verify: () => Promise.reject(new Error('not asked')) },
    archive: { wrong: () => [] },
    stats: () => ({ calls: 0, batches: 0, oldestRead: 0 }),
    wal: () => 0,
    disk: give('disk', { free: 1, reserve: 0, full: false }),
    batch: 1,
    path,
    endings: [give('endings', [{ what: 'a key', kind: 'key' as const, until }]), async () => []],
    silence: () => [{ organization: 'Clinic', after: MINUTE }],
    startedAt: 0,
  });
  try {
    broken = 'endings';
    const first = await measure.now();
    expect(first).toMatchObject({ held: { deliveries: 3 }, disk: { free: 1 }, endings: [], oldestUnderWay: 9 });
    expect([alarms, logged]).toEqual([['stage failed'], ['{"stage":"watch","part":"endings","code":"AWAY"}']]);
    broken = '';
    const whole = await measure.now();
    expect(whole.endings).toEqual([{ what: 'a key', kind: 'key', until }]);
    broken = 'all';
    const { sync: _, ...last } = await measure.now();
    const { sync: __, ...before } = whole;
    expect({ ...last, read: 0 }).toEqual({ ...before, read: 0 });
    expect(logged.join()).not.toContain('canary');
  } finally {
    await measure.close();
    rmSync(path, { recursive: true });
  }
});
