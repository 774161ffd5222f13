// What the audit says of entries that are not whole any more: segments that were pruned, and detail that was erased. Pure. The
// last entry that tells of a pruning binds all prunings before it, since their own entries may be pruned by then.

import { hash } from 'node:crypto';
import { join } from '../crypto/derive.ts';
import { type ChainEntry, digest } from './chain.ts';

/** Entries that stand no more: `from` to `to` of that epoch, and the hash of the last of them, on which the next one rests. */
export type Gone = {
  readonly node: string;
  readonly epoch: number;
  readonly first: number;
  readonly last: number;
  readonly hash: Uint8Array;
};

/** SHA-256 of all that was pruned, in order of the chain; hex. */
export function goneDigest(all: readonly Gone[]): string {
  const each = all.map((one) =>
    join(one.node, String(one.epoch), String(one.first), String(one.last), Buffer.from(one.hash)),
  );
  return hash('sha256', join('sealrelay/1 pruned', ...each), 'hex');
}

/** Whether boxed detail was erased: zeros stand in its place. */
export function isOverwritten(boxed: Uint8Array | null): boolean {
  return boxed?.every((octet) => octet === 0) ?? false;
}

/** What is left of an entry without its boxed detail: 22 characters that bind it. */
export function restOf(entry: ChainEntry): string {
  return digest({ ...entry, boxed: null })
    .subarray(0, 16)
    .toString('base64url');
}

/** Clear detail of `log.erased`: entries by number, each with what is left of it. */
export type ErasedDetail = {
  readonly node: string;
  readonly epoch: number;
  readonly entries: readonly (readonly [seq: number, rest: string])[];
};
