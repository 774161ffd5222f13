// What every body store must do, whatever it is made of. `open` gives a store over one lasting place: called again after
// `close` it must find what was durable.

import { randomBytes } from 'node:crypto';
import { KIND } from '../../src/crypto/sealed.ts';
import type { BodyRef } from '../../src/domain/types.ts';
import { type Bodies, BodyError } from '../../src/store/bodies/port.ts';

/** `small` octets still lie together with others, `large` ones by themselves. */
export type BodiesUnderTest = {
  readonly open: () => Promise<Bodies>;
  readonly now: () => number;
  readonly small: number;
  readonly large: number;
};

const ENVELOPE = Buffer.from('{"from":"a@example.org"}');

export async function put(bodies: Bodies, plain: Uint8Array, organization = 'clinic'): Promise<BodyRef> {
  const writer = bodies.create(organization, plain.length);
  for (let at = 0; at < plain.length; at += 10_000) await writer.write(plain.subarray(at, at + 10_000));
  const { ref, durable } = writer.end(ENVELOPE);
  await durable;
  return ref;
}

export async function get(bodies: Bodies, ref: BodyRef, organization = 'clinic'): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bodies.open(organization, ref)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Rejects with BodyError of this code. */
export async function refuses(work: Promise<unknown>, code: BodyError['code']): Promise<void> {
  const error = await work.then(
    () => null,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(BodyError);
  expect((error as BodyError).code).toBe(code);
}

export function bodiesContract(setUp: () => Promise<BodiesUnderTest>): void {
  let store: BodiesUnderTest;
  let bodies: Bodies;
  beforeEach(async () => {
    store = await setUp();
    bodies = await store.open();
  });
  afterEach(() => bodies.close());
  const again = async () => {
    await bodies.close();
    bodies = await store.open();
  };
  const nothing = async () => new Set<string>();

  test('bodies of every size come back, before and after a restart', async () => {
    const sizes = [0, 1, 5000, 65_535, 65_536, 65_537, store.small, store.large, store.large * 3];
    const stored = await Promise.all(
      sizes.map(async (size) => {
        const plain = randomBytes(size);
        return { plain, ref: await put(bodies, plain) };
      }),
    );
    for (const { plain, ref } of stored) expect((await get(bodies, ref)).equals(plain)).toBe(true);
    await again();
    for (const { plain, ref } of stored) expect((await get(bodies, ref)).equals(plain)).toBe(true);
    const later = randomBytes(100);
    expect(await get(bodies, await put(bodies, later))).toEqual(later);
    expect((await get(bodies, stored[2]!.ref)).equals(stored[2]!.plain)).toBe(true);
  });

  test('end gives octets and a keyed digest of the plain bytes, at once', async () => {
    const end = async (organization: string, text: string) => {
      const writer = bodies.create(organization);
      for (const part of text) await writer.write(Buffer.from(part));
      const { size, digest, durable } = writer.end(ENVELOPE);
      await durable;
      return { size, digest: Buffer.from(digest).toString('hex') };
    };
    const first = await end('clinic', 'a body');
    expect(first.size).toBe(6);
    expect(await end('clinic', 'a body')).toEqual(first);
    expect((await end('clinic', 'a bodY')).digest).not.toBe(first.digest);
    expect((await end('practice', 'a body')).digest).not.toBe(first.digest);
  });

  test('many at once, each its own', async () => {
    const plains = Array.from({ length: 60 }, (_, i) => Buffer.alloc(200 + i * 531, String(i)));
    const refs = await Promise.all(plains.map((plain) => put(bodies, plain)));
    expect(new Set(refs.map((ref) => ref.object)).size).toBe(60);
    for (const [i, ref] of refs.entries()) expect((await get(bodies, ref)).equals(plains[i]!)).toBe(true);
  });

  test('a body of one organization does not open for another', async () => {
    const ref = await put(bodies, Buffer.from('x'));
    await refuses(get(bodies, ref, 'practice'), 'corrupt');
  });

  test('references that name nothing, or something else', async () => {
    const ref = await put(bodies, randomBytes(100));
    const other = await put(bodies, randomBytes(100));
    await refuses(get(bodies, { ...ref, file: '../../etc/passwd' }), 'missing');
    await refuses(get(bodies, { ...ref, file: `${ref.file}9` }), 'missing');
    await refuses(get(bodies, { ...ref, object: '../x' }), 'missing');
    await refuses(get(bodies, { ...ref, offset: -1 }), 'missing');
    await refuses(get(bodies, { ...ref, offset: ref.offset + 1 }), 'corrupt');
    await refuses(get(bodies, { ...ref, file: other.file, offset: other.offset }), 'corrupt');
    await refuses(get(bodies, { ...ref, length: ref.length - 1 }), 'corrupt');
    await refuses(get(bodies, { ...ref, length: 1 << 30 }), 'corrupt');
    await refuses(get(bodies, { ...ref, key: other.key }), 'corrupt');
    await refuses(get(bodies, { ...ref, key: '' }), 'corrupt');
  });

  test.each(['small', 'large'] as const)('a removed %s body does not open, and may be removed again', async (size) => {
    const keep = await put(bodies, Buffer.from('keep'));
    const ref = await put(bodies, randomBytes(store[size]));
    await bodies.remove(ref);
    await refuses(get(bodies, ref), 'missing');
    await bodies.remove(ref);
    await again();
    await refuses(get(bodies, ref), 'missing');
    await bodies.remove(ref);
    expect((await get(bodies, keep)).toString()).toBe('keep');
  });

  test('what is aborted, or was not ended at close, leaves nothing', async () => {
    for (const size of [store.small, store.large]) {
      const writer = bodies.create('clinic');
      await writer.write(randomBytes(size));
      await writer.abort();
      await writer.abort();
      await expect(writer.write(Buffer.from('x'))).rejects.toThrow('ended');
      await bodies.create('clinic').write(randomBytes(size));
    }
    await again();
    expect((await bodies.space()).reserved).toBe(0);
    expect(await bodies.sweep(nothing, store.now() + 1)).toEqual({ removed: 0 });
  });

  test('sweep removes what no row knows and is old enough', async () => {
    const refs = await Promise.all([1, 2, 3, store.large].map((size) => put(bodies, randomBytes(size))));
    const [known, ...unknown] = refs;
    const asked: string[] = [];
    const rows = async (objects: readonly string[]) => {
      asked.push(...objects);
      return new Set([known!.object]);
    };
    expect(await bodies.sweep(rows, store.now())).toEqual({ removed: 0 });
    expect(asked).toEqual([]);
    await again();
    expect(await bodies.sweep(rows, store.now() + 1)).toEqual({ removed: 3 });
    expect(asked.sort()).toEqual(refs.map((ref) => ref.object).sort());
    for (const ref of unknown) await refuses(get(bodies, ref), 'missing');
    expect(await get(bodies, known!)).toHaveLength(1);
    expect(await bodies.sweep(rows, store.now() + 1)).toEqual({ removed: 0 });
  });

  test('a handle has all that a worker needs', async () => {
    const ref = await put(bodies, Buffer.from('x'));
    const handle = bodies.handle('clinic', ref);
    expect(handle).toMatchObject({ object: ref.object, organization: 'clinic', length: ref.length });
    expect(handle.dataKey).toHaveLength(32);
    await bodies.remove(ref);
    expect(() => bodies.handle('clinic', ref)).toThrow(BodyError);
  });

  test("what is sealed under its maker's key opens with that key and kind alone, until it is removed", async () => {
    for (const size of [0, 5000, store.large]) {
      const seal = { object: bodies.newObject(), kind: KIND.parcel, dataKey: randomBytes(32), box: randomBytes(64) };
      const plain = randomBytes(size);
      const writer = bodies.create('clinic', size, seal);
      await writer.write(plain);
      const { ref, durable } = writer.end(ENVELOPE);
      await durable;
      expect(ref).toMatchObject({ object: seal.object, key: seal.box.toString('base64url') });
      const read = async (dataKey: Uint8Array = seal.dataKey, kind: number = KIND.parcel, organization = 'clinic') => {
        const chunks: Uint8Array[] = [];
        for await (const chunk of bodies.openWith(organization, ref, dataKey, kind)) chunks.push(chunk);
        return Buffer.concat(chunks);
      };
      for (const restarted of [false, true]) {
        if (restarted) await again();
        expect((await read()).equals(plain)).toBe(true);
        expect(bodies.handleWith('clinic', ref, seal.dataKey, KIND.parcel)).toMatchObject({ kind: KIND.parcel });
        await refuses(read(randomBytes(32)), 'corrupt');
        await refuses(read(seal.dataKey, KIND.body), 'corrupt');
        await refuses(read(seal.dataKey, KIND.parcel, 'practice'), 'corrupt');
        await refuses(get(bodies, ref), 'corrupt');
      }
      await bodies.remove(ref);
      await refuses(read(), 'missing');
    }
  });
}
