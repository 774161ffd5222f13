// The third step: one leased transaction is sent by the first protection that is possible now, and what came of it is
// settled: sent as it is or as a variant (outgoing.ts), or put into the portal. Logs queue id, organization, domain and codes.

import type { DeliveryId, Duration, OrganizationName, Time } from '../domain/ids.ts';
import { strongerLevel } from '../domain/protection.ts';
import type {
  Cause,
  Delivery,
  Lease,
  Level,
  Message,
  Outcome,
  Protection,
  Settlement,
  Transaction,
} from '../domain/types.ts';
import { verbId } from '../store/queue/port.ts';
import { choose, type Group } from './choose.ts';
import type { Attempt, Reached } from './destinations/under-way.ts';
import { BEFORE_DOT, codeOf, isOurs, LEASE, type Line } from './line.ts';
import { isBodyLost, keyName, mailOf } from './outgoing.ts';
import { untilSpace } from './patience.ts';
import { protectionsOf, settle } from './settle.ts';

const RENEW_EVERY: Duration = LEASE / 4;

/** Of the connections this part is kept for urgent mail and for organizations that have few. */
const KEPT = 1 / 5;

/** Transactions that may still be begun. What only waits for a connection keeps none from who could have one. */
export function roomToDeliver({ settings, load, outages, destinations }: Line): number {
  const { connections, deliveriesInFlight } = settings();
  const connected = load.delivering - destinations.waiting();
  return Math.max(0, Math.min(outages.room(connections) - connected, deliveriesInFlight - load.delivering));
}

/** The same for what is not urgent of an organization. */
export function roomFor(line: Line, organization: OrganizationName): number {
  const room = roomToDeliver(line);
  const kept = keptConnections(line);
  return (line.load.perOrganization.get(organization) ?? 0) < kept ? room : Math.max(0, room - kept);
}

export function keptConnections(line: Line): number {
  return Math.floor(line.settings().connections * KEPT);
}

/** Organizations that have as many connections as are kept for others, or more. */
export function busyOrganizations(line: Line): string[] {
  const kept = keptConnections(line);
  return [...line.load.perOrganization].filter(([, count]) => count >= kept).map(([name]) => name);
}

/** Destinations for which no more may be in hand. */
export function fullDestinations({ load, destinations }: Line): string[] {
  return [...load.perDestination].filter(([name, count]) => count >= destinations.inHand(name)).map(([name]) => name);
}

/** How many more each of them may have that has any; others begin with one. */
export function roomsOfDestinations({ load, destinations }: Line): ReadonlyMap<string, number> {
  return new Map([...load.perDestination].map(([name, count]) => [name, destinations.inHand(name) - count]));
}

export function deliverInBackground(line: Line, transaction: Transaction): void {
  const destination = transaction.deliveries[0]?.destination ?? '';
  const { organization } = transaction.message;
  count(line, destination, organization, 1);
  void deliverTransaction(line, transaction)
    .catch((error) => {
      // The lease runs out and the delivery is tried again at the time that was set with it.
      line.meter.alarm('stage failed');
      line.log.error({ queueId: transaction.message.id, stage: 'deliver', code: codeOf(error) }, 'delivery failed');
    })
    .finally(() => {
      count(line, destination, organization, -1);
      line.freed('deliver');
    });
}

function count({ load }: Line, destination: string, organization: OrganizationName, by: 1 | -1): void {
  load.delivering += by;
  add(load.perDestination, destination, by);
  add(load.perOrganization, organization, by);
}

function add(counts: Map<string, number>, name: string, by: 1 | -1): void {
  const left = (counts.get(name) ?? 0) + by;
  if (left > 0) counts.set(name, left);
  else counts.delete(name);
}

/** Sends to the recipients of one lease, each in the first way that is possible now, and settles every one of them. */
export async function deliverTransaction(line: Line, transaction: Transaction): Promise<void> {
  const { message, lease, deliveries } = transaction;
  const groups = await choose(line, deliveries);
  const held = holdLease(line, lease, deliveries);
  try {
    for await (const group of chosenAnew(line, deliveries, groups)) {
      const came = await deliverGroup(line, { lease, message, group, held });
      if (came === 'corrupt') {
        await line.queue.corrupt(verbId(line), message.id, 'the body cannot be opened');
        line.meter.alarm('corrupt body');
        line.log.error({ queueId: message.id }, 'the body cannot be opened; its deliveries are held');
        return;
      }
      held.done(group.chosen.map(({ delivery }) => delivery));
    }
  } finally {
    held.stop();
  }
}

/** Each group as it is chosen when its turn comes: while others are sent a key may be revoked, or end. */
async function* chosenAnew(
  line: Line,
  deliveries: readonly Delivery[],
  groups: readonly Group[],
): AsyncGenerator<Group, void, void> {
  for (const [i, group] of groups.entries()) {
    const ids = new Set(group.chosen.map(({ delivery }) => delivery.id));
    if (i === 0 || group.way.kind !== 'variant') yield group;
    else
      yield* await choose(
        line,
        deliveries.filter(({ id }) => ids.has(id)),
      );
  }
}

/** Deliveries of a lease that go together. */
type Sending = {
  readonly lease: Lease;
  readonly message: Message;
  readonly group: Group;
  readonly held: ReturnType<typeof holdLease>;
};

async function deliverGroup(line: Line, sending: Sending): Promise<'settled' | 'corrupt'> {
  const { lease, message, group } = sending;
  const { clocks, built, lifetime } = line.settings();
  let notBefore: Time = 0;
  const outcomes = await attempt(line, sending, (at) => {
    notBefore = at;
  });
  if (outcomes === 'corrupt') return 'corrupt';
  if (outcomes === 'escrowed') {
    const { organization, id: queueId } = message;
    for (const { delivery } of group.chosen) {
      line.log.info({ queueId, organization, delivery: delivery.id, outcome: outcomes }, 'noticing');
    }
    line.wake('deliver');
    return 'settled';
  }
  const now = line.clock.now();
  const using = group.way.kind === 'variant' ? keyName(group.way.key) : undefined;
  const parent = message.origin === 'notice' ? noticeOf(message.cause) : undefined;
  const settlements = group.chosen.map(({ delivery, passed }, i) => ({
    ...settle(delivery, outcomes[i] as Outcome, {
      now,
      clocks,
      built,
      outage: { lifetime, stood: line.outages.stood, away: line.outages.away() },
      fraction: line.random.fraction(),
      notBefore,
      passed,
      ...(using !== undefined && { using }),
    }),
    ...(parent !== undefined && { parent }),
  }));
  const verb = verbId(line);
  // What the peer took must not be forgotten, however long it takes: it would be sent again. Nothing is leased before there is space.
  await untilSpace(line, () => line.queue.settle(verb, lease, settlements), Number.POSITIVE_INFINITY);
  for (const { next } of settlements) if (next.state === 'ready') line.wakeAt('deliver', next.notBefore);
  report(line, message, settlements);
  return 'settled';
}

/** `later`: told when it was not tried, and from when on it may be. */
async function attempt(
  line: Line,
  sending: Sending,
  later: (notBefore: Time) => void,
): Promise<readonly Outcome[] | 'corrupt' | 'escrowed'> {
  const { lease, message, group } = sending;
  const deliveries = group.chosen.map(({ delivery }) => delivery);
  const first = deliveries[0] as Delivery;
  const forAll = (outcome: Outcome) => deliveries.map(() => outcome);
  const { way } = group;
  if (way.kind === 'none') return forAll(way.outcome);
  const protection = protectionsOf(first)[first.step] as Protection;
  if (way.kind === 'portal') {
    const passed = group.chosen.map((one) => one.passed);
    const failed = await escrow(line, { lease, message, deliveries }, protection.level, passed);
    return typeof failed === 'string' ? failed : forAll(failed);
  }
  const entering = line.destinations.enter(first.destination, message.size, message.organization);
  // While it waits another may have the connection.
  if (line.destinations.waiting() > 0) line.freed('deliver');
  const turn = await entering;
  if (turn.kind === 'later') {
    later(turn.notBefore);
    return forAll({ kind: 'unreached', reason: turn.reason, status: '4.4.1' });
  }
  let reached: Reached = 'unknown';
  try {
    return await transfer(line, sending, protection, turn, (what) => {
      reached = what;
      if (what !== 'unknown') line.outages.tried(first.destination, what === 'answered');
    });
  } finally {
    turn.leave(reached);
  }
}

/** Resolved and sent. `note`: told once what it says of the destination. */
async function transfer(
  line: Line,
  sending: Sending,
  protection: Protection,
  { signal, watch }: Attempt,
  note: (reached: Reached) => void,
): Promise<readonly Outcome[] | 'corrupt'> {
  const { message, group, held } = sending;
  const { way } = group;
  const deliveries = group.chosen.map(({ delivery }) => delivery);
  const first = deliveries[0] as Delivery;
  const forAll = (outcome: Outcome) => deliveries.map(() => outcome);
  const route = await line.resolve(first.destination);
  switch (route.kind) {
    case 'barred':
      return forAll({ kind: 'lacking', reason: route.reason, status: '5.7.1', atOnce: true });
    case 'refused':
      return forAll({ kind: 'refused', reply: route.reply });
    case 'unreached':
      note('nobody');
      return forAll({ kind: 'unreached', reason: route.reason, status: route.status });
    case 'hops':
      break;
  }
  const mail = await mailOf(line, message, deliveries, way);
  if (mail === 'corrupt') return mail;
  if ('kind' in mail) return forAll(mail);
  let over = false;
  watch('before the dot');
  try {
    const sent = await line.send({
      hops: route.hops,
      demanded: demandedOf(line, first, protection),
      helo: line.settings().hostname,
      reversePath: message.reversePath,
      recipients: deliveries.map((one) => ({ address: one.recipient, dsn: one.dsn })),
      dsn: message.dsn,
      smtpUtf8: message.smtpUtf8,
      eightBit: mail.eightBit,
      utf8Headers: message.examination?.utf8Headers ?? false,
      size: mail.size,
      body: mail.open,
      beforeDot: () => {
        watch('behind the dot');
        return held.enough();
      },
      signal,
    });
    const outcomes = signal.aborted ? sent.map(leftBehind) : sent;
    const reached = reachedBy(outcomes);
    // A body that broke says nothing of who was to get it; what was stopped is waited for by others.
    note(mail.broken() || (signal.aborted && reached === 'nobody') ? 'unknown' : reached);
    over = outcomes.every(({ kind }) => kind === 'delivered');
    // A variant that was lost is made again at the next attempt; the message itself is not lost with it.
    return mail.broken() && way.kind === 'message' ? 'corrupt' : outcomes;
  } finally {
    await mail.release(over);
  }
}

function leftBehind(outcome: Outcome): Outcome {
  if (outcome.kind !== 'unreached') return outcome;
  return {
    ...outcome,
    reason: `${outcome.reason}: its destination hangs, and has one connection left`,
    status: '4.4.2',
  };
}

/** Only what a hop said, or that none was reached: not what was left in doubt, or was unfit for any. */
function reachedBy(outcomes: readonly Outcome[]): Reached {
  const answered = outcomes.some(
    ({ kind, evidence }) =>
      kind === 'delivered' || kind === 'lacking' || (kind === 'refused' && evidence !== undefined),
  );
  if (answered) return 'answered';
  return outcomes.every(({ kind }) => kind === 'unreached') ? 'nobody' : 'unknown';
}

/** Into the portal; what kept it from that, as an outcome. */
async function escrow(
  line: Line,
  transaction: Transaction,
  level: Level,
  passed: readonly (readonly string[])[],
): Promise<'escrowed' | 'corrupt' | Outcome> {
  try {
    await line.escrow(transaction, level, passed);
    return 'escrowed';
  } catch (error) {
    if (isBodyLost(error)) return 'corrupt';
    line.meter.alarm('stage failed');
    line.log.error({ queueId: transaction.message.id, code: codeOf(error) }, 'the portal could not take a message');
    return { kind: 'unreached', reason: 'the portal could not take it', status: '4.3.0' };
  }
}

/** The delivery that a notice speaks of. */
function noticeOf({ key }: Cause): DeliveryId {
  return key.slice(0, key.indexOf(' ')) as DeliveryId;
}

/** What the hop must show: the decision's level and, for the smart host, the configured one. */
function demandedOf(line: Line, delivery: Delivery, protection: Protection): Level {
  const { smartHost, smartHostLevel } = line.settings();
  return delivery.destination === smartHost ? strongerLevel(protection.level, smartHostLevel) : protection.level;
}

/** Keeps the lease while a transfer runs, and says before the final dot whether enough of it is left. */
function holdLease(
  line: Line,
  lease: Lease,
  deliveries: readonly Delivery[],
): { enough: () => Promise<boolean>; done: (deliveries: readonly Delivery[]) => void; stop: () => void } {
  let ids = deliveries.map((one) => ({ id: one.id, no: lease.no }));
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
    done: (settled) => {
      ids = ids.filter(({ id }) => !settled.some((one) => one.id === id));
    },
    stop: () => clearInterval(timer),
  };
}

function report(line: Line, message: Message, settlements: readonly Settlement[]): void {
  for (const { outcome, next, status, delivery, parent, protection } of settlements) {
    const level = outcome.evidence?.level ?? null;
    const made = parent === undefined ? (protection?.split(':', 1)[0] ?? null) : 'portal';
    line.meter.outcome(outcome.kind, level, made);
    line.log.info(
      { queueId: message.id, organization: message.organization, delivery, outcome: outcome.kind, status, level },
      next.state === 'ready' ? 'deferred' : next.state,
    );
    if (next.state === 'held' && isOurs(message)) line.meter.alarm('staff mail held');
  }
  if (settlements.some(({ next }) => next.state !== 'delivered')) line.wake('notify');
}
