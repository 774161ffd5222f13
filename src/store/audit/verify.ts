// Verification of the audit over all places where entries stand: segments in order, then the queue's database. Needs no key:
// what is boxed was hashed boxed. A pruned segment is passed over from its last hash, which an entry must name.

import { type Signed, UNSIGNED } from '../../record/checkpoint.ts';
import { type ErasedDetail, goneDigest } from '../../record/gone.ts';
import { type Bad, compareHead, type Head, start } from '../../record/verify.ts';
import type { Access } from '../sqlite/access.ts';
import type { SegmentRow } from '../sqlite/calls/archive.ts';
import type { KeptHead, VerifySlice } from '../sqlite/queries/audit.ts';
import type { LastingRow } from '../sqlite/queries/lasting.ts';
import type { CheckpointSlice, CheckpointSliceCall } from '../sqlite/queries/proof.ts';
import type { Audit, Verification } from './port.ts';

/** Entries checked by one call on the reader. */
const SLICE = 2_000;

type Reading = Pick<Access, 'read'>;
type Progress = Parameters<Audit['verify']>[0];
type Stored = { heads: KeptHead[]; first: number; last: number; checkpoints: number };

/** What a verification knows so far, and goes on from. */
export type Walk = {
  /** The last entry that fitted, of each node and epoch. */
  readonly heads: Map<string, Head>;
  entries: number;
  lost: string[];
  erased: VerifySlice['erased'][number][];
  told: VerifySlice['told'][number][];
  /** Entries that tell of what lasts. */
  lasting: LastingRow[];
  signed: Signed;
};
export type Found = {
  readonly stored: Stored;
  readonly segments: readonly SegmentRow[];
  /** The first entry that does not fit; `place`: the number of its row. */
  readonly bad: Bad | undefined;
  readonly place: number;
};

const headKey = ({ node, epoch }: Pick<Head, 'node' | 'epoch'>): string => JSON.stringify([node, epoch]);

/** `heads`: entries up to these are believed. */
export function newWalk(heads: readonly Head[] = []): Walk {
  const at = new Map(heads.map((one) => [headKey(one), one]));
  return { heads: at, entries: 0, lost: [], erased: [], told: [], lasting: [], signed: UNSIGNED };
}

export async function verify(
  access: Reading,
  progress: Progress,
  keys: readonly Uint8Array[] | null = null,
): Promise<Verification> {
  const walk = newWalk();
  const { stored, segments, bad } = await walkOn(access, walk, progress, keys);
  const gone = segments.filter((one) => one.state === 'pruned');
  const { last } = walk.signed;
  const newest = stored.heads.at(-1);
  const lost = walk.lost.length === 0 ? [] : await access.read<string[]>('nowhere', walk.lost);
  return {
    entries: walk.entries,
    intact: !bad,
    ...(bad && { bad }),
    head: newest ? named(newest) : null,
    signed: last && { no: last.no, seq: last.seq, at: last.at },
    lost: { count: lost.length, ...(lost[0] !== undefined && { first: lost[0] }) },
    ...(gone.length > 0 && { pruned: prunedOf(gone) }),
    ...(walk.erased.length > 0 && { erased: walk.erased.length }),
  };
}

/** Verifies what came since `walk`, which began at the start: entries, prunings and erasures, signatures. */
export async function walkOn(
  access: Reading,
  walk: Walk,
  progress: Progress,
  keys: readonly Uint8Array[] | null,
): Promise<Found> {
  const { stored, segments, bad } = await walkEntries(access, walk, progress);
  const place = ({ node, epoch, seq }: Bad): number => {
    const base = stored.heads.find((one) => one.node === node && one.epoch === epoch)?.base;
    return base === undefined ? Number.MAX_SAFE_INTEGER : base + seq;
  };
  const gone = segments.filter((one) => one.state === 'pruned');
  const others = bad ? [] : [unnamedPruning(gone, walk), unnamedErasure(walk)];
  const found = [bad, ...others].filter((one) => one !== undefined);
  const [first] = found.sort((a, b) => place(a) - place(b));
  const before = first ? place(first) : Number.MAX_SAFE_INTEGER;
  const signed = await verifySigned(access, { stored, keys, before }, walk.signed);
  walk.signed = signed.signed;
  const worst = signed.bad && place(signed.bad) < before ? signed.bad : first;
  return { stored, segments, bad: worst, place: worst ? place(worst) : before };
}

function prunedOf(gone: readonly SegmentRow[]): NonNullable<Verification['pruned']> {
  const entries = gone.reduce((sum, one) => sum + one.last - one.first + 1, 0);
  const [since, until] = [gone.map((one) => one.first_at), gone.map((one) => one.last_at)];
  return { segments: gone.length, entries, since: Math.min(...since), until: Math.max(...until) };
}

/** The last entry about a pruning must name all that is gone. */
function unnamedPruning(gone: readonly SegmentRow[], { told }: Walk): Bad | undefined {
  const [one] = gone;
  if (one === undefined) return undefined;
  const last = told.filter(({ event }) => event === 'log.pruned').at(-1);
  const said = last && (JSON.parse(last.detail) as { pruned?: { digest?: string } }).pruned?.digest;
  if (said === goneDigest(gone)) return undefined;
  const { node, epoch, first } = one;
  return { node, epoch, seq: first, what: 'is gone, and what says which entries were pruned says otherwise' };
}

function unnamedErasure({ told, erased }: Walk): Bad | undefined {
  if (erased.length === 0) return undefined;
  const rest = new Map<string, string>();
  for (const { event, detail } of told) {
    if (event !== 'log.erased') continue;
    const { node, epoch, entries } = JSON.parse(detail) as ErasedDetail;
    for (const [seq, left] of entries) rest.set(`${node} ${epoch} ${seq}`, left);
  }
  const wrong = erased.find((one) => rest.get(`${one.node} ${one.epoch} ${one.seq}`) !== one.rest);
  if (!wrong) return undefined;
  const { node, epoch, seq } = wrong;
  return { node, epoch, seq, what: 'lacks its detail, and no entry says that it was erased so' };
}

type SignedBy = { readonly stored: Stored; readonly keys: readonly Uint8Array[] | null; readonly before: number };

async function verifySigned(
  access: Reading,
  { stored: { heads, checkpoints }, keys, before }: SignedBy,
  known: Signed,
): Promise<{ signed: Signed; bad: Bad | null }> {
  const [oldest] = heads;
  if (keys !== null && checkpoints === 0 && oldest) {
    const { node, epoch } = oldest;
    return { signed: known, bad: { node, epoch, seq: 1, what: 'is not proven: there is no checkpoint' } };
  }
  let signed = known;
  for (;;) {
    const call: CheckpointSliceCall = [signed, keys, checkpoints, before];
    const slice = await access.read<CheckpointSlice>('checkpointSlice', call).catch((error: Error) => {
      // The file that cannot be read was named already.
      if (before === Number.MAX_SAFE_INTEGER) throw error;
      return { signed, bad: null, done: true };
    });
    signed = slice.signed;
    if (slice.done) return slice;
  }
}

/** A run of entry numbers, from < n ≤ to, in a segment or (null) the queue's database. */
type Piece = { readonly segment: SegmentRow | null; readonly from: number; readonly to: number };

function piecesOf({ heads, first, last }: Stored, i: number, segments: readonly SegmentRow[]): Piece[] {
  const { node, epoch, base, seq } = heads[i]!;
  const closed = segments.filter((one) => one.node === node && one.epoch === epoch);
  const pieces: Piece[] = closed.map((segment) => ({
    segment,
    from: base + segment.first - 1,
    to: base + segment.last,
  }));
  // Rows before the first epoch, between two, and behind the last are looked at too: none may stand there.
  const begin = i === 0 ? Math.min(base, first - 1) : base;
  const from = pieces.at(-1)?.to ?? begin;
  return [...pieces, { segment: null, from, to: heads[i + 1]?.base ?? Math.max(last, base + seq) }];
}

/** Only entries, and that the heads kept beside them agree. */
export async function walkEntries(access: Reading, walk: Walk, progress?: Progress): Promise<Omit<Found, 'place'>> {
  const stored = await access.read<Stored>('heads', null);
  const segments = await access.read<SegmentRow[]>('segments', null);
  const { heads } = stored;
  const total = heads.reduce((sum, one) => sum + one.seq, 0);
  let passed = 0;
  for (const [i, kept] of heads.entries()) {
    let at = walk.heads.get(headKey(kept)) ?? start(kept.node, kept.epoch);
    for (const { segment, from, to } of piecesOf(stored, i, segments)) {
      const known = at.seq === 0 ? from : Math.max(from, kept.base + at.seq);
      if (segment?.state === 'pruned') {
        const { node, epoch, last: seq, hash } = segment;
        if (known < to) at = { node, epoch, seq, hash };
        passed += to - from;
        continue;
      }
      for (let low = known; low < to; low += SLICE) {
        const args = [at, low, Math.min(low + SLICE, to)] as const;
        const slice = await (segment === null
          ? access.read<VerifySlice>('verifySlice', args)
          : access.read<VerifySlice>('verifySegment', [segment.name, args]));
        note(walk, slice);
        if (slice.bad) return { stored, segments, bad: slice.bad };
        at = slice.head;
        progress?.(walk.entries + passed, total);
      }
    }
    const bad = compareHead(at, kept);
    if (bad) return { stored, segments, bad };
  }
  return { stored, segments, bad: undefined };
}

/** Up to the entry that does not fit all is known: of a slice with one nothing but its head is kept. */
function note(walk: Walk, { head, bad, checked, lost, erased, told, lasting }: VerifySlice): void {
  walk.entries += checked;
  if (bad) return;
  walk.heads.set(headKey(head), head);
  walk.lost.push(...lost);
  walk.erased.push(...erased);
  walk.told.push(...told);
  walk.lasting.push(...lasting);
}

function named({ node, epoch, seq, hash }: KeptHead): Verification['head'] {
  return { node, epoch, seq, hash: Buffer.from(hash).toString('hex') };
}
