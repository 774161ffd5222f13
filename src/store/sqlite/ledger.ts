// The audit chain's only writer: gives each entry its number and hash inside the transaction of the verb that caused it.
// The head is kept in memory and written beside the entries once per commit, so that a cut tail shows.

import type Database from 'better-sqlite3';
import { digest, GENESIS, link } from '../../record/chain.ts';

export type Ledger = {
  /** Gives back the entry's number. */
  append(
    at: number,
    organization: string,
    message: string | null,
    delivery: string | null,
    actor: string,
    event: string,
    detail: string,
    boxed: Uint8Array | null,
  ): number;
  /** Entries of this epoch so far, those of the open transaction too. */
  readonly count: () => number;
  /** The chain that has no entry yet begins with this epoch. */
  begin(epoch: number): void;
  /** Entries from now on are of this epoch, which must be a later one; those of before stay. */
  open(epoch: number): void;
  /** Writes the head; before each commit. */
  flush(): void;
  /** Reads the head again, after a roll-back. */
  reload(): void;
};

type ChainRow = { epoch: number; base: number; seq: number; hash: Uint8Array };

export function openLedger(db: Database.Database, node: string): Ledger {
  const last = db.prepare<[string], ChainRow>(
    'SELECT epoch, base, seq, hash FROM chain WHERE node = ? ORDER BY epoch DESC LIMIT 1',
  );
  const keep = db.prepare('UPDATE chain SET seq = ?, hash = ? WHERE node = ? AND epoch = ?');
  const insert = db.prepare(
    `INSERT INTO audit (n, node, epoch, seq, at, organization, message, delivery, actor, event, detail, boxed, digest,
       hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  if (!last.get(node)) {
    db.prepare(
      `INSERT INTO chain (node, epoch, base, seq, hash)
       SELECT ?, 1, coalesce((SELECT max(base + seq) FROM chain), 0), 0, ?`,
    ).run(node, GENESIS);
  }
  const insertChain = db.prepare(
    `INSERT INTO chain (node, epoch, base, seq, hash)
     SELECT ?, ?, max(coalesce((SELECT max(n) FROM audit), 0), coalesce((SELECT max(base + seq) FROM chain), 0)), 0, ?`,
  );
  let head: ChainRow;
  let dirty = false;
  const reload = () => {
    head = last.get(node) as ChainRow;
    dirty = false;
  };
  reload();
  return {
    append(at, organization, message, delivery, actor, event, detail, boxed) {
      const seq = head.seq + 1;
      const { epoch } = head;
      const entry = { node, epoch, seq, at, organization, message, delivery, actor, event, detail, boxed };
      const entryDigest = digest(entry);
      const hash = link(head.hash, entryDigest);
      insert.run(
        head.base + seq,
        node,
        epoch,
        seq,
        at,
        organization,
        message,
        delivery,
        actor,
        event,
        detail,
        boxed,
        entryDigest,
        hash,
      );
      head.seq = seq;
      head.hash = hash;
      dirty = true;
      return head.base + seq;
    },
    count: () => head.seq,
    begin(epoch) {
      if (head.seq > 0) throw new Error('the chain has begun already');
      db.prepare('UPDATE chain SET epoch = ? WHERE node = ? AND seq = 0').run(epoch, node);
      reload();
    },
    open(epoch) {
      if (dirty) throw new Error('the head is not written');
      if (epoch <= head.epoch) throw new Error('the epoch is not a later one');
      insertChain.run(node, epoch, GENESIS);
      reload();
    },
    flush() {
      if (!dirty) return;
      keep.run(head.seq, head.hash, node, head.epoch);
      dirty = false;
    },
    reload,
  };
}
