// The main thread's end of a store thread. Calls of one turn of the event loop leave in one message; answers come back
// together. Faults can be injected here, where a network would be: latency, and answers that are lost.

import { Worker } from 'node:worker_threads';
import { QueueError } from '../queue/port.ts';
import { type LogSync, openLogSync } from './log-sync.ts';
import type { Answers, Call, ThreadMessage } from './protocol.ts';

/** Test hooks. A lost answer rejects the call with code `lost`; its outcome is unknown, so it is repeated by its id. */
export type Faults = {
  /** Milliseconds between a commit and its answers. */
  readonly latency?: () => number;
  /** Asked for every call that was done; `id` is empty where a call cannot be repeated. */
  readonly loseAnswer?: (verb: string, id: string) => boolean;
  /** SQLite code with which the commit of the next batch fails; `CRASH`: the thread ends before it. */
  readonly failCommit?: () => string | null;
};

export class LostAnswer extends Error {
  readonly code = 'lost';
}

type Waiting = {
  readonly verb: string;
  readonly id: string;
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
  /** On the clock of `performance`. */
  readonly since: number;
};

export type Thread = {
  call(verb: string, id: string, at: number, args: unknown): Promise<never>;
  readonly waiting: () => number;
  /** Milliseconds since the oldest call that has no answer yet was made; 0 when there is none. */
  readonly oldest: () => number;
  /** Messages to and from the thread, and calls. */
  readonly counts: { posted: number; calls: number; answered: number };
  close(): Promise<void>;
};

/** Of the file of a thread, for who looks at the threads of the process. */
function nameOf(file: URL): string {
  if (file.pathname.endsWith('/backup/thread.ts')) return 'store backup';
  return file.pathname.endsWith('/writer.ts') ? 'store writer' : 'store reader';
}

/** What the writer thread has beside a reader's. */
export type WriterOptions = {
  /** Path of the log that is synced before an answer is given out. */
  readonly log: string;
  readonly faults: Faults | undefined;
  /** Many entries more. */
  readonly onGrown: (() => void) | undefined;
  /** The reserve was removed. */
  readonly onFull: (() => void) | undefined;
};

/** Starts `file` and resolves when it is ready; rejects with its words when it refuses. */
export async function startThread(
  file: URL,
  data: unknown,
  onFailed: (why: string) => void,
  options?: WriterOptions,
): Promise<Thread> {
  const faults = options?.faults;
  const worker = new Worker(file, {
    workerData: data,
    name: nameOf(file),
  });
  const waiting = new Map<number, Waiting>();
  const counts = { posted: 0, calls: 0, answered: 0 };
  let pending: Call[] = [];
  let next = 1;
  let dead: Error | null = null;
  let log: LogSync | null = null;

  const die = (why: string) => {
    if (dead) return;
    dead = new QueueError('closed', why);
    for (const one of waiting.values()) one.reject(dead);
    waiting.clear();
  };

  const post = () => {
    const batch = pending;
    pending = [];
    counts.posted += 1;
    const code = faults?.failCommit?.() ?? null;
    if (code !== null) batch.unshift([0, 'fault', '', 0, [code]]);
    worker.postMessage(batch);
  };

  const answer = (answers: Answers) => {
    counts.answered += 1;
    for (let i = 0; i < answers.length; i += 3) {
      const one = waiting.get(answers[i] as number);
      if (!one) continue;
      waiting.delete(answers[i] as number);
      const code = answers[i + 1];
      if (code !== 0) one.reject(new QueueError(code as QueueError['code'], answers[i + 2] as string));
      else if (faults?.loseAnswer?.(one.verb, one.id)) one.reject(new LostAnswer(`the answer to ${one.verb} was lost`));
      else one.resolve(answers[i + 2] as never);
    }
  };

  const give = (answers: Answers) => {
    const latency = faults?.latency?.() ?? 0;
    if (latency > 0) setTimeout(answer, latency, answers);
    else answer(answers);
  };
  const deliver = (answers: Answers) => {
    if (log === null) give(answers);
    else log.after(() => give(answers));
  };
  const syncFailed = (code: string) => {
    const why = `the database's log could not be synced (${code})`;
    worker.postMessage({ failed: why });
    onFailed(why);
    die(why);
  };

  const ready = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  worker.on('message', (message: Answers | ThreadMessage) => {
    if (Array.isArray(message)) deliver(message);
    else if ('ready' in message) ready.resolve();
    else if ('refused' in message) ready.reject(Object.assign(new Error(message.refused), { code: message.code }));
    else if ('failed' in message) {
      if (!dead) onFailed(message.failed);
    } else if ('grown' in message) options?.onGrown?.();
    else if ('full' in message) options?.onFull?.();
  });
  let started = false;
  let closing = false;
  let isGone = false;
  const ended = (why: string) => {
    if (started && !dead) onFailed(why);
    die('the store thread ended');
  };
  worker.on('error', (error) => {
    ready.reject(error);
    ended(`the store thread ended: ${error.message}`);
  });
  worker.on('exit', () => {
    isGone = true;
    ready.reject(new Error('the store thread ended'));
    if (closing) die('the store is closed');
    else ended('the store thread ended');
    closed.resolve();
  });
  await ready.promise;
  if (options !== undefined) {
    log = await openLogSync(options.log, syncFailed).catch(async (error) => {
      worker.postMessage({ failed: 'the log could not be opened' });
      worker.postMessage('close');
      await closed.promise;
      throw error;
    });
  }
  started = true;

  return {
    call(verb, id, at, args) {
      if (dead) return Promise.reject(dead);
      if (closing) return Promise.reject(new QueueError('closed', 'the store is closing'));
      return new Promise<never>((resolve, reject) => {
        const no = next++;
        waiting.set(no, { verb, id, resolve, reject, since: performance.now() });
        counts.calls += 1;
        if (pending.length === 0) setImmediate(post);
        pending.push([no, verb, id, at, args]);
      });
    },
    waiting: () => waiting.size,
    oldest() {
      for (const one of waiting.values()) return performance.now() - one.since;
      return 0;
    },
    counts,
    async close() {
      closing = true;
      while (waiting.size > 0 && !dead) await new Promise((resolve) => setTimeout(resolve, 5));
      if (!isGone) worker.postMessage('close');
      await closed.promise;
      await log?.close();
    },
  };
}
