// `sealrelay portal` against control over a real store, by its local sockets: what a person sees, and what is audited.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Control, createControl } from '../../../src/control/control.ts';
import type { ControlDeps } from '../../../src/control/deps.ts';
import { openSockets, type Sockets } from '../../../src/control/socket.ts';
import type { Address, QueueId } from '../../../src/domain/ids.ts';
import { random } from '../../support/vault.ts';
import { CLINIC, DAY, HOST, openWorld, PATIENT, PRACTICE, type World } from '../portal/world.ts';
import { run } from './run.ts';

const TOKEN_FILE = process.env.SEALRELAY_TOKEN_FILE;
const BOB = 'bob@oldmail.demo' as Address;

let world: World;
let control: Control;
let sockets: Sockets;
let tokens: { admin: string; auditor: string };

async function operator(name: string, role: string, token = ''): Promise<string> {
  const request = { token, command: 'user.add', args: { name, role } };
  return ((await control.perform('control', request, async () => {})) as { token: string }).token;
}

function as(role: 'admin' | 'auditor'): void {
  process.env.SEALRELAY_TOKEN_FILE = join(world.folder, role);
  writeFileSync(process.env.SEALRELAY_TOKEN_FILE, tokens[role], { mode: 0o600 });
}

beforeAll(async () => {
  world = await openWorld();
  const { store, clock, line } = world;
  const deps = {
    ...{ queue: store.queue, parcels: store.parcels, audit: store.audit, accounts: store.accounts },
    ...{ clock, random, log: line.log, organizations: () => [CLINIC, PRACTICE], fourEyes: () => [] },
    status: async () => ({ node: 'gw' }),
  };
  control = createControl(deps as unknown as ControlDeps);
  const admin = await operator('ann', 'admin');
  tokens = { admin, auditor: await operator('bob', 'auditor', admin) };
  sockets = await openSockets({ control, folder: world.folder, groups: {}, log: line.log });
});
beforeEach(() => as('admin'));
afterAll(async () => {
  await sockets.close();
  await world.close();
  if (TOKEN_FILE === undefined) delete process.env.SEALRELAY_TOKEN_FILE;
  else process.env.SEALRELAY_TOKEN_FILE = TOKEN_FILE;
});

const portal = (...args: string[]) => run('portal', ...args, '--socket', world.folder);
const rowsOf = (out: string) =>
  out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

async function waiting(to: readonly Address[] = [PATIENT]) {
  const { transaction, links } = await world.parcels({ to });
  const deliveries = transaction.deliveries.map(({ id }) => id);
  const ids = await Promise.all(deliveries.map(async (id) => (await world.store.parcels.ofDelivery(id))!.id));
  return { ids: ids as [string, ...string[]], deliveries, links, message: transaction.message.id };
}
const entryOf = async (message: QueueId, event: string) =>
  (await world.store.audit.trace(message)).find((entry) => entry.event === event);

test('list: what can still be opened or extended, newest first; by state, recipient and organization', async () => {
  const one = await waiting([PATIENT, BOB]);
  const two = await waiting();
  await world.store.parcels.retract('cd'.repeat(16), one.ids[0], { actor: 'ann', reason: 'test' });
  const all = rowsOf((await portal('list', '--json')).out);
  expect(all.map(({ parcel }) => parcel).slice(0, 2)).toEqual([two.ids[0], one.ids[1]]);
  expect(all.map(({ parcel }) => parcel)).not.toContain(one.ids[0]);
  expect(all[0]).toMatchObject({
    ...{
      delivery: two.deliveries[0],
      queueId: two.message,
      organization: CLINIC,
      recipient: PATIENT,
      state: 'waiting',
    },
    ...{ sender: 'lee@clinic.example', opened: null, level: 'encrypt', messageId: '<orig@clinic.example>' },
    expires: new Date(world.clock.now() + 30 * DAY).toISOString(),
  });
  const gone = rowsOf((await portal('list', '--state', 'retracted', '--json')).out);
  expect(gone).toEqual([expect.objectContaining({ parcel: one.ids[0], state: 'retracted' })]);
  const bobs = rowsOf((await portal('list', '--recipient', 'BOB@oldmail.demo', '--json')).out);
  expect(bobs.map(({ parcel }) => parcel)).toEqual([one.ids[1]]);
  expect(rowsOf((await portal('list', '--organization', PRACTICE, '--json')).out)).toEqual([]);
  expect(rowsOf((await portal('list', '--limit', '1', '--json')).out)).toHaveLength(1);
  const shown = await portal('list', '--recipient', BOB);
  expect(shown.out).toMatch(/^PARCEL +STATE +SENDER +RECIPIENT/);
  expect(shown.err).toContain('1 parcel; next: sealrelay portal show ID');
});

test('what was looked for is in the audit, the address boxed', async () => {
  await portal('list', '--recipient', 'nobody@secret.demo');
  const entries = await world.store.audit.read(null, 10_000);
  const entry = entries.findLast(({ event }) => event === 'log.searched');
  expect(entry).toMatchObject({ actor: 'ann', boxed: { recipient: 'nobody@secret.demo' } });
  expect(entry?.detail).toMatchObject({ what: 'portal', recipientDomain: 'secret.demo' });
  expect(JSON.stringify(entry?.detail)).not.toContain('nobody');
});

test('show: by parcel or delivery, and never its subject or link', async () => {
  const { ids, deliveries, links, message } = await waiting();
  const shown = await portal('show', ids[0]);
  expect(shown.code).toBe(0);
  expect(shown.out).toContain('Dr. Lee <lee@clinic.example>');
  const json = await portal('show', deliveries[0] as string, '--json');
  expect(rowsOf(json.out)).toEqual([expect.objectContaining({ parcel: ids[0], state: 'waiting' })]);
  for (const { out } of [shown, json]) {
    expect(out).not.toContain('canary');
    expect(out).not.toContain(links[0]);
  }
  expect(await entryOf(message, 'message.viewed')).toMatchObject({ actor: 'ann', detail: { what: 'portal show' } });
  const missing = await portal('show', 'a'.repeat(26));
  expect(missing).toMatchObject({ code: 1, out: '' });
  expect(missing.err).toContain('next: sealrelay portal list');
  expect((await portal('show', 'x')).code).toBe(2);
  expect(shown.err).toContain(`next: sealrelay trace ${message}`);
  const ofMessage = await portal('show', message);
  expect(ofMessage).toMatchObject({ code: 2, err: expect.stringContaining('this is a queue id') });
  expect(ofMessage.err).toContain(`next: sealrelay queue show ${message}`);
});

test('extend: from now on, links stay; never shorter', async () => {
  const { ids, links, message } = await waiting();
  const dry = await portal('extend', ids[0], '--days', '60', '--dry-run', '--json');
  expect(rowsOf(dry.out)).toEqual([{ dryRun: true, changed: 1, parcels: [ids[0]], refused: 0, refusals: [] }]);
  expect(await entryOf(message, 'portal.extended')).toBeUndefined();
  const done = await portal('extend', ids[0], '--days', '60', '--reason', 'on holiday');
  expect(done).toMatchObject({ code: 0, out: '✓ extend: 1 parcel, 0 refused\n' });
  const door = await world.portal.door(HOST, 'link', links[0] as string);
  expect(door?.expiresAt).toBe(world.clock.now() + 60 * DAY);
  const entry = await entryOf(message, 'portal.extended');
  expect(entry?.actor).toBe('ann');
  expect(JSON.stringify(entry?.boxed)).toContain('on holiday');
  expect(JSON.stringify(entry?.detail)).not.toContain('on holiday');
  const shorter = await portal('extend', ids[0], '--days', '10');
  expect(shorter.code).toBe(1);
  expect(shorter.out).toContain('it waits until');
  const some = await portal('extend', ids[0], 'a'.repeat(26), '--days', '90');
  expect(some.code).toBe(3);
  expect(some.out).toContain('there is no such parcel');
  for (const days of ['0', '366', 'x', '1.5']) expect((await portal('extend', ids[0], '--days', days)).code).toBe(2);
  expect((await portal('extend', ids[0])).code).toBe(2);
});

test('retract: needs a reason and a yes; then no link opens it', async () => {
  const { ids, deliveries, links, message } = await waiting([PATIENT, BOB]);
  expect((await portal('retract', ids[0], '--yes')).err).toContain('retract needs --reason');
  const unasked = await portal('retract', ids[0], '--reason', 'wrong person');
  expect(unasked.code).toBe(2);
  expect(unasked.err).toContain('--yes');
  const dry = await portal('retract', ids[0], '--dry-run');
  expect(dry.out).toContain('would retract: 1 parcel');
  expect(await world.portal.door(HOST, 'link', links[0] as string)).not.toBeNull();
  const twice = [ids[0], deliveries[0] as string];
  const done = await portal('retract', ...twice, '--reason', 'wrong person', '--yes', '--json');
  expect(rowsOf(done.out)).toEqual([{ dryRun: false, changed: 1, parcels: [ids[0]], refused: 0, refusals: [] }]);
  expect(await world.portal.door(HOST, 'link', links[0] as string)).toMatchObject({ state: 'retracted' });
  expect(await world.portal.door(HOST, 'link', links[1] as string)).not.toBeNull();
  const entry = await entryOf(message, 'portal.retracted');
  expect(entry?.actor).toBe('ann');
  expect(JSON.stringify(entry?.boxed)).toContain('wrong person');
  const again = await portal('retract', ids[0], '--reason', 'x', '--yes');
  expect(again.code).toBe(1);
  expect(again.out).toContain('it is retracted');
  expect((await portal('extend', ids[0], '--days', '60')).out).toContain('it is retracted');
});

test('an auditor reads and changes nothing', async () => {
  const { ids } = await waiting();
  as('auditor');
  expect((await portal('list', '--json')).code).toBe(0);
  expect((await portal('show', ids[0], '--json')).code).toBe(0);
  for (const verb of [
    ['extend', '--days', '60'],
    ['retract', '--reason', 'x', '--yes'],
  ]) {
    const ran = await portal(verb[0] as string, ids[0], ...verb.slice(1));
    expect(ran.code).toBe(1);
    expect(ran.err).toContain('an auditor reads and changes nothing');
  }
});
