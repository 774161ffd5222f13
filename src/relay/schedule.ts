// Gives each stage its work: takes what is due from the queue as far as there is room, and sleeps until the next time.
// It remembers only whether more may be waiting; what is due, and when, the queue knows.

import type { Time } from '../domain/ids.ts';
import { notifyInBackground } from './bounce.ts';
import {
  busyOrganizations,
  deliverInBackground,
  fullDestinations,
  keptConnections,
  roomsOfDestinations,
  roomToDeliver,
} from './deliver.ts';
import { examineInBackground, roomToExamine } from './examine.ts';
import { codeOf, LEASE, type Line, type Stage } from './line.ts';
import { isFull } from './patience.ts';

/** Asked for anew this often, so that a wake that was missed costs minutes, not days. */
const POLL = 30_000;

/** `more`: it got all it asked for. `later`: more may be had when something in hand has ended. */
type Taken = 'all' | 'more' | 'later';
type Pump = {
  /** Takes up to the room there is. */
  readonly take: (line: Line) => Promise<Taken>;
  maybeMore: boolean;
  /** Since the queue was asked something in hand ended, or something new may be there. */
  news: boolean;
  /** Ask the queue for the next time when this run has ended. */
  look: boolean;
  running: boolean;
  timer: NodeJS.Timeout | null;
  at: Time;
};

export type Schedule = {
  readonly wake: Line['wake'];
  readonly wakeAt: Line['wakeAt'];
  readonly freed: Line['freed'];
  start(line: Line): void;
  /** Takes nothing more; resolves when what is in hand has ended, or after `grace` ms. */
  stop(grace: number): Promise<void>;
};

export function createSchedule(): Schedule {
  const pumps: Readonly<Record<Stage, Pump>> = {
    examine: pump(takeExamine),
    deliver: pump(takeDeliveries),
    // Nobody else says when a delay is to be told.
    notify: { ...pump(takeNotifications), look: true },
  };
  let line: Line | null = null;
  let stopped = false;
  let poll: NodeJS.Timeout | null = null;

  async function run(stage: Stage): Promise<void> {
    const one = pumps[stage];
    if (line === null || stopped || one.running) return;
    one.running = true;
    let asked = line.clock.now();
    try {
      while (one.maybeMore && !stopped) {
        one.maybeMore = false;
        one.news = false;
        asked = line.clock.now();
        const taken = await one.take(line);
        if (taken !== 'all') one.maybeMore = true;
        // `freed` goes on from here; what came before was not seen by who took.
        if (!one.news && (taken === 'later' || (one.maybeMore && !hasRoom(line, stage)))) break;
      }
    } catch (error) {
      if (!isFull(error)) {
        line.meter.alarm('stage failed');
        line.log.error({ stage, code: codeOf(error) }, 'nothing could be taken from the queue');
      }
      wakeAt(stage, line.clock.now() + 1_000);
    } finally {
      one.running = false;
    }
    if (!one.look && !(stage === 'deliver' && isPaced(line))) return;
    one.look = stage === 'notify';
    // What was due before was taken, or waits to be freed.
    await look(asked).catch(() => {});
  }

  function wake(stage: Stage): void {
    pumps[stage].maybeMore = true;
    pumps[stage].news = true;
    void run(stage);
  }

  function wakeAt(stage: Stage, at: Time): void {
    const one = pumps[stage];
    if (line === null || stopped || (one.timer !== null && one.at <= at)) return;
    if (one.timer !== null) clearTimeout(one.timer);
    one.at = at;
    one.timer = setTimeout(
      () => {
        one.timer = null;
        // A later time stood behind this one.
        one.look = true;
        wake(stage);
      },
      Math.min(Math.max(at - line.clock.now(), 0), POLL),
    ).unref();
  }

  /** Sets the timers by what the queue knows; only for times after `after`. */
  async function look(after: Time = Number.NEGATIVE_INFINITY): Promise<void> {
    if (line === null || stopped) return;
    line.outages.look();
    const due = await line.queue.nextDue(Math.max(after, 0));
    for (const stage of ['examine', 'deliver', 'notify'] as const) {
      const at = due[stage];
      if (at !== null && at > after) wakeAt(stage, at);
    }
  }

  return {
    wake,
    wakeAt,
    freed: (stage) => {
      pumps[stage].news = true;
      if (pumps[stage].maybeMore) void run(stage);
    },
    start: (given) => {
      line = given;
      for (const stage of ['examine', 'deliver', 'notify'] as const) wake(stage);
      void look().catch(() => {});
      poll = setInterval(() => void look().catch(() => {}), POLL).unref();
    },
    stop: async (grace) => {
      stopped = true;
      if (poll !== null) clearInterval(poll);
      for (const one of Object.values(pumps)) if (one.timer !== null) clearTimeout(one.timer);
      // A run that waits for the queue's answer will still begin what it gets.
      const taking = () => Object.values(pumps).some((one) => one.running);
      if (line !== null) await idle(line, grace, taking);
    },
  };
}

/** Nobody else says when a paced destination may be served again. */
function isPaced(line: Line): boolean {
  return Object.keys(line.settings().paces).length > 0;
}

function pump(take: Pump['take']): Pump {
  return { take, maybeMore: false, news: false, look: false, running: false, timer: null, at: 0 };
}

async function idle({ load, clock }: Line, grace: number, taking: () => boolean): Promise<void> {
  const end = clock.now() + grace;
  const busy = () => taking() || load.examining > 0 || load.delivering > 0 || load.notifying > 0;
  while (busy() && clock.now() < end) await clock.sleep(20);
}

function hasRoom(line: Line, stage: Stage): boolean {
  if (stage === 'examine') return roomToExamine(line) > 0;
  if (stage === 'deliver') return roomToDeliver(line) > 0;
  return roomToNotify(line) > 0;
}

function roomToNotify({ settings, load }: Line): number {
  return Math.max(0, settings().notificationsInFlight - load.notifying);
}

async function takeExamine(line: Line): Promise<Taken> {
  const room = roomToExamine(line);
  if (room === 0) return 'later';
  const leases = await line.queue.toExamine(line.owner, room, line.clock.now() + LEASE);
  for (const lease of leases) examineInBackground(line, lease);
  return leases.length === room ? 'more' : 'all';
}

async function takeDeliveries(line: Line): Promise<Taken> {
  const room = roomToDeliver(line);
  if (room === 0) return 'later';
  const full = fullDestinations(line);
  const rooms = roomsOfDestinations(line);
  const forAll = room - keptConnections(line);
  const limit = forAll > 0 ? forAll : room;
  const transactions = await line.queue.lease(line.owner, limit, line.clock.now() + LEASE, {
    recipients: line.settings().recipientsPerTransaction,
    notDestinations: full,
    rooms,
    ...(forAll <= 0 && { urgentOnlyOf: busyOrganizations(line) }),
  });
  for (const transaction of transactions) deliverInBackground(line, transaction);
  if (transactions.length === limit) return 'more';
  // A destination that was left out may have more: it is asked for again when one of its connections is free.
  const still = fullDestinations(line);
  const taken = transactions.map(({ deliveries }) => deliveries[0]?.destination ?? '');
  const usedUp = (one: string) => taken.filter((other) => other === one).length >= (rooms.get(one) ?? 1);
  if (taken.some((one) => usedUp(one) && !still.includes(one))) return 'more';
  // What is kept is kept: others go on when a connection is free.
  if (forAll <= 0) return 'later';
  return full.length > 0 || still.length > 0 ? 'later' : 'all';
}

async function takeNotifications(line: Line): Promise<Taken> {
  const room = roomToNotify(line);
  if (room === 0) return 'later';
  const now = line.clock.now();
  const warnAfter = line.outages.warnAfter();
  const notifications = await line.queue.toNotify(line.owner, room, now + LEASE, now, warnAfter);
  for (const notification of notifications) notifyInBackground(line, notification);
  // One message may have several.
  return notifications.length >= room ? 'more' : 'all';
}
