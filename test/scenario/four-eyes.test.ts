// What takes another operator: who asks does not confirm, what was confirmed is what is done, once; break-glass at once, listed
// until reviewed.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { fingerprintOf, newToken } from '../../src/control/tokens.ts';
import { random } from '../support/vault.ts';
import { CLINIC, openWorld, type World } from './world.ts';

const POLICY = `version: 1
rules:
  - name: held
    when: { recipient_domain: held.test }
    then: hold
  - name: rest
    then: { deliver: [{ tls: encrypt }] }
`;

let world: World;

/** As the operator of that name. */
const as = (name: string, ...args: string[]) => {
  process.env.SEALRELAY_TOKEN_FILE = join(world.files.folder, name);
  return world.run(...args);
};
const idIn = (text: string) => /approvals confirm ([0-9a-f]{8})/.exec(text)?.[1] ?? '';
const listed = async () =>
  (await as('ann', 'approvals', 'list', '--json')).out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { id: string; state: string; command: string; failed: boolean });
const hold = async () => {
  const id = await world.send({ to: ['pat@held.test'], subject: 'x' });
  await world.reaches(id, 'held');
  return id;
};
const stateOf = async (id: string) => (await world.show(id)).deliveries.map((one) => one.state);
const drop = (who: string, id: string, ...more: string[]) =>
  as(who, 'queue', 'drop', id, '--reason', 'test', '--yes', ...more);

beforeAll(async () => {
  world = await openWorld({
    policy: POLICY,
    domains: { 'held.test': 'usual' },
    config: { four_eyes: ['drop', 'anchors', 'retention'] },
  });
  // Alone, the first may add another.
  const ann = process.env.SEALRELAY_TOKEN_FILE!;
  const added = await world.run('user', 'add', 'bob', '--role', 'admin', '--write', join(world.files.folder, 'bob'));
  expect(added.code).toBe(0);
  writeFileSync(join(world.files.folder, 'ann'), readFileSync(ann), { mode: 0o600 });
});

afterAll(() => world?.close());

test('a drop waits for another operator, then is done once, by who asked', async () => {
  const id = await hold();
  const asked = await drop('ann', id);
  expect(asked).toMatchObject({
    code: 4,
    err: expect.stringContaining('this takes another operator (four_eyes: drop)'),
  });
  const approval = idIn(asked.err);
  expect(idIn((await drop('ann', id)).err)).toBe(approval);
  expect(await stateOf(id)).toEqual(['held']);

  const own = await as('ann', 'approvals', 'confirm', approval, '--reason', 'me again');
  expect(own).toMatchObject({ code: 1, err: expect.stringContaining('another operator has to do that') });
  const list = await as('bob', 'approvals', 'list');
  expect(list.out).toContain(`${approval}  waiting     ops`);
  expect(list.out).toContain(`queue.drop ids=["${id}"]`);
  expect((await as('bob', 'approvals', 'confirm', approval, '--reason', 'looked at it')).code).toBe(0);
  // For bob it was not confirmed, and for another message neither.
  expect((await drop('bob', id)).code).toBe(4);
  const other = await hold();
  expect((await drop('ann', other)).code).toBe(4);

  expect((await drop('ann', id)).code).toBe(0);
  expect(await stateOf(id)).toEqual(['dropped']);
  expect((await listed()).some((one) => one.id === approval)).toBe(false);
  const again = await as('bob', 'approvals', 'confirm', approval, '--reason', 'twice');
  expect(again).toMatchObject({ code: 1, err: expect.stringContaining('is used') });
  for (const one of await listed()) await as('bob', 'approvals', 'refuse', one.id, '--reason', 'no');
  expect(await listed()).toEqual([]);
});

test('what only looks is not stopped', async () => {
  const id = await hold();
  const tried = await as('ann', 'queue', 'drop', id, '--reason', 'test', '--dry-run');
  expect(tried.code).toBe(0);
  expect(await listed()).toEqual([]);
});

test('break-glass is done at once, raises an alarm, and stays listed until another reviewed it', async () => {
  const id = await hold();
  expect((await drop('ann', id, '--break-glass')).code).toBe(0);
  expect(await stateOf(id)).toEqual(['dropped']);
  const [glass, ...more] = await listed();
  expect(more).toEqual([]);
  expect(glass).toMatchObject({ state: 'unreviewed', command: 'queue.drop' });
  const status = JSON.parse((await as('ann', 'status', '--json')).out) as { alarms: { name: string }[] };
  expect(status.alarms.map(({ name }) => name)).toContain('break-glass used');
  expect((await as('ann', 'approvals', 'review', glass!.id, '--reason', 'fine')).code).toBe(1);
  expect((await as('bob', 'approvals', 'review', glass!.id, '--reason', 'was right')).code).toBe(0);
  expect(await listed()).toEqual([]);
});

test('break-glass that failed, or changed nothing, is listed as that', async () => {
  const nothing = '05tq3m8k2v0c9a1b2c3d4e5f';
  expect((await drop('ann', nothing, '--break-glass')).code).not.toBe(4);
  await as('ann', 'log', 'hold', 'remove', 'none', '--reason', 'test', '--break-glass');
  const both = await listed();
  expect(both.map(({ command }) => command)).toEqual(expect.arrayContaining(['log.hold.remove']));
  expect(both.every(({ state, failed }) => state === 'unreviewed' && failed)).toBe(true);
  expect((await as('bob', 'approvals', 'list')).out).toContain('failed');
  for (const one of both) expect((await as('bob', 'approvals', 'review', one.id, '--reason', 'seen')).code).toBe(0);
  expect(await listed()).toEqual([]);
  expect((await as('ann', 'log', 'export')).out).toContain('"event":"approval.failed"');
});

test('nobody makes a second self: operators take another operator though they are not listed', async () => {
  const token = newToken(random);
  writeFileSync(join(world.files.folder, 'eve'), token, { mode: 0o600 });
  const own = fingerprintOf(token);
  const add = (...more: string[]) => as('ann', 'user', 'add', 'eve', '--role', 'admin', ...more);
  // Who asks may not see the token: its owner makes it.
  for (const more of [[], ['--break-glass', '--reason', 'now']])
    expect(await add(...more)).toMatchObject({ code: 2, err: expect.stringContaining('eve: sealrelay user token') });
  expect(await add('--fingerprint', 'abc')).toMatchObject({ code: 2 });
  const asked = await add('--fingerprint', own);
  expect(asked.code).toBe(4);
  expect((await as('bob', 'approvals', 'refuse', idIn(asked.err), '--reason', 'who is eve?')).code).toBe(0);
  const again = await add('--fingerprint', own);
  expect(again.code).toBe(4);
  expect((await as('ann', 'user', 'list')).out).not.toContain('eve');
  expect((await as('bob', 'approvals', 'list')).out).toContain(`fingerprint=${own}`);
  expect((await as('bob', 'approvals', 'confirm', idIn(again.err), '--reason', 'eve read it to me')).code).toBe(0);
  const done = await add('--fingerprint', own);
  expect(done).toMatchObject({ code: 0, out: '' });
  expect((await as('eve', 'user', 'list')).out).toContain('eve');
  const removal = await as('ann', 'user', 'remove', 'eve', '--reason', 'test');
  await as('bob', 'approvals', 'confirm', idIn(removal.err), '--reason', 'ok');
  expect((await as('ann', 'user', 'remove', 'eve', '--reason', 'test')).code).toBe(0);
});

const write = (more: object) => {
  const config = parse(readFileSync(world.files.config, 'utf8')) as object;
  writeFileSync(world.files.config, stringify({ ...config, ...more }));
};

test.each([
  'keep',
  'expires',
])('portal.%s destroys as retention does, and takes another operator as that', async (key) => {
  const before = readFileSync(world.files.config, 'utf8');
  write({ portal: { [key]: '1 hour' } });
  const asked = await as('ann', 'reload');
  writeFileSync(world.files.config, before);
  expect(asked).toMatchObject({ code: 4, err: expect.stringContaining('four_eyes: retention') });
  await as('bob', 'approvals', 'refuse', idIn(asked.err), '--reason', 'no');
});

test('what nothing opens is discarded by two, as a drop', async () => {
  const asked = await as('ann', 'recover', '--discard', '--reason', 'test', '--yes');
  expect(asked).toMatchObject({ code: 4, err: expect.stringContaining('four_eyes: drop') });
  await as('bob', 'approvals', 'refuse', idIn(asked.err), '--reason', 'no');
});

test('a drop by a condition is confirmed for what it meant then', async () => {
  const first = await hold();
  const all = () => as('ann', 'queue', 'drop', '--domain', 'held.test', '--reason', 'test', '--yes');
  const asked = idIn((await all()).err);
  expect(idIn((await all()).err)).toBe(asked);
  await as('bob', 'approvals', 'confirm', asked, '--reason', 'that one');
  const second = await hold();
  const other = await all();
  expect(other.code).toBe(4);
  expect([await stateOf(first), await stateOf(second)]).toEqual([['held'], ['held']]);
  await as('bob', 'approvals', 'confirm', idIn(other.err), '--reason', 'these too');
  expect((await all()).code).toBe(0);
  expect([await stateOf(first), await stateOf(second)]).toEqual([['dropped'], ['dropped']]);
});

test('who is told of alarms is not taken out by one alone; another is added by one', async () => {
  const reloaded = async (to: string[]) => {
    write({ alerts: { to } });
    return as('ann', 'reload');
  };
  const own = CLINIC;
  expect(await reloaded([`it@${own}`])).toMatchObject({ code: 0 });
  expect(await reloaded([`it@${own}`, `lead@${own}`])).toMatchObject({ code: 0 });
  for (const to of [[], [`lead@${own}`]]) {
    const asked = await reloaded(to);
    expect(asked).toMatchObject({ code: 4, err: expect.stringContaining('four_eyes') });
    await as('bob', 'approvals', 'refuse', idIn(asked.err), '--reason', 'no');
  }
  expect(await reloaded([`it@${own}`, `lead@${own}`])).toMatchObject({ code: 0 });
});

test('a reload that changes what is guarded, the list itself above all; what was confirmed must still be what is read', async () => {
  write({ four_eyes: [] });
  const asked = await as('ann', 'reload');
  expect(asked).toMatchObject({ code: 4, err: expect.stringContaining('four_eyes') });
  // A signal brings it in as little.
  world.gateway().child.kill('SIGHUP');
  await as('bob', 'approvals', 'confirm', idIn(asked.err), '--reason', 'agreed');
  write({ four_eyes: [], anchors: { file: join(world.files.folder, 'anchors') } });
  const other = await as('ann', 'reload');
  expect(other.code).toBe(4);
  expect(idIn(other.err)).not.toBe(idIn(asked.err));
  write({ four_eyes: [], anchors: {} });
  expect((await as('ann', 'reload')).code).toBe(0);
  const id = await hold();
  expect((await drop('ann', id)).code).toBe(0);
});

test('the audit verifies', async () => {
  const verified = await as('ann', 'log', 'verify', '--json');
  expect(JSON.parse(verified.out)).toMatchObject({ intact: true });
});
