// The gateway's pools of workers, as the configuration bounds them.

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Config } from '../config/schema.ts';
import { createPool, type Pool } from './pool.ts';

/** What a worker reads of this checkout. */
const CODE = ['..', '../../node_modules/', '../../package.json'].map((path) =>
  fileURLToPath(new URL(path, import.meta.url)),
);
/** Resident memory of a worker that has done nothing yet, with room for its garbage. */
const BASE = 160 << 20;

/** Workers that examine may write nothing; those that make variants, into the folder of what can be made again. */
export function openPool(config: Pick<Config, 'limits' | 'storage'>, entry: URL, writable: readonly string[]): Pool {
  const { limits, storage } = config;
  return createPool({
    entry,
    workers: limits.workers,
    heap: limits.worker_memory,
    resident: limits.worker_memory + BASE,
    readable: [...CODE, fileURLToPath(new URL('.', entry)), join(storage.path, 'bodies')],
    writable,
    waiting: limits.examine_waiting,
    ...(writable.length > 0 && { depth: 1 }),
  });
}
