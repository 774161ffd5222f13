// The rotation of the master key on the real store, bodies and key file, ended before each of its steps: what is opened
// again afterwards goes on with it, and everything still opens. And what comes late with a box of the old key.

import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BodyRef, NewMessage } from '../../src/domain/types.ts';
import { createMasterFile, readMasterFile } from '../../src/keys/master.ts';
import { openRing, type Ring } from '../../src/keys/ring.ts';
import { createRotation, ROTATE_STEPS, type RotateStep } from '../../src/keys/rotate.ts';
import { signCheckpoint, signingKey } from '../../src/record/checkpoint.ts';
import { type DayKeys, openDayKeys } from '../../src/store/audit/day-keys.ts';
import { readKeysFile, writeKeysFile } from '../../src/store/bodies/keys-file.ts';
import { scanRecords } from '../../src/store/bodies/recover.ts';
import { openBodies, type SegmentBodies } from '../../src/store/bodies/segments.ts';
import { openStore, type Store } from '../../src/store/sqlite/open.ts';
import { random } from '../support/vault.ts';
import { letter, NOON, verb } from './store-bench.ts';

const clock = { now: () => NOON, sleep: async () => {} };
const BY = { actor: 'ops', reason: 'a test' };

type Open = {
  readonly store: Store;
  readonly ring: Ring;
  readonly bodies: SegmentBodies;
  readonly dayKeys: DayKeys;
  /** From now on the store boxes with that one. */
  use(ring: Ring): void;
  rotation(step?: (name: RotateStep) => void): ReturnType<typeof createRotation>;
  close(): Promise<void>;
};

let folder: string;
let key: string;
let open: Open;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sealrelay-rotation-'));
  key = join(folder, 'master.key');
  createMasterFile(key, random);
  open = await openAll();
});
afterEach(async () => {
  await open.close();
  rmSync(folder, { recursive: true, force: true });
});

async function openAll(): Promise<Open> {
  let ring: Ring;
  let used: Ring;
  const dir = join(folder, 'bodies');
  const store = await openStore({ path: folder, node: 'gw', vault: () => used, clock, random });
  try {
    const copy = (rows: Parameters<typeof writeKeysFile>[1]) => writeKeysFile(dir, rows);
    ring = await openRing({ master: readMasterFile(key), keyring: store.keyring, random, copy });
    used = ring;
    for (const organization of ['-', 'clinic', 'practice']) await ring.ready(organization, NOON);
  } catch (error) {
    await store.close();
    throw error;
  }
  const bodies = await openBodies({ dir, vault: ring, clock, random, limits: { reserve: 0 } });
  const dayKeys = await openDayKeys(folder, { vault: ring, random });
  const source = { name: key, file: key, read: async () => readMasterFile(key) };
  return {
    ...{ store, ring, bodies, dayKeys },
    use: (other) => {
      used = other;
    },
    rotation: (step) =>
      createRotation({
        ...{ ring: ring.generations, source, boxes: store.keyBoxes, clock, random, ...(step && { step }) },
        slots: () => bodies.renewKeys((object, box) => ring.generations.rewrapObject(object, box)),
        pin: () => store.pin.renew(),
        dayKeys: () => dayKeys.renew(),
      }),
    async close() {
      await dayKeys.close();
      await bodies.close();
      await store.close();
    },
  };
}

async function write(organization: string, text: string): Promise<{ message: NewMessage; ref: BodyRef }> {
  const message = letter(NOON, { organization });
  const writer = open.bodies.create(organization);
  await writer.write(Buffer.from(text));
  const { ref, durable } = writer.end(Buffer.from('{}'));
  await durable;
  return { message: { ...message, body: ref }, ref };
}

async function accept(organization: string, text: string): Promise<string> {
  const { message } = await write(organization, text);
  await open.store.queue.accept(verb(), message, message.cause);
  return message.id;
}

async function textOf(id: string): Promise<string> {
  const found = await open.store.queue.message(id as never);
  const chunks: Uint8Array[] = [];
  for await (const chunk of open.bodies.open(found!.message.organization, found!.message.body)) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

async function eventsOf(): Promise<string[]> {
  return (await open.store.audit.read(null, 500)).map(({ event }) => event);
}

/** Nothing of an old key anywhere, and one line in the file. */
async function expectAtRest(): Promise<void> {
  const [only, ...others] = readMasterFile(key).map(({ id }) => id.toString('hex'));
  expect(others).toEqual([]);
  const rows = await open.store.keyring.all();
  const organizations = rows.filter(({ purpose }) => purpose === 'organization');
  expect(organizations.map(({ wrappedBy }) => wrappedBy)).toEqual([only, only, only]);
  expect((await readKeysFile(join(folder, 'bodies'))).map(({ id }) => id).sort()).toEqual(
    organizations.map(({ id }) => id).sort(),
  );
  expect(await open.rotation().pending()).toBeNull();
  for await (const record of scanRecords({ dir: join(folder, 'bodies'), vault: open.ring })) {
    expect(record.kind).toBe('body');
  }
}

class Ended extends Error {}

/** As a signer would; what it signs stands from then on. */
async function sign(): Promise<void> {
  const { audit } = open.store;
  const { key: first, secret } = signingKey(randomBytes(32));
  const { head } = await audit.proofState('gw');
  await audit.addCheckpoint(signCheckpoint({ ...head, no: 1, at: NOON, others: [], key: first, next: first }, secret));
}

test.each(ROTATE_STEPS.filter((name) => name !== 'line'))('ended before "%s": opened again, it goes on', async (at) => {
  const ids = [await accept('clinic', 'one'), await accept('practice', 'two')];
  const day = await open.dayKeys.make(null);
  await sign();
  const end = (name: RotateStep) => {
    if (name === at) throw new Ended();
  };
  await expect(open.rotation(end).run(BY)).rejects.toThrow(Ended);
  await open.close();
  open = await openAll();
  ids.push(await accept('clinic', 'three'));
  expect(await open.rotation().pending()).not.toBeNull();
  await open.rotation().run({ actor: 'gateway', reason: 'goes on' });
  await open.close();
  open = await openAll();
  await expectAtRest();
  expect(await Promise.all(ids.map(textOf))).toEqual(['one', 'two', 'three']);
  expect(open.dayKeys.find(day.key)).not.toBeNull();
  const nobody = { organization: 'clinic', address: 'nobody@a.test', actor: 'ops', reason: 'a test' };
  expect(await open.store.archive.erase(nobody)).toMatchObject({ messages: 0 });
  const events = await eventsOf();
  expect(events.filter((event) => event === 'key.rotated')).toHaveLength(1);
  expect(events.filter((event) => event === 'key.rotation_begun')).toHaveLength(1);
});

test('ended before its first step nothing has begun; who asks while one runs gets its report', async () => {
  const end = () => {
    throw new Ended();
  };
  await expect(open.rotation(end).run(BY)).rejects.toThrow(Ended);
  expect(await open.rotation().pending()).toBeNull();
  const rotation = open.rotation();
  const [one, two] = await Promise.all([rotation.run(BY), rotation.run(BY)]);
  expect(two).toBe(one);
  await expectAtRest();
});

test('again and again: each key leads on from the one before', async () => {
  const id = await accept('clinic', 'kept');
  for (let i = 0; i < 3; i++) await open.rotation().run(BY);
  await expectAtRest();
  expect(await textOf(id)).toBe('kept');
  expect(Math.max(...(await open.store.keyring.all()).map(({ generation }) => generation))).toBe(4);
});

test('a body that was begun before, and ended and accepted after the old keys are gone', async () => {
  const message = letter(NOON);
  const writer = open.bodies.create('clinic');
  await writer.write(Buffer.from('slow'));
  const early = await write('clinic', 'early');
  await open.rotation().run(BY);
  const { ref, durable } = writer.end(Buffer.from('{}'));
  await durable;
  await open.store.queue.accept(verb(), { ...message, body: ref }, message.cause);
  // Its reference is of before: it is boxed anew when it is handed to the store.
  await open.store.queue.accept(verb(), early.message, early.message.cause);
  await open.close();
  open = await openAll();
  await expectAtRest();
  expect([await textOf(message.id), await textOf(early.message.id)]).toEqual(['slow', 'early']);
});

test('what would come with a box of a deleted key is refused, not lost later', async () => {
  const stale = await openRing({ master: readMasterFile(key), keyring: open.store.keyring, random });
  const { message } = await write('clinic', 'late');
  await open.rotation().run(BY);
  open.use(stale);
  await expect(open.store.queue.accept(verb(), message, message.cause)).rejects.toThrow('was deleted');
  open.use(open.ring);
  await open.store.queue.accept(verb(), message, message.cause);
  expect(await textOf(message.id)).toBe('late');
});

test('a removed body leaves no key in its row', async () => {
  const id = await accept('clinic', 'gone');
  const keyOf = async () => (await open.store.queue.message(id as never))!.message.body.key;
  expect(await keyOf()).not.toBe('');
  await open.store.queue.abandon(verb(), id as never, 'a test');
  await open.store.queue.bodiless(verb(), id as never);
  expect(await keyOf()).toBe('');
});

test('a box that does not open does not stop it, and is counted', async () => {
  await accept('clinic', 'fine');
  const { message, ref } = await write('clinic', 'damaged');
  const box = Buffer.from(ref.key, 'base64url');
  box[box.length - 1]! ^= 1;
  const body = { ...ref, key: box.toString('base64url') };
  await open.store.queue.accept(verb(), { ...message, body }, message.cause);
  const { renewed } = await open.rotation().run(BY);
  expect(renewed).toMatchObject({ bodies: 1, slots: 2, unreadable: 1 });
});

test('a file that lost the line of a needed key, or cannot be written: nothing begins, in words', async () => {
  const before = readFileSync(key);
  writeFileSync(key, `srk1 ${'0'.repeat(8)} ${'A'.repeat(43)}\n`);
  await expect(open.rotation().run(BY)).rejects.toThrow('does not fit its id');
  rmSync(key);
  createMasterFile(key, { ...random, bytes: (n) => randomBytes(n) });
  await expect(open.rotation().run(BY)).rejects.toThrow('which is still needed');
  expect(await eventsOf()).not.toContain('key.rotation_begun');
  writeFileSync(key, before);
  await open.rotation().run(BY);
  await expectAtRest();
});

const BEFORE = Date.UTC(2026, 1, 10);
const ENDED = Date.UTC(2026, 2, 1);
const destroyed = (at?: (step: string) => unknown) => open.store.monthKeys.destroy(ENDED, at ? { at } : {});
const purposes = async () => (await open.store.keyring.all()).map(({ purpose }) => purpose);

test('what lasts moves under the key of after the rotation, and opens all the while', async () => {
  const { accounts, keyBoxes } = open.store;
  const ann = { name: 'ann', role: 'admin', tokenHash: random.bytes(32), createdAt: NOON } as const;
  await accounts.addOperator(ann, 'root', 'the first');
  await open.rotation().run(BY);
  expect((await purposes()).filter((one) => one === 'fields lasting')).toHaveLength(6);
  expect(await accounts.operators()).toHaveLength(1);
  expect(await keyBoxes.moveLasting()).toEqual({ moved: 1, unreadable: 0 });
  expect(await keyBoxes.moveLasting()).toEqual({ moved: 0, unreadable: 0 });
  await open.close();
  open = await openAll();
  expect(await open.store.accounts.operators()).toMatchObject([{ name: 'ann' }]);
});

test('what lasts is moved in batches, so that a stop need not wait for all', async () => {
  const { accounts, keyBoxes } = open.store;
  const names = Array.from({ length: 250 }, (_, i) => `operator${i}`);
  const added = names.map((name) => {
    const operator = { name, role: 'admin', tokenHash: random.bytes(32), createdAt: NOON } as const;
    return accounts.addOperator(operator, 'root', 'many');
  });
  await Promise.all(added);
  await open.rotation().run(BY);
  let asked = 0;
  const stop = {
    get aborted() {
      asked += 1;
      return asked > 1;
    },
  } as AbortSignal;
  expect(await keyBoxes.moveLasting(stop)).toEqual({ moved: 200, unreadable: 0 });
  expect(await keyBoxes.moveLasting()).toEqual({ moved: 50, unreadable: 0 });
});

test.each([
  'looked',
  'resting',
  'destroyed',
])('a rotation amid the destruction of keys, at "%s": both are whole', async (step) => {
  const id = await accept('clinic', 'one');
  await open.ring.ready('clinic', BEFORE);
  const { gone } = await destroyed(async (at) => {
    if (at === step) await open.rotation().run(BY);
  });
  expect(gone.map(({ organization, month }) => [organization, month])).toEqual([['clinic', '2026-02']]);
  await open.close();
  open = await openAll();
  await expectAtRest();
  expect(await purposes()).not.toContain('fields 2026-02');
  expect(await textOf(id)).toBe('one');
});

test.each(
  ROTATE_STEPS.filter((name) => name !== 'line'),
)('keys destroyed from the step "%s" of a rotation on: both are whole', async (step) => {
  const id = await accept('clinic', 'one');
  await open.ring.ready('clinic', BEFORE);
  let destroying: ReturnType<typeof destroyed> | undefined;
  await open
    .rotation((at) => {
      if (at === step) destroying ??= destroyed();
    })
    .run(BY);
  expect((await destroying!).gone).toHaveLength(1);
  await open.close();
  open = await openAll();
  await expectAtRest();
  expect(await purposes()).not.toContain('fields 2026-02');
  expect(await textOf(id)).toBe('one');
});
