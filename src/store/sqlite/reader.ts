// The store's reader: a thread with a read-only connection for lists, searches, counts, traces and verification. Every
// answer is one short statement or a bounded number of them, so that no snapshot outlives a second and the writer's
// log can be emptied; what is long comes in pages that the caller asks for.

import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import type Database from 'better-sqlite3';
import { openReading } from './database.ts';
import type { Call } from './protocol.ts';
import { archiveQueries } from './queries/archive.ts';
import { auditQueries } from './queries/audit.ts';
import { boxedQueries } from './queries/boxed.ts';
import { eraseQueries } from './queries/erase.ts';
import { keyQueries } from './queries/keys.ts';
import { lastingQueries } from './queries/lasting.ts';
import { parcelQueries } from './queries/parcels.ts';
import { proofQueries } from './queries/proof.ts';
import { queueQueries } from './queries/queue.ts';
import { rotateQueries } from './queries/rotate.ts';
import { searchQueries } from './queries/search.ts';
import { watchQueries } from './queries/watch.ts';
import { openSources } from './sources.ts';

export type ReaderData = { readonly path: string };

type Query = (args: never) => unknown;

function accountQueries(db: Database.Database): Record<string, Query> {
  const operators = db.prepare('SELECT name, box FROM operator ORDER BY name');
  const logins = db.prepare('SELECT name, organization, box FROM login ORDER BY name');
  const keys = db.prepare('SELECT * FROM key');
  const approvals = db.prepare<[number]>(
    `SELECT id, box FROM approval WHERE state IN ('waiting', 'confirmed', 'unreviewed') AND (state = 'unreviewed' OR until >= ?)
     ORDER BY asked_at, id LIMIT 1000`,
  );
  const approval = db.prepare<[string]>('SELECT id, box FROM approval WHERE id = ?');
  return {
    operators: () => operators.all(),
    logins: () => logins.all(),
    keys: () => keys.all(),
    approvals: (now: number) => approvals.all(now),
    approval: (id: string) => approval.get(id) ?? null,
  };
}

function serve(port: MessagePort, db: Database.Database): void {
  const sources = openSources(db);
  const queries: Record<string, Query> = {
    ...queueQueries(db),
    ...searchQueries(db),
    ...auditQueries(db),
    ...archiveQueries(sources),
    ...lastingQueries(sources),
    ...boxedQueries(sources),
    ...eraseQueries(sources),
    ...proofQueries(db, sources),
    ...parcelQueries(db),
    ...accountQueries(db),
    ...keyQueries(db),
    ...rotateQueries(db),
    ...watchQueries(db),
  };
  port.on('message', (message: Call[] | 'close') => {
    if (message === 'close') {
      sources.close();
      db.close();
      port.close();
      return;
    }
    const answers: unknown[] = [];
    for (const [no, name, , , args] of message) {
      try {
        answers.push(no, 0, queries[name]!(args as never));
      } catch (error) {
        const { code, message: words } = error as Error & { code?: string };
        answers.push(no, 'closed', `${name} failed (${code ?? words})`);
      }
    }
    port.postMessage(answers);
  });
}

function start(port: MessagePort, data: ReaderData): void {
  try {
    serve(port, openReading(data.path));
    port.postMessage({ ready: true, synchronous: 0 });
  } catch (error) {
    const { message, code } = error as Error & { code?: string };
    port.postMessage({ refused: message, code });
    port.close();
  }
}

if (parentPort) start(parentPort, workerData as ReaderData);
