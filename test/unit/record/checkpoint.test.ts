import { createHash, createPublicKey, randomBytes, verify } from 'node:crypto';
import {
  type Checkpoint,
  checkpointOctets,
  checkpointText,
  fingerprint,
  follow,
  isSigned,
  keyText,
  readCheckpoint,
  readKeys,
  signCheckpoint,
  signingKey,
  UNSIGNED,
} from '../../../src/record/checkpoint.ts';

const [ONE, TWO, OTHER] = [1, 2, 3].map((octet) => signingKey(Buffer.alloc(32, octet))) as [
  ReturnType<typeof signingKey>,
  ReturnType<typeof signingKey>,
  ReturnType<typeof signingKey>,
];
const HASH = Buffer.alloc(32, 7);
const FIRST: Checkpoint = {
  ...{ node: 'gw', epoch: 1, seq: 12, hash: HASH, no: 1, at: 1_777_636_800_001 },
  ...{ others: [], key: ONE.key, next: ONE.key },
};
const signed = (change: Partial<Checkpoint> = {}, by = ONE) => signCheckpoint({ ...FIRST, ...change }, by.secret);

/** Octets written once more, from the words of src/README.md alone. */
function joined(...fields: (string | Uint8Array)[]): Buffer {
  const parts = fields.map((field) => {
    const value = Buffer.from(field as string);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(value.length);
    return Buffer.concat([length, value]);
  });
  return Buffer.concat(parts);
}

test.each<[string, Partial<Checkpoint>]>([
  ['the first', {}],
  ['one that hands over', { no: 9, next: TWO.key }],
  ['one among others', { next: null, others: [{ node: 'old', epoch: 2, seq: 5, hash: Buffer.alloc(32, 9) }] }],
])('%s: octets as src/README.md says, signature by any Ed25519', (_, change) => {
  const one = signed(change);
  const { no, at, node, epoch, seq, hash, others, key, next } = one;
  const heads = others.map((head) => joined(head.node, String(head.epoch), String(head.seq), head.hash));
  const octets = joined(
    ...['sealrelay/1 checkpoint', String(no), String(at), node, String(epoch), String(seq), hash],
    ...[joined(...heads), key, next ?? new Uint8Array(0)],
  );
  expect(checkpointOctets(one)).toEqual(octets);
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(key).toString('base64url') };
  expect(verify(null, octets, createPublicKey({ key: jwk, format: 'jwk' }), one.signature)).toBe(true);
});

// RFC 8032 §7.1, test 1.
test('a key from its seed', () => {
  const seed = Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex');
  const key = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a';
  expect(signingKey(seed).key.toString('hex')).toBe(key);
});

test.each<[string, Partial<Checkpoint>]>([
  ['no', { no: 2 }],
  ['at', { at: FIRST.at + 1 }],
  ['node', { node: 'gx' }],
  ['epoch', { epoch: 2 }],
  ['seq', { seq: 13 }],
  ['hash', { hash: randomBytes(32) }],
  ['others', { others: [{ node: 'gw', epoch: 1, seq: 12, hash: HASH }] }],
  ['key', { key: TWO.key }],
  ['next', { next: null }],
])('the signature covers %s', (_, change) => {
  expect(isSigned({ ...signed(), ...change })).toBe(false);
});

test('as text and back', () => {
  const others = [{ node: 'old', epoch: 2, seq: 5, hash: Buffer.alloc(32, 9) }];
  for (const one of [signed(), signed({ others, next: null })]) {
    const read = readCheckpoint(checkpointText(one))!;
    expect(read).toEqual(one);
    expect(isSigned(read)).toBe(true);
  }
});

test.each([
  '',
  '{}',
  'null',
  '[]',
  '{"no":1}',
  checkpointText(signed()).slice(0, -9),
  checkpointText(signed()).replace('"no":1', '"no":"1"'),
])('no checkpoint: %s', (line) => {
  expect(readCheckpoint(line)).toBeNull();
});

test('keys as a file to keep: lines, comments, nothing else', () => {
  const text = `# gw\n${keyText(ONE.key)}\r\n\n  ${keyText(TWO.key)}`;
  expect(readKeys(text)).toEqual([ONE.key, TWO.key]);
  for (const wrong of ['', '# nothing', 'sra1 short', `${keyText(ONE.key)}\nmore`]) expect(readKeys(wrong)).toBeNull();
  const sum = createHash('sha256').update(ONE.key).digest('hex');
  expect(fingerprint(ONE.key).replaceAll(' ', '')).toBe(sum.slice(0, 32));
  expect(fingerprint(ONE.key)).toMatch(/^([0-9a-f]{4} ){7}[0-9a-f]{4}$/);
});

describe('a series', () => {
  const second = signed({ no: 2, seq: 20, next: null });
  const handing = signed({ no: 3, seq: 20, next: TWO.key });
  const third = signed({ no: 4, seq: 30, key: TWO.key, next: null }, TWO);
  const run = (series: readonly ReturnType<typeof signed>[], firsts: readonly Uint8Array[] | null = null) => {
    let at = UNSIGNED;
    for (const one of series) {
      const next = follow(at, one, firsts);
      if (typeof next === 'string') return next;
      at = next;
    }
    return at.no;
  };

  test('goes on over the days, from the first key', () => {
    expect(run([signed(), second, handing, third])).toBe(4);
    expect(run([signed(), second, handing, third], [OTHER.key, ONE.key])).toBe(4);
  });

  test.each([
    [
      'without its first key',
      [signed()],
      [OTHER.key],
      'checkpoint 1 begins anew with a key that is none of those kept elsewhere',
    ],
    ['with a gap', [signed(), handing], null, 'checkpoint 2 is missing'],
    ['without its beginning', [second], null, 'checkpoint 1 is missing'],
    [
      'by a key of nobody',
      [signed(), signed({ no: 2, key: OTHER.key, next: null }, OTHER)],
      null,
      'checkpoint 2 is signed by a key that was not endorsed',
    ],
    [
      'by the old key after the change',
      [signed(), second, handing, signed({ no: 4, seq: 30, next: null })],
      null,
      'checkpoint 4 is signed by a key that was not endorsed',
    ],
    [
      'begun anew',
      [signed(), signed({ no: 2, key: OTHER.key, next: OTHER.key }, OTHER)],
      null,
      'checkpoint 2 begins anew with a key that the one before did not endorse',
    ],
    ['signed by another hand', [signed({}, OTHER)], null, 'the signature of checkpoint 1 does not match'],
    ['going back', [signed(), signed({ no: 2, seq: 11, next: null })], null, 'checkpoint 2 goes back behind entry 12'],
  ] as const)('%s', (_, series, firsts, words) => {
    expect(run(series, firsts)).toBe(words);
  });

  test('a key that was lost is followed by one that is kept too', () => {
    const anew = signed({ no: 2, key: OTHER.key, next: OTHER.key }, OTHER);
    expect(run([signed(), anew], [ONE.key, OTHER.key])).toBe(2);
  });

  test('a restored gateway begins anew in a later epoch: believed without kept keys, wanted among them', () => {
    const anew = (epoch: number) => signed({ no: 2, epoch, seq: 1, key: OTHER.key, next: OTHER.key }, OTHER);
    expect(run([signed(), anew(1_795_000_000)])).toBe(2);
    expect(run([signed(), anew(1_795_000_000)], [ONE.key])).toContain('that is none of those kept elsewhere');
    expect(run([signed(), anew(1_795_000_000)], [ONE.key, OTHER.key])).toBe(2);
    expect(run([signed(), anew(signed().epoch - 1)])).toContain('that the one before did not endorse');
  });
});
