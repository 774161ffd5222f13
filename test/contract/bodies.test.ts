import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KIND } from '../../src/crypto/sealed.ts';
import type { Vault } from '../../src/crypto/vault.ts';
import type { BodyRef } from '../../src/domain/types.ts';
import type { BodyWriter } from '../../src/store/bodies/port.ts';
import { keptFile, readSealed } from '../../src/store/bodies/read.ts';
import { type FoundRecord, scanRecords } from '../../src/store/bodies/recover.ts';
import { type BodyLimits, openBodies, type SegmentBodies } from '../../src/store/bodies/segments.ts';
import { FaultyDisk } from '../support/faulty-disk.ts';
import { NOON, random, readyVault } from '../support/vault.ts';
import { bodiesContract, get, put, refuses } from './bodies.ts';

const LIMITS: Partial<BodyLimits> = { segment: 400_000, small: 150_000, reserve: 1_000_000, lanes: 2 };
const LARGE = 300_000;
const clock = { now: () => NOON, sleep: async () => {} };

let dir: string;
let vault: Vault;
let disk: FaultyDisk;
let failures: string[];
const started: SegmentBodies[] = [];
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'sealrelay-bodies-'));
  vault = await readyVault();
  disk = new FaultyDisk();
  failures = [];
});
afterEach(async () => {
  disk.fault = () => undefined;
  for (const bodies of started.splice(0)) await bodies.close();
  rmSync(dir, { recursive: true });
});

async function start(limits: Partial<BodyLimits> = {}): Promise<SegmentBodies> {
  const onFailed = (why: string) => failures.push(why);
  const bodies = await openBodies({ dir, vault, clock, random, io: disk, limits: { ...LIMITS, ...limits }, onFailed });
  started.push(bodies);
  return bodies;
}
const files = (suffix: string) => readdirSync(dir).filter((file) => file.endsWith(suffix));
/** An ended body whose durability nobody waits for yet. */
function end(bodies: SegmentBodies, plain: Uint8Array): ReturnType<BodyWriter['end']> {
  const writer = bodies.create('clinic');
  void writer.write(plain);
  return writer.end(Buffer.from('{}'));
}
const turn = () => new Promise((resolve) => setTimeout(resolve, 20));

describe('the contract, on segments', () => {
  bodiesContract(async () => ({ open: () => start(), now: clock.now, small: 100_000, large: LARGE }));
});
describe('the contract, on a disk that writes in bits, with one lane and tiny segments', () => {
  bodiesContract(async () => {
    disk.mostOctets = 7001;
    return { open: () => start({ lanes: 1, segment: 1 }), now: clock.now, small: 100_000, large: LARGE };
  });
});

describe('syncs', () => {
  test('a body is durable only after segment, key file and folder are synced', async () => {
    const bodies = await start();
    let open = () => {};
    disk.gate = new Promise((resolve) => {
      open = resolve;
    });
    let durable = false;
    const ended = end(bodies, randomBytes(100));
    const waiting = ended.durable.then(() => {
      durable = true;
    });
    await turn();
    expect(disk.count('syncFolder')).toBe(1);
    expect(disk.count('writev', '.segment') * disk.count('writev', '.keys')).toBe(1);
    expect(durable).toBe(false);
    open();
    await waiting;
    expect(disk.count('datasync', '.segment')).toBe(1);
    expect(disk.count('datasync', '.keys')).toBe(1);
  });

  test('bodies that come while a sync runs share the next', async () => {
    const bodies = await start({ lanes: 1 });
    let open = () => {};
    disk.gate = new Promise((resolve) => {
      open = resolve;
    });
    const all = [end(bodies, randomBytes(10)).durable];
    await turn();
    for (let i = 0; i < 50; i++) all.push(end(bodies, randomBytes(10)).durable);
    await turn();
    open();
    await Promise.all(all);
    expect(disk.count('datasync', '.segment')).toBe(2);
    expect(disk.count('writev', '.segment')).toBe(2);
  });

  test('with two lanes a second batch does not wait for the first', async () => {
    const bodies = await start({ lanes: 2 });
    await put(bodies, randomBytes(10));
    let open = () => {};
    disk.gate = new Promise((resolve) => {
      open = resolve;
    });
    const first = end(bodies, randomBytes(10)).durable;
    await turn();
    disk.gate = Promise.resolve();
    await end(bodies, randomBytes(10)).durable;
    open();
    await first;
  });

  test('a large body: its file is synced before its record is written', async () => {
    const bodies = await start();
    await put(bodies, randomBytes(LARGE));
    const order = disk.log.map((line) => line.replace(/[0-9a-f]{16,32}/, ''));
    expect(order.indexOf('datasync .body')).toBeLessThan(order.indexOf('writev .keys'));
    expect(order.indexOf('syncFolder')).toBeLessThan(order.indexOf('writev .keys'));
  });

  test('a removal is done only after its key slot is synced; removals share syncs', async () => {
    const bodies = await start();
    const refs = await Promise.all(Array.from({ length: 20 }, () => put(bodies, randomBytes(10))));
    disk.log.length = 0;
    await Promise.all(refs.map((ref) => bodies.remove(ref)));
    expect(disk.count('datasync', '.keys')).toBeLessThanOrEqual(2);
    expect(disk.log.at(-1)).toMatch(/^datasync .*keys$/);
  });
});

describe('a failing disk', () => {
  test.each([
    ['a sync of the segment', 'datasync', '.segment', 'EIO when syncing'],
    ['a sync of the key file', 'datasync', '.keys', 'EIO when syncing'],
    ['a write', 'writev', '.segment', 'EIO when writing'],
    ['a folder sync', 'syncFolder', '', 'EIO when writing'],
  ] as const)('%s fails: nothing more is taken, what stood is readable', async (_, operation, suffix, why) => {
    const bodies = await start({ segment: operation === 'syncFolder' ? 1 : 400_000 });
    const ref = await put(bodies, Buffer.from('before'));
    let once = true;
    disk.fault = (now, path) => {
      if (!once || now !== operation || !path.endsWith(suffix)) return undefined;
      once = false;
      return 'EIO';
    };
    const batch = [end(bodies, randomBytes(10)), end(bodies, randomBytes(10))];
    const open = bodies.create('clinic');
    for (const { durable } of batch) await refuses(durable, 'failed');
    await refuses(open.write(Buffer.from('x')), 'failed');
    await refuses(open.end(Buffer.from('{}')).durable, 'failed');
    expect(() => bodies.create('clinic')).toThrow('takes nothing more');
    await refuses(bodies.remove(ref), 'failed');
    expect((await get(bodies, ref)).toString()).toBe('before');
    expect(failures).toEqual([why]);
  });

  test.each(['datasync', 'writev', 'open'] as const)('%s of a file of its own fails', async (operation) => {
    const bodies = await start();
    disk.fault = (now, path) => (now === operation && path.endsWith('.body') ? 'EIO' : undefined);
    await refuses(put(bodies, randomBytes(LARGE)), 'failed');
    expect(failures).toHaveLength(1);
  });

  test('a sync that fails when removing: the body is not said to be gone', async () => {
    const bodies = await start();
    const ref = await put(bodies, Buffer.from('x'));
    disk.fault = (operation) => (operation === 'datasync' ? 'EIO' : undefined);
    await refuses(bodies.remove(ref), 'failed');
    expect(failures).toEqual(['EIO when removing']);
  });

  test('no error message holds a path or a byte', async () => {
    const bodies = await start();
    disk.fault = (operation) => (operation === 'datasync' ? 'EIO' : undefined);
    const error = await end(bodies, Buffer.from('canary')).durable.catch((reason) => reason);
    expect(error.message).not.toContain(dir);
    expect(error.message).not.toContain('canary');
  });
});

describe('space', () => {
  test.each(['.segment', '.keys'])('ENOSPC at %s refuses the batch, and the next is taken', async (suffix) => {
    const bodies = await start();
    const before = await put(bodies, Buffer.from('before'));
    disk.fault = (operation, path) => (operation === 'writev' && path.endsWith(suffix) ? 'ENOSPC' : undefined);
    const refused = [end(bodies, randomBytes(10)), end(bodies, randomBytes(10))];
    for (const { durable } of refused) await refuses(durable, 'full');
    disk.fault = () => undefined;
    const after = await put(bodies, Buffer.from('after'));
    expect((await get(bodies, before)).toString()).toBe('before');
    expect((await get(bodies, after)).toString()).toBe('after');
    await refuses(get(bodies, refused[0]!.ref), 'missing');
    expect(failures).toEqual([]);
    expect(await scan()).toHaveLength(2);
    await bodies.close();
    expect((await get(await start(), after)).toString()).toBe('after');
  });

  test('ENOSPC when a segment is made: refused, and the next body gets another segment', async () => {
    const bodies = await start();
    disk.fault = (operation, path) => (operation === 'open' && path.endsWith('.segment') ? 'ENOSPC' : undefined);
    await refuses(put(bodies, randomBytes(10)), 'full');
    disk.fault = () => undefined;
    expect(await get(bodies, await put(bodies, Buffer.from('x')))).toHaveLength(1);
  });

  test('descriptors that are out for a moment do not stop a lane for good', async () => {
    const bodies = await start();
    await put(bodies, Buffer.from('makes the segment'));
    let open = Promise.withResolvers<void>();
    disk.gate = open.promise;
    const both = async () => {
      const first = end(bodies, Buffer.from('first')).durable;
      await turn();
      const second = end(bodies, Buffer.from('second')).durable;
      const settled = Promise.allSettled([first, second]);
      await turn();
      open.resolve();
      return (await settled).map(({ status }) => status);
    };
    disk.fault = (operation, path) => (operation === 'open' && path.endsWith('.segment') ? 'EMFILE' : undefined);
    expect(await both()).toEqual(['fulfilled', 'rejected']);
    disk.fault = () => undefined;
    open = Promise.withResolvers<void>();
    disk.gate = open.promise;
    expect(await both()).toEqual(['fulfilled', 'fulfilled']);
    expect(failures).toEqual([]);
  });

  test('ENOSPC in a file of its own: refused, and the file is gone', async () => {
    const bodies = await start();
    let writes = 0;
    disk.fault = (operation, path) =>
      operation === 'writev' && path.endsWith('.body') && ++writes > 1 ? 'ENOSPC' : undefined;
    const writer = bodies.create('clinic');
    const write = async () => {
      for (let i = 0; i < 100; i++) {
        await writer.write(randomBytes(LARGE));
        await turn();
      }
    };
    await refuses(write(), 'full');
    await writer.abort();
    expect(files('.body')).toEqual([]);
    expect((await bodies.space()).reserved).toBe(0);
    expect(failures).toEqual([]);
  });

  test('what is expected must fit twice besides the reserve and the others', async () => {
    disk.freeOctets = 3_000_000;
    const bodies = await start();
    const first = bodies.create('clinic', 600_000);
    expect(await bodies.space()).toEqual({ free: 3_000_000, reserved: 1_200_000 });
    expect(() => bodies.create('clinic', 500_000)).toThrow(expect.objectContaining({ code: 'full' }));
    await first.abort();
    await bodies.create('clinic', 500_000).abort();
    expect((await bodies.space()).reserved).toBe(0);
  });

  test('space is claimed as a body grows beyond what was expected', async () => {
    disk.freeOctets = 3_000_000;
    const bodies = await start({ small: 10_000_000 });
    const writer = bodies.create('clinic', 10);
    const write = async () => {
      for (let i = 0; i < 100; i++) await writer.write(randomBytes(50_000));
    };
    await refuses(write(), 'full');
    const { reserved } = await bodies.space();
    expect(reserved).toBeGreaterThan(1_000_000);
    expect(reserved).toBeLessThanOrEqual(2_000_000);
    await writer.abort();
    disk.freeOctets = 10_000_000;
    await bodies.space();
    await put(bodies, randomBytes(1_000_000));
    expect((await bodies.space()).reserved).toBe(0);
  });
});

async function scan(): Promise<FoundRecord[]> {
  const found: FoundRecord[] = [];
  for await (const record of scanRecords({ dir, vault })) if (record.kind === 'body') found.push(record);
  return found;
}

describe('on disk', () => {
  const CANARY = 'canary.of.the.body';
  const everything = () => Buffer.concat(readdirSync(dir).map((file) => readFileSync(join(dir, file))));

  test('no plain text, no data key', async () => {
    const bodies = await start();
    const keys: Buffer[] = [];
    for (const size of [100, LARGE]) {
      const writer = bodies.create('clinic');
      await writer.write(Buffer.from(CANARY.repeat(size / 10)));
      const { ref, durable } = writer.end(Buffer.from(`{"to":"${CANARY}"}`));
      await durable;
      keys.push(Buffer.from(bodies.handle('clinic', ref).dataKey));
    }
    const bytes = everything();
    expect(bytes.length).toBeGreaterThan(LARGE);
    expect(bytes.includes(CANARY)).toBe(false);
    for (const key of keys) expect(bytes.includes(key)).toBe(false);
  });

  test('files and folder are for their owner alone', async () => {
    await put(await start(), randomBytes(LARGE));
    for (const file of readdirSync(dir)) expect(statSync(join(dir, file)).mode & 0o077).toBe(0);
    expect(files('.body')).toHaveLength(1);
  });

  test('after a removal no copy of the key box is left, and the neighbours are whole', async () => {
    const bodies = await start();
    const refs: BodyRef[] = [];
    for (let i = 0; i < 9; i++) refs.push(await put(bodies, Buffer.from(`${i}`)));
    const box = Buffer.from(refs[4]!.key, 'base64url');
    expect(everything().includes(box)).toBe(true);
    await bodies.remove(refs[4]!);
    expect(everything().includes(box)).toBe(false);
    expect((await scan()).map((record) => record.ref)).toEqual(refs.filter((_, i) => i !== 4));
  });

  test('a removal while others are being appended harms none of them', async () => {
    const bodies = await start();
    const old = await Promise.all(Array.from({ length: 10 }, () => put(bodies, randomBytes(10))));
    const work = old.flatMap((ref) => [bodies.remove(ref), put(bodies, Buffer.from('new'))] as const);
    await Promise.all(work);
    expect(await scan()).toHaveLength(10);
    for (const { ref } of await scan()) expect((await get(bodies, ref)).toString()).toBe('new');
  });

  test('a body removed before it was durable is gone', async () => {
    const bodies = await start();
    const { ref } = end(bodies, randomBytes(10));
    await bodies.remove(ref);
    await refuses(get(bodies, ref), 'missing');
    expect(await scan()).toEqual([]);
  });

  test('full segments are left, and unlinked when their last body is removed', async () => {
    const bodies = await start();
    const refs: BodyRef[] = [];
    for (let i = 0; i < 12; i++) refs.push(await put(bodies, randomBytes(100_000)));
    expect(files('.segment')).toHaveLength(3);
    for (const ref of refs) await bodies.remove(ref);
    expect(files('.segment')).toHaveLength(1);
    expect(files('.keys')).toHaveLength(1);
    await bodies.close();
    await start();
    expect(readdirSync(dir)).toEqual([]);
  });

  test('files of their own that a crash left without record are removed at start, others are not touched', async () => {
    const bodies = await start();
    const ref = await put(bodies, randomBytes(LARGE));
    await bodies.close();
    const orphan = `${'ab'.repeat(16)}.body`;
    writeFileSync(join(dir, orphan), randomBytes(100));
    writeFileSync(join(dir, 'keys.jsonl'), '');
    const later = await start();
    expect(files('.body')).toEqual([`${ref.object}.body`]);
    expect(files('.jsonl')).toHaveLength(1);
    expect(await get(later, ref)).toHaveLength(LARGE);
  });

  test('a lost key file: bodies still open by their references, and nothing is thrown away', async () => {
    const bodies = await start();
    const refs = [await put(bodies, Buffer.from('x')), await put(bodies, randomBytes(LARGE))];
    await bodies.close();
    rmSync(join(dir, files('.keys')[0]!));
    const later = await start();
    for (const ref of refs) await get(later, ref);
    await later.sweep(async () => new Set(), NOON + 1);
    for (const ref of refs) await get(later, ref);
  });

  test('lost files and cut segments: missing or corrupt, never a crash', async () => {
    const bodies = await start();
    const [first, second, large] = [
      await put(bodies, Buffer.from('1')),
      await put(bodies, randomBytes(100_000)),
      await put(bodies, randomBytes(LARGE)),
    ];
    await bodies.close();
    rmSync(join(dir, `${large.object}.body`));
    truncateSync(join(dir, files('.segment')[0]!), second.offset + 70_000);
    const later = await start();
    expect((await get(later, first)).toString()).toBe('1');
    await refuses(get(later, second), 'corrupt');
    await refuses(get(later, large), 'missing');
    expect(await scan()).toHaveLength(1);
  });

  test('records are found without references, each with its envelope', async () => {
    const bodies = await start();
    const plains = [Buffer.from('one'), randomBytes(LARGE), randomBytes(100_000)];
    const refs: BodyRef[] = [];
    for (const plain of plains) refs.push(await put(bodies, plain, plain.length === 3 ? 'practice' : 'clinic'));
    const found = await scan();
    expect(found.map((record) => record.ref)).toEqual(refs);
    expect(found.map((record) => record.organization)).toEqual(['practice', 'clinic', 'clinic']);
    for (const [i, { ref, organization, envelope, createdAt }] of found.entries()) {
      expect((await get(bodies, ref, organization)).equals(plains[i]!)).toBe(true);
      expect(Buffer.from(envelope).toString()).toBe('{"from":"a@example.org"}');
      expect(createdAt).toBe(NOON);
    }
  });

  test('a damaged slot or envelope is told, and the rest is found', async () => {
    const bodies = await start();
    const refs = [
      await put(bodies, Buffer.from('1')),
      await put(bodies, Buffer.from('2')),
      await put(bodies, Buffer.from('3')),
    ];
    await bodies.close();
    const change = (file: string, at: number) => {
      const bytes = readFileSync(join(dir, file));
      bytes[at]! ^= 1;
      writeFileSync(join(dir, file), bytes);
    };
    change(files('.keys')[0]!, 50);
    change(files('.segment')[0]!, refs[1]!.offset + refs[1]!.length + 20);
    const all = [];
    for await (const record of scanRecords({ dir, vault })) all.push(record);
    expect(all[0]).toMatchObject({ slot: 0, lost: 'the key slot is damaged' });
    expect(all[1]).toMatchObject({ slot: 1, lost: expect.stringContaining('does not open') });
    expect(all[2]).toMatchObject({ ref: refs[2] });
    const later = await start();
    for (const ref of refs) await get(later, ref);
    await later.remove(refs[0]!);
    expect(await scan()).toHaveLength(1);
  });

  test("a parcel, whose key is not the vault's, is told from what is damaged", async () => {
    const bodies = await start();
    const seal = { object: bodies.newObject(), kind: KIND.parcel, dataKey: randomBytes(32), box: randomBytes(64) };
    const writer = bodies.create('clinic', 5, seal);
    await writer.write(randomBytes(5));
    await writer.end(Buffer.from('{}')).durable;
    const all = [];
    for await (const record of scanRecords({ dir, vault })) all.push(record);
    expect(all).toEqual([{ kind: 'parcel', organization: 'clinic', createdAt: NOON, object: seal.object }]);
  });
});

describe('reading by a handle, as a worker does', () => {
  test.each([0, 1, 65_536, 100_000, LARGE, 1_000_000])('%i octets, in chunks', async (size) => {
    const bodies = await start();
    const plain = randomBytes(size);
    const ref = await put(bodies, plain);
    const chunks = [...readSealed(structuredClone(bodies.handle('clinic', ref)))];
    expect(Buffer.concat(chunks).equals(plain)).toBe(true);
    expect(chunks.every((chunk) => chunk.length <= 65_536)).toBe(true);
    const dataKey = randomBytes(32);
    const parcel = { object: bodies.newObject(), kind: KIND.parcel, dataKey, box: randomBytes(64) };
    const writer = bodies.create('clinic', size, parcel);
    await writer.write(plain);
    const ended = writer.end(Buffer.from('{}'));
    await ended.durable;
    const handle = structuredClone(bodies.handleWith('clinic', ended.ref, dataKey, KIND.parcel));
    expect(Buffer.concat([...readSealed(handle)]).equals(plain)).toBe(true);
  });

  test('one after the other, by a file that stays open', async () => {
    const bodies = await start();
    const plain = [10, 100_000, 3000, 0].map((size) => randomBytes(size));
    const handles: ReturnType<typeof bodies.handle>[] = [];
    for (const one of plain) handles.push(bodies.handle('clinic', await put(bodies, one)));
    const files = keptFile();
    const readers = handles.map((handle) => readSealed(handle, files));
    // Two at once have files and room of their own.
    const first = readers[1]!.next().value as Buffer;
    expect(Buffer.concat([...readers[0]!]).equals(plain[0]!)).toBe(true);
    expect(Buffer.concat([first, ...readers[1]!]).equals(plain[1]!)).toBe(true);
    for (const i of [2, 3]) expect(Buffer.concat([...readers[i]!]).equals(plain[i]!)).toBe(true);
    const { path } = handles[0]!;
    expect(() => [...readSealed({ ...handles[0]!, path: `${path}x` }, files)]).toThrow(
      expect.objectContaining({ code: 'missing' }),
    );
    expect(() => [...readSealed({ ...handles[0]!, dataKey: randomBytes(32) }, files)]).toThrow(
      expect.objectContaining({ code: 'corrupt' }),
    );
    expect(Buffer.concat([...readSealed(handles[1]!, files)]).equals(plain[1]!)).toBe(true);
  });

  test('another key, cut bytes, a missing file', async () => {
    const bodies = await start();
    const handle = bodies.handle('clinic', await put(bodies, randomBytes(100)));
    const read = (changed: object) => [...readSealed({ ...handle, ...changed })];
    expect(() => read({ dataKey: randomBytes(32) })).toThrow(expect.objectContaining({ code: 'corrupt' }));
    expect(() => read({ length: handle.length + 1 })).toThrow(expect.objectContaining({ code: 'corrupt' }));
    expect(() => read({ length: 1 })).toThrow(expect.objectContaining({ code: 'corrupt' }));
    expect(() => read({ path: `${handle.path}x` })).toThrow(expect.objectContaining({ code: 'missing' }));
  });
});
