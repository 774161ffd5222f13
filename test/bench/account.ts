// Who uses the processor: the time of every process and thread of a system, summed by what it is for.

import { readdirSync, readFileSync } from 'node:fs';
import { descendants } from '../support/processes.ts';

/** Name of a part → milliseconds of CPU since its start. */
export type Account = ReadonlyMap<string, number>;
/** `kind` `gateway`: its threads count apart, its children are workers; `postfix`: by program; else: one part of that name. */
export type Root = { readonly pid: number; readonly kind: string };

// Linux: USER_HZ is 100 on every architecture that Node runs on.
const TICK = 10;
const THREADS: Readonly<Record<string, string>> = {
  MainThread: 'main',
  'store writer': 'writer',
  'store reader': 'reader',
  'libuv-worker': 'libuv pool',
  V8Worker: 'V8 helpers',
};

export function accountOf(roots: readonly Root[]): Account {
  const sums = new Map<string, number>();
  const add = (part: string, ms: number) => sums.set(part, (sums.get(part) ?? 0) + ms);
  for (const { pid: root, kind } of roots) {
    for (const pid of [root, ...descendants(root)]) {
      for (const { name, ms } of threadsOf(pid)) add(partOf(kind, pid === root, name), ms);
      add('ended', reaped(pid));
    }
  }
  return sums;
}

/** What came since `before`, for each of `count`, largest first. */
export function since(before: Account, after: Account, count: number): [string, number][] {
  return [...after]
    .map(([part, ms]): [string, number] => [part, (ms - (before.get(part) ?? 0)) / count])
    .sort((a, b) => b[1] - a[1]);
}

function partOf(kind: string, isRoot: boolean, thread: string): string {
  if (kind === 'postfix') return thread;
  if (kind !== 'gateway') return kind;
  return isRoot ? (THREADS[thread] ?? 'other threads') : 'workers';
}

function threadsOf(pid: number): { name: string; ms: number }[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map((tid) => ({
      name: readFileSync(`/proc/${pid}/task/${tid}/comm`, 'utf8').trim(),
      // Linux, Documentation/scheduler/sched-stats.rst: nanoseconds on a CPU come first.
      ms: Number(readFileSync(`/proc/${pid}/task/${tid}/schedstat`, 'utf8').split(' ')[0]) / 1e6,
    }));
  } catch {
    // It ended meanwhile.
    return [];
  }
}

/** Milliseconds of the children that `pid` has waited for. */
function reaped(pid: number): number {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // proc(5): cutime and cstime are fields 16 and 17; the third one is the first after the name.
    const [user, system] = text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .slice(13, 15);
    return (Number(user) + Number(system)) * TICK;
  } catch {
    return 0;
  }
}
