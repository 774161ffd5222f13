// A copy of the living database, made a few pages at a time between the writer's batches, on the writer's own connection:
// what is committed meanwhile goes into the copy too, where on another connection it would begin anew at every commit
// (src/README.md, "State"). The last pages wait for a word, so that its caller says which moment it is of. Runs in
// the writer thread; logs nothing.

import type Database from 'better-sqlite3';
import type { Access } from './access.ts';
import type { SnapshotHead, SnapshotState } from './calls/snapshot.ts';
import type { Call, WriterVerbs } from './protocol.ts';

export type Snapshot = {
  /** Resolves when the copy at `path` is whole and synced; rejects with QueueError. One at a time. */
  begin(path: string): Promise<SnapshotHead>;
  /** Null when none is being made. */
  state(): Promise<SnapshotState | null>;
  /** Copies the last pages: the copy is of a moment after this call, and before `begin` resolves. */
  finish(): Promise<null>;
  /** Gives it up: `begin` rejects. */
  cancel(): Promise<null>;
};

export function openSnapshot({ write }: Access): Snapshot {
  return {
    begin: (path) => write('snapshot', '', [path]),
    state: () => write('snapshotState', '', null),
    finish: () => write('snapshotFinish', '', null),
    cancel: () => write('snapshotCancel', '', null),
  };
}

// ── in the writer thread ──

/** Pages copied at once: about a millisecond. */
const STEP = 128;
/** So many are copied at the end in one go. */
const LAST = 1024;

type Running = { pages: number; left: number; finish: boolean; cancelled: boolean };

/** Takes the calls that are meant for it, and answers them by `post`: they belong to no batch. */
export function makeSnapshots(db: Database.Database, node: string, post: (answers: readonly unknown[]) => void) {
  const last = db.prepare<[string], { epoch: number; seq: number; hash: Uint8Array }>(
    'SELECT epoch, seq, hash FROM chain WHERE node = ? ORDER BY epoch DESC LIMIT 1',
  );
  const schema = db.prepare<[], number>('SELECT max(version) FROM schema_version').pluck();
  let running: Running | null = null;

  function head(): SnapshotHead {
    const { epoch, seq, hash } = last.get(node)!;
    return { node, epoch, seq, hash: Buffer.from(hash).toString('hex'), schema: schema.get()! };
  }

  function begin(no: number, path: string): void {
    if (running !== null) {
      post([no, 'closed', 'a copy of the database is being made already']);
      return;
    }
    const mine: Running = { pages: 0, left: 0, finish: false, cancelled: false };
    running = mine;
    const progress = ({ totalPages, remainingPages }: Database.BackupMetadata): number => {
      if (mine.cancelled) throw new Error('given up');
      mine.pages = totalPages;
      mine.left = remainingPages;
      if (remainingPages > LAST) return STEP;
      return mine.finish ? 0x7fffffff : 0;
    };
    // What follows the last page runs before any other call is taken: the head is that of the copy.
    db.backup(path, { progress }).then(
      () => {
        running = null;
        post([no, 0, head()]);
      },
      (error: Error & { code?: string }) => {
        running = null;
        const full = error.code === 'SQLITE_FULL';
        post([no, full ? 'full' : 'closed', `the copy of the database failed (${error.code ?? error.message})`]);
      },
    );
  }

  const VERBS: Readonly<Record<string, (no: number, args: unknown) => void>> = {
    snapshot: (no, args) => begin(no, (args as WriterVerbs['snapshot']['args'])[0]),
    snapshotState: (no) => {
      const state = running && {
        pages: running.pages,
        left: running.left,
        near: running.pages > 0 && running.left <= LAST,
      };
      post([no, 0, state]);
    },
    snapshotFinish: (no) => {
      if (running !== null) running.finish = true;
      post([no, 0, null]);
    },
    snapshotCancel: (no) => {
      if (running !== null) running.cancelled = true;
      post([no, 0, null]);
    },
  };

  return {
    /** False when the call is another's. */
    take([no, verb, , , args]: Call): boolean {
      const mine = VERBS[verb];
      mine?.(no, args);
      return mine !== undefined;
    },
  };
}
