// Checks a chain of audit entries, in order, and names the first that does not fit. Pure: it reads what it is handed and
// keeps no entry. What it cannot see: a chain rewritten whole together with the head it is compared with.

import { type ChainEntry, digestHex, GENESIS, linkHex } from './chain.ts';

export type StoredEntry = ChainEntry & { readonly digest: Uint8Array; readonly hash: Uint8Array };

/** An entry with its hashes in lower-case hex, which is how a verification reads a million of them. */
export type HexEntry = ChainEntry & { readonly digest: string; readonly hash: string };

/** Where a verification stands: the last entry that fitted. */
export type Head = {
  readonly node: string;
  readonly epoch: number;
  readonly seq: number;
  readonly hash: Uint8Array;
};

/** The same with its hash in lower-case hex. */
export type HexHead = Omit<Head, 'hash'> & { readonly hash: string };

export type Bad = { readonly node: string; readonly epoch: number; readonly seq: number; readonly what: string };

/** Start of an epoch. */
export function start(node: string, epoch: number): Head {
  return { node, epoch, seq: 0, hash: GENESIS };
}

/** What is wrong with `entry` behind `head`, or the new head. `erased`: its boxed detail was destroyed, so that its digest is
 *  believed; what is left of it another entry must bind. */
export function check(head: HexHead, entry: HexEntry, erased = false): HexHead | Bad {
  const { node, epoch, seq } = entry;
  const bad = (what: string): Bad => ({ node, epoch, seq, what });
  if (node !== head.node || epoch !== head.epoch) return bad('belongs to another node or epoch');
  const wanted = head.seq + 1;
  if (seq > wanted) {
    const what = seq === wanted + 1 ? `entry ${wanted} is missing` : `entries ${wanted} to ${seq - 1} are missing`;
    return bad(what);
  }
  if (seq < wanted) return bad(`stands out of order: entry ${wanted} was expected`);
  const computed = erased ? entry.digest : digestHex(entry);
  if (computed !== entry.digest) return bad('was edited: its digest does not match');
  const hash = linkHex(head.hash, computed);
  if (hash !== entry.hash) return bad('does not continue the chain: its hash does not match');
  return { node, epoch, seq, hash };
}

export function isBad(result: HexHead | Bad): result is Bad {
  return 'what' in result;
}

export function hexHead(head: Head): HexHead {
  return { ...head, hash: Buffer.from(head.hash).toString('hex') };
}

export function headOf(head: HexHead): Head {
  return { ...head, hash: Buffer.from(head.hash, 'hex') };
}

function hexEntry(entry: StoredEntry): HexEntry {
  const hex = (octets: Uint8Array) => Buffer.from(octets).toString('hex');
  return { ...entry, digest: hex(entry.digest), hash: hex(entry.hash) };
}

/** Compares where a chain ended with the head that was kept elsewhere: null when they agree. */
export function compareHead(ended: Head, kept: Head): Bad | null {
  const { node, epoch } = kept;
  if (ended.seq < kept.seq) {
    const what = `the end is cut off: the chain should reach entry ${kept.seq} and ends at ${ended.seq}`;
    return { node, epoch, seq: ended.seq + 1, what };
  }
  if (ended.seq > kept.seq) {
    const what = `was added without its head being kept: the chain should end at entry ${kept.seq}`;
    return { node, epoch, seq: kept.seq + 1, what };
  }
  if (Buffer.compare(ended.hash, kept.hash) === 0) return null;
  return { node, epoch, seq: kept.seq, what: 'was replaced: the hash kept for the head is another' };
}

/** Verifies whole chains of one or several epochs: `entries` in order, `kept` the head of each epoch. */
export function verifyChain(
  entries: Iterable<StoredEntry>,
  kept: readonly Head[],
): { readonly entries: number; readonly bad?: Bad } {
  let count = 0;
  const heads = [...kept];
  let expected = heads.shift();
  let head = expected ? start(expected.node, expected.epoch) : null;
  for (const entry of entries) {
    while (expected && head && entry.epoch > expected.epoch) {
      const cut = compareHead(head, expected);
      if (cut) return { entries: count, bad: cut };
      expected = heads.shift();
      head = expected ? start(expected.node, expected.epoch) : null;
    }
    if (!head) {
      const { node, epoch, seq } = entry;
      return { entries: count, bad: { node, epoch, seq, what: 'belongs to no known epoch' } };
    }
    const next = check(hexHead(head), hexEntry(entry));
    if (isBad(next)) return { entries: count, bad: next };
    head = headOf(next);
    count += 1;
  }
  while (expected && head) {
    const cut = compareHead(head, expected);
    if (cut) return { entries: count, bad: cut };
    expected = heads.shift();
    head = expected ? start(expected.node, expected.epoch) : null;
  }
  return { entries: count };
}
