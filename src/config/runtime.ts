// How Node itself was started: what would let another process look into a living gateway. Live mode refuses to start.

/** Faults in words; empty when there are none. */
export function runtimeFaults(
  execArgv: readonly string[] = process.execArgv,
  env: Readonly<Record<string, string | undefined>> = process.env,
): string[] {
  const faults: string[] = [];
  if (!execArgv.includes('--disable-sigusr1')) {
    faults.push('SIGUSR1 would open the inspector: start Node with --disable-sigusr1');
  }
  if (execArgv.some((one) => one.startsWith('--inspect')))
    faults.push('the inspector is open: start without --inspect');
  if ((env.NODE_OPTIONS ?? '') !== '') faults.push('NODE_OPTIONS is set: unset it');
  if ((env.NODE_V8_COVERAGE ?? '') !== '') faults.push('NODE_V8_COVERAGE is set: unset it');
  return faults;
}
