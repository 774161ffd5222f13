// The figures of the watch, for Prometheus: the values, and how each was judged. Labels are names of figures and of
// organizations that are configured.

import { Gauge, type Registry } from 'prom-client';
import type { Light, Measured, Watched } from '../watch/figures.ts';

const LIGHT: Readonly<Record<Light, number>> = { green: 0, yellow: 1, red: 2 };

export function watchMetrics(registry: Registry): (measured: Measured, figures: readonly Watched[]) => void {
  const registers = [registry];
  const gauge = <L extends string = never>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Gauge<L>({ name: `sealrelay_${name}`, help, labelNames, registers });
  const light = gauge('watched', 'How a watched figure is: 0 green, 1 yellow, 2 red', ['figure']);
  const held = gauge('held_oldest_seconds', 'For how long the oldest held delivery has been held');
  const underWay = gauge('under_way_oldest_seconds', 'Age of the oldest message that is not merely held');
  const free = gauge('disk_free_octets', 'Free disk space for bodies');
  const sync = gauge('sync_seconds', 'Time that a small write takes to be durable; -1: it failed');
  const batch = gauge('commit_changes', 'Changes that shared a commit, on average since the last look');
  const read = gauge('read_oldest_seconds', 'For how long the oldest read of the database runs');
  const heap = gauge('heap_collected_octets', 'Heap in use after the last full collection');
  const loop = gauge('loop_delay_seconds', 'Hold of the event loop, 99 of 100 are shorter');
  const late = gauge('stage_late_seconds', 'For how long work that is due waits', ['stage']);
  const audit = gauge('audit_fits', '1: the audit fits together; 0: it does not');
  const ends = gauge('ends_seconds', 'Time until the first certificate or own key ends', ['kind']);
  const last = gauge('last_mail_seconds', 'Time since an organization sent mail, where its silence is watched', [
    'organization',
  ]);
  return (measured, figures) => {
    const { now } = measured;
    const age = (at: number | null) => (at === null ? 0 : Math.max(0, now - at) / 1000);
    // What is gone (a certificate, an organization) leaves no series.
    for (const one of [light, ends, last]) one.reset();
    for (const one of figures) light.set({ figure: one.name }, LIGHT[one.light]);
    held.set(age(measured.held.since));
    underWay.set(age(measured.oldestUnderWay));
    free.set(measured.disk.free);
    sync.set(measured.sync === null ? -1 : measured.sync / 1000);
    batch.set(measured.batch.mean);
    read.set(measured.read / 1000);
    heap.set(measured.heap?.used ?? 0);
    loop.set(measured.loop / 1000);
    for (const [stage, ms] of Object.entries(measured.late)) late.set({ stage }, ms / 1000);
    audit.set(measured.audit?.bad == null ? 1 : 0);
    for (const kind of ['certificate', 'key'] as const) {
      const times = measured.endings.filter((one) => one.kind === kind).map(({ until }) => until);
      if (times.length > 0) ends.set({ kind }, (Math.min(...times) - now) / 1000);
    }
    for (const one of measured.silent) {
      if (one.last !== null) last.set({ organization: one.organization }, age(one.last));
    }
  };
}
