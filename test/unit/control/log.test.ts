// The audit trail as people search it: every filter, page after page, and each look recorded before it is answered.

import type { DeliveryId } from '../../../src/domain/ids.ts';
import type { Level, Settlement } from '../../../src/domain/types.ts';
import { CLINIC, DELIVER, type Desk, OWNER, openDesk, PRACTICE } from './desk.ts';

const MAY = { name: 'tls', level: 'may' } as const;

const DAY = 86_400_000;
let desk: Desk;
let ids: Record<'first' | 'second' | 'third' | 'old' | 'held', string>;
beforeAll(async () => {
  desk = await openDesk();
  await desk.operators();
  // In order of time, as they would come.
  const old = await desk.send({ to: ['ann@a.test'], action: DELIVER, age: 30 * DAY });
  const third = await desk.send({ organization: PRACTICE, to: ['carl@c.test'], action: DELIVER, age: DAY });
  const first = await desk.send({ to: ['ann@a.test', 'bob@b.test'], action: DELIVER, rule: 'plain' });
  const second = await desk.send({ to: ['ann@a.test'], from: 'kim@clinic.test', action: DELIVER, rule: 'other' });
  const held = await desk.send({ to: ['dora@d.test'], action: { kind: 'hold' } });
  ids = { first, second, third, old, held };
});
afterAll(() => desk.close());

const search = async (args: object) => (await desk.ask('log.search', args)).rows;
const found = async (args: object) => (await search(args)).map((row) => row.delivery).sort();
const of = (...names: string[]) =>
  names
    .map((name) => {
      const [message, index = '0'] = name.split('.') as [keyof typeof ids, string?];
      return `${ids[message]}.${index}`;
    })
    .sort();
const NOON = Date.UTC(2026, 4, 1, 12);

test.each<[string, () => object, string[]]>([
  ['nothing: the last 48 hours', () => ({}), ['first.0', 'first.1', 'second', 'third', 'held']],
  ['since', () => ({ since: 0 }), ['first.0', 'first.1', 'second', 'third', 'held', 'old']],
  ['until', () => ({ since: 0, until: NOON - 2 * DAY }), ['old']],
  ['organization', () => ({ organization: PRACTICE }), ['third']],
  ['sender, in any case', () => ({ sender: 'Kim@Clinic.test' }), ['second']],
  ['recipient', () => ({ recipient: 'ann@a.test' }), ['first.0', 'second']],
  ['domain, in any case', () => ({ domain: 'B.TEST' }), ['first.1']],
  ['queue id, however old', () => ({ id: ids.old }), ['old']],
  ['state', () => ({ states: ['held'] }), ['held']],
  ['states', () => ({ states: ['held', 'ready'], organization: CLINIC }), ['first.0', 'first.1', 'second', 'held']],
  ['rule', () => ({ rule: 'other' }), ['second']],
  ['several, all of which must hold', () => ({ recipient: 'ann@a.test', rule: 'plain' }), ['first.0']],
  ['what nobody has', () => ({ recipient: 'nobody@a.test' }), []],
])('by %s', async (_, args, expected) => {
  expect(await found(args())).toEqual(of(...expected));
});

test('by protection: how a delivery went; none where the connection had no TLS', async () => {
  const clear = await desk.send({ to: ['ann@clear.test'], action: { kind: 'deliver', protections: [MAY] } });
  const safe = await desk.send({ to: ['ann@safe.test'], action: DELIVER });
  for (const { lease, message, deliveries } of await desk.store.queue.lease(OWNER, 50, NOON + DAY, {
    recipients: 50,
  })) {
    const level = message.id === clear ? null : message.id === safe ? 'verify' : undefined;
    if (level !== undefined)
      await desk.store.queue.settle(
        message.id,
        lease,
        deliveries.map((one) => delivered(one.id, level)),
      );
  }
  expect(await found({ protection: 'none' })).toEqual([`${clear}.0`]);
  expect(await search({ protection: 'tls', states: ['delivered'] })).toMatchObject([
    { delivery: `${safe}.0`, protection: 'tls', level: 'verify' },
  ]);
  expect(await found({ protection: 'pgp' })).toEqual([]);
});

test('pages follow each other without a gap, newest first, up to the limit', async () => {
  const to = Array.from({ length: 700 }, (_, i) => `p${i}@many.test`);
  for (let i = 0; i < 2; i++) await desk.send({ to, action: DELIVER });
  const { data, rows } = await desk.ask('log.search', { domain: 'many.test' });
  expect(data).toMatchObject({ rows: 1400 });
  expect(new Set(rows.map((row) => row.delivery)).size).toBe(1400);
  const times = rows.map((row) => String(row.accepted));
  expect(times).toEqual([...times].sort().reverse());
  expect((await desk.ask('log.search', { domain: 'many.test', limit: 501 })).rows).toEqual(rows.slice(0, 501));
});

test.each([
  ['an id that is none', { id: 'x' }],
  ['a state that is none', { states: ['queued'] }],
  ['an address for a domain', { domain: 'ann.smith@example.org' }],
  ['another name', { subject: 'x' }],
  ['a limit of 0', { limit: 0 }],
])('%s is not understood', async (_, args) => {
  await expect(desk.ask('log.search', args)).rejects.toMatchObject({ code: 'usage' });
});

test('a search stands in the audit before its rows are given; addresses in it are boxed', async () => {
  let seen: unknown;
  const request = { token: desk.tokens.auditor, command: 'log.search', args: { recipient: 'ann@a.test', limit: 1 } };
  await desk.control.perform('read', request, async () => {
    seen ??= await lastEntry();
  });
  expect(seen).toMatchObject({
    event: 'log.searched',
    actor: 'bob',
    detail: { what: 'log', recipientDomain: 'a.test' },
    boxed: { recipient: 'ann@a.test' },
  });
  expect(JSON.stringify((seen as { detail: object }).detail)).not.toContain('ann@');
});

test('whatever stands in the wrong place, no address stands clear', async () => {
  const address = 'ann.smith@example.org';
  await desk.ask('log.search', { organization: address, rule: address });
  expect(JSON.stringify({ ...(await lastEntry()), boxed: null })).not.toContain('ann.smith');
  await desk.ask('queue.list', { organization: address });
  expect(JSON.stringify({ ...(await lastEntry()), boxed: null })).not.toContain('ann.smith');
});

test('an export gives the whole chain in order, itself at its end', async () => {
  const { data, rows } = await desk.ask('log.export');
  expect(rows).toHaveLength((data as { entries: number }).entries);
  expect(rows.map((row) => row.seq)).toEqual(rows.map((_, i) => i + 1));
  expect(rows.at(-1)).toMatchObject({ event: 'log.exported', actor: 'ann' });
});

test('verify finds the chain intact, and says that it looked', async () => {
  const { data } = await desk.ask('log.verify');
  expect(data).toMatchObject({ intact: true });
  expect(await lastEntry()).toMatchObject({ event: 'log.verified', actor: 'ann' });
});

test('a trace is a timeline of one message', async () => {
  const { data } = await desk.ask('trace', { id: ids.first });
  const { entries, recipients } = data as { entries: { event: string; queueId: string }[]; recipients: unknown[] };
  expect(recipients).toHaveLength(2);
  expect(new Set(entries.map((one) => one.queueId))).toEqual(new Set([ids.first]));
  expect(entries[0]!.event).toBe('message.accepted');
  expect(JSON.stringify(data)).not.toContain('canary subject');
});

async function lastEntry() {
  const all = await desk.store.audit.read(null, 10_000);
  return all.at(-1)!;
}

function delivered(delivery: DeliveryId, level: Level | null): Settlement {
  const evidence = { hop: 'mx', address: '192.0.2.1', port: 25, mx: 'mx', level };
  const reply = { code: 250, enhanced: '2.0.0', text: 'ok' };
  const outcome = { kind: 'delivered', reply, evidence } as const;
  return {
    delivery,
    outcome,
    next: { state: 'delivered' },
    because: 'ok',
    status: '2.0.0',
    step: 0,
    protection: 'tls',
  };
}
