import { type ChainEntry, digest, GENESIS, link } from '../../../src/record/chain.ts';
import { compareHead, type Head, type StoredEntry, verifyChain } from '../../../src/record/verify.ts';

function chainOf(epoch: number, count: number, node = 'gw'): StoredEntry[] {
  const entries: StoredEntry[] = [];
  for (let seq = 1; seq <= count; seq++) add(entries, { node, epoch, seq, detail: `{"n":${seq}}` });
  return entries;
}

function add(entries: StoredEntry[], change: Partial<ChainEntry>): void {
  const entry: ChainEntry = {
    ...{ node: 'gw', epoch: 1, seq: entries.length + 1, at: 1000, organization: 'clinic', message: 'm1' },
    ...{ delivery: null, actor: 'gateway', event: 'message.accepted', detail: '{}', boxed: Buffer.from('box') },
    ...change,
  };
  const sum = digest(entry);
  entries.push({ ...entry, digest: sum, hash: link(entries.at(-1)?.hash ?? GENESIS, sum) });
}

function headOf(entries: readonly StoredEntry[]): Head {
  const { node, epoch, seq, hash } = entries.at(-1)!;
  return { node, epoch, seq, hash };
}

const EMPTY = (epoch: number): Head => ({ node: 'gw', epoch, seq: 0, hash: GENESIS });
const clean = chainOf(1, 9);
const kept = [headOf(clean)];
/** A copy with entry `seq` changed, its own digest and hash left as they were. */
const edited = (seq: number, change: Partial<StoredEntry>) =>
  clean.map((entry) => (entry.seq === seq ? { ...entry, ...change } : entry));
const swapped = (a: number, b: number) => {
  const copy = [...clean];
  [copy[a - 1], copy[b - 1]] = [copy[b - 1]!, copy[a - 1]!];
  return copy;
};
/** Who can write rows, but not heads kept elsewhere, makes the chain anew from entry `seq` on. */
const rewritten = (seq: number) => {
  const copy = clean.slice(0, seq - 1);
  for (const { digest: _, hash: __, ...entry } of clean.slice(seq - 1)) {
    add(copy, entry.seq === seq ? { ...entry, detail: '{"n":"forged"}' } : entry);
  }
  return copy;
};
const appended = () => {
  const copy = [...clean];
  add(copy, { event: 'message.finished' });
  return copy;
};

test('a clean chain', () => {
  expect(verifyChain(clean, kept)).toEqual({ entries: 9 });
});

test.each<[string, readonly StoredEntry[], number, number, string]>([
  ['a changed detail', edited(4, { detail: '{"n":5}' }), 3, 4, 'was edited: its digest does not match'],
  ['a changed box', edited(4, { boxed: Buffer.from('BOX') }), 3, 4, 'was edited: its digest does not match'],
  ['a box taken away', edited(4, { boxed: null }), 3, 4, 'was edited: its digest does not match'],
  ['a changed time', edited(1, { at: 999 }), 0, 1, 'was edited: its digest does not match'],
  [
    'a change with its digest made anew',
    edited(4, { detail: '{}', digest: digest({ ...clean[3]!, detail: '{}' }) }),
    3,
    4,
    'does not continue the chain: its hash does not match',
  ],
  ['a changed digest', edited(4, { digest: Buffer.alloc(32) }), 3, 4, 'was edited: its digest does not match'],
  [
    'a changed hash',
    edited(4, { hash: Buffer.alloc(32) }),
    3,
    4,
    'does not continue the chain: its hash does not match',
  ],
  ['a deleted first', clean.slice(1), 0, 2, 'entry 1 is missing'],
  ['one deleted', clean.filter(({ seq }) => seq !== 5), 4, 6, 'entry 5 is missing'],
  ['several deleted', clean.filter(({ seq }) => seq < 3 || seq > 6), 2, 7, 'entries 3 to 6 are missing'],
  ['two swapped', swapped(3, 6), 2, 6, 'entries 3 to 5 are missing'],
  ['neighbours swapped', swapped(3, 4), 2, 4, 'entry 3 is missing'],
  ['one twice', [...clean.slice(0, 4), ...clean.slice(3)], 4, 4, 'stands out of order: entry 5 was expected'],
  ['a cut tail', clean.slice(0, 7), 7, 8, 'the end is cut off: the chain should reach entry 9 and ends at 7'],
  ['nothing left', [], 0, 1, 'the end is cut off: the chain should reach entry 9 and ends at 0'],
  ['one appended', appended(), 10, 10, 'was added without its head being kept: the chain should end at entry 9'],
  ['made anew from the middle', rewritten(4), 9, 9, 'was replaced: the hash kept for the head is another'],
  ['of another node', edited(4, { node: 'gx' }), 3, 4, 'belongs to another node or epoch'],
])('names the first bad entry: %s', (_, entries, fitted, seq, what) => {
  const { entries: checked, bad } = verifyChain(entries, kept);
  expect({ checked, seq: bad?.seq, what: bad?.what }).toEqual({ checked: fitted, seq, what });
});

test('swapped with numbers, digests and hashes renewed, but not the hashes behind: names the first behind', () => {
  const copy = clean.slice(0, 3);
  add(copy, { ...clean[4]!, seq: 4 });
  add(copy, { ...clean[3]!, seq: 5 });
  copy.push(...clean.slice(5));
  expect(verifyChain(copy, kept)).toMatchObject({
    entries: 5,
    bad: { seq: 6, what: 'does not continue the chain: its hash does not match' },
  });
});

describe('several epochs', () => {
  const second = chainOf(2, 4);
  const third = chainOf(3, 2);
  const heads = [...kept, headOf(second), headOf(third)];

  test('clean, also with an epoch that has no entry', () => {
    expect(verifyChain([...clean, ...second, ...third], heads)).toEqual({ entries: 15 });
    expect(verifyChain([...clean, ...third], [heads[0]!, EMPTY(2), heads[2]!])).toEqual({ entries: 11 });
    expect(verifyChain([], [EMPTY(1)])).toEqual({ entries: 0 });
    expect(verifyChain([], [])).toEqual({ entries: 0 });
  });

  test.each<[string, readonly StoredEntry[], number, number, string]>([
    ['first cut', [...clean.slice(0, 5), ...second, ...third], 1, 6, 'the end is cut off'],
    ['middle cut', [...clean, ...second.slice(0, 1), ...third], 2, 2, 'the end is cut off'],
    ['middle gone', [...clean, ...third], 2, 1, 'the end is cut off'],
    ['last gone', [...clean, ...second], 3, 1, 'the end is cut off'],
    ['middle changed', [...clean, { ...second[0]!, at: 1 }, ...second.slice(1), ...third], 2, 1, 'was edited'],
    ['one more than known', [...clean, ...second, ...third, ...chainOf(4, 1)], 4, 1, 'belongs to no known epoch'],
    ['an epoch back', [...clean, ...second, ...clean, ...third], 1, 1, 'belongs to another node or epoch'],
    ['appended to the first', [...appended(), ...second, ...third], 1, 10, 'was added without its head'],
  ])('%s', (_, entries, epoch, seq, what) => {
    const { bad } = verifyChain(entries, heads);
    expect(bad).toMatchObject({ epoch, seq });
    expect(bad?.what).toContain(what);
  });
});

test('heads agree only in number and hash', () => {
  const head = headOf(clean);
  expect(compareHead(head, { ...head })).toBeNull();
  expect(compareHead(head, { ...head, hash: GENESIS })?.what).toContain('was replaced');
  expect(compareHead({ ...head, seq: 8 }, head)?.seq).toBe(9);
  expect(compareHead({ ...head, seq: 10 }, head)?.seq).toBe(10);
});
