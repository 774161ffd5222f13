// Whose fault it is when nothing gets through, and what clocks make of it.

import fc from 'fast-check';
import type { Outage } from '../../../src/domain/types.ts';
import { afterJump, createTally, type Outages, slowStart, stoodStill, waitThrough } from '../../../src/relay/outage.ts';
import { openOutages } from '../../../src/relay/outages.ts';
import { settled } from '../../support/clock.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const NOON = Date.UTC(2026, 10, 24, 12);

describe('whose fault', () => {
  // What happened, minute: destination, `+` when it answered; then whether it is ours at that minute with three needed.
  test.each<[string, string, number, boolean]>([
    ['three fail, none answers', '0:a 1:b 2:c 5:a', 5, true],
    ['not at once', '0:a 1:b 2:c', 4, false],
    ['two are too few, however often', '0:a 0:b 3:a 3:b 60:a 60:b', 60, false],
    ['one answers in between', '0:a 1:b 2:d+ 2:c 5:c 8:c', 8, false],
    ['those that failed while others answered are not counted', '0:a 0:b 0:c 1:d+ 2:a 2:b 2:c 9:a', 9, false],
    ['unless they answered again since', '0:a 1:d+ 2:a+ 3:a 3:b 3:c 9:a', 9, true],
    ['all that used to answer fail, and the dead ones with them', '0:x 1:a+ 1:b+ 1:c+ 2:a 3:b 4:c 5:x 8:a', 8, true],
    ['failures of long ago say nothing', '0:a 0:b 100:c 106:c', 106, false],
  ])('%s', (_, happened, at, ours) => {
    const tally = createTally();
    for (const one of happened.split(' ')) {
      const [minute, name = ''] = one.split(':');
      if (name.endsWith('+')) tally.answered(name.slice(0, -1));
      else tally.failed(name, Number(minute) * MINUTE);
    }
    expect(tally.age(at * MINUTE, 3) !== null).toBe(ours);
  });
});

describe('clocks', () => {
  const lasted: Outage[] = [
    { from: NOON, until: NOON + 2 * HOUR },
    { from: NOON + 5 * HOUR, until: null },
  ];

  test('stand still in outages, a day at most in each', () => {
    expect(stoodStill(lasted, NOON - HOUR, NOON + 6 * HOUR)).toBe(3 * HOUR);
    expect(stoodStill(lasted, NOON + HOUR, NOON + 6 * HOUR)).toBe(2 * HOUR);
    expect(stoodStill(lasted, NOON + 5.5 * HOUR, NOON + 6 * HOUR)).toBe(HOUR / 2);
    expect(stoodStill(lasted, NOON, NOON + 100 * HOUR)).toBe(26 * HOUR);
    expect(stoodStill([], NOON, NOON + HOUR)).toBe(0);
  });

  test('who has waited long enough is asked by when it came in', () => {
    // Four hours of clock before hour six: one in this outage is none, three between them, one more before the first.
    expect(waitThrough(lasted, 4 * HOUR, NOON + 6 * HOUR)).toBe(7 * HOUR);
    expect(waitThrough(lasted, 2 * HOUR, NOON + 6 * HOUR)).toBe(3 * HOUR);
    expect(waitThrough([], 4 * HOUR, NOON)).toBe(4 * HOUR);
  });

  test('the two say the same', () => {
    const gaps = fc.array(fc.tuple(fc.integer({ min: 1, max: 600 }), fc.integer({ min: 1, max: 600 })), {
      maxLength: 5,
    });
    fc.assert(
      fc.property(gaps, fc.integer({ min: 1, max: 2_000 }), (pairs, wait) => {
        let at = 0;
        const outages = pairs.map(([running, still]) => {
          const from = at + running;
          at = from + still;
          return { from, until: at };
        });
        const now = at + 7;
        const age = waitThrough(outages, wait, now);
        expect(age - stoodStill(outages, now - age, now)).toBe(wait);
      }),
    );
  });

  test('a jump ahead is time that nobody had; a jump back takes away what is not over yet', () => {
    const ahead = afterJump([], 6 * HOUR, NOON + 6 * HOUR);
    expect(ahead).toEqual([{ from: NOON, until: NOON + 6 * HOUR }]);
    expect(afterJump(ahead, -5 * HOUR, NOON + HOUR)).toEqual([{ from: NOON, until: NOON + HOUR }]);
    expect(afterJump(ahead, -9 * HOUR, NOON - 3 * HOUR)).toEqual([]);
    const open = [{ from: NOON, until: null }];
    expect(afterJump(open, 6 * HOUR, NOON + 7 * HOUR)).toEqual([
      { from: NOON, until: NOON + HOUR },
      { from: NOON + HOUR, until: NOON + 7 * HOUR },
      { from: NOON + 7 * HOUR, until: null },
    ]);
    expect(afterJump(open, -6 * HOUR, NOON - 6 * HOUR)).toEqual([{ from: NOON - 6 * HOUR, until: null }]);
  });
});

test('it begins slowly again', () => {
  expect([0, 9, 10, 20, 30, 60, 1_000].map((seconds) => slowStart(50, seconds * 1_000))).toEqual([
    2, 2, 4, 8, 16, 50, 50,
  ]);
  expect(slowStart(1, 0)).toBe(1);
  expect(slowStart(50, Number.POSITIVE_INFINITY)).toBe(50);
});

describe('an outage', () => {
  async function watch(smartHost: string | null = null, returnHost: string | null = 'exchange.clinic.test:25') {
    const time = { now: NOON, running: 0.37 };
    const alarms: string[] = [];
    const events: string[] = [];
    let stored: readonly Outage[] = [];
    const asked: string[] = [];
    /** Destinations that would answer if they were asked. */
    const there = new Set<string>();
    const resolver = { online: false };
    const settings = { smartHost, organizations: [{ returnHost, domains: ['clinic.test'] }], warnAfter: 4 * HOUR };
    const open = () =>
      openOutages({
        queue: {
          outages: async () => stored,
          keepOutages: async (_, next, event) => {
            stored = next;
            events.push(event);
          },
          retryNow: async (_, what) => {
            events.push(`retried ${JSON.stringify(what)}`);
            return { changed: [], refused: [] };
          },
        },
        settings: () => settings as never,
        clock: { now: () => time.now, sleep: async () => {} },
        running: () => time.running,
        reaches: async (destination) => {
          asked.push(destination);
          return there.has(destination);
        },
        online: async () => resolver.online,
        random: { bytes: () => Buffer.alloc(16), fraction: () => 0 },
        wake: () => {},
        log: { info: () => {}, warn: () => {}, error: () => {} },
        meter: { alarm: (name: string) => alarms.push(name) } as never,
      });
    const pass = (ms: number) => {
      time.now += ms;
      time.running += ms + 0.01;
    };
    /** These are tried every six minutes, in vain. */
    const failing = async (of: Outages, names: readonly string[], hours: number): Promise<void> => {
      for (let i = 0; i < hours * 10; i++) {
        pass(6 * MINUTE);
        for (const name of names) of.tried(name, false);
        await settled();
      }
    };
    return {
      outages: await open(),
      again: open,
      pass,
      failing,
      time,
      alarms,
      events,
      asked,
      there,
      resolver,
      stored: () => stored,
    };
  }

  test('of six hours: clocks stop where it began, few are tried, nobody is told, and it ends with one answer', async () => {
    const { outages, pass, alarms, events } = await watch();
    for (const name of ['a.test', 'b.test', 'c.test']) outages.tried(name, false);
    pass(5 * MINUTE);
    expect(outages.away()).toBe(false);
    outages.tried('a.test', false);
    await settled();
    expect(outages.away()).toBe(true);
    expect(alarms).toEqual(['own outage']);
    expect(outages.stood(NOON - HOUR)).toBe(5 * MINUTE);
    expect(outages.room(50)).toBe(0);
    pass(6 * HOUR);
    expect(outages.room(50)).toBe(2);
    expect(outages.warnAfter()).toBeGreaterThan(10 * HOUR);
    outages.tried('b.test', true);
    expect(outages.away()).toBe(false);
    expect(outages.room(50)).toBe(2);
    expect(outages.stood(NOON - HOUR)).toBe(6 * HOUR + 5 * MINUTE);
    pass(5 * MINUTE);
    expect(outages.room(50)).toBe(50);
    expect(outages.stood(NOON - HOUR)).toBe(6 * HOUR + 5 * MINUTE);
    expect(events).toEqual(['outage.began', 'outage.ended']);
    expect(alarms).toHaveLength(1);
  });

  test('is known after a restart, while it lasts and when it is over', async () => {
    const { outages, again, pass } = await watch();
    for (const name of ['a.test', 'b.test', 'c.test']) outages.tried(name, false);
    pass(5 * MINUTE);
    outages.tried('a.test', false);
    await settled();
    const second = await again();
    expect(second.away()).toBe(true);
    pass(HOUR);
    second.tried('c.test', true);
    expect((await again()).stood(NOON)).toBe(HOUR + 5 * MINUTE);
  });

  test('is none when three are dead and nothing else is tried: what answered before is asked', async () => {
    const { outages, pass, asked, there, alarms } = await watch();
    for (const name of ['old.test', 'good.test', 'fair.test', 'fine.test']) outages.tried(name, true);
    there.add('good.test');
    for (const name of ['a.test', 'b.test', 'c.test']) outages.tried(name, false);
    for (let hour = 0; hour < 48; hour++) {
      pass(HOUR);
      for (const name of ['a.test', 'b.test', 'c.test']) outages.tried(name, false);
      await settled();
    }
    expect(outages.away()).toBe(false);
    expect([outages.stood(NOON), alarms]).toEqual([0, []]);
    // Once: those that failed while it answered say nothing of us any more.
    expect(asked).toEqual(['fine.test', 'fair.test', 'good.test']);
    there.clear();
    for (const name of ['good.test', 'fair.test', 'fine.test']) outages.tried(name, false);
    pass(6 * MINUTE);
    outages.tried('good.test', false);
    await settled();
    expect(outages.away()).toBe(true);
  });

  test('is none when three answered last and hang now: what answered most often is asked too', async () => {
    const { outages, pass, asked, there } = await watch();
    there.add('large.test');
    for (let i = 0; i < 5; i++) outages.tried('large.test', true);
    const hostile = ['a.test', 'b.test', 'c.test'];
    for (const name of hostile) outages.tried(name, true);
    for (const minute of [0, 6]) {
      pass(minute * MINUTE);
      for (const name of hostile) outages.tried(name, false);
      await settled();
    }
    expect(asked).toContain('large.test');
    expect(outages.away()).toBe(false);
  });

  test('is believed of strangers alone for eight hours in a week, while the resolver sees the world', async () => {
    const { outages, pass, failing, resolver, alarms, events } = await watch();
    resolver.online = true;
    const hostile = ['a.test', 'b.test', 'c.test'];
    const hours = (count: number) => failing(outages, hostile, count);
    for (const name of hostile) outages.tried(name, true);
    await hours(7);
    expect(outages.away()).toBe(true);
    // Now and then one answers: it ends, and begins anew.
    for (const name of hostile) outages.tried(name, true);
    await hours(72);
    expect(outages.away()).toBe(false);
    expect(outages.stood(0)).toBeLessThanOrEqual(8.2 * HOUR);
    for (const name of hostile) outages.tried(name, true);
    await hours(72);
    expect(outages.stood(0)).toBeLessThanOrEqual(8.2 * HOUR);
    expect([alarms.length, events.filter((one) => one === 'outage.ended').length]).toEqual([2, 2]);
    // The resolver is away too: whatever was before.
    resolver.online = false;
    await hours(1);
    expect(outages.away()).toBe(true);
    await hours(23);
    expect(outages.stood(0)).toBeGreaterThan(30 * HOUR);
    for (const name of hostile) outages.tried(name, true);
    // A week later strangers are believed again.
    pass(168 * HOUR);
    resolver.online = true;
    await hours(1);
    expect(outages.away()).toBe(true);
  });

  test('that lasted when the last process ended is believed of strangers alone for eight hours more', async () => {
    const { outages, again, failing, resolver } = await watch();
    resolver.online = true;
    const hostile = ['a.test', 'b.test', 'c.test'];
    await failing(outages, hostile, 1);
    const second = await again();
    await failing(second, hostile, 7);
    expect(second.away()).toBe(true);
    await failing(second, hostile, 2);
    expect(second.away()).toBe(false);
  });

  test('is not found by an answer that comes after the stop: the store is closed by then', async () => {
    const { outages, pass, asked, alarms, events } = await watch(null, null);
    for (const name of ['a.test', 'b.test', 'c.test']) outages.tried(name, false);
    pass(5 * MINUTE);
    outages.tried('a.test', false);
    expect(asked).toEqual(['clinic.test']);
    outages.stop();
    await settled();
    expect([events, alarms]).toEqual([[], []]);
  });

  test('is none after a start when our own domain is there, whose way back is by MX', async () => {
    const { outages, pass, asked, there } = await watch(null, null);
    there.add('clinic.test');
    for (const minute of [0, 6]) {
      pass(minute * MINUTE);
      for (const name of ['a.test', 'b.test', 'c.test']) outages.tried(name, false);
      await settled();
    }
    expect(asked).toEqual(['clinic.test']);
    expect(outages.away()).toBe(false);
  });

  test('ends when what answered before does again, though only dead ones are tried', async () => {
    const { outages, pass, asked, there } = await watch();
    outages.tried('good.test', true);
    for (const minute of [0, 6]) {
      pass(minute * MINUTE);
      for (const name of ['a.test', 'b.test', 'c.test']) outages.tried(name, false);
      await settled();
    }
    expect(outages.away()).toBe(true);
    there.add('good.test');
    pass(MINUTE);
    outages.tried('a.test', false);
    await settled();
    // Not asked more often than every five minutes.
    expect([outages.away(), asked]).toEqual([true, ['good.test']]);
    pass(5 * MINUTE);
    outages.tried('a.test', false);
    await settled();
    expect(outages.away()).toBe(false);
    expect(outages.stood(NOON)).toBe(12 * MINUTE);
  });

  test('of the one smart host is ours; the way back to staff says nothing of it, nor its failing of us', async () => {
    const { outages, pass } = await watch('smart.test:587');
    outages.tried('exchange.clinic.test:25', false);
    outages.tried('smart.test:587', false);
    pass(6 * MINUTE);
    outages.tried('exchange.clinic.test:25', true);
    outages.tried('smart.test:587', false);
    expect(outages.away()).toBe(true);
    outages.tried('exchange.clinic.test:25', true);
    expect(outages.away()).toBe(true);
    outages.tried('smart.test:587', true);
    expect(outages.away()).toBe(false);
  });

  test('stops clocks for a day, then senders are told', async () => {
    const { outages, pass } = await watch('smart.test:587');
    outages.tried('smart.test:587', false);
    pass(6 * MINUTE);
    outages.tried('smart.test:587', false);
    pass(72 * HOUR);
    expect(outages.away()).toBe(true);
    expect(outages.stood(NOON - HOUR)).toBe(24 * HOUR);
    expect(outages.warnAfter()).toBeLessThan(5 * HOUR);
  });

  test('of the clock: a machine that was suspended had not that time, ten years ahead and back again either', async () => {
    const { outages, time, pass, alarms, stored, events } = await watch();
    pass(MINUTE);
    time.now += 6 * HOUR;
    expect(outages.stood(NOON)).toBe(6 * HOUR);
    const years = 87_600 * HOUR;
    time.now += years;
    expect(outages.stood(NOON)).toBe(6 * HOUR + years);
    pass(MINUTE);
    time.now -= years;
    expect(outages.stood(NOON)).toBeLessThanOrEqual(6 * HOUR + 2 * MINUTE);
    pass(HOUR);
    expect(outages.stood(time.now - HOUR)).toBe(0);
    // For a day nothing is destroyed by its age.
    expect(outages.trustsClock()).toBe(false);
    pass(24 * HOUR);
    expect(outages.trustsClock()).toBe(true);
    expect(alarms).toEqual(['clock jumped', 'clock jumped', 'clock jumped']);
    // What it put off by ten years is due.
    expect(events.at(-1)).toBe('retried {"states":["ready"]}');
    expect(stored().every(({ until }) => until !== null && until <= time.now)).toBe(true);
  });
});
