import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { boxKey } from '../../src/crypto/box.ts';
import type { QueueId } from '../../src/domain/ids.ts';
import { openRing, type Ring } from '../../src/keys/ring.ts';
import { checkpointText } from '../../src/record/checkpoint.ts';
import { createBackups, type MadeBackup } from '../../src/store/backup/make.ts';
import { type Restored, restoreBackup } from '../../src/store/backup/restore.ts';
import { writeKeysFile } from '../../src/store/bodies/keys-file.ts';
import { openBodies } from '../../src/store/bodies/segments.ts';
import { openStore, type Store } from '../../src/store/sqlite/open.ts';
import { NOON, random } from '../support/vault.ts';
import { A, Bench, BOUNCE, by, DAY, HOLD, MINUTE, settlement, verb } from './store-bench.ts';
import { escrowed, ours } from './store-escrow.ts';

// What becomes of a database on its way through a backup: what is void, held, kept, retracted again.

const master = [boxKey(randomBytes(32))] as const;
let folder: string;
let now: number;
let store: Store;
let ring: Ring;
let bodies: Awaited<ReturnType<typeof openBodies>>;
let b: Bench;
const clock = { now: () => now, sleep: async () => {} };

async function open(path: string): Promise<Store> {
  const opened = await openStore({ path, node: 'gw', vault: () => ring, clock, random });
  const copy = (rows: Parameters<typeof writeKeysFile>[1]) => writeKeysFile(join(path, 'bodies'), rows);
  ring = await openRing({ master, keyring: opened.keyring, random, copy });
  await ring.ready('-', now);
  return opened;
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sealrelay-restore-'));
  now = NOON;
  const path = join(folder, 'state');
  store = await open(path);
  bodies = await openBodies({ dir: join(path, 'bodies'), vault: ring, clock, random });
  const test = {
    clock: {
      get at() {
        return now;
      },
      set at(to: number) {
        now = to;
      },
    },
  };
  b = new Bench(test as never, { ...store, vault: ring });
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true });
});

const deps = () => ({ storage: join(folder, 'state'), version: '1', snapshot: store.snapshot, bodies, clock });
// A test may ask for it from within the closing of a month.
const backup = (): Promise<MadeBackup> =>
  createBackups({ ...deps(), archive: { still: (work) => work() } }).make(join(folder, 'backup'), async () => {});

/** Closes the old one, brings the backup back and opens that. */
async function bringBack(anchors: readonly string[] = []): Promise<Restored> {
  await bodies.close();
  await store.close();
  now += MINUTE;
  const to = join(folder, 'other');
  const deps = { from: join(folder, 'backup'), to, node: 'gw', master, clock, random, anchors };
  const { restored } = await restoreBackup(deps);
  store = await open(to);
  b.opened = { ...store, vault: ring };
  return restored;
}

test('what was unfinished is held and in doubt, until it is released to where it was; what had ended stays so', async () => {
  const delivered = await b.decided();
  const [taken] = await b.take();
  await b.settle(taken!.lease, settlement(taken!.deliveries[0]!.id, 'delivered'));
  const leased = await b.decided({ to: ['x@x.test'] });
  await b.take();
  const ready = await b.decided({ to: ['y@y.test', 'z@z.test'] });
  const accepted = await b.accept();
  const inHand = (await b.inHand()).message.id;
  const held = await b.decided({}, HOLD);
  const bounced = await b.decided({}, BOUNCE);
  const kept = await b.decided({ to: ['k@k.test'] });
  await store.queue.hold(by(), { messages: [kept] });
  await backup();
  // After the backup, and so unknown to it.
  const later = await b.accept();

  expect(await bringBack()).toMatchObject({ held: 5, heldBefore: 2, noticing: 0, lostEntries: 0 });
  expect(await store.queue.message(later)).toBeNull();
  expect([await b.states(delivered), await b.states(bounced)]).toEqual(['delivered', 'bounced']);
  expect(await b.states(ready)).toBe('held held');
  for (const id of [leased, ready, accepted, inHand, held, kept]) {
    for (const one of (await store.queue.message(id))!.deliveries)
      expect(one).toMatchObject({ state: 'held', inDoubt: true });
  }
  expect(await store.queue.nextDue()).toMatchObject({ examine: null, deliver: null });
  await store.queue.clearLeases(verb(), A);
  expect(await b.take()).toEqual([]);
  expect(await store.queue.toExamine(A, 10, now + MINUTE)).toEqual([]);
  await expect(store.audit.verify()).resolves.toMatchObject({ intact: true, lost: { count: 0 } });

  const released = await store.queue.releaseRecovered(by(), {
    messages: [leased, ready, accepted, inHand, held, kept],
  });
  expect(released.changed).toHaveLength(5);
  // What was held before is none of it.
  expect(released.refused).toEqual([]);
  expect([await b.states(held), await b.states(kept)]).toEqual(['held', 'held']);
  expect([await b.states(leased), await b.states(ready), await b.states(accepted)]).toEqual([
    'ready',
    'ready ready',
    'undecided',
  ]);
  expect(await b.take()).toHaveLength(3);
  expect((await store.queue.toExamine(A, 10, now + MINUTE)).map(({ message }) => message.id).sort()).toEqual(
    [accepted, inHand].sort(),
  );
});

test('a new epoch begins, ids are later than all before, and the first entry says what it came from', async () => {
  const before = await b.accept();
  const made = await backup();
  const restored = await bringBack();
  expect(restored.epoch).toBe(Math.floor(now / 1000));
  const after = await b.accept();
  expect(after > before).toBe(true);
  const [first] = await store.audit.read({ epoch: restored.epoch, seq: 0 }, 1);
  const { seq, hash } = made.head;
  expect(first).toMatchObject({
    epoch: restored.epoch,
    seq: 1,
    event: 'gateway.restored',
    detail: { seq, hash, backup: made.at },
  });
  const last = (await store.audit.read(null, 1000)).find((one) => one.epoch === 1 && one.seq === seq);
  expect(last?.hash).toBe(hash);
  expect(await store.audit.verify()).toMatchObject({ intact: true, head: { epoch: restored.epoch } });
});

test('sessions, codes and operators are void; logins, links and parcels stay, and what was retracted since is retracted again', async () => {
  const one = await escrowed(b, { to: ['kim@a.test', 'lee@a.test'] });
  const [kim, lee] = one.made.map(({ parcel }) => parcel);
  const [link] = one.made[0]!.grants;
  await store.parcels.openSession(
    verb(),
    {
      hash: randomBytes(32),
      organization: 'clinic',
      conversation: kim!.conversation,
      kind: 'link',
      madeAt: now,
      seenAt: now,
      expiresAt: now + DAY,
      key: randomBytes(60),
    } as never,
    kim!.id,
  );
  await store.accounts.addOperator(
    { name: 'ann', role: 'admin', tokenHash: randomBytes(32), createdAt: now },
    'gateway',
    '',
  );
  await store.accounts.addLogin(
    {
      name: 'app',
      organization: 'clinic',
      from: ['@clinic.test'],
      priority: 'normal',
      secretHash: 'x',
      createdAt: now,
    },
    'ann',
    '',
  );
  const waiting = await b.decided({ to: ['p@p.test'] });
  const id = randomBytes(16);
  const code = ours(b, 'code', { to: ['kim@a.test'], cause: { kind: 'code of', key: id.toString('hex') } });
  const challenge = { id, locator: link!.locator, organization: 'clinic', expiresAt: now + DAY, code: randomBytes(32) };
  await store.parcels.challenge(verb(), { ...challenge, parcel: kim!.id }, code, []);
  await backup();
  now += MINUTE;
  await store.parcels.retract(verb(), lee!.id, by());
  const since = await store.parcels.retractedSince(now - 1);
  expect(since).toEqual([lee!.delivery]);
  expect(await store.parcels.retractedSince(now)).toEqual([]);
  const anchor = {
    no: 9,
    at: now,
    node: 'gw',
    epoch: 1,
    seq: 500,
    hash: randomBytes(32),
    others: [],
    key: randomBytes(32),
    next: null,
    signature: randomBytes(64),
  };
  const unknown = `${'0'.repeat(24)}.0`;
  const restored = await bringBack([checkpointText(anchor, [...since, `${waiting}.0`, unknown]), 'no anchor']);
  expect(restored).toMatchObject({
    retracted: 2,
    void: { sessions: 1, codes: 1, operators: 1 },
    noticing: 2,
    dropped: 1,
  });
  expect(restored.lostEntries).toBeGreaterThan(400);
  expect(await store.accounts.operators()).toEqual([]);
  expect(await store.accounts.logins()).toHaveLength(1);
  expect((await store.parcels.grant(link!.locator))?.box).toEqual(link!.box);
  expect((await store.parcels.parcel(kim!.id))?.state).toBe('opened');
  expect((await store.parcels.parcel(lee!.id))?.state).toBe('retracted');
  expect(await b.states(waiting)).toBe('dropped');
  expect([await b.states(code.id), await b.stage(code.id)]).toEqual(['dropped', 'finished']);
  // Notices are mail too, and wait; what they tell of waits for them.
  expect(await b.states(one.id)).toBe('noticing noticing');
  for (const { notice } of one.made) expect(await b.states(notice.id)).toBe('held');
});

test('the body of a row is in it; a body that was removed before is not, nor its key', async () => {
  const put = async (text: Buffer) => {
    const writer = bodies.create('clinic');
    await writer.write(text);
    const { ref, durable } = writer.end(Buffer.from('{}'));
    await durable;
    return ref;
  };
  await ring.ready('clinic', now);
  const [gone, small, large] = [
    await put(randomBytes(100)),
    await put(randomBytes(5000)),
    await put(randomBytes(3_000_000)),
  ];
  await bodies.remove(gone);
  const removing: Promise<void>[] = [];
  // Asked for amid the backup: it waits until the moment is over, and goes on with the copying.
  const { still } = bodies;
  bodies.still = (work) =>
    still.call(bodies, (written) => {
      removing.push(bodies.remove(small), bodies.remove(large));
      return work(written);
    }) as never;
  await backup();
  await Promise.all(removing);
  expect(() => bodies.handle('clinic', small)).toThrow('not in the store');
  await bringBack();
  bodies = await openBodies({ dir: join(folder, 'other', 'bodies'), vault: ring, clock, random });
  for (const [ref, length] of [
    [small, 5000],
    [large, 3_000_000],
  ] as const) {
    let octets = 0;
    for await (const piece of bodies.open('clinic', ref)) octets += piece.length;
    expect(octets).toBe(length);
  }
  expect(() => bodies.handle('clinic', gone)).toThrow('not in the store');
  await bodies.close();
});

test('it holds every file of the folder but those that are named', async () => {
  const state = join(folder, 'state');
  for (const path of ['later', 'later/deep', 'made', 'audit']) mkdirSync(join(state, path), { recursive: true });
  for (const path of [
    'later/deep/file',
    'made/variant',
    'audit.keys',
    'audit.signed',
    'sync.probe',
    'evaluation-master.key',
    'half.new',
    'audit/x.db.part',
  ]) {
    writeFileSync(join(state, path), path);
  }
  writeFileSync(join(state, 'mine.txt'), `# the master key\nsrk1 01234567 ${'A'.repeat(43)}\n`);
  symlinkSync('/etc/hostname', join(state, 'linked'));
  const segment = new Database(join(state, 'audit', '2026-01-1.db'));
  segment.exec('CREATE TABLE t (a); INSERT INTO t VALUES (7)');
  const made = await backup();
  segment.close();
  const files = readdirSync(join(folder, 'backup'), { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .map(({ name }) => name)
    .sort();
  expect(files).toEqual(['2026-01-1.db', 'file', 'keys.jsonl', 'manifest.json', 'queue.db']);
  expect(made).toMatchObject({ files: 4, others: ['linked'] });
  expect(existsSync(join(state, 'backing-up'))).toBe(false);
  const manifest = JSON.parse(readFileSync(join(folder, 'backup', 'manifest.json'), 'utf8'));
  expect(manifest.files.map(({ path }: { path: string }) => path)).toEqual([
    'audit/2026-01-1.db',
    'bodies/keys.jsonl',
    'later/deep/file',
    'queue.db',
  ]);
  const copied = new Database(join(folder, 'backup', 'audit', '2026-01-1.db'), { readonly: true });
  expect(copied.prepare('SELECT a FROM t').pluck().get()).toBe(7);
  copied.close();
});

test.each([
  'copied',
  'recorded',
  'some moved',
  'moved',
])('a month that is being closed, with the backup amid it (%s), is read afterwards as if nothing had been', async (amid) => {
  const ids: QueueId[] = [];
  for (let day = 0; day < 40; day++, now += DAY) {
    const id = await b.decided({ to: ['kim@a.test'] });
    for (const one of await b.take()) await b.settle(one.lease, settlement(one.deliveries[0]!.id, 'delivered'));
    for (const one of await store.queue.finished(100)) await store.queue.bodiless(verb(), one.id);
    ids.push(id);
  }
  let made: MadeBackup | null = null;
  await store.archive.closeNext(now, async (step) => {
    if (step === amid) made ??= await backup();
  });
  expect(made).not.toBeNull();
  await bringBack();
  const whole = async () => {
    expect(await store.audit.verify()).toMatchObject({ intact: true, lost: { count: 0 } });
    for (const id of ids) expect((await store.audit.trace(id)).at(-1)).toMatchObject({ event: 'message.swept' });
    expect(await store.audit.search({ recipient: 'kim@a.test', limit: 100 })).toHaveLength(ids.length);
  };
  await whole();
  while ((await store.archive.closeNext(now)) !== null);
  expect((await store.archive.segments()).map(({ state }) => state)).toEqual(['moved']);
  await whole();
});

test('an erasure that is asked for amid a backup waits for it: what is restored verifies, and has the detail yet', async () => {
  for (let day = 0; day < 40; day++, now += DAY) {
    await b.decided({ to: ['kim@a.test'] });
    for (const one of await b.take()) await b.settle(one.lease, settlement(one.deliveries[0]!.id, 'delivered'));
    for (const one of await store.queue.finished(100)) await store.queue.bodiless(verb(), one.id);
  }
  while ((await store.archive.closeNext(now)) !== null);
  let erasing: Promise<{ entries: number }> | null = null;
  const backups = createBackups({ ...deps(), archive: store.archive });
  await backups.make(join(folder, 'backup'), async (stage) => {
    if (stage !== 'files' || erasing !== null) return;
    erasing = store.archive.erase({ organization: 'clinic', address: 'kim@a.test', actor: 'ann', reason: 'asked for' });
  });
  expect((await erasing!).entries).toBeGreaterThan(0);
  await bringBack();
  expect(await store.audit.verify()).toMatchObject({ intact: true, lost: { count: 0 } });
  expect(await store.audit.search({ recipient: 'kim@a.test', limit: 100 })).toHaveLength(40);
});

test('who asks for a backup and leaves ends it; it is known as none, and another can be made', async () => {
  const backups = createBackups({
    ...deps(),
    archive: store.archive,
  });
  const leaves = backups.make(join(folder, 'left'), () => Promise.reject(new Error('gone')));
  await expect(backups.make(join(folder, 'second'), async () => {})).rejects.toThrow('is being made already');
  await expect(leaves).rejects.toThrow('it is not whole');
  expect(readdirSync(join(folder, 'left'))).toContain('manifest.unfinished');
  expect(existsSync(join(folder, 'state', 'backing-up'))).toBe(false);
  await b.accept();
  expect(await backups.make(join(folder, 'second'), async () => {})).toMatchObject({ others: [] });
});
