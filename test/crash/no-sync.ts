// Loaded by `--import` into a gateway, as the control of a trial: neither bodies nor commits are synced, as where a database runs with
// better-sqlite3's own `synchronous` NORMAL.

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

// biome-ignore lint/suspicious/noExplicitAny: whatever it takes, it is handed on.
(fs as any).fdatasync = (_fd: number, done: (error: null) => void) => setImmediate(done, null);
syncBuiltinESMExports();
