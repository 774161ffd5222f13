// The gateway with a watch on its event loop: SIGUSR2 prints the longest stall since the last one, in ms, to standard error.

import { monitorEventLoopDelay } from 'node:perf_hooks';

const RESOLUTION = 1;
const delay = monitorEventLoopDelay({ resolution: RESOLUTION });
delay.enable();
process.on('SIGUSR2', () => {
  process.stderr.write(`longest stall ${Math.max(0, delay.max / 1e6 - RESOLUTION).toFixed(1)}\n`);
  delay.reset();
});
await import('../../src/cli/sealrelay.ts');
