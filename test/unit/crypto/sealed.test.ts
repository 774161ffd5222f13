import { createCipheriv, hkdfSync, randomBytes } from 'node:crypto';
import {
  CHUNK,
  chunksOf,
  KIND,
  openSealed,
  SEALED_CHUNK,
  SEALED_HEADER,
  SealedError,
  type SealedIdentity,
  Sealer,
  sealedLength,
} from '../../../src/crypto/sealed.ts';

const identity: SealedIdentity = {
  kind: KIND.body,
  object: Buffer.alloc(16, 5),
  organization: 'clinic',
  dataKey: Buffer.alloc(32, 6),
};

function seal(plain: Uint8Array, piece = 10_000, as = identity): Buffer {
  const sealer = new Sealer(as);
  const out = [sealer.header];
  for (let at = 0; at < plain.length; at += piece) out.push(...sealer.write(plain.subarray(at, at + piece)));
  out.push(...sealer.end());
  return Buffer.concat(out);
}

async function open(sealed: Uint8Array, piece = 30_000, as = identity): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < sealed.length; at += piece) pieces.push(sealed.subarray(at, at + piece));
  const out: Buffer[] = [];
  for await (const chunk of openSealed(as, pieces)) out.push(chunk);
  return Buffer.concat(out);
}

const hkdf = (info: string) => Buffer.from(hkdfSync('sha256', identity.dataKey, Buffer.alloc(0), info, 32));

/** A sealed object made by the text of src/README.md alone, of chunks as given; the last flag stands on those in `lasts`. */
function byTheBook(chunks: readonly Buffer[], lasts: readonly number[] = [chunks.length - 1]): Buffer {
  const head = Buffer.concat([
    Buffer.from('SRS1'),
    Buffer.of(1, 16, 0, 0),
    identity.object,
    hkdf('sealrelay/1 commit'),
  ]);
  const out = [head];
  for (const [index, chunk] of chunks.entries()) {
    const nonce = Buffer.alloc(12);
    nonce.writeBigUInt64BE(BigInt(index), 3);
    nonce[11] = lasts.includes(index) ? 1 : 0;
    const cipher = createCipheriv('aes-256-gcm', hkdf('sealrelay/1 chunk'), nonce, { authTagLength: 16 });
    cipher.setAAD(Buffer.concat([head, Buffer.from('clinic')]));
    out.push(cipher.update(chunk), cipher.final(), cipher.getAuthTag());
  }
  return Buffer.concat(out);
}

describe('sealed objects', () => {
  const sizes = [0, 1, 100, 8191, 8192, 8193, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK - 1, 200_001];
  test.each(sizes)('%i octets come back, in pieces of any size', async (size) => {
    const plain = randomBytes(size);
    const sealed = seal(plain);
    expect(sealed).toHaveLength(sealedLength(size));
    for (const piece of [1000, CHUNK, CHUNK + 7, 1 << 20]) {
      expect(seal(plain, piece).equals(sealed)).toBe(true);
      expect((await open(sealed, piece)).equals(plain)).toBe(true);
    }
  });

  test('they are what src/README.md says', () => {
    const plain = randomBytes(CHUNK + 100);
    expect(seal(plain).equals(byTheBook([plain.subarray(0, CHUNK), plain.subarray(CHUNK)]))).toBe(true);
    expect(seal(Buffer.alloc(0)).equals(byTheBook([Buffer.alloc(0)]))).toBe(true);
  });

  test('an empty last chunk behind full ones opens', async () => {
    const plain = randomBytes(CHUNK);
    expect(await open(byTheBook([plain, Buffer.alloc(0)]))).toEqual(plain);
  });

  test('the buffers given may be used again', async () => {
    const sealer = new Sealer(identity);
    const buffer = Buffer.alloc(1000, 'a');
    const out = [sealer.header, ...sealer.write(buffer)];
    buffer.fill('b');
    out.push(...sealer.write(buffer), ...sealer.end());
    expect((await open(Buffer.concat(out))).toString()).toBe('a'.repeat(1000) + 'b'.repeat(1000));
  });

  test('two sealers at a time do not share a buffer', async () => {
    const pair = [new Sealer(identity), new Sealer(identity)] as const;
    const first = [pair[0].header, ...pair[0].write(Buffer.alloc(20_000, 'a'))];
    const second = [pair[1].header, ...pair[1].write(Buffer.alloc(20_000, 'b'))];
    first.push(...pair[0].end());
    const third = new Sealer(identity);
    third.write(Buffer.alloc(20_000, 'c'));
    second.push(...pair[1].end());
    expect((await open(Buffer.concat(first))).every((octet) => octet === 97)).toBe(true);
    expect((await open(Buffer.concat(second))).every((octet) => octet === 98)).toBe(true);
  });

  test('any octet changed, removed or added: refused', async () => {
    const sealed = seal(Buffer.from('a small body'));
    for (let i = 0; i < sealed.length; i++) {
      const changed = Buffer.from(sealed);
      changed[i]! ^= 0x80;
      await expect(open(changed)).rejects.toThrow(SealedError);
      await expect(open(sealed.subarray(0, i))).rejects.toThrow(SealedError);
      const without = Buffer.concat([sealed.subarray(0, i), sealed.subarray(i + 1)]);
      await expect(open(without)).rejects.toThrow(SealedError);
    }
    await expect(open(Buffer.concat([sealed, Buffer.of(0)]))).rejects.toThrow(SealedError);
  });

  const a = Buffer.alloc(CHUNK, 'a');
  const b = Buffer.alloc(CHUNK, 'b');
  const whole = byTheBook([a, b, Buffer.from('c')]);
  const at = (index: number) => SEALED_HEADER + index * SEALED_CHUNK;
  test.each([
    ['the last chunk missing', whole.subarray(0, at(2))],
    ['all but the first chunk missing', whole.subarray(0, at(1))],
    ['a chunk left out', Buffer.concat([whole.subarray(0, at(1)), whole.subarray(at(2))])],
    ['a chunk twice', Buffer.concat([whole.subarray(0, at(1)), whole.subarray(at(0))])],
    [
      'two chunks in another order',
      Buffer.concat([
        whole.subarray(0, at(0)),
        whole.subarray(at(1), at(2)),
        whole.subarray(at(0), at(1)),
        whole.subarray(at(2)),
      ]),
    ],
    ['nothing behind the header', whole.subarray(0, at(0))],
    ['nothing', Buffer.alloc(0)],
    ['a second last chunk', byTheBook([a, b], [0, 1])],
    ['no last chunk', byTheBook([a, b], [])],
    ['something after the last chunk', byTheBook([a, Buffer.from('b'), Buffer.from('c')], [1])],
    ['a short chunk in the middle', byTheBook([Buffer.from('a'), Buffer.from('b')])],
    ['another whole object behind it', Buffer.concat([whole, whole])],
  ])('%s: refused', async (_, sealed) => {
    await expect(open(sealed)).rejects.toThrow(SealedError);
  });

  test('another identity: refused, another key by its own words', async () => {
    await expect(open(whole, 1 << 20, { ...identity, organization: 'other' })).rejects.toThrow('does not open');
    await expect(open(whole, 1 << 20, { ...identity, object: Buffer.alloc(16) })).rejects.toThrow('kind or id');
    await expect(open(whole, 1 << 20, { ...identity, kind: KIND.parcel })).rejects.toThrow('kind or id');
    await expect(open(whole, 1 << 20, { ...identity, dataKey: Buffer.alloc(32) })).rejects.toThrow('another key');
  });

  test('chunks before a bad one are given, nothing of the bad one is', async () => {
    const bad = Buffer.from(whole);
    bad[at(1) + 10]! ^= 1;
    const given: Buffer[] = [];
    const reading = async () => {
      for await (const chunk of openSealed(identity, [bad])) given.push(chunk);
    };
    await expect(reading()).rejects.toThrow('chunk 1');
    expect(given).toHaveLength(1);
    expect(given[0]!.equals(a)).toBe(true);
  });

  test('the number of chunks follows from the length', () => {
    for (const size of sizes) expect(chunksOf(sealedLength(size))).toBe(Math.max(1, Math.ceil(size / CHUNK)));
    expect(() => chunksOf(SEALED_HEADER + 15)).toThrow(SealedError);
  });
});
