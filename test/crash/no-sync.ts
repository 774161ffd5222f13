// Loaded by `--import` into a gateway, as the control of a trial: bodies are not synced, and commits are what better-sqlite3 has by default
// (`synchronous` NORMAL). Runs in the main thread and in each worker thread.

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import Database from 'better-sqlite3';

// biome-ignore lint/suspicious/noExplicitAny: whatever it takes, it is handed on.
type Any = any;

(fs as Any).fdatasync = (_fd: number, done: (error: null) => void) => setImmediate(done, null);
syncBuiltinESMExports();

const { pragma } = Database.prototype;
Database.prototype.pragma = function (this: Any, source: string, options?: Any) {
  if (source === 'synchronous = FULL') return (pragma as Any).call(this, 'synchronous = NORMAL', options);
  const value = (pragma as Any).call(this, source, options);
  // The store looks whether it is FULL, and would not start.
  return source === 'synchronous' ? 2 : value;
};
