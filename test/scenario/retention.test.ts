// A real gateway grows old: its clock is moved over the ends of two months, of which it keeps one. What was sent is found all the
// while, until its term is over; a legal hold keeps it; one person's detail is erased; verifying says what is gone.

import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sealrelay } from '../support/gateway.ts';
import { openWorld, until, type World } from './world.ts';

const ORGANIZATION = 'Clinic';
const SHIFT = fileURLToPath(new URL('../support/clock-shift.ts', import.meta.url));
const POLICY = 'version: 1\nrules:\n  - name: all\n    then: { deliver: [{ tls: may }] }\n';
const now = new Date();
const NEXT_MONTH = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 4);
const MONTH = now.toISOString().slice(0, 7);
/** The term counts from the end of the month. */
const LATER = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 2, 4);

let world: World;
let kim: string;
let sam: string;
const file = (name: string) => join(world.files.folder, name);
const audit = () => join(world.files.storage, 'audit');

beforeAll(async () => {
  world = await openWorld({
    policy: POLICY,
    domains: { 'plain.test': 'usual' },
    config: { anchors: { file: 'anchors.jsonl' }, retention: { audit: '1 month' } },
  });
  writeFileSync(file('audit.pub'), (await world.run('log', 'key')).out);
  kim = await world.send({ to: ['kim@plain.test'] });
  sam = await world.send({ to: ['sam@plain.test'] });
  await world.reaches(kim, 'delivered');
  await world.reaches(sam, 'delivered');
}, 60_000);

afterAll(async () => {
  await world?.close();
});

/** Starts it again with the clock at that time. */
async function startAt(time: number): Promise<void> {
  await world.restart({ flags: ['--import', SHIFT], env: { SHIFT_MS: String(time - Date.now()) } });
}

const logged = (words: string) => world.gateway().log().includes(words);
const verify = () => world.run('log', 'verify', '--anchors', file('anchors.jsonl'), '--key', file('audit.pub'));

test('no month is closed while it lasts', async () => {
  expect((await world.run('log', 'months')).err).toContain('no month is closed yet');
  expect(existsSync(audit())).toBe(false);
});

test('a month that is over stands in a file of its own, and is read as before', async () => {
  await startAt(NEXT_MONTH);
  await until(() => logged('a month of the audit was closed'), 'closed');
  expect(readdirSync(audit())).toEqual([`${MONTH}-1.db`]);
  const months = await world.run('log', 'months');
  expect(months.out).toContain(`${MONTH}  ${MONTH}-1.db`);
  const found = await world.run('log', 'search', '--recipient', 'kim@plain.test', '--since', '2020-01-01', '--json');
  expect(JSON.parse(found.out)).toMatchObject({ queueId: kim, recipient: 'kim@plain.test', state: 'delivered' });
  const trace = await world.run('trace', kim);
  expect(trace.out).toMatch(/message\.accepted[\s\S]*delivery\.delivered[\s\S]*message\.finished/);
  expect((await world.run('queue', 'show', kim)).out).toContain('kim@plain.test');
  const exported = await world.run('log', 'export', '--json');
  const seqs = exported.out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).seq);
  expect(seqs).toEqual(seqs.map((_, i) => i + 1));
  const ran = await verify();
  expect(ran).toMatchObject({ code: 0, out: expect.stringMatching(/^anchored to seq \d+ at /m) });
  expect(ran.out).toContain('every accepted delivery has an end or a row');
  expect(await world.run('log', 'verify', '--offline')).toMatchObject({ code: 0 });
  await world.gateway().stop();
  expect(await world.run('log', 'verify', '--offline')).toMatchObject({ code: 0 });
  await startAt(NEXT_MONTH + 60_000);
}, 60_000);

test('a legal hold refuses erasure; without it one person’s detail goes', async () => {
  const hold = ['log', 'hold', 'add', '--organization', ORGANIZATION];
  expect(await world.run('log', 'hold', 'add', '--organization', 'nobody', '--reason', 'x')).toMatchObject({ code: 1 });
  expect(await world.run(...hold, '--address', 'kim', '--reason', 'x')).toMatchObject({ code: 2 });
  const added = await world.run(...hold, '--address', 'kim@plain.test', '--reason', 'case 7', '--json');
  const { hold: id } = JSON.parse(added.out) as { hold: string };
  expect((await world.run('log', 'hold', 'list')).out).toMatch(new RegExp(`${id} .* kim@plain.test .* case 7`));
  const erase = (...more: string[]) =>
    sealrelay(world.files, ['log', 'erase', '-', '--organization', ORGANIZATION, ...more], 'kim@plain.test\n');
  const refused = await erase('--reason', 'request 1', '--yes');
  expect(refused).toMatchObject({ code: 1, err: expect.stringContaining(`legal hold ${id} covers message ${kim}`) });
  expect(await world.run('log', 'hold', 'remove', id, '--reason', 'closed')).toMatchObject({ code: 0 });
  expect((await world.run('log', 'hold', 'list')).err).toContain('there is no legal hold');
  expect((await erase('--dry-run')).out).toMatch(/would erase: detail of 1 messages, \d+ entries/);
  const done = await erase('--reason', 'request 1', '--yes');
  expect(done).toMatchObject({ code: 0, out: expect.stringMatching(/erased: detail of 1 messages, \d+ entries/) });
  expect((await world.run('trace', kim)).out).not.toContain('kim@');
  expect((await world.run('trace', sam)).out).toContain('sam@plain.test');
  const ran = await verify();
  expect(ran).toMatchObject({
    code: 0,
    out: expect.stringMatching(/ {2}\d+ entries lost their boxed detail by erasure/),
  });
  const destroyed = (await world.run('log', 'destroyed')).out;
  expect(destroyed).toMatch(/detail of \d+ entries of 1 messages/);
  expect(destroyed).toMatch(/2 bodies of finished messages, 0 expired parcels/);
}, 60_000);

test('after its term a month is destroyed, unless a legal hold touches it; verifying names what is gone', async () => {
  const added = await world.run('log', 'hold', 'add', '--organization', ORGANIZATION, '--reason', 'case 8', '--json');
  const { hold: id } = JSON.parse(added.out) as { hold: string };
  await startAt(LATER);
  await until(
    () => existsSync(join(audit(), readdirSync(audit()).at(-1)!)) && readdirSync(audit()).length >= 2,
    'closed',
  );
  expect(logged('their term is over')).toBe(false);
  expect(await world.run('log', 'hold', 'remove', id, '--reason', 'closed')).toMatchObject({ code: 0 });
  await startAt(LATER + 60_000);
  await until(() => logged('their term is over'), 'destroyed');
  expect(readdirSync(audit()).filter((name) => name.startsWith(MONTH))).toEqual([]);
  const ran = await verify();
  expect(ran).toMatchObject({ code: 0, out: expect.stringContaining('were pruned: an entry names them') });
  const destroyed = await world.run('log', 'destroyed');
  expect(destroyed.out).toMatch(new RegExp(`audit of ${MONTH}: \\d+ entries and 1 messages, kept 1 months`));
  const found = await world.run('log', 'search', '--recipient', 'sam@plain.test', '--since', '2020-01-01', '--json');
  expect(found).toMatchObject({ code: 0 });
}, 90_000);
