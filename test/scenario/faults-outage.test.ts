// Six hours without a resolver, which is our fault and nobody else's: no clock of a message runs, nobody is told of a delay, nothing goes
// into the portal, and all arrives when it is over. The same when it denies that anything exists. Beside it six hours of one destination,
// and of three while nothing else is tried, whose fault it is.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EntryView } from '../../src/control/views.ts';
import type { Records } from '../support/dns.ts';
import { freePort } from '../support/smtp-sink.ts';
import { startOf, tell } from './faults/wish.ts';
import { CLINIC, openWorld, until, type World } from './world.ts';

const MINUTE = 60_000;
const POLICY = `version: 1
rules:
  - name: all mail
    then: { deliver: [tls, { portal: may }] }
`;
const DOMAINS = ['a.test', 'b.test', 'c.test'];
const FROM_CLINIC = 'Reporting-MTA';

let folder: string;
let world: World;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sealrelay-outage-'));
  const port = await freePort();
  world = await openWorld({
    policy: POLICY,
    port,
    domains: {
      ...Object.fromEntries([...DOMAINS, 'dead.test', 'well.test'].map((name) => [name, 'usual' as const])),
      ...Object.fromEntries(['dead1.test', 'dead2.test', 'dead3.test'].map((name) => [name, 'none' as const])),
    },
    start: startOf(join(folder, 'socket')),
    config: {
      listen: {
        smtp: { address: '127.0.0.1', port, tls: 'required' },
        portal: { address: '127.0.0.1', port: await freePort() },
      },
      queue: { warn_sender_after: '4h' },
      limits: { connections_per_minute: 100_000 },
    },
  });
}, 60_000);
afterAll(async () => {
  await world?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Time goes by, an hour at a time at most, and each time something is tried. */
async function pass(minutes: number): Promise<void> {
  for (let left = minutes; left > 0; left -= 60) {
    await tell(join(folder, 'socket'), { passes: Math.min(left, 60) * MINUTE });
    const asked = world.dns.asked.length;
    await until(() => world.dns.asked.length > asked, 'tried');
  }
}

/** The resolver answers nothing about these. Gives how it is put right. */
function silence(names: readonly string[]): () => void {
  const { zones } = world.dns;
  const right: Record<string, Records> = { ...zones };
  for (const name of Object.keys(zones)) {
    if (names.some((one) => name === one || name === `mx.${one}`)) zones[name] = { ...zones[name], fault: 'silent' };
  }
  return () => void Object.assign(zones, right);
}

/** The resolver says of every name that it does not exist. Gives how it is put right. */
function deny(): () => void {
  const { zones } = world.dns;
  const right: Record<string, Records> = { ...zones };
  for (const name of Object.keys(zones)) delete zones[name];
  return () => void Object.assign(zones, right);
}

async function entries(): Promise<EntryView[]> {
  const { out } = await world.run('log', 'export');
  return out.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as EntryView]));
}

/** It was tried and was not reached. */
async function putOff(id: string): Promise<void> {
  await until(async () => {
    const [one] = (await world.show(id)).deliveries;
    return one!.state === 'ready' && one!.attempts > 0;
  }, 'put off');
}

const mailsInAll = (): number => DOMAINS.reduce((sum, domain) => sum + mailsAt(domain), 0);
/** What the clinic was told of delays. */
const told = () => world.peer(CLINIC).mails.filter(({ data }) => data.includes(FROM_CLINIC));
const began = (): number => world.gateway().log().split('no destination can be reached').length;
const mailsAt = (domain: string): number => world.peer(domain).mails.length;

/** Outages that the audit has seen begin. */
const outages = async (): Promise<number> => (await entries()).filter(({ event }) => event === 'outage.began').length;

test('three destinations that are dead, and nothing else is tried: the fault is theirs', async () => {
  const dead = ['dead1.test', 'dead2.test', 'dead3.test'];
  const ids = await Promise.all(dead.map((domain) => world.send({ to: [`late@${domain}`] })));
  for (const id of ids) await putOff(id);
  const asked = world.dns.asked.length;
  await pass(6);
  await until(() => world.dns.asked.slice(asked).includes(`udp MX ${CLINIC}`), 'our own domain asked');
  await pass(5 * 60);
  await until(() => told().length === dead.length, 'told');
  expect(await outages()).toBe(0);
  await world.run('queue', 'drop', ...ids, '--reason', 'a test', '--yes');
}, 60_000);

test.each<[string, () => () => void]>([
  ['without a resolver', () => silence([...DOMAINS, CLINIC])],
  ['with a resolver that denies that anything exists', deny],
])(
  'six hours %s',
  async (_, begin) => {
    const before = { told: told().length, outages: await outages(), mails: mailsInAll(), log: began() };
    const end = begin();
    const early = await Promise.all(DOMAINS.map((domain) => world.send({ to: [`early@${domain}`] })));
    for (const id of early) await putOff(id);
    await pass(6);
    await until(() => began() > before.log, 'an outage');
    const late = await Promise.all(
      Array.from({ length: 20 }, (_, i) => world.send({ to: [`late${i}@${DOMAINS[i % 3]}`] })),
    );
    await pass(6 * 60);
    const views = await Promise.all([...early, ...late].map((id) => world.show(id)));
    for (const { deliveries } of views) expect(deliveries[0]!.state).toMatch(/^(ready|leased)$/);
    expect((await world.run('status')).out).toContain('own outage');
    end();
    await until(
      async () => {
        await tell(join(folder, 'socket'), { passes: 6 * MINUTE });
        return mailsInAll() - before.mails === views.length;
      },
      () => `here: ${DOMAINS.map(mailsAt)}`,
    );
    const ofThese = new Set([...early, ...late]);
    const events = (await entries()).filter(({ queueId }) => queueId === null || ofThese.has(queueId));
    expect(await outages()).toBe(before.outages + 1);
    for (const one of ['delivery.told', 'delivery.noticing', 'delivery.bounced', 'clock.jumped'])
      expect(events.map(({ event }) => event)).not.toContain(one);
    expect(told()).toHaveLength(before.told);
  },
  90_000,
);

test('six hours of one destination, while another answers: the sender is told', async () => {
  silence(['dead.test']);
  const toldBefore = told().length;
  const outagesBefore = await outages();
  const id = await world.send({ to: ['late@dead.test'] });
  await putOff(id);
  const before = mailsAt('well.test');
  for (let hour = 1; hour <= 6; hour++) {
    await tell(join(folder, 'socket'), { passes: 60 * MINUTE });
    await world.send({ to: [`hour${hour}@well.test`] });
    await until(() => mailsAt('well.test') === before + hour, 'here');
  }
  await until(() => told().length > toldBefore, 'told');
  expect(told().at(-1)!.data).toContain('Action: delayed');
  expect(await outages()).toBe(outagesBefore);
}, 60_000);
