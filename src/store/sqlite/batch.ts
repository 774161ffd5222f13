// Runs a batch of calls in one transaction and one sync. Optimistic: calls run without savepoints, and only when one of
// them fails after it wrote is the batch rolled back and run again with a savepoint each, so that a failing verb undoes
// its own changes alone at no cost for all others. Failures of the disk fail the whole batch.
//
// A call's id makes it repeatable: its answer is kept, and the same id gets the same answer. Callers of the line live in
// this process and die with it, so their answers are kept in memory, for the last 30,000 to 60,000 calls, after the
// commit; an operator's may come again over a socket after a restart and stand in the table `verb` for an hour.

import type Database from 'better-sqlite3';
import type { Call } from './protocol.ts';
import { Refusal, type Workbench } from './workbench.ts';

export type Verb = (args: never, at: number) => unknown;
export type Answer = { readonly no: number; readonly code: string | 0; readonly value: unknown };

const KEPT = 30_000;
const HOUR = 3_600_000;
/** Kept in the table as well. */
const LASTING = new Set(['operate']);
/** After these the pages in memory and on disk may differ: nothing more is accepted. */
const FATAL = /^SQLITE_(IOERR|CORRUPT|NOTADB|NOMEM|CANTOPEN|READONLY)/;
const DISK = /^SQLITE_(FULL|IOERR|CORRUPT|NOTADB|NOMEM|CANTOPEN|READONLY|BUSY|LOCKED)/;

export type BatchRunner = {
  run(calls: readonly Call[]): Answer[];
  /** Why the store refuses everything; null while it works. */
  readonly failed: () => string | null;
  /** From now on it refuses everything. */
  fail(why: string): void;
  /** The next commit fails with this code; fault injection. */
  failNext(code: string): void;
};

export function makeRunner(w: Workbench, verbs: Readonly<Record<string, Verb>>): BatchRunner {
  const { db } = w;
  const begin = db.prepare('BEGIN IMMEDIATE');
  const commit = db.prepare('COMMIT');
  const rollback = db.prepare('ROLLBACK');
  const savepoint = db.prepare('SAVEPOINT verb');
  const release = db.prepare('RELEASE verb');
  const undo = db.prepare('ROLLBACK TO verb');
  const known = db.prepare<[string], string>('SELECT answer FROM verb WHERE id = ?').pluck();
  const keep = db.prepare('INSERT INTO verb (id, at, answer) VALUES (?, ?, ?)');
  const prune = db.prepare('DELETE FROM verb WHERE at < ?');
  let recent = new Map<string, unknown>();
  let older = new Map<string, unknown>();
  let failed: string | null = null;
  let failNext: string | null = null;
  let pruned = 0;

  function perform(call: Call, staged: Map<string, unknown>): unknown {
    const [, name, id, at, args] = call;
    if (id !== '') {
      if (staged.has(id)) return staged.get(id);
      if (recent.has(id)) return recent.get(id);
      if (older.has(id)) return older.get(id);
      const lasting = LASTING.has(name) ? known.get(id) : undefined;
      if (lasting !== undefined) return JSON.parse(lasting);
    }
    const verb = verbs[name];
    if (!verb) throw new Refusal('closed', `no verb ${name}`);
    w.at = at;
    const value = verb(args as never, at);
    if (id === '') return value;
    staged.set(id, value);
    if (LASTING.has(name)) {
      keep.run(id, at, JSON.stringify(value));
      if (at - pruned > HOUR) {
        prune.run(at - HOUR);
        pruned = at;
      }
    }
    return value;
  }

  function end(staged: Map<string, unknown>): void {
    w.flush();
    if (failNext !== null) {
      const code = failNext;
      failNext = null;
      throw Object.assign(new Error('injected'), { code });
    }
    commit.run();
    for (const [id, value] of staged) recent.set(id, value);
    if (recent.size > KEPT) {
      older = recent;
      recent = new Map();
    }
  }

  function undoAll(): void {
    // SQLITE_FULL and others may have ended the transaction already.
    if (db.inTransaction) rollback.run();
    w.reload();
  }

  function fast(calls: readonly Call[]): Answer[] | Error {
    const staged = new Map<string, unknown>();
    const answers: Answer[] = [];
    try {
      begin.run();
      for (const call of calls) answers.push({ no: call[0], code: 0, value: perform(call, staged) });
      end(staged);
      return answers;
    } catch (error) {
      undoAll();
      return error as Error;
    }
  }

  function careful(calls: readonly Call[]): Answer[] {
    const staged = new Map<string, unknown>();
    const answers: Answer[] = [];
    begin.run();
    for (const call of calls) {
      savepoint.run();
      try {
        answers.push({ no: call[0], code: 0, value: perform(call, staged) });
        w.flush();
      } catch (error) {
        if (isDisk(error)) throw error;
        undo.run();
        w.reload();
        staged.delete(call[2]);
        answers.push(refused(call, error));
      }
      release.run();
    }
    end(staged);
    return answers;
  }

  function allFailed(calls: readonly Call[], error: unknown): Answer[] {
    const code = (error as { code?: string }).code ?? '';
    if (FATAL.test(code)) failed = `the database failed (${code})`;
    const answer = code === 'SQLITE_FULL' ? 'full' : 'closed';
    const words = answer === 'full' ? 'the disk is full' : `the commit failed (${code || 'error'})`;
    return calls.map((call) => ({ no: call[0], code: answer, value: words }));
  }

  function run(calls: readonly Call[]): Answer[] {
    if (failed !== null) return calls.map((call) => ({ no: call[0], code: 'closed', value: failed }));
    const answers = fast(calls);
    if (Array.isArray(answers)) return answers;
    if (isDisk(answers)) return allFailed(calls, answers);
    if (calls.length === 1) return [refused(calls[0]!, answers)];
    try {
      return careful(calls);
    } catch (error) {
      undoAll();
      return allFailed(calls, error);
    }
  }

  return {
    run,
    failed: () => failed,
    fail: (why) => {
      failed ??= why;
    },
    failNext: (code) => {
      failNext = code;
    },
  };
}

function isDisk(error: unknown): boolean {
  return DISK.test((error as { code?: string }).code ?? '');
}

function refused(call: Call, error: unknown): Answer {
  if (error instanceof Refusal) return { no: call[0], code: error.code, value: error.message };
  const { code, message } = error as Error & { code?: string };
  // SQLite's own texts name tables and columns, never values.
  return { no: call[0], code: 'closed', value: `${call[1]} failed (${code ?? message})` };
}

/** Octets of the write-ahead log that make a checkpoint due while the line is busy. */
export const WAL_BOUND = 16 * 1024 * 1024;

/** Moves the log into the database; `truncate` also empties the file. False when a reader, or a full disk, was in the way. */
export function checkpoint(db: Database.Database, truncate: boolean): boolean {
  try {
    const [row] = db.pragma(`wal_checkpoint(${truncate ? 'TRUNCATE' : 'PASSIVE'})`) as [{ busy: number }];
    return row.busy === 0;
  } catch (error) {
    // The database could not grow. Nothing is lost: what the log holds stays there.
    if ((error as { code?: string }).code === 'SQLITE_FULL') return false;
    throw error;
  }
}
