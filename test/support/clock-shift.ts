// Loaded by `--import` into a gateway of a test: its clock goes `SHIFT_MS` ahead, or by what stands in SHIFT_FILE, read again at SIGUSR2. Timers
// run as ever.

import { readFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const file = process.env.SHIFT_FILE;
let ahead = Number(process.env.SHIFT_MS ?? 0);
const { now } = Date;
Date.now = () => now() + ahead;
if (isMainThread && file !== undefined) process.on('SIGUSR2', () => (ahead = Number(readFileSync(file, 'utf8'))));
