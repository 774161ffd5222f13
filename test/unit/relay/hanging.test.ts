// Six destinations that answered promptly and hang now, over real sockets: the mail of the same organization to others goes on before
// any of them has run into a time-out of RFC 5321. One second takes 50 ms.

import type { Settlement, Transaction } from '../../../src/domain/types.ts';
import { createDestinations } from '../../../src/relay/destinations/destinations.ts';
import type { Line } from '../../../src/relay/line.ts';
import { createSchedule } from '../../../src/relay/schedule.ts';
import { createClient, type SmtpClient } from '../../../src/smtp/client.ts';
import { NO_OUTAGES } from '../../support/outages.ts';
import { type Peer, startPeer } from '../../support/peer.ts';
import { hopTo } from '../../support/sending.ts';

const FASTER = 20;
const HOSTILE = Array.from({ length: 6 }, (_, i) => `six${i}.test`);
const PER_DESTINATION = 4;

/** A line whose queue is a list; `phase`: the command that hostile peers leave without an answer. */
async function begin() {
  const world = { hangsAt: null as string | null };
  const peers = new Map<string, Peer>();
  for (const name of [...HOSTILE, 'good.test', 'new.test']) {
    const on = (line: string) =>
      HOSTILE.includes(name) && world.hangsAt !== null && line.startsWith(world.hangsAt) ? null : undefined;
    peers.set(name, await startPeer({ on, extensions: ['8BITMIME'] }));
  }
  const tls = {};
  const timeouts = { greeting: 300_000 / FASTER, command: 300_000 / FASTER, data: 120_000 / FASTER };
  const client: SmtpClient = createClient({ clock: { now: Date.now }, tls, timeouts });
  const waiting: Transaction[] = [];
  const ended: { readonly destination: string; readonly settlement: Settlement }[] = [];
  const settings = {
    ...{ connections: 20, perDestination: PER_DESTINATION, deliveriesInFlight: 60, recipientsPerTransaction: 1 },
    ...{ examineWaiting: 0, notificationsInFlight: 0, paces: {}, warnAfter: 1, lifetime: 1, organizations: [] },
    ...{ smartHost: null, smartHostLevel: 'may', hostname: 'gw.test', built: ['tls'], clocks: {} },
  };
  const now = () => Math.round(performance.now() * FASTER);
  const after = (ms: number, call: () => void) => {
    const timer = setTimeout(call, ms / FASTER);
    return () => clearTimeout(timer);
  };
  const schedule = createSchedule();
  const line = {
    queue: {
      toExamine: async () => [],
      toNotify: async () => [],
      nextDue: async () => ({ examine: null, deliver: null, notify: null }),
      lease: async (...[, limit, , { notDestinations = [], rooms }]: Parameters<Line['queue']['lease']>) => {
        const taken = new Map<string, number>();
        const out = waiting.filter(({ deliveries }) => {
          const { destination } = deliveries[0]!;
          const has = taken.get(destination) ?? 0;
          if (notDestinations.includes(destination) || has >= (rooms?.get(destination) ?? 1)) return false;
          taken.set(destination, has + 1);
          return true;
        });
        for (const one of out.slice(0, limit)) waiting.splice(waiting.indexOf(one), 1);
        return out.slice(0, limit);
      },
      settle: async (_: string, __: unknown, settlements: readonly Settlement[]) => {
        for (const settlement of settlements)
          ended.push({ destination: settlement.delivery.split(' ')[0] as string, settlement });
      },
    },
    bodies: {
      open: async function* () {
        yield Buffer.from('Subject: hello\r\n\r\nbody\r\n');
      },
    },
    resolve: async (name: string) => ({ kind: 'hops', hops: [hopTo(peers.get(name)!.port, `mx.${name}`, name)] }),
    send: client.send,
    destinations: createDestinations({
      clock: { now },
      fraction: () => 0.5,
      after,
      freed: () => schedule.freed('deliver'),
      bounds: () => settings,
    }),
    load: {
      ...{ incoming: 0, examining: 0, delivering: 0, notifying: 0 },
      ...{ perDestination: new Map(), perOrganization: new Map() },
    },
    ...{
      outages: NO_OUTAGES,
      settings: () => settings,
      owner: 'test',
      clock: { now: Date.now, sleep: async () => {} },
    },
    ...{ random: { bytes: () => Buffer.alloc(1), fraction: () => 0 }, meter: { outcome: () => {}, alarm: () => {} } },
    ...{ log: { info: () => {}, warn: () => {}, error: () => {} } },
    ...{ wake: schedule.wake, wakeAt: () => {}, freed: schedule.freed },
  } as unknown as Line;
  schedule.start(line);
  let count = 0;
  const queue = (destination: string, many = 1) => {
    for (let i = 0; i < many; i++) waiting.push(transactionTo(destination, count++));
    schedule.wake('deliver');
  };
  const delivered = (name: string) =>
    ended.filter(({ destination, settlement }) => destination === name && settlement.next.state === 'delivered').length;
  const close = async () => {
    await Promise.all([...peers.values()].map((peer) => peer.close()));
    await schedule.stop(0);
    await client.close();
  };
  return { world, line, ended, queue, delivered, close };
}

function transactionTo(destination: string, n: number): Transaction {
  const decision = { action: { kind: 'deliver', protections: [{ name: 'tls', level: 'may' }] } };
  const delivery = {
    ...{ id: `${destination} ${n}`, recipient: `ann@${destination}`, destination, decision, organization: 'Clinic' },
    ...{ step: 0, stepSince: null, stepAttempts: 0, attempts: 1, because: '', dsn: {}, expiresAt: 9e15 },
  };
  const message = {
    ...{ id: `m${n}`, origin: 'notice', cause: { key: 'a b' }, organization: 'Clinic', size: 24, dsn: {} },
    ...{ reversePath: '', smtpUtf8: false },
  };
  return { lease: { no: 1, until: 9e15 }, message, deliveries: [delivery] } as unknown as Transaction;
}

async function until(is: () => boolean): Promise<void> {
  while (!is()) await new Promise((wake) => setTimeout(wake, 10));
}

test.each(['MAIL', 'RCPT', 'DATA', '.'])('they answer until %s', async (hangsAt) => {
  const { world, line, ended, queue, delivered, close } = await begin();
  try {
    // However busy this machine is: until each is known to be prompt, and may have all that one may.
    const names = [...HOSTILE, 'good.test'];
    while (names.some((name) => line.destinations.inHand(name) < 2 * PER_DESTINATION)) {
      for (const name of names) queue(name);
      await until(() => line.load.delivering === 0);
    }
    const good = delivered('good.test');
    world.hangsAt = hangsAt;
    for (const name of HOSTILE) queue(name, 10);
    // All that one organization may have.
    await until(() => line.load.delivering - line.destinations.waiting() >= 16);
    queue('good.test', 20);
    queue('new.test', 3);
    await until(() => delivered('good.test') === good + 20 && delivered('new.test') === 3);
    const reasons = ended.flatMap(({ settlement: { outcome } }) =>
      outcome.kind === 'unreached' ? [outcome.reason] : [],
    );
    expect(reasons.filter((reason) => reason.includes('no reply in time'))).toEqual([]);
    // What was sent whole is waited for; all else is left.
    expect(reasons.some((reason) => reason.includes('hangs'))).toBe(hangsAt !== '.');
    expect(ended.filter(({ settlement: { outcome } }) => outcome.kind === 'in doubt')).toEqual([]);
    // One attempt at each goes on.
    expect(HOSTILE.map((name) => line.load.perDestination.get(name) ?? 0).every((count) => count >= 1)).toBe(true);
  } finally {
    await close();
  }
}, 30_000);
