// Labels come from closed lists: whatever is handed in, no address becomes one and no peer makes series without end.

import type { Level, Outcome } from '../../../src/domain/types.ts';
import { createMetrics, type Metrics } from '../../../src/web/metrics.ts';

const ADDRESS = 'ann.smith@example.org';
let metrics: Metrics;
beforeEach(() => {
  metrics = createMetrics();
  metrics.organizations(['Northside Clinic']);
});
afterEach(() => metrics.close());

const seriesOf = async (name: string) => (await metrics.text()).split('\n').filter((line) => line.startsWith(name));

test('counts by organization', async () => {
  metrics.accepted('Northside Clinic', 75_000);
  metrics.accepted('Northside Clinic', 25_000);
  expect(await seriesOf('sealrelay_accepted_total')).toEqual([
    'sealrelay_accepted_total{organization="Northside Clinic"} 2',
  ]);
  expect(await seriesOf('sealrelay_accepted_octets')).toEqual([
    'sealrelay_accepted_octets_total{organization="Northside Clinic"} 100000',
  ]);
});

test('whatever is in no list is `other`', async () => {
  metrics.accepted(ADDRESS, 1);
  metrics.refused(250);
  metrics.outcome(ADDRESS as Outcome['kind'], ADDRESS as Level, ADDRESS);
  metrics.alarm(`no room for ${ADDRESS}`);
  const text = await metrics.text();
  expect(text).not.toContain('ann.smith');
  expect(text).toContain('sealrelay_accepted_total{organization="other"} 1');
  expect(text).toContain('sealrelay_refused_total{code="other"} 1');
  expect(text).toContain('sealrelay_outcomes_total{kind="other",level="other",protection="other"} 1');
  expect(text).toContain('sealrelay_alarms_total{name="other"} 1');
});

test('a name that left the configuration is counted as `other` from then on', async () => {
  metrics.organizations(['Southside Clinic']);
  metrics.accepted('Northside Clinic', 1);
  expect(await seriesOf('sealrelay_accepted_total')).toEqual(['sealrelay_accepted_total{organization="other"} 1']);
});

test('a flood of names makes a bounded number of series', async () => {
  for (let code = 0; code < 5_000; code++) metrics.refused(code);
  for (let i = 0; i < 26 ** 2; i++) {
    metrics.alarm(`store ${String.fromCharCode(97 + (i % 26), 97 + Math.floor(i / 26))}`);
  }
  expect((await seriesOf('sealrelay_refused_total')).length).toBe(201);
  expect((await seriesOf('sealrelay_alarms_total')).length).toBe(65);
});

test('outcomes tell clear from protected', async () => {
  metrics.outcome('delivered', null, 'portal');
  metrics.outcome('delivered', 'verify', 'smime');
  metrics.outcome('lacking', null, null);
  const text = await metrics.text();
  expect(text).toContain('sealrelay_outcomes_total{kind="delivered",level="none",protection="portal"} 1');
  expect(text).toContain('sealrelay_outcomes_total{kind="delivered",level="verify",protection="smime"} 1');
  expect(text).toContain('sealrelay_outcomes_total{kind="lacking",level="none",protection="none"} 1');
});

test('shows the queue, and the age of its oldest message', async () => {
  const stages = { accepted: 1, examined: 0, decided: 2, finished: 0, bodiless: 7, corrupt: 0 };
  const states = {
    undecided: 1,
    ready: 2,
    leased: 0,
    noticing: 0,
    held: 3,
    delivered: 9,
    noticed: 0,
    bounced: 0,
    dropped: 0,
  };
  metrics.queue({ stages, states, oldest: 1_000 }, 61_000);
  const text = await metrics.text();
  expect(text).toContain('sealrelay_messages{stage="bodiless"} 7');
  expect(text).toContain('sealrelay_queue{state="held"} 3');
  expect(text).toContain('sealrelay_oldest_seconds 60');
  metrics.queue({ stages, states, oldest: null }, 61_000);
  expect(await metrics.text()).toContain('sealrelay_oldest_seconds 0');
});

test('what shows the store and the process at their bounds is there', async () => {
  metrics.store({ calls: 30, batches: 3, wal: 4096 });
  metrics.examined(0.01);
  metrics.sessions(2);
  const text = await metrics.text();
  for (const line of ['store_changes 30', 'store_commits 3', 'wal_octets 4096', 'sessions 2']) {
    expect(text).toContain(`sealrelay_${line}\n`);
  }
  for (const name of ['examine_seconds', 'loop_delay_max_seconds', 'heap_octets', 'rss_octets']) {
    expect(text).toContain(`sealrelay_${name}`);
  }
});
