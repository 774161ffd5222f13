// What a process and all its descendants have used, from /proc (Linux).

import { readdirSync, readFileSync } from 'node:fs';

export type Usage = {
  /** User and system time since their start, ms, of those alive and of the children they have waited for. */
  readonly cpu: number;
  /** Resident memory, octets; shared pages count once for each process. */
  readonly rss: number;
  /** The proportional part of shared pages instead. */
  readonly pss: number;
};

// Linux: USER_HZ is 100 on every architecture that Node runs on.
const TICK = 10;

/** `pid` and its descendants now; one that ended meanwhile counts nothing. */
export function usageOf(pid: number): Usage {
  const sum = { cpu: 0, rss: 0, pss: 0 };
  for (const one of [pid, ...descendants(pid)]) {
    const stat = fields(one);
    if (stat === null) continue;
    // proc(5): utime, stime, cutime, cstime are fields 14 to 17; the third one is the first after the name.
    sum.cpu += stat.slice(11, 15).reduce((total, ticks) => total + Number(ticks), 0) * TICK;
    sum.rss += memory(one, 'status', 'VmRSS');
    sum.pss += memory(one, 'smaps_rollup', 'Pss');
  }
  return sum;
}

/** The command lines of `pid` and its descendants, one a line. */
export function argumentsOf(pid: number): string {
  return [pid, ...descendants(pid)].map((one) => (read(`/proc/${one}/cmdline`) ?? '').replaceAll('\0', ' ')).join('\n');
}

export function descendants(pid: number): number[] {
  const parents = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    const parent = /^\d+$/.test(name) ? Number(fields(Number(name))?.[1] ?? 0) : 0;
    if (parent > 0) parents.set(parent, [...(parents.get(parent) ?? []), Number(name)]);
  }
  const found: number[] = [];
  for (const next = [pid]; next.length > 0; ) {
    const children = parents.get(next.pop()!) ?? [];
    found.push(...children);
    next.push(...children);
  }
  return found;
}

/** The fields of /proc/PID/stat after the name, which may hold blanks and brackets. */
function fields(pid: number): string[] | null {
  const text = read(`/proc/${pid}/stat`);
  return text === null ? null : text.slice(text.lastIndexOf(')') + 2).split(' ');
}

function memory(pid: number, file: string, key: string): number {
  const found = new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(read(`/proc/${pid}/${file}`) ?? '');
  return Number(found?.[1] ?? 0) * 1024;
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
