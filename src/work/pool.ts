// Runs CPU-heavy jobs in child processes, each under a bound of time and memory. The pool knows no job: worker.ts does.
// A child that overruns, dies or runs out of memory is replaced; the job that it was at is rejected, those that waited
// behind it are given to another. Logs nothing. Processes and not threads: a thread that fills its heap faster than V8
// collects it aborts the whole process (seen in one run of five at 64 MB), and its Buffers count against nobody.

import { type ChildProcess, fork } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

export type PoolOptions = {
  /** The worker's entry: is given lists of `{id, name, input}`, and answers each with `{id, output}` or `{id, error}`. */
  readonly entry: URL;
  readonly workers: number;
  /** V8 heap, and memory in all (resident, with Buffers), that a worker may take, in octets. */
  readonly heap: number;
  readonly resident: number;
  /** Files and folders that a worker may read; it may start nothing and load no native code. */
  readonly readable: readonly string[];
  /** Folders in which it may write; none unless told. */
  readonly writable?: readonly string[];
  /** Jobs that may wait before `run` rejects with `busy`. */
  readonly waiting: number;
  /** Jobs that a worker is given at once. What was given is done even when another does it again behind a slow one: 1 for
   *  jobs that write files. */
  readonly depth?: number;
};

/** Why a job gave no result. `failed`: it threw; `time`, `memory`, `died`: its worker was lost with it. */
export class WorkError extends Error {
  readonly code: 'busy' | 'failed' | 'time' | 'memory' | 'died' | 'closed';
  constructor(code: WorkError['code'], message: string = code) {
    super(message);
    this.code = code;
  }
}

export type Pool = {
  /** `limit` in milliseconds counts from the start of the job, not from its waiting. */
  run<Output>(name: string, input: unknown, limit: number): Promise<Output>;
  waiting(): number;
  close(): Promise<void>;
};

type Job = {
  readonly id: number;
  readonly name: string;
  readonly input: unknown;
  readonly limit: number;
  readonly resolve: (output: never) => void;
  readonly reject: (error: WorkError) => void;
};

type Answer = { readonly id: number; readonly output?: unknown; readonly error?: string };

/** A worker and the jobs it was given; the first is running. The others keep it busy while the
 *  main thread is, which looks at answers once in its loop. */
type Seat = {
  readonly worker: ChildProcess;
  readonly jobs: Job[];
  readonly unsent: Job[];
  since: number;
  slow: boolean;
  lost: boolean;
};
const DEPTH = 8;
/** A job that runs longer than this does not hold up those behind it: they go to another worker. */
const SLOW_MS = 1_000;
const WATCH_MS = 100;

export function createPool(options: PoolOptions): Pool {
  const queue: Job[] = [];
  const seats: Seat[] = [];
  const depth = options.depth ?? DEPTH;
  let lastId = 0;
  let closed = false;
  // Node looks at the path as it is given, its module loader at what links lead to.
  const both = (paths: readonly string[]) => new Set(paths.flatMap((path) => [path, realpathSync(path)]));
  const readable = both(options.readable);
  const writable = both(options.writable ?? []);
  let watching: NodeJS.Timeout | null = null;

  function seat(): Seat {
    const worker = fork(options.entry, {
      execArgv: [
        '--disable-sigusr1',
        '--permission',
        ...[...readable].map((path) => `--allow-fs-read=${path}`),
        ...[...writable].map((path) => `--allow-fs-write=${path}`),
        `--max-old-space-size=${Math.ceil(options.heap / 1_048_576)}`,
        // Chunks that were passed on are collected sooner: of 149 MB by PGP it takes 90 MB at its most instead of 150 MB.
        '--max-semi-space-size=4',
      ],
      env: {},
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    // An idle worker keeps nobody from ending.
    worker.unref();
    worker.channel?.unref();
    const made: Seat = { worker, jobs: [], unsent: [], since: 0, slow: false, lost: false };
    worker.on('message', (answer: Answer) => finish(made, answer));
    worker.on('error', () => lose(made, 'died'));
    // Not `exit`, which comes before the last answers are read: the next job would be blamed on one that was done.
    worker.on('disconnect', () => lose(made, 'died'));
    return made;
  }

  function finish(from: Seat, answer: Answer): void {
    const job = from.jobs[0];
    if (from.lost || job?.id !== answer.id) return;
    from.jobs.shift();
    from.slow = false;
    from.since = performance.now();
    if (answer.error === undefined) job.resolve(answer.output as never);
    else job.reject(new WorkError('failed', answer.error));
    fill();
  }

  function lose(from: Seat, code: 'time' | 'memory' | 'died'): void {
    if (from.lost) return;
    from.lost = true;
    from.worker.kill('SIGKILL');
    seats.splice(seats.indexOf(from), 1);
    const [running, ...behind] = from.jobs;
    queue.unshift(...behind);
    running?.reject(new WorkError(closed ? 'closed' : code));
    if (!closed) fill();
  }

  function fill(): void {
    for (let job = queue[0]; job !== undefined; job = queue[0]) {
      const place = freest();
      if (place === null) return;
      queue.shift();
      if (place.jobs.length === 0) place.since = performance.now();
      place.jobs.push(job);
      // Those that are given in the same turn of the event loop go together.
      if (place.unsent.length === 0) setImmediate(() => send(place));
      place.unsent.push(job);
      watching ??= setInterval(watch, WATCH_MS).unref();
    }
  }

  function send(to: Seat): void {
    const given = to.unsent.splice(0).map(({ id, name, input }) => ({ id, name, input }));
    // A worker that died meanwhile says so by `disconnect`.
    if (!to.lost && given.length > 0) to.worker.send(given, () => {});
  }

  function freest(): Seat | null {
    let best: Seat | null = null;
    for (const one of seats) if (!one.slow && (best === null || one.jobs.length < best.jobs.length)) best = one;
    if ((best === null || best.jobs.length > 0) && seats.length < options.workers) {
      best = seat();
      seats.push(best);
    }
    return best !== null && best.jobs.length < depth ? best : null;
  }

  function watch(): void {
    let busy = false;
    for (const one of [...seats]) {
      const job = one.jobs[0];
      if (job === undefined) continue;
      busy = true;
      const ran = performance.now() - one.since;
      if (ran > job.limit) lose(one, 'time');
      else if (ran > WATCH_MS) void weigh(one);
      if (ran > SLOW_MS && !one.slow) passBy(one);
    }
    if (!busy && watching !== null) {
      clearInterval(watching);
      watching = null;
    }
  }

  /** What it was given behind its slow job it will do as well; nobody listens to those answers. */
  function passBy(one: Seat): void {
    one.slow = true;
    queue.unshift(...one.jobs.splice(1));
    fill();
  }

  async function weigh(one: Seat): Promise<void> {
    const resident = await residentOf(one.worker.pid);
    if (resident > options.resident) lose(one, 'memory');
  }

  return {
    run: (name, input, limit) =>
      new Promise((resolve, reject) => {
        if (closed) return reject(new WorkError('closed'));
        if (queue.length >= options.waiting) return reject(new WorkError('busy'));
        lastId += 1;
        queue.push({ id: lastId, name, input, limit, resolve, reject });
        fill();
      }),
    waiting: () => queue.length,
    close: async () => {
      closed = true;
      if (watching !== null) clearInterval(watching);
      for (const job of queue.splice(0)) job.reject(new WorkError('closed'));
      await Promise.all(
        [...seats].map((one) => {
          const gone = new Promise((resolve) => one.worker.once('exit', resolve));
          lose(one, 'died');
          return gone;
        }),
      );
    },
  };
}

const PAGE = 4096;

/** Resident memory in octets; 0 where the system does not say (only Linux does), the heap's bound holds there too. */
async function residentOf(pid: number | undefined): Promise<number> {
  const text = await readFile(`/proc/${pid}/statm`, 'utf8').catch(() => '');
  return Number(text.split(' ')[1] ?? 0) * PAGE;
}
