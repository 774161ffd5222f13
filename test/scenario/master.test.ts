// The master key changes while mail comes and goes: nothing is lost, nothing fails, and the old key opens nothing of what is there
// afterwards. Killed between any two steps, the gateway goes on with it.

import {
  chmodSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { ask } from '../../src/cli/client.ts';
import { openBox } from '../../src/crypto/box.ts';
import { checkMaster } from '../../src/keys/check.ts';
import { createMasterFile, readMasterFile } from '../../src/keys/master.ts';
import type { RotateReport } from '../../src/keys/rotate.ts';
import type { StoredKey } from '../../src/store/sqlite/calls/keys.ts';
import { readStoredKeys } from '../../src/store/sqlite/offline.ts';
import { pgpPair } from '../support/correspondents.ts';
import { startGateway } from '../support/gateway.ts';
import { codeIn, linkIn, visitor } from '../support/pick-up.ts';
import { freePort } from '../support/smtp-sink.ts';
import { random } from '../support/vault.ts';
import { openWorld, until, type World } from './world.ts';

const POLICY = `version: 1
rules:
  - name: by key
    when: { recipient_domain: pgp.test }
    then: { deliver: [pgp] }
  - name: by portal
    when: { recipient_domain: old.test }
    then: { deliver: [{ portal: may }] }
  - name: rest
    then: { deliver: [tls] }
`;

const OWN = 'lee@clinic.test';
const BEFORE = 12;
const SENDERS = 4;
/** Of all steps, so many are tried; MASTER_KILLS=1000 tries all. */
const KILLS = Number(process.env.MASTER_KILLS ?? 5);
const KILL_AT = fileURLToPath(new URL('../crash/kill-at.ts', import.meta.url));

let world: World;
let folder: string;
let key: string;
let portalPort: number;
let isLate = true;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sealrelay-master-'));
  key = join(folder, 'master.key');
  createMasterFile(key, random);
  const port = await freePort();
  portalPort = await freePort();
  world = await openWorld({
    policy: POLICY,
    port,
    domains: {
      'tls.test': 'usual',
      'pgp.test': 'usual',
      'old.test': () => ({}),
      'late.test': (ca, mx) => ({
        certificate: ca.issue({ names: [mx] }),
        on: (command) => (command.startsWith('MAIL') && isLate ? '451 4.3.0 not yet' : undefined),
      }),
    },
    config: {
      keys: { master: { file: key } },
      listen: {
        smtp: { address: '127.0.0.1', port, tls: 'required' },
        portal: { address: '127.0.0.1', port: portalPort },
      },
      portal: { url: `https://127.0.0.1:${portalPort}` },
      limits: { connections_per_minute: 100_000 },
    },
  });
  const file = (text: string) => Buffer.from(text).toString('base64');
  const command = (args: object) => ask({ socket: world.files.storage }, 'write', 'keys.import', { ...args });
  await command({ file: file((await pgpPair('carol@pgp.test')).public), pin: true });
  await command({ file: file((await pgpPair(OWN)).private), own: true });
}, 60_000);

afterAll(async () => {
  await world?.close();
  rmSync(folder, { recursive: true, force: true });
});

const subjectsAt = (domain: string) =>
  world.peer(domain).mails.map(({ data }) => /^Subject: (\S+)/m.exec(data)?.[1] ?? '?');
const keysOf = (storage: string): StoredKey[] => {
  const db = new Database(join(storage, 'queue.db'), { readonly: true });
  try {
    return db.prepare<[], StoredKey>('SELECT * FROM key').all();
  } finally {
    db.close();
  }
};
const rotate = async (reason = 'an admin left'): Promise<RotateReport> => {
  const { code, out, err } = await world.run('keys', 'master', 'rotate', '--yes', '--json', '--reason', reason);
  if (code !== 0) throw new Error(`${code}: ${err}`);
  return JSON.parse(out) as RotateReport;
};

/** Sends until `isDone` says so, each message to one of the ways in turn. */
async function load(name: string, isDone: () => boolean): Promise<Map<string, string>> {
  const ids = new Map<string, string>();
  const to = ['ann@tls.test', 'carol@pgp.test', 'patient@old.test', 'bob@late.test'];
  const sender = async (no: number) => {
    for (let i = 0; !isDone() || i < BEFORE; i++) {
      const subject = `${name}-${no}-${i}`;
      ids.set(subject, await world.send({ to: [to[i % to.length]!], subject, text: 'diagnosis: none' }));
    }
  };
  await Promise.all(Array.from({ length: SENDERS }, (_, no) => sender(no)));
  return ids;
}

/** Whether each of these messages is delivered, or its notice is. */
async function allLeft(ids: Iterable<string>): Promise<boolean> {
  for (const id of ids) {
    const { deliveries } = await world.show(id);
    if (!deliveries.every(({ state }) => state === 'delivered' || state === 'noticed')) return false;
  }
  return true;
}

/** Asks again and again: what is under way just then cannot be retried. */
async function letAllLeave(ids: readonly string[]): Promise<void> {
  isLate = false;
  await until(async () => {
    await ask({ socket: world.files.storage }, 'write', 'queue.retry', { all: true, reason: 'it is up' });
    return allLeft(ids);
  }, 'delivered');
}

/** All files of a folder whose octets hold one of these. */
function filesWith(at: string, octets: readonly Uint8Array[]): string[] {
  const files = readdirSync(at, { recursive: true, encoding: 'utf8' }).map((file) => join(at, file));
  return files.filter(
    (file) => statSync(file).isFile() && octets.some((one) => readFileSync(file).includes(Buffer.from(one))),
  );
}

test('while mail comes and goes: none is lost, none fails, and the old key opens nothing afterwards', async () => {
  const early = await load('early', () => true);
  await until(() => subjectsAt('old.test').length >= BEFORE, 'notices');
  const link = await linkIn(world.peer('old.test').mails[0]!.data, 'm');
  const oldFile = join(folder, 'old.key');
  cpSync(key, oldFile);
  const before = keysOf(world.files.storage);

  let isRotated = false;
  const loading = load('during', () => isRotated);
  const report = await rotate();
  isRotated = true;
  const during = await loading;
  const after = await load('after', () => true);

  const sent = [...early.keys(), ...during.keys(), ...after.keys()];
  await letAllLeave([...early.values(), ...during.values(), ...after.values()]);
  const came = ['tls.test', 'late.test'].flatMap(subjectsAt);
  expect(new Set(came).size).toBe(came.length);
  expect(came.toSorted()).toEqual(
    sent.filter((subject) => [0, 3].includes(Number(subject.split('-')[2]) % 4)).toSorted(),
  );
  expect(report.renewed).toMatchObject({ unreadable: 0, addressKeys: 1, dayKeys: 1 });
  expect(report.renewed.bodies).toBeGreaterThanOrEqual(BEFORE);
  expect(report.renewed.grants).toBeGreaterThanOrEqual(BEFORE);
  expect(report.linesLeft).toEqual([]);

  // Links of before open, and the own key signs.
  const phone = visitor(`https://127.0.0.1:${portalPort}`, portalPort);
  const notices = world.peer('old.test').mails.length;
  const field = await phone.send(await phone.get(link), /\/m\//);
  await until(() => world.peer('old.test').mails.length > notices, 'code');
  const code = (await codeIn(world.peer('old.test').mails.at(-1)!.data))!;
  expect((await phone.send(field, /\/code/, { code })).text).toContain('diagnosis: none');

  // One line, of the new key; the old one is refused, and opens no box.
  const [old] = readMasterFile(oldFile);
  const now = readMasterFile(key).map(({ id }) => id.toString('hex'));
  expect(now).toEqual([report.to]);
  expect(report.from).toEqual([old.id.toString('hex')]);
  const verified = await world.run('log', 'verify');
  expect(verified).toMatchObject({ code: 0 });
  await world.gateway().stop();
  const boxes = before.filter(({ purpose }) => purpose === 'organization').map(({ box }) => Buffer.from(box));
  const asText = boxes.map((box) => Buffer.from(box.toString('base64url')));
  expect(boxes.length).toBeGreaterThan(1);
  expect(filesWith(world.files.storage, [...boxes, ...asText])).toEqual([]);
  const left = keysOf(world.files.storage);
  for (const { organization, purpose, generation, id, box } of left) {
    const place = { organization, table: 'keyring', row: `${purpose} ${generation} ${id}`, column: 'key' };
    expect(() => openBox(old, place, box)).toThrow('does not open');
  }
  const good = readFileSync(key);
  cpSync(oldFile, key);
  await expect(startGateway(world.files)).rejects.toThrow(
    `is wrapped by master key ${report.to}, which the master key file lacks: it holds ${report.from[0]}`,
  );
  writeFileSync(key, good);
  await world.restart();
  process.stdout.write(
    `sent ${sent.length} (${during.size} during the rotation), failed 0, lost 0; boxed anew: ${JSON.stringify(report.renewed)}\n`,
  );
}, 120_000);

/** Nothing is left to do: one line in the file, no mark, one generation of each organization key. */
async function isAtRest(): Promise<boolean> {
  const stored = await readStoredKeys(world.files.storage);
  const generations = stored!.rows.filter(({ purpose }) => purpose === 'organization').map((row) => row.organization);
  return (
    stored!.rotation === null &&
    readMasterFile(key).length === 1 &&
    new Set(generations).size === generations.length &&
    (await checkMaster(readMasterFile(key), stored!.rows, random)).wrong === null
  );
}

test('killed at any step it goes on at the next start, and what waits is still there', async () => {
  isLate = true;
  const ids = await load('killed', () => true);
  const rotateHere = (reason: string) =>
    ask({ socket: world.files.storage }, 'write', 'keys.master.rotate', { reason }).catch(() => null);
  const counting = { flags: ['--import', KILL_AT] };
  await world.restart(counting);
  process.kill(world.gateway().pid, 'SIGUSR2');
  await until(() => world.gateway().errors().includes('steps'), 'counting');
  await rotateHere('to count');
  process.kill(world.gateway().pid, 'SIGUSR2');
  const counted = () => Number(/steps (\d+)\n$/.exec(world.gateway().errors())?.[1] ?? 0);
  await until(() => counted() > 20, 'steps');
  const steps = counted();
  let kills = 0;
  let last = steps;
  for (let tried = 0; kills < KILLS && tried < 4 * KILLS; tried++) {
    const at = 1 + Math.floor(((tried % KILLS) / KILLS) * last);
    await world.restart({ ...counting, env: { KILL_AT: String(at) } });
    process.kill(world.gateway().pid, 'SIGUSR2');
    await until(() => world.gateway().errors().includes('steps'), 'counting');
    const report = await rotateHere(`to be killed before step ${at}`);
    // Mail that goes on makes the steps of each time others: it may have ended before, and is tried in less.
    if (report === null) kills += 1;
    else {
      last = Math.max(1, last / 2);
      await world.gateway().kill();
    }
    expect(await world.gateway().ended).toBe('SIGKILL');
    await world.restart();
    await until(isAtRest, `at rest after step ${at}`);
  }
  expect(kills).toBe(KILLS);
  await letAllLeave([...ids.values()]);
  expect(await world.run('log', 'verify')).toMatchObject({ code: 0 });
  process.stdout.write(`killed ${kills} times in ${steps} steps, ${ids.size} messages, 0 lost\n`);
}, 3_000_000);

test('where the key cannot be written: refused in words; a copy with a new line, a restart, and it is done', async () => {
  chmodSync(key, 0o400);
  const env = { CREDENTIALS_DIRECTORY: folder };
  await world.restart({ env });
  const [before] = readMasterFile(key).map(({ id }) => id.toString('hex'));
  const refused = await world.run('keys', 'master', 'rotate', '--yes', '--reason', 'x');
  expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('cannot be written by the gateway') });
  const next = join(folder, 'next.key');
  expect(await world.run('keys', 'master', 'rotate', '--file', next)).toMatchObject({ code: 0 });
  chmodSync(next, 0o400);
  renameSync(next, key);
  await world.restart({ env });
  await until(() => world.gateway().log().includes('the master key is rotated'), 'rotated');
  const ran = await world.run('keys', 'master', 'check', '--json');
  const found = JSON.parse(ran.out) as { ids: string[]; needed: string[]; idle: string[]; wrong: string | null };
  expect([ran.code, found.wrong, found.idle]).toEqual([3, null, [before]]);
  expect(found.needed).toEqual([found.ids[0]]);
});
