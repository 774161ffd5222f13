// The third step: one leased transaction is sent by the first protection that is possible now, and what came of it is
// settled. The body leaves with our trace header in front and listed subject tags taken out; the stored bytes stay as
// they are. Logs queue id, organization, domain and codes.

import type { Duration } from '../domain/ids.ts';
import { strongerLevel } from '../domain/protection.ts';
import type { Delivery, Lease, Level, Outcome, Protection, Settlement, Transaction } from '../domain/types.ts';
import type { Hop } from '../route/resolve.ts';
import { QueueError } from '../store/queue/port.ts';
import { BEFORE_DOT, codeOf, isOurs, LEASE, type Line, verbId } from './line.ts';
import { outgoing } from './outgoing.ts';
import { possibleStep, protectionsOf, settle } from './settle.ts';

const RENEW_EVERY: Duration = LEASE / 4;
/** Between two tries to record an outcome. */
const AGAIN: Duration = 1_000;

/** Transactions that may still be begun. */
export function roomToDeliver(line: Line): number {
  return Math.max(0, line.settings().deliveriesInFlight - line.load.delivering);
}

/** Destinations at their bound of connections. */
export function fullDestinations(line: Line): string[] {
  const { perDestination } = line.settings();
  return [...line.load.perDestination].filter(([, count]) => count >= perDestination).map(([name]) => name);
}

export function deliverInBackground(line: Line, transaction: Transaction): void {
  const destination = transaction.deliveries[0]?.destination ?? '';
  count(line, destination, 1);
  void deliverTransaction(line, transaction)
    .catch((error) => {
      // The lease runs out and the delivery is tried again at the time that was set with it.
      line.meter.alarm('stage failed');
      line.log.error({ queueId: transaction.message.id, stage: 'deliver', code: codeOf(error) }, 'delivery failed');
    })
    .finally(() => {
      count(line, destination, -1);
      line.freed('deliver');
    });
}

function count(line: Line, destination: string, by: 1 | -1): void {
  const { load } = line;
  load.delivering += by;
  const left = (load.perDestination.get(destination) ?? 0) + by;
  if (left > 0) load.perDestination.set(destination, left);
  else load.perDestination.delete(destination);
}

/** Sends to the recipients of one lease and settles every one of them. */
export async function deliverTransaction(line: Line, transaction: Transaction): Promise<void> {
  const { clocks, built } = line.settings();
  const deliveries = transaction.deliveries.map((one) => atPossibleStep(one, built));
  const outcomes = await attempt(line, { ...transaction, deliveries });
  if (outcomes === 'corrupt') {
    await line.queue.corrupt(verbId(line), transaction.message.id, 'the body cannot be opened');
    line.meter.alarm('corrupt body');
    line.log.error({ queueId: transaction.message.id }, 'the body cannot be opened; its deliveries are held');
    return;
  }
  const now = line.clock.now();
  const settlements = deliveries.map((delivery, i) =>
    settle(delivery, outcomes[i] as Outcome, { now, clocks, built, fraction: line.random.fraction() }),
  );
  await record(line, transaction.lease, settlements);
  for (const { next } of settlements) if (next.state === 'ready') line.wakeAt('deliver', next.notBefore);
  report(line, transaction, settlements);
}

/** What the peer took must not be forgotten because the disk is full for now: it would be sent again. */
async function record(line: Line, lease: Lease, settlements: readonly Settlement[]): Promise<void> {
  const verb = verbId(line);
  const end = line.clock.now() + LEASE;
  for (;;) {
    try {
      return await line.queue.settle(verb, lease, settlements);
    } catch (error) {
      if (!(error instanceof QueueError && error.code === 'full') || line.clock.now() >= end) throw error;
      await line.clock.sleep(AGAIN);
    }
  }
}

/** Moves past protections that this gateway cannot make; stays when there is none, so that the trace names it. */
function atPossibleStep(delivery: Delivery, built: Parameters<typeof possibleStep>[2]): Delivery {
  const step = possibleStep(protectionsOf(delivery), delivery.step, built) ?? delivery.step;
  return step === delivery.step ? delivery : { ...delivery, step, stepSince: null, stepAttempts: 0 };
}

async function attempt(line: Line, transaction: Transaction): Promise<readonly Outcome[] | 'corrupt'> {
  const { deliveries } = transaction;
  const first = deliveries[0] as Delivery;
  const protection = protectionsOf(first)[first.step];
  const forAll = (outcome: Outcome) => deliveries.map(() => outcome);
  if (protection === undefined || !line.settings().built.includes(protection.name)) {
    return forAll({ kind: 'lacking', reason: 'not available at this gateway', status: '5.7.0', atOnce: true });
  }
  const route = await line.resolve(first.destination);
  switch (route.kind) {
    case 'barred':
      return forAll({ kind: 'lacking', reason: route.reason, status: '5.7.1', atOnce: true });
    case 'refused':
      return forAll({ kind: 'refused', reply: route.reply });
    case 'unreached':
      return forAll({ kind: 'unreached', reason: route.reason, status: route.status });
    case 'hops':
      return transmit(line, transaction, route.hops, protection);
  }
}

/** What the hop must show: the decision's level and, for the smart host, the configured one. */
function demandedOf(line: Line, delivery: Delivery, protection: Protection): Level {
  const { smartHost, smartHostLevel } = line.settings();
  return delivery.destination === smartHost ? strongerLevel(protection.level, smartHostLevel) : protection.level;
}

async function transmit(
  line: Line,
  { lease, message, deliveries }: Transaction,
  hops: readonly Hop[],
  protection: Protection,
): Promise<readonly Outcome[] | 'corrupt'> {
  const held = holdLease(line, lease, deliveries);
  const mail = outgoing(line, message, deliveries);
  try {
    const outcomes = await line.send({
      hops,
      demanded: demandedOf(line, deliveries[0] as Delivery, protection),
      helo: line.settings().hostname,
      reversePath: message.reversePath,
      recipients: deliveries.map((one) => ({ address: one.recipient, dsn: one.dsn })),
      dsn: message.dsn,
      smtpUtf8: message.smtpUtf8,
      // Mail of ours is composed in ASCII and was not examined.
      eightBit: message.examination?.eightBit ?? !isOurs(message),
      utf8Headers: message.examination?.utf8Headers ?? false,
      size: mail.size,
      body: mail.open,
      beforeDot: held.enough,
    });
    return mail.broken() ? 'corrupt' : outcomes;
  } finally {
    held.stop();
  }
}

/** Keeps the lease while a transfer runs, and says before the final dot whether enough of it is left. */
function holdLease(
  line: Line,
  lease: Lease,
  deliveries: readonly Delivery[],
): { enough: () => Promise<boolean>; stop: () => void } {
  const ids = deliveries.map((one) => ({ id: one.id, no: lease.no }));
  let until = lease.until;
  const renew = async (): Promise<void> => {
    const wanted = line.clock.now() + LEASE;
    const kept = await line.queue.renew(line.owner, ids, wanted);
    if (kept.length === ids.length) until = wanted;
  };
  const timer = setInterval(() => void renew().catch(() => {}), RENEW_EVERY).unref();
  return {
    enough: async () => {
      if (until - line.clock.now() < BEFORE_DOT) await renew();
      return until - line.clock.now() >= BEFORE_DOT;
    },
    stop: () => clearInterval(timer),
  };
}

function report(line: Line, { message }: Transaction, settlements: readonly Settlement[]): void {
  for (const { outcome, next, status, delivery } of settlements) {
    const level = outcome.evidence?.level ?? null;
    line.meter.outcome(outcome.kind, level);
    line.log.info(
      { queueId: message.id, organization: message.organization, delivery, outcome: outcome.kind, status, level },
      next.state === 'ready' ? 'deferred' : next.state,
    );
    if (next.state === 'held' && isOurs(message)) line.meter.alarm('staff mail held');
  }
  if (settlements.some(({ next }) => next.state !== 'delivered')) line.wake('notify');
}
