// The audit of a real gateway: anchors leave the machine by file, https and mail; verified with and without it, offline; and ended by SIGKILL
// around the change of the day, five times.

import type { ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { simpleParser } from 'mailparser';
import { freePort } from '../support/smtp-sink.ts';
import { CLINIC, openWorld, until, type World } from './world.ts';

const DAY = 86_400_000;
const SHIFT = fileURLToPath(new URL('../support/clock-shift.ts', import.meta.url));
const POLICY = 'version: 1\nrules:\n  - name: all\n    then: { deliver: [{ tls: may }] }\n';
const posted: { type: string | undefined; body: string }[] = [];

let world: World;
let port: number;
let server: Server;
const file = (name: string) => join(world.files.folder, name);
const lines = () => readFileSync(file('anchors.jsonl'), 'utf8').trimEnd().split('\n');

beforeAll(async () => {
  port = await freePort();
  world = await openWorld({
    policy: POLICY,
    domains: { 'plain.test': 'usual' },
    config: {
      anchors: { file: 'anchors.jsonl', https: `https://mx.plain.test:${port}/a?b=c`, mail: `audit@${CLINIC}` },
    },
  });
  const { chain, key } = world.ca.issue({ names: ['mx.plain.test'] });
  server = createServer({ cert: chain, key }, async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    posted.push({ type: request.headers['content-type'], body: `${request.method} ${request.url} ${body}` });
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
}, 60_000);

afterAll(async () => {
  server?.close();
  await world?.close();
});

const verify = (...flags: string[]) =>
  world.run('log', 'verify', '--anchors', file('anchors.jsonl'), '--key', file('audit.pub'), ...flags);

test('the first public key is printed once and for all', async () => {
  const key = await world.run('log', 'key');
  expect(key.code).toBe(0);
  expect(key.out).toMatch(/^# audit of gw since \S+, fingerprint ([0-9a-f]{4} ?){8}\nsra1 [A-Za-z0-9_-]{43}\n$/);
  writeFileSync(file('audit.pub'), key.out);
});

test('anchors go to the file, to staff by mail once a day, and by https when somebody answers', async () => {
  expect(lines()).toHaveLength(1);
  const mails = () => world.peer(CLINIC).mails.filter(({ data }) => data.includes('Audit checkpoint'));
  await until(() => mails().length > 0, 'mailed');
  const mail = await simpleParser(mails()[0]!.data);
  expect(mail).toMatchObject({
    subject: expect.stringMatching(/^Audit checkpoint of gw\.clinic\.test, \d{4}-\d\d-\d\d$/),
  });
  expect(mail.headers.get('auto-submitted')).toBe('auto-generated');
  expect(mail.text).toContain(lines()[0]);
  writeFileSync(file('mailed.txt'), mail.text ?? '');
  expect(world.gateway().log()).toContain('"anchor":"https","code":"ECONNREFUSED"');
  await world.reaches(await world.send({ to: ['ann@plain.test'] }), 'delivered');
  await world.restart();
  await until(() => posted.length > 0, 'posted');
  expect(posted[0]!.type).toBe('application/json');
  await until(() => lines().length > 1, 'in the file');
  expect(posted[0]!.body).toBe(`POST /a?b=c ${lines()[1]}`);
  expect(world.gateway().log()).not.toContain('"anchor"');
  expect(mails()).toHaveLength(1);
});

test('verified by the gateway: the sentence, what is lost, exit code 0', async () => {
  const { seq, at } = JSON.parse(lines().at(-1)!) as { seq: number; at: string };
  const ran = await verify();
  expect(ran).toMatchObject({ code: 0 });
  const time = `${at.slice(0, 19)}Z`;
  expect(ran.out).toMatch(
    new RegExp(`^anchored to seq ${seq} at ${time}; \\d+ later entries consistent, not proven$`, 'm'),
  );
  expect(ran.out).toMatch(/^ {2}signed to seq \d+ at \S+ by keys that the first one leads to$/m);
  expect(ran.out).toContain('every accepted delivery has an end or a row');
  const json = JSON.parse((await verify('--json')).out);
  expect(json).toMatchObject({ intact: true, anchored: { seq }, lost: { count: 0 } });
  expect(json.later).toBeGreaterThan(0);
  const mailed = await world.run('log', 'verify', '--anchors', file('mailed.txt'));
  expect(mailed).toMatchObject({ code: 0, out: expect.stringContaining('anchored to seq ') });
  expect((await world.run('log', 'verify')).out).toContain('not anchored; ');
});

test('files that are none, or not as they were sent: said in words', async () => {
  writeFileSync(file('bent.jsonl'), lines()[0]!.replace('"seq":', '"seq":1'));
  for (const [flags, words] of [
    [['--anchors', file('gone')], 'cannot read'],
    [['--anchors', file('audit.pub')], 'holds no anchor'],
    [['--anchors', file('bent.jsonl')], 'bent.jsonl:1: not an anchor as it was sent'],
    [['--key', file('anchors.jsonl')], 'holds no public key of an audit'],
  ] as const) {
    const ran = await world.run('log', 'verify', ...flags);
    expect([ran.code, ran.out]).toEqual([1, '']);
    expect(ran.err).toContain(words);
  }
});

test('ended by SIGKILL around midnight, five times: one series of keys, one key left', async () => {
  const midnight = (Math.floor(Date.now() / DAY) + 1) * DAY;
  const LEAD = 4_000;
  for (const [i, after] of [-4, 0, 2, 5, 12].entries()) {
    const env = { SHIFT_MS: String(midnight + i * DAY - Date.now() - LEAD) };
    const ended = Promise.withResolvers<unknown>();
    const onSpawn = (child: ChildProcess) => {
      child.once('exit', ended.resolve);
      setTimeout(() => child.kill('SIGKILL'), LEAD + after);
    };
    // On a slow machine it ends before it is ready: that too is a kill amid the change.
    await world
      .restart({ flags: ['--import', SHIFT], env, onSpawn })
      .then(() => world.send({ to: [`n${i}@plain.test`] }))
      .catch(() => {});
    await ended.promise;
  }
  const env = { SHIFT_MS: String(midnight + 5 * DAY - Date.now()) };
  await world.restart({ flags: ['--import', SHIFT], env });
  await until(() => JSON.parse(lines().at(-1)!).at > new Date(midnight + 5 * DAY - 1000).toISOString(), 'anchored');
  const ran = await verify();
  expect(ran).toMatchObject({ code: 0, out: expect.stringMatching(/^anchored to seq \d+ at .*not proven$/m) });
  await world.gateway().stop();
  // It was signed and anchored once more at the end.
  expect(await verify('--offline')).toMatchObject({ code: 0, out: expect.stringContaining('; 0 later entries ') });
  expect((await world.run('log', 'key', '--offline')).out).toBe(readFileSync(file('audit.pub'), 'utf8'));
  const db = new Database(join(world.files.storage, 'queue.db'), { readonly: true });
  const days = db
    .prepare<[], { key: Buffer; next: Buffer }>('SELECT key, next FROM checkpoint WHERE next IS NOT NULL')
    .all();
  db.close();
  expect(days.length).toBeGreaterThanOrEqual(6);
  const disk = readFileSync(join(world.files.storage, 'audit.keys'));
  expect(disk.includes(days.at(-1)!.next)).toBe(true);
  expect(days.filter(({ key, next }) => !key.equals(next) && disk.includes(key))).toEqual([]);
}, 90_000);

test('the end cut off behind the gateway’s back: found by the anchors, and by them alone', async () => {
  const { seq } = JSON.parse(lines().at(-1)!) as { seq: number };
  const db = new Database(join(world.files.storage, 'queue.db'));
  const to = seq - 3;
  db.prepare('DELETE FROM audit WHERE seq > ?').run(to);
  db.prepare('DELETE FROM checkpoint WHERE seq > ?').run(to);
  db.prepare('UPDATE chain SET seq = ?, hash = (SELECT hash FROM audit WHERE seq = ?)').run(to, to);
  db.close();
  const blind = await world.run('log', 'verify', '--offline', '--key', file('audit.pub'));
  expect(blind).toMatchObject({ code: 0, out: expect.stringContaining('entries consistent, not proven') });
  const ran = await verify('--offline');
  expect(ran.code).toBe(1);
  expect(ran.out).toContain(`entry ${to + 1} of gw, epoch 1: is missing: anchor `);
});
