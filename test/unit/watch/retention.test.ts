import { keptSince, makeRetention } from '../../../src/watch/retention.ts';

const at = (text: string) => Date.parse(`${text}T12:00:00Z`);

test.each([
  ['2026-11-24', 73, '2020-10-01'],
  ['2026-11-24', 1, '2026-10-01'],
  ['2026-01-31', 2, '2025-11-01'],
])('%s, %d months: kept since %s', (now, months, since) => {
  expect(keptSince(at(now), months)).toBe(Date.parse(`${since}T00:00:00Z`));
});

const PRUNED = ['pruned before 2026-09-01, 2 months', 'keys before 2026-09-01'];

/** What a round did, day by day. */
function bench(last: number | null = null) {
  let now = at('2026-11-24');
  const did: string[] = [];
  let toClose: string[] = [];
  const archive = {
    lastBefore: async () => last,
    recordDestroyed: async () => did.push('recorded') > 0,
    closeNext: async () => {
      const month = toClose.shift();
      if (month === undefined) return null;
      did.push(`closed ${month}`);
      const segment = { name: month, month, node: 'gw', epoch: 1, first: 1, last: 2, since: 0, until: 0, messages: 1 };
      return { ...segment, state: 'moved' as const };
    },
    prune: async (before: number, months: number) => {
      did.push(`pruned before ${new Date(before).toISOString().slice(0, 10)}, ${months} months`);
      return 0;
    },
  };
  const destroyKeys = async (before: number) => {
    did.push(`keys before ${new Date(before).toISOString().slice(0, 10)}`);
    return { keys: 0, kept: 0 };
  };
  const log = {
    info: () => {},
    warn: (fields: object) => did.push(`warned of ${JSON.stringify(fields)}`),
    error: () => {},
  };
  const line = { clock: { now: () => now, sleep: async () => {} }, log, meter: { alarm: () => {} } };
  const round = makeRetention(
    { line: line as never, archive, destroyKeys, months: () => 2 },
    new AbortController().signal,
  );
  return {
    async round(ms: number, ...months: string[]): Promise<string[]> {
      now += ms;
      toClose = months;
      did.length = 0;
      await round();
      return [...did];
    },
  };
}

test('all months that are over, then what has had its term; once an hour, the record and the keys once a day', async () => {
  const { round } = bench();
  const pruned = 'pruned before 2026-09-01, 2 months';
  const keys = 'keys before 2026-09-01';
  expect(await round(0, '2026-09', '2026-10')).toEqual(['recorded', 'closed 2026-09', 'closed 2026-10', pruned, keys]);
  expect(await round(60_000, '2026-11')).toEqual([]);
  expect(await round(3_600_000)).toEqual([pruned]);
  expect(await round(86_400_000)).toEqual(['recorded', pruned, keys]);
  expect(await round(-400 * 86_400_000)).toContain('recorded');
});

test('after so long without an entry the clock is not believed for a day', async () => {
  const { round } = bench(at('2026-10-01'));
  expect(await round(0, '2026-09')).toEqual(['warned of {"days":54}']);
  for (let i = 1; i < 1440; i++) expect(await round(60_000, '2026-09')).toEqual([]);
  expect(await round(60_000, '2026-09')).toEqual(['recorded', 'closed 2026-09', ...PRUNED]);
  const { round: other } = bench(at('2026-10-20'));
  expect(await other(0, '2026-09')).toContain('closed 2026-09');
});
