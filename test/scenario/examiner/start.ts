// Starts the real gateway with examiners that a message can end (worker.ts), and with time running SPEED times as fast, so that waits of
// seconds do not have to be sat out. `node start.ts start --config FILE`, as the command is called.

import { parseArgs } from 'node:util';

const SPEED = Number(process.env.SPEED ?? 1);
const realNow = Date.now;
const realTimeout = globalThis.setTimeout;
const begun = realNow();
Date.now = () => begun + (realNow() - begun) * SPEED;
globalThis.setTimeout = Object.assign(
  (run: () => void, ms = 0, ...rest: []) => realTimeout(run, ms / SPEED, ...rest),
  realTimeout,
) as typeof setTimeout;

const { values } = parseArgs({ options: { config: { type: 'string' } }, allowPositionals: true });
// Only now: the gateway takes its clock when it is loaded.
const { run } = await import('../../../src/main.ts');
const gateway = await run({ configPath: values.config!, worker: new URL('./worker.ts', import.meta.url) });
process.once('SIGTERM', () => void gateway.stop().then(() => process.exit(0)));
