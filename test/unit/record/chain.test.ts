import { createHash } from 'node:crypto';
import { type ChainEntry, digest, GENESIS, link, serialize } from '../../../src/record/chain.ts';

const ENTRY: ChainEntry = {
  ...{ node: 'gw', epoch: 1, seq: 7, at: 1_777_636_800_000, organization: 'clinic', message: 'm1', delivery: 'm1.0' },
  ...{ actor: 'gateway', event: 'delivery.delivered', detail: '{"status":"2.0.0"}', boxed: Buffer.from([0, 255, 1]) },
};

/** The entry's octets written once more, from the words of src/README.md alone. */
function octets(entry: ChainEntry): Buffer {
  const { node, epoch, seq, at, organization, message, delivery, actor, event, detail, boxed } = entry;
  const fields = [node, epoch, seq, at, organization, message, delivery, actor, event, detail, boxed];
  const parts = fields.map((field) => {
    if (field === null) return Buffer.from('ffffffff', 'hex');
    const value = field instanceof Uint8Array ? Buffer.from(field) : Buffer.from(String(field));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(value.length);
    return Buffer.concat([length, value]);
  });
  return Buffer.concat(parts);
}

test.each<[string, Partial<ChainEntry>]>([
  ['whole', {}],
  ['without message, delivery and box', { message: null, delivery: null, boxed: null }],
  ['with empty ones', { message: '', delivery: '', boxed: new Uint8Array(0) }],
  ['beyond ASCII', { organization: 'Clínica Ñandú 診療所', actor: '🩺', detail: '{"a":"é"}' }],
  ['longer than the scratch buffer', { detail: `"${'ü'.repeat(20_000)}"`, boxed: Buffer.alloc(70_000, 7) }],
])('an entry %s: octets, digest and link as src/README.md says', (_, change) => {
  const entry = { ...ENTRY, ...change };
  expect(serialize(entry)).toEqual(octets(entry));
  const sum = createHash('sha256')
    .update(Buffer.from([0]))
    .update(octets(entry))
    .digest();
  expect(digest(entry)).toEqual(sum);
  const head = createHash('sha256')
    .update(Buffer.from([1]))
    .update(GENESIS)
    .update(sum)
    .digest();
  expect(link(GENESIS, sum)).toEqual(head);
});

test.each<[keyof ChainEntry, unknown]>([
  ['node', 'gx'],
  ['epoch', 2],
  ['seq', 8],
  ['at', 1_777_636_800_001],
  ['organization', 'practice'],
  ['message', null],
  ['delivery', 'm1.1'],
  ['actor', 'gateway '],
  ['event', 'delivery.bounced'],
  ['detail', '{"status":"2.0.1"}'],
  ['boxed', Buffer.from([0, 255, 2])],
])('the digest covers %s', (field, value) => {
  expect(digest({ ...ENTRY, [field]: value })).not.toEqual(digest(ENTRY));
});

test('no field runs into the next, absent differs from empty', () => {
  const moved = { ...ENTRY, actor: 'gatewayd', event: 'elivery.delivered' };
  const digests = [ENTRY, moved, { ...ENTRY, message: null }, { ...ENTRY, message: '' }].map((one) =>
    digest(one).toString('hex'),
  );
  expect(new Set(digests).size).toBe(4);
});

test('a serialized entry keeps its octets when the next one is written', () => {
  const first = serialize(ENTRY);
  const copy = Buffer.from(first);
  serialize({ ...ENTRY, node: 'another' });
  expect(first).toEqual(copy);
});
