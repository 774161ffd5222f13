// Reading signed checkpoints: what the next one is made of, and verification, a slice at a time, against the chain that
// auditQueries checked.

import type Database from 'better-sqlite3';
import { GENESIS } from '../../../record/chain.ts';
import {
  follow,
  type headText,
  isSame,
  readCheckpoint,
  readHead,
  type Signed,
  type SignedCheckpoint,
} from '../../../record/checkpoint.ts';
import type { Bad, Head } from '../../../record/verify.ts';
import type { AnchorCheck, Anchored, ProofState } from '../../audit/port.ts';
import type { SegmentRow } from '../calls/archive.ts';
import type { CheckpointRow } from '../calls/audit.ts';
import { openSources, perFile, type Sources } from '../sources.ts';

/** `before`: number of the row that entries to look at come before. */
export type CheckpointSliceCall = readonly [
  signed: Signed,
  firsts: readonly Uint8Array[] | null,
  upTo: number,
  before: number,
];
export type CheckpointSlice = { readonly signed: Signed; readonly bad: Bad | null; readonly done: boolean };

/** Signatures checked by one call: some 15 ms. */
const SLICE = 150;

type ChainRow = Head & { readonly base: number };

export function fromRow(row: CheckpointRow): SignedCheckpoint {
  return { ...row, others: (JSON.parse(row.others) as ReturnType<typeof headText>[]).map(readHead) };
}

/** What one place holds. */
function placeQueries(db: Database.Database) {
  const after = db.prepare<[number, number, number], CheckpointRow>(
    'SELECT * FROM checkpoint WHERE no > ? AND no <= ? ORDER BY no LIMIT ?',
  );
  const byNo = db.prepare<[number], CheckpointRow>('SELECT * FROM checkpoint WHERE no = ?');
  const hashAt = db
    .prepare<[number, string, number, number], Uint8Array>(
      'SELECT hash FROM audit WHERE n = ? AND node = ? AND epoch = ? AND seq = ?',
    )
    .pluck();
  return { after, byNo, hashAt };
}

/** What stands in the queue's database or in a segment. */
function acrossSegments(db: Database.Database, sources: Sources) {
  const places = perFile(sources, placeQueries);
  const live = placeQueries(db);
  const segmentOf = ({ node, epoch, seq }: Head): SegmentRow | undefined =>
    sources.segments().find((one) => one.node === node && one.epoch === epoch && seq >= one.first && seq <= one.last);

  /** Null: it was pruned. */
  function hashOf(at: number, head: Head): Uint8Array | undefined | null {
    const { node, epoch, seq } = head;
    const one = segmentOf(head);
    if (one === undefined) return live.hashAt.get(at, node, epoch, seq);
    if (one.state === 'pruned') return seq === one.last ? one.hash : null;
    return places(one)!.hashAt.get(at, node, epoch, seq);
  }

  /** Checkpoints from number `no` up, of one place; of a pruned segment only those that name a key are left. */
  function checkpointsAfter(no: number, upTo: number): readonly CheckpointRow[] {
    const closed = sources.segments().filter((one) => one.state !== 'pruned' && one.last_checkpoint > no);
    const here = closed.find((one) => one.first_checkpoint <= no + 1 && one.first_checkpoint > 0);
    if (here) return places(here)!.after.all(no, Math.min(upTo, here.last_checkpoint), SLICE);
    const next = Math.min(...closed.map((one) => one.first_checkpoint - 1).filter((before) => before > no), upTo);
    const found = live.after.all(no, next, SLICE);
    return found.length === 0 && next < upTo ? checkpointsAfter(next, upTo) : found;
  }

  /** Whether all of those checkpoints went with pruned segments. */
  function arePruned(from: number, to: number): boolean {
    const pruned = sources.segments().filter((one) => one.state === 'pruned' && one.first_checkpoint > 0);
    for (let no = from; no <= to; ) {
      const one = pruned.find(
        ({ first_checkpoint, last_checkpoint }) => no >= first_checkpoint && no <= last_checkpoint,
      );
      if (!one) return false;
      no = one.last_checkpoint + 1;
    }
    return true;
  }

  function checkpointOf(no: number): CheckpointRow | undefined {
    const held = sources
      .segments()
      .find((one) => one.state !== 'pruned' && no >= one.first_checkpoint && no <= one.last_checkpoint);
    return (held ? places(held)! : live).byNo.get(no);
  }

  return { segmentOf, hashOf, checkpointsAfter, checkpointOf, arePruned };
}

export function proofQueries(db: Database.Database, sources: Sources = openSources(db)) {
  const chains = db.prepare<[], ChainRow>('SELECT node, epoch, base, seq, hash FROM chain ORDER BY base, epoch');
  const lastRow = db.prepare<[], CheckpointRow>('SELECT * FROM checkpoint ORDER BY no DESC LIMIT 1');
  const standingRow = db.prepare<[], CheckpointRow>(
    'SELECT * FROM checkpoint WHERE next IS NOT NULL ORDER BY no DESC LIMIT 1',
  );
  const firstRows = db.prepare<[], CheckpointRow>(
    'SELECT * FROM checkpoint WHERE next IS NOT NULL AND next = key ORDER BY no',
  );
  const { segmentOf, hashOf, checkpointsAfter, checkpointOf, arePruned } = acrossSegments(db, sources);
  const lastBefore = db
    .prepare<[number, string, number], number>(
      'SELECT seq FROM audit WHERE n <= ? AND node = ? AND epoch = ? ORDER BY n DESC LIMIT 1',
    )
    .pluck();

  function placed(all: readonly ChainRow[], { node, epoch, seq }: Head): number | null {
    const chain = all.find((one) => one.node === node && one.epoch === epoch);
    return chain === undefined ? null : chain.base + seq;
  }

  /** Why the chain does not hold `head`, null when it does, or was pruned there. `from`: entries up to it are known to be
   *  right. */
  function wrongHead(all: readonly ChainRow[], head: Head, from: number, by: string): Bad | null {
    const { node, epoch, seq } = head;
    const at = placed(all, head);
    const stands = at === null ? undefined : seq === 0 ? GENESIS : hashOf(at, head);
    if (stands === null) return null;
    if (stands === undefined) {
      const end = (at === null ? undefined : lastBefore.get(at, node, epoch)) ?? 0;
      const what = `is missing: ${by} reaches entry ${seq}, and the chain ends at ${end}`;
      return { node, epoch, seq: end + 1, what };
    }
    if (isSame(stands, head.hash)) return null;
    const which = from + 1 >= seq ? 'was replaced' : `or one after it, up to entry ${seq}, was replaced`;
    return { node, epoch, seq: Math.min(from + 1, seq), what: `${which}: ${by} has another hash` };
  }

  const isOf = (head: Head) => (one: Head) => one.node === head.node && one.epoch === head.epoch;

  function checkpointSlice([signed, firsts, upTo, before]: CheckpointSliceCall): CheckpointSlice {
    const all = chains.all();
    const rows = checkpointsAfter(signed.no, upTo);
    let at = signed;
    const bad = (one: Head, what: string): Bad => {
      const { node, epoch } = one;
      const from = at.last !== null && isOf(one)(at.last) ? at.last.seq : 0;
      return { node, epoch, seq: from + 1, what: `is not proven, nor those after it: ${what}` };
    };
    for (const row of rows) {
      const one = fromRow(row);
      const next = follow(at, one, firsts, arePruned);
      if (typeof next === 'string') return { signed: at, bad: bad(one, next), done: true };
      // What stands behind a break of the chain is not looked at.
      if ((placed(all, one) ?? 0) >= before) return { signed: at, bad: null, done: true };
      const from = at.last !== null && isOf(one)(at.last) ? at.last.seq : 0;
      const by = `checkpoint ${one.no}`;
      const wrong =
        wrongHead(all, one, from, by) ?? one.others.map((head) => wrongHead(all, head, 0, by)).find(Boolean);
      if (wrong) return { signed: at, bad: wrong, done: true };
      at = next;
    }
    return { signed: at, bad: null, done: rows.length === 0 };
  }

  /** Anchors, in order of their numbers, as lines of JSON. Those of other gateways do not fit. */
  function anchorSlice([lines, before]: readonly [readonly string[], readonly Anchored[]]): AnchorCheck {
    const all = chains.all();
    const start = Math.min(...all.map(({ base }) => base));
    let fitted = before;
    for (const line of lines) {
      const one = readCheckpoint(line);
      if (one === null) continue;
      if (segmentOf(one)?.state === 'pruned') continue;
      const last = fitted.find(isOf(one))?.seq ?? 0;
      const wrong = wrongHead(all, one, last, `anchor ${one.no}`) ?? wrongRow(one);
      if (wrong) return { fitted, bad: wrong };
      const { node, epoch, seq, hash, no, at } = one;
      const now = { node, epoch, seq, hash, no, at, position: placed(all, one)! - start };
      fitted = [...fitted.filter((other) => !isOf(one)(other)), now];
    }
    return { fitted, bad: null };
  }

  /** The checkpoint that was sent off must be the one that stands: by its signature it then is one of ours. */
  function wrongRow(anchor: SignedCheckpoint): Bad | null {
    const { node, epoch, seq, no } = anchor;
    const row = checkpointOf(no);
    if (row && isSame(row.signature, anchor.signature) && isSame(row.key, anchor.key)) return null;
    const what = row ? 'was replaced' : 'is missing';
    return { node, epoch, seq, what: `agrees with its anchor, but checkpoint ${no} ${what}` };
  }

  return {
    proofState: ([node]: readonly [string]) =>
      db.transaction((): ProofState => {
        const all = chains.all();
        const own = all.filter((one) => one.node === node).at(-1)!;
        const bare = ({ base: _, ...head }: ChainRow): Head => head;
        const [last, standing] = [lastRow.get(), standingRow.get()];
        return {
          head: bare(own),
          others: all.filter((one) => one !== own).map(bare),
          last: last ? fromRow(last) : null,
          standing: standing ? fromRow(standing) : null,
        };
      })(),
    firstKeys: () => firstRows.all().map(fromRow),
    checkpoint: ([no]: readonly [number]): SignedCheckpoint | null => {
      const row = checkpointOf(no);
      return row === undefined ? null : fromRow(row);
    },
    checkpointSlice,
    anchorSlice,
  };
}
