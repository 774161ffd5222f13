// What is measured, for Prometheus. The rest of the gateway is handed plain functions and does not know the library.
// Labels come from closed lists: an organization of the configuration, a code, a state, a name; what is not in its list is
// counted as `other`, so that no address can become a label and no peer can make series without end.

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { LEVELS } from '../domain/protection.ts';
import type { DeliveryState, Level, Outcome, ProtectionName, Stage } from '../domain/types.ts';
import type { Measured, Watched } from '../watch/figures.ts';
import { watchMetrics } from './watch-metrics.ts';

export type QueueCounts = {
  readonly stages: Readonly<Record<Stage, number>>;
  readonly states: Readonly<Record<DeliveryState, number>>;
  /** Time of acceptance of the oldest that waits, ms since 1970. */
  readonly oldest: number | null;
};

export type Metrics = {
  /** SMTP sessions that are open now. */
  readonly sessions: (open: number) => void;
  /** `size` in octets. */
  readonly accepted: (organization: string, size: number) => void;
  /** Reply code of SMTP. */
  readonly refused: (code: number) => void;
  readonly examined: (seconds: number) => void;
  readonly outcome: (kind: Outcome['kind'], level: Level | null, protection: string | null) => void;
  /** Changes and commits since the start, and octets of the write-ahead log. */
  readonly store: (counts: { readonly calls: number; readonly batches: number; readonly wal: number }) => void;
  readonly queue: (counts: QueueCounts, now: number) => void;
  readonly alarm: (name: string) => void;
  /** Once a minute. */
  readonly watched: (measured: Measured, figures: readonly Watched[]) => void;
  /** Names that may be labels; called again at each reload. */
  readonly organizations: (names: readonly string[]) => void;
  /** Text of the Prometheus exposition format. */
  readonly text: () => Promise<string>;
  readonly contentType: string;
  /** Stops the measuring of the event loop. */
  readonly close: () => void;
};

const PROTECTIONS: readonly ProtectionName[] = ['tls', 'pgp', 'smime', 'portal', 'portal+'];
const OUTCOMES = ['delivered', 'refused', 'lacking', 'unreached', 'in doubt'];
const ALARMS = 64;

export function createMetrics(): Metrics {
  const registry = new Registry();
  const made = { ...mailMetrics(registry), ...storeMetrics(registry), ...processMetrics(registry) };
  let organizations: ReadonlySet<string> = new Set();
  const alarms = new Set<string>();
  const watched = watchMetrics(registry);
  return {
    sessions: (open) => made.sessions.set(open),
    accepted: (organization, size) => {
      const known = organizations.has(organization) ? organization : 'other';
      made.accepted.inc({ organization: known });
      made.octets.inc({ organization: known }, size);
    },
    refused: (code) => made.refused.inc({ code: code >= 400 && code < 600 ? String(code) : 'other' }),
    examined: (seconds) => made.examine.observe(seconds),
    outcome: (kind, level, protection) => {
      made.outcomes.inc({
        kind: listed(OUTCOMES, kind),
        level: level === null ? 'none' : listed(LEVELS, level),
        protection: protection === null ? 'none' : listed(PROTECTIONS, protection),
      });
    },
    store: ({ calls, batches, wal }) => {
      made.calls.set(calls);
      made.commits.set(batches);
      made.wal.set(wal);
    },
    queue: ({ stages, states, oldest }, now) => {
      for (const [stage, count] of Object.entries(stages)) made.stages.set({ stage }, count);
      for (const [state, count] of Object.entries(states)) made.states.set({ state }, count);
      made.oldest.set(oldest === null ? 0 : Math.max(0, now - oldest) / 1000);
    },
    alarm: (name) => {
      const isName = /^[a-z][a-z ]{0,40}$/.test(name) && (alarms.has(name) || alarms.size < ALARMS);
      if (isName) alarms.add(name);
      made.alarms.inc({ name: isName ? name : 'other' });
    },
    watched,
    organizations: (names) => {
      organizations = new Set(names);
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
    close: () => made.delay.disable(),
  };
}

function listed(list: readonly string[], value: string): string {
  return list.includes(value) ? value : 'other';
}

function mailMetrics(registry: Registry) {
  const registers = [registry];
  return {
    sessions: new Gauge({ name: 'sealrelay_sessions', help: 'SMTP sessions open now', registers }),
    accepted: new Counter({
      name: 'sealrelay_accepted_total',
      help: 'Messages accepted',
      labelNames: ['organization'],
      registers,
    }),
    octets: new Counter({
      name: 'sealrelay_accepted_octets_total',
      help: 'Octets of accepted messages',
      labelNames: ['organization'],
      registers,
    }),
    refused: new Counter({
      name: 'sealrelay_refused_total',
      help: 'Refusals in the session, by reply code',
      labelNames: ['code'],
      registers,
    }),
    examine: new Histogram({
      name: 'sealrelay_examine_seconds',
      help: 'Time to examine a message',
      buckets: [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5, 30],
      registers,
    }),
    outcomes: new Counter({
      name: 'sealrelay_outcomes_total',
      help: 'Outcomes of attempts, by kind, TLS level reached and protection; that of a notice is portal',
      labelNames: ['kind', 'level', 'protection'],
      registers,
    }),
    alarms: new Counter({ name: 'sealrelay_alarms_total', help: 'Alarms, by name', labelNames: ['name'], registers }),
  };
}

function storeMetrics(registry: Registry) {
  const registers = [registry];
  return {
    stages: new Gauge({ name: 'sealrelay_messages', help: 'Messages, by stage', labelNames: ['stage'], registers }),
    states: new Gauge({ name: 'sealrelay_queue', help: 'Deliveries, by state', labelNames: ['state'], registers }),
    oldest: new Gauge({ name: 'sealrelay_oldest_seconds', help: 'Age of the oldest message that waits', registers }),
    calls: new Gauge({ name: 'sealrelay_store_changes', help: 'Changes to the store since the start', registers }),
    commits: new Gauge({ name: 'sealrelay_store_commits', help: 'Commits that they shared', registers }),
    wal: new Gauge({ name: 'sealrelay_wal_octets', help: 'Size of the write-ahead log', registers }),
  };
}

function processMetrics(registry: Registry) {
  const registers = [registry];
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  new Gauge({
    name: 'sealrelay_loop_delay_max_seconds',
    help: 'Longest hold of the event loop since the last scrape',
    registers,
    collect() {
      // Nothing was sampled yet: max is 0. The sampling interval itself is part of what is measured.
      this.set(Math.max(0, delay.max / 1e9 - 0.01));
      delay.reset();
    },
  });
  new Gauge({
    name: 'sealrelay_heap_octets',
    help: 'Heap of V8 in use',
    registers,
    collect() {
      this.set(process.memoryUsage().heapUsed);
    },
  });
  new Gauge({
    name: 'sealrelay_rss_octets',
    help: 'Resident memory of the process',
    registers,
    collect() {
      this.set(process.memoryUsage.rss());
    },
  });
  return { delay };
}
