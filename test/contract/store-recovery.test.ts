import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { boxKey } from '../../src/crypto/box.ts';
import type { NewMessage } from '../../src/domain/types.ts';
import { openRing, type Ring } from '../../src/keys/ring.ts';
import { openStore, type Store } from '../../src/store/sqlite/open.ts';
import { NOON, random } from '../support/vault.ts';
import { A, by, DAY, decision, letter, MINUTE, verb } from './store-bench.ts';

// The verbs that fill a new database from the bodies, and what may be done with what they put in.

const EPOCH = NOON / 1000;
const OBJECT = 'ab'.repeat(16);
let path: string;
let store: Store;
let now = NOON;
const master = [boxKey(randomBytes(32))] as const;

async function open(): Promise<void> {
  let ring: Ring;
  const clock = { now: () => now, sleep: async () => {} };
  store = await openStore({ path, node: 'gw', vault: () => ring, clock, random });
  const fresh = (await store.keyring.all()).length === 0;
  if (fresh) {
    const unclaimed = [{ object: OBJECT, organization: 'clinic', kind: 'parcel', createdAt: NOON } as const];
    await store.recovery.begin(EPOCH, { messages: 2 }, [], unclaimed);
  }
  ring = await openRing({ master, keyring: store.keyring, random });
  await ring.ready('-', now);
}

beforeEach(async () => {
  path = mkdtempSync(join(tmpdir(), 'sealrelay-recovery-'));
  now = NOON;
  await open();
});
afterEach(async () => {
  await store.close();
  rmSync(path, { recursive: true });
});

const stateOf = async ({ id }: NewMessage) =>
  (await store.queue.message(id))!.deliveries.map(({ state, inDoubt, recovered }) => ({ state, inDoubt, recovered }));
const HELD = { state: 'held', inDoubt: true, recovered: true };

test('its first entry begins the epoch and says what was found; nothing begins twice', async () => {
  const [first] = await store.audit.read(null, 1);
  expect(first).toMatchObject({ epoch: EPOCH, seq: 1, event: 'gateway.recovered', detail: { messages: 2 } });
  await expect(store.recovery.begin(EPOCH + 1, {}, [], [])).rejects.toThrow('beginRecovery failed');
  await expect(store.audit.verify()).resolves.toMatchObject({ intact: true });
});

test('what is put in is held and in doubt, and nothing of it is due: not to examine, to deliver or to tell', async () => {
  const message = letter(NOON, { to: ['a@x.test', 'b@y.test'] });
  await expect(store.recovery.put(message)).resolves.toBe('held');
  await expect(store.recovery.put(message)).resolves.toBe('repeated');
  expect(await stateOf(message)).toEqual([HELD, HELD]);
  expect(await store.queue.nextDue()).toEqual({ examine: null, deliver: null, notify: null });
  now += 2 * DAY;
  expect(await store.queue.toExamine(A, 10, now + MINUTE)).toEqual([]);
  expect(await store.queue.lease(A, 10, now + MINUTE, { recipients: 50 })).toEqual([]);
  expect(await store.queue.toNotify(A, 10, now + MINUTE, now, MINUTE)).toEqual([]);
  expect(await store.recovery.counts()).toEqual({ deliveries: 2, unclaimed: 1 });
  await expect(store.audit.trace(message.id)).resolves.toMatchObject([
    { event: 'message.recovered', boxed: { recipients: [{ address: 'a@x.test' }, { address: 'b@y.test' }] } },
    { event: 'delivery.held', detail: { why: 'recovered' } },
    { event: 'delivery.held' },
  ]);
});

test('no operator lets it go but by its own release, which lets nothing else go', async () => {
  const message = letter(NOON, { to: ['a@x.test'] });
  await store.recovery.put(message);
  const what = { messages: [message.id] };
  for (const name of ['release', 'redecide', 'retryNow', 'hold'] as const) {
    const { changed, refused } = await store.queue[name](by(), what);
    expect([name, changed.length, refused.length]).toEqual([name, 0, 1]);
  }
  const released = await store.queue.releaseRecovered(by('lost'), what);
  expect(released).toMatchObject({ changed: [`${message.id}.0`], refused: [] });
  expect(await stateOf(message)).toEqual([{ state: 'undecided', inDoubt: true, recovered: undefined }]);
  const [leased] = await store.queue.toExamine(A, 10, now + MINUTE);
  expect(leased?.message.id).toBe(message.id);
  expect(await store.queue.releaseRecovered(by(), what)).toEqual({ changed: [], refused: [] });
  await expect(store.audit.verify()).resolves.toMatchObject({ intact: true });
});

test('mail of ours goes out under the decision that it was made with', async () => {
  const own = letter(NOON, { to: ['a@x.test'] });
  const dsn: NewMessage = {
    ...own,
    origin: 'dsn',
    cause: { kind: 'dsn of', key: 'bounced x.0 3' },
    deliveries: own.deliveries.map((one) => ({ ...one, decision: decision() })),
  };
  await store.recovery.put(dsn);
  expect(await stateOf(dsn)).toEqual([HELD]);
  expect(await store.queue.lease(A, 10, now + MINUTE, { recipients: 50 })).toEqual([]);
  await store.queue.releaseRecovered(by(), { messages: [dsn.id] });
  const [leased] = await store.queue.lease(A, 10, now + MINUTE, { recipients: 50 });
  expect(leased?.deliveries[0]?.decision).toEqual(decision());
  // Attempts count from 0 again: what is told from now on is told.
  const again = { ...dsn, id: letter(NOON).id };
  await expect(store.queue.accept(verb(), again, again.cause)).resolves.toMatchObject({ repeated: false });
});

test('it can be given up, and its sender is told', async () => {
  const message = letter(NOON, { to: ['a@x.test'] });
  await store.recovery.put(message);
  await store.queue.giveUp(by('lost'), { messages: [message.id] });
  const [told] = await store.queue.toNotify(A, 10, now + MINUTE, now, MINUTE);
  expect(told).toMatchObject({ kind: 'bounced', message: { id: message.id } });
});

test('a body that is lost later was acknowledged nevertheless', async () => {
  const message = letter(NOON, { to: ['a@x.test'] });
  await store.recovery.put(message);
  await store.queue.releaseRecovered(by(), { messages: [message.id] });
  await store.close();
  await open();
  await expect(store.queue.corrupt(verb(), message.id, 'missing')).resolves.toBe('corrupt');
});

test('what nothing opens is known, and so kept, until it is let go of', async () => {
  const wanted = [OBJECT, 'cd'.repeat(16)];
  expect([...(await store.queue.knownObjects(wanted))]).toEqual([OBJECT]);
  await expect(store.recovery.discard(verb(), 'ann', 'asked')).resolves.toBe(1);
  expect([...(await store.queue.knownObjects(wanted))]).toEqual([]);
  const entries = await store.audit.read(null, 100);
  expect(entries.at(-1)).toMatchObject({
    event: 'gateway.discarded',
    actor: 'ann',
    detail: { objects: 1 },
    boxed: { reason: 'asked' },
  });
});
