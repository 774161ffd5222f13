// How Node itself was started: what would let another process look into a living gateway, or write on a disk what is in its memory. Live mode
// refuses to start. What a debugger of root reads it cannot keep from it.

import { readFileSync } from 'node:fs';

/** Flags that write memory, or what passes through it, into files. */
const WRITES =
  /^--(?:report-|heapsnapshot-|heap-prof|cpu-prof|prof\b|abort-on-uncaught-exception|trace-event|tls-keylog)/;

/** Faults in words; empty when there are none. `limits`: /proc/self/limits. */
export function runtimeFaults(
  execArgv: readonly string[] = process.execArgv,
  env: Readonly<Record<string, string | undefined>> = process.env,
  limits = limitsText(),
): string[] {
  const faults: string[] = [];
  if (!execArgv.includes('--disable-sigusr1')) {
    faults.push('SIGUSR1 would open the inspector: start Node with --disable-sigusr1');
  }
  if (execArgv.some((one) => one.startsWith('--inspect')))
    faults.push('the inspector is open: start without --inspect');
  const writing = execArgv.find((one) => WRITES.test(one));
  if (writing !== undefined) {
    faults.push(`what is in memory would be written to a file: start without ${writing.replace(/=.*/, '')}`);
  }
  if ((env.NODE_OPTIONS ?? '') !== '') faults.push('NODE_OPTIONS is set: unset it');
  if ((env.NODE_V8_COVERAGE ?? '') !== '') faults.push('NODE_V8_COVERAGE is set: unset it');
  if (allowsCores(limits)) faults.push('a crash would write a core file: LimitCORE=0 in its unit, or ulimit -c 0');
  return faults;
}

function limitsText(): string {
  try {
    return readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return '';
  }
}

/** `limits`: /proc/self/limits. */
export function allowsCores(limits = limitsText()): boolean {
  return (/^Max core file size +(\S+)/m.exec(limits)?.[1] ?? '0') !== '0';
}
