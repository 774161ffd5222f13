// The figures that are watched, judged: what is measured → green, yellow or red, with the meaning in a sentence and what to do.
// Pure. Whatever is not green is an alarm.

import type { Duration, Time } from '../domain/ids.ts';
import type { AlarmName } from '../relay/line.ts';
import { ALARMS } from './alarms.ts';
import { ageOf, octetsOf } from './words.ts';

export type Light = 'green' | 'yellow' | 'red';
export type Figure = {
  /** For people and scripts: `disk space`. Stays the same. */
  readonly name: string;
  readonly light: Light;
  /** `12.4 GB free`. */
  readonly value: string;
  readonly means: string;
  /** What to do; null when nothing is. */
  readonly next: string | null;
};
/** A figure with its alarm; `of` tells several of a name apart. */
export type Watched = Figure & { readonly alarm: AlarmName; readonly of?: string };

/** Something that ends at a time, such as a certificate. Whoever keeps such things hands in a list of them. */
export type Ending = {
  /** `certificate of the listeners`, `S/MIME certificate of Clinic`; no address. */
  readonly what: string;
  readonly kind: 'certificate' | 'key';
  readonly until: Time;
};

export type Measured = {
  readonly now: Time;
  readonly held: { readonly deliveries: number; readonly since: Time | null; readonly recovered: number };
  readonly oldestUnderWay: Time | null;
  /** Octets that are free, and that are kept free; `full`: the file `reserve` is given up, or could not be made. */
  readonly disk: { readonly free: number; readonly reserve: number; readonly full: boolean };
  /** Milliseconds that a sync of a small write takes; null when it failed. */
  readonly sync: Duration | null;
  /** Changes that shared a commit, on average since it was measured last, and how many may. */
  readonly batch: { readonly mean: number; readonly most: number };
  /** Octets. */
  readonly wal: number;
  /** For how long the reader has worked at the oldest read. */
  readonly read: Duration;
  /** Octets used after the last full collection, and the most there may be; null before the first one. */
  readonly heap: { readonly used: number; readonly limit: number } | null;
  /** Of a hundred turns of the loop all but one were shorter. */
  readonly loop: Duration;
  /** For how long the first piece of work that is due has waited, in each stage. */
  readonly late: Readonly<Record<'examine' | 'deliver' | 'notify', Duration>>;
  /** What is wrong with the audit, in words; null when it fits. */
  readonly audit: { readonly bad: string | null; readonly entries: number; readonly at: Time } | null;
  readonly endings: readonly Ending[];
  readonly silent: readonly {
    readonly organization: string;
    readonly last: Time | null;
    readonly since: Time;
    readonly after: Duration;
  }[];
};

export type Bounds = {
  readonly held: Duration;
  readonly heldLimit: Duration;
  readonly oldest: Duration;
  /** Octets. */
  readonly disk: number;
  readonly expiry: Duration;
};

const MINUTE: Duration = 60_000;
const DAY: Duration = 86_400_000;
const MB = 1_048_576;

/** Above the first it is yellow, above the second red. */
export const SYNC = [50, 500] as const;
export const WAL = [128 * MB, 1024 * MB] as const;
const READ = [1_000, 30_000] as const;
const HEAP = [0.6, 0.85] as const;
const LOOP = [50, 500] as const;
const LATE = [MINUTE, 10 * MINUTE] as const;

export function above(value: number, [yellow, red]: readonly [number, number]): Light {
  if (value > red) return 'red';
  return value > yellow ? 'yellow' : 'green';
}

function figure(name: string, alarm: AlarmName, light: Light, value: string, means?: string, of?: string): Watched {
  const words = ALARMS[alarm];
  return {
    ...{ name, alarm, light, value, ...(of !== undefined && { of }) },
    means: means ?? words.means,
    next: light === 'green' ? null : words.next,
  };
}

export function judge(measured: Measured, bounds: Bounds): Watched[] {
  return [
    ...mailFigures(measured, bounds),
    ...storeFigures(measured, bounds),
    ...processFigures(measured),
    ...auditFigures(measured),
    ...judgeEndings(measured.now, measured.endings, bounds.expiry),
    ...silenceFigures(measured),
  ];
}

function mailFigures({ now, held, oldestUnderWay, late }: Measured, bounds: Bounds): Watched[] {
  const heldFor = held.since === null ? 0 : now - held.since;
  const heldWords =
    held.since === null ? 'nothing is held' : `${held.deliveries} held, the oldest for ${ageOf(heldFor)}`;
  const age = oldestUnderWay === null ? 0 : now - oldestUnderWay;
  const means = {
    held: 'Held messages wait for a person, and go back to their senders at queue.held.limit.',
    oldest: 'How long the oldest message that is still being delivered has been under way.',
    late: 'How long work that is due waits before it is taken up.',
  };
  const recovered =
    held.recovered === 0
      ? []
      : [figure('recovered mail', 'recovered mail', 'yellow', `${held.recovered} deliveries wait for their release`)];
  return [
    figure('held mail', 'held mail', above(heldFor, [bounds.held, bounds.heldLimit]), heldWords, means.held),
    ...recovered,
    figure(
      'oldest message',
      'old mail',
      above(age, [bounds.oldest, 4 * bounds.oldest]),
      oldestUnderWay === null ? 'nothing is under way' : `under way for ${ageOf(age)}`,
      means.oldest,
    ),
    ...(['examine', 'deliver', 'notify'] as const).map((stage) =>
      figure(
        `stage ${stage}`,
        'stage late',
        above(late[stage], LATE),
        late[stage] < 1_000 ? 'nothing waits' : `first work waits for ${ageOf(late[stage])}`,
        means.late,
        stage,
      ),
    ),
  ];
}

function storeFigures({ disk, sync, batch, wal, read }: Measured, bounds: Bounds): Watched[] {
  const space = disk.full || disk.free < disk.reserve ? 'red' : disk.free < bounds.disk ? 'yellow' : 'green';
  return [
    figure(
      'disk space',
      'low disk',
      space,
      disk.full ? `${octetsOf(disk.free)} free, and no reserve` : `${octetsOf(disk.free)} free`,
      disk.full
        ? `The file reserve was given up, or has no space: no mail is taken until ${octetsOf(disk.reserve)} are free.`
        : `Mail is taken while at least ${octetsOf(disk.reserve)} are free (limits.reserve_disk).`,
    ),
    figure(
      'sync time',
      'slow disk',
      sync === null ? 'red' : above(sync, SYNC),
      sync === null ? 'a sync failed' : `${sync.toFixed(1)} ms, ${batch.mean.toFixed(1)} changes share a commit`,
      `How long the disk takes to make a write durable; up to ${batch.most} changes share one.`,
    ),
    figure(
      'write-ahead log',
      'large log',
      above(wal, WAL),
      octetsOf(wal),
      'Changes that are durable and not yet moved into the database file.',
    ),
    figure(
      'oldest read',
      'long read',
      above(read, READ),
      read < 100 ? 'none' : ageOf(read),
      'How long the oldest read of the database has been running; the log grows meanwhile.',
    ),
  ];
}

function processFigures({ heap, loop }: Measured): Watched[] {
  const share = heap === null ? 0 : heap.used / heap.limit;
  return [
    figure(
      'heap',
      'full heap',
      above(share, HEAP),
      heap === null ? 'not collected yet' : `${octetsOf(heap.used)} of ${octetsOf(heap.limit)} after a full collection`,
      'Memory that the main process still needs after it was cleaned.',
    ),
    figure(
      'loop delay',
      'slow loop',
      above(loop, LOOP),
      `${loop.toFixed(0)} ms`,
      'How long the main process is busy at a time (99 of 100 turns are shorter).',
    ),
  ];
}

function auditFigures({ audit, now }: Measured): Watched[] {
  const name = 'audit trail';
  if (audit === null)
    return [
      figure(
        name,
        'audit broken',
        'green',
        'not looked at yet',
        'Its newest part is checked every quarter of an hour, all of it once a day.',
      ),
    ];
  if (audit.bad !== null) return [figure(name, 'audit broken', 'red', audit.bad)];
  const value = `fits together, ${audit.entries} entries looked at ${ageOf(now - audit.at)} ago`;
  return [figure(name, 'audit broken', 'green', value, 'The chain of its entries and their signatures agree.')];
}

/** Certificates and keys, `expiry` before their end. */
export function judgeEndings(now: Time, endings: readonly Ending[], expiry: Duration): Watched[] {
  return endings.map(({ what, kind, until }) => {
    const left = until - now;
    const light = left < Math.min(3 * DAY, expiry) ? 'red' : left < expiry ? 'yellow' : 'green';
    const alarm = kind === 'certificate' ? 'certificate ends' : 'key ends';
    const day = new Date(until).toISOString().slice(0, 10);
    const value = left <= 0 ? `ended on ${day}` : `ends on ${day}, in ${ageOf(left)}`;
    return figure(what, alarm, light, value, light === 'green' ? 'It is valid.' : undefined, what);
  });
}

function silenceFigures({ now, silent }: Measured): Watched[] {
  return silent.map(({ organization, last, since, after }) => {
    const quiet = now - (last ?? since);
    const value = last === null ? 'no mail so far' : `last mail ${ageOf(now - last)} ago`;
    const light = quiet > after ? 'yellow' : 'green';
    const means = light === 'green' ? `It may be silent for ${ageOf(after)}.` : undefined;
    return figure(`mail of ${organization}`, 'no mail', light, value, means, organization);
  });
}
